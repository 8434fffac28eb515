"""What to do about each cause, in the words of the framework that the log is from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NAMES = {
    "transformers": "Trainer",
    "lightning": "Lightning",
    "keras": "Keras",
    "accelerate": "Accelerate",
    "torch": "PyTorch",
    "ratewise": "ratewise",
    "": "any loop",
}
"""What each kind of log is called."""

BESIDE = {"accelerate": "torch", "lightning": "torch"}
"""Whose schedulers they step: of a mistake that is made as in a plain loop, its words hold."""

_STEP = "call scheduler.step() once, behind optimizer.step(), for every update"
_TOTAL = "build the schedule with total={meant}"
_RESUME = (
    "load the scheduler's state, or the optimizer's with ratewise's Scheduler, before going on"
)

FIXES: Mapping[str, Mapping[str, str]] = {
    "off_by_one": {
        "": "step the schedule behind the update, once, and build it at last_epoch=-1",
        "torch": "call scheduler.step() behind optimizer.step(), and not before the first update",
        "accelerate": "call scheduler.step() behind optimizer.step(), inside accumulate()",
        "transformers": "let the Trainer step the scheduler; take step + 1 out of lr_lambda",
        "lightning": "return the scheduler with interval='step'; take step + 1 out of lr_lambda",
        "keras": "give the schedule to the optimizer, LearningRate(plan); it counts by itself",
    },
    "steps_per_update": {
        "": "step the schedule once for each update, not for each batch or process",
        "torch": "step the scheduler where the optimizer steps, not at every batch",
        "accelerate": "prepare the scheduler with step_scheduler_with_optimizer and split_batches "
        "as they are meant, or leave it out of prepare(); or count updates times processes in it",
        "transformers": "leave the stepping to the Trainer: no callback of yours may do it too",
        "lightning": "in manual optimization step the scheduler only where the optimizer steps",
        "keras": "count updates and not batches: optimizer.iterations, not batch numbers",
    },
    "updates_per_step": {
        "": "step the schedule at each update",
        "torch": _STEP,
        "accelerate": _STEP + "; divide its lengths by nothing",
        "transformers": "leave the stepping to the Trainer, which does it at each update",
        "lightning": "return {{'scheduler': …, 'interval': 'step', 'frequency': 1}}",
        "keras": "use LearningRate(plan) in the optimizer, not a callback every few batches",
    },
    "per_epoch": {
        "": "step the schedule at each update, or write its lengths in epochs",
        "torch": "move scheduler.step() from the loop over epochs into the loop over batches",
        "accelerate": "move scheduler.step() into the loop over batches",
        "transformers": "leave the stepping to the Trainer, which does it at each update",
        "lightning": "return {{'scheduler': …, 'interval': 'step'}}: the default is 'epoch'",
        "keras": "use LearningRate(plan) in the optimizer: LearningRateScheduler counts epochs",
    },
    "wrong_total": {
        "": _TOTAL,
        "torch": _TOTAL + ": batches · epochs / accumulation",
        "accelerate": _TOTAL + ", the length of the prepared loader · epochs / accumulation",
        "transformers": "set max_steps, or num_training_steps of the scheduler, to {meant}",
        "lightning": _TOTAL + ", which is trainer.estimated_stepping_batches",
        "keras": "set decay_steps to {meant}: steps_per_epoch · epochs",
    },
    "restarted": {
        "": _RESUME,
        "torch": "call scheduler.load_state_dict() behind optimizer.load_state_dict()",
        "accelerate": "prepare() the scheduler before load_state(), so that it is saved and loaded",
        "transformers": "train(resume_from_checkpoint=…): the folder needs its scheduler.pt",
        "lightning": "fit(ckpt_path=…), which restores the scheduler, not load_from_checkpoint",
        "keras": "load the whole model with its optimizer: iterations are in it",
    },
    "warmup_extra": {
        "": "let the decay take what the warm-up leaves: {meant} updates less {warmup}",
        "transformers": "give num_training_steps with the warm-up inside it",
        "keras": "subtract warmup_steps from decay_steps",
        "torch": "give the decay total - warmup updates: T_max={meant} less {warmup}",
    },
    "warmup_inside": {
        "": "begin the decay where the warm-up ends: Warmup(…) >> the decay",
        "torch": "join them with SequentialLR, or write Warmup(…) >> …, in place of a product",
        "transformers": "take one of get_…_schedule_with_warmup, or join in one lr_lambda",
        "keras": "give CosineDecay warmup_steps and warmup_target, in place of a product",
    },
    "warmup_short": {
        "": "give the warm-up as many updates as were meant, in updates and not in batches",
        "torch": "set milestones=[…] of SequentialLR to the total_iters of its warm-up",
        "transformers": "set warmup_steps={warmup_meant}, fewer than max_steps; it counts updates",
        "keras": "set warmup_steps={warmup_meant} of the decay, fewer than the updates of fit",
    },
    "wrong_warmup": {
        "": "give the warm-up in updates, {warmup_meant} of them, or as the share that was meant",
        "transformers": "set warmup_steps={warmup_meant}; it counts updates, not batches",
        "torch": "set total_iters={warmup_meant} of the warm-up: it counts calls of step()",
        "keras": "set warmup_steps={warmup_meant} of the decay; it counts updates",
    },
    "wrong_peak": {
        "": "set the learning rate to {peak}",
        "transformers": "set learning_rate={peak} in the arguments, or in your own optimizer",
        "lightning": "set lr={peak} where configure_optimizers makes the optimizer",
        "keras": "set learning_rate of the optimizer, or initial_learning_rate, to {peak}",
        "torch": "set lr={peak} where the optimizer is made; of OneCycleLR, max_lr={peak}",
    },
    "world_size": {
        "": "do not multiply the learning rate by the number of processes, or plan for it",
        "accelerate": "give lr as it is: nothing of Accelerate needs it times num_processes",
        "lightning": "take * self.trainer.world_size out of configure_optimizers",
        "torch": "take the number of processes out of lr=…, or plan for a rate times it",
        "transformers": "give learning_rate as it is: the Trainer multiplies it by nothing",
        "keras": "give the rate as it is: a strategy multiplies it by nothing",
    },
    "wrong_group": {
        "": "give each group its own rate by name: a list of rates goes by the order of the groups",
        "transformers": "give create_optimizer the groups with an lr of their own",
        "keras": "use one optimizer for each group of variables, or a MultiOptimizer",
        "torch": "give each group its own lr by name; lr_lambda=[…] goes by the groups' order",
    },
    "floor_as_ratio": {
        "": "the floor is a rate, and was taken for a share of the peak: divide it by the peak",
        "transformers": "use min_lr, not min_lr_rate, for a rate",
        "keras": "alpha is a share of the peak: give {floor_meant} / peak",
        "torch": "eta_min is a rate, and a ratio of your own is not: give {floor_meant} / peak",
    },
    "floor_as_value": {
        "": "the floor is a share of the peak, and was taken for a rate: multiply it by the peak",
        "torch": "eta_min is a rate: give {floor_meant}",
        "transformers": "use min_lr_rate, not min_lr, for a share of the peak",
        "keras": "alpha is a share of the peak: give it as it was meant, not divided",
    },
    "wrong_floor": {
        "": "set the floor to {floor_meant}",
        "torch": "set eta_min={floor_meant}, or end_factor={floor_meant} / peak",
        "transformers": "set lr_scheduler_kwargs={{'min_lr': {floor_meant}}}",
        "keras": "set alpha={floor_meant} / peak",
    },
    "held_past_end": {
        "": "stop after {meant} updates, or plan for {last}",
        "transformers": "set max_steps and the scheduler's num_training_steps to one number",
        "lightning": "set max_steps={meant} of the Trainer, or plan for {last}",
        "keras": "fit for {meant} updates, or plan for {last}",
        "torch": "end the loop after {meant} updates, or build the schedule with total={last}",
    },
    "rebounds_past_end": {
        "": "stop after {meant} updates, or plan for {last}; ours holds past its end",
        "torch": "CosineAnnealingLR rises again after T_max: set T_max={last}",
        "transformers": "set num_training_steps={last}, or num_cycles=0.5: 1 rises again",
        "keras": "stop after {meant} updates, or take CosineDecay, which holds past its end",
    },
    "skipped_counted": {
        "": "step the schedule only where the update was made",
        "torch": "step the scheduler only if scaler.get_scale() did not fall in scaler.update()",
        "accelerate": "step the prepared scheduler: it stands still where the optimizer skipped",
        "lightning": "leave precision and schedule to the Trainer, which skips both",
        "transformers": "let the Trainer step the schedule: it does not where it skipped",
        "keras": "count the inner optimizer's iterations: a LossScaleOptimizer keeps them right",
    },
    "frozen": {
        "": "call the schedule's step() at every update, and let the optimizer read what it writes",
        "torch": "call scheduler.step(); in a captured graph keep lr a tensor that is filled, and "
        "fill it before each replay",
        "accelerate": "step the scheduler that prepare() returned",
        "transformers": "give optimizers= a scheduler of the same optimizer",
        "lightning": "return the scheduler from configure_optimizers; step it if manual",
        "keras": "give the schedule to the optimizer; a rate set before compile is a number",
    },
    "float32": {
        "": "keep rates in float64 (or float32 at least): {dtype} has too few digits for them",
        "torch": "keep lr a float, or a tensor of float32: {dtype} has too few digits for it",
        "transformers": "build the schedule from floats; bf16=True is for weights, not for rates",
        "keras": "make the table of rates in float32: {dtype} has too few digits for it",
    },
    "wrong_shape": {
        "": "name the schedule that was meant: {spec_meant}",
        "transformers": "set lr_scheduler_type, which is linear if left out",
        "lightning": "return the scheduler from configure_optimizers",
        "keras": "give the optimizer the schedule that was meant",
        "torch": "build the scheduler that was meant: {spec_meant}",
    },
}
"""By cause and by kind of log; "" is for all others."""


def fix_of(kind: str, framework: str, facts: Mapping[str, Any]) -> str:
    """Return what to do about a cause; of two, one sentence each."""
    parts: list[str] = []
    for one in kind.split("+"):
        told = FIXES.get(one, {"": "compare the code with the plan"})
        text = told.get(framework) or told.get(BESIDE.get(framework, "")) or told[""]
        parts.append(text.format_map(_Known(facts)))
    return "; ".join(dict.fromkeys(parts))


class _Known(dict[str, Any]):
    """Facts by name; what is not known is an ellipsis."""

    def __missing__(self, key: str) -> str:
        return "…"

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        return f"{value:.6g}" if isinstance(value, float) else value
