"""The `train_config.json` of LeRobot: an optimizer, a scheduler by its type, and `steps`.

A step is a batch, and the scheduler is stepped behind each: where gradients are accumulated over A
batches, update t runs at the rate of step A·(t + 1) - 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, check_keys, dig, marks
from ratewise.convert.live._curves import steps as listed
from ratewise.convert.live._hf_config import arguments, kwargs_of
from ratewise.convert.live._hf_shapes import Timing, build
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, names, section
from ratewise.convert.pieces.layout import in_order, padded
from ratewise.convert.pieces.moves import decay, fall, part, rise, stay, swing
from ratewise.schedule import Plan, Schedule, ScheduleError

_WHO = "LeRobot"
_STEPS = 100_000
_NAMED = names("constant constant_with_warmup linear cosine cosine_with_restarts polynomial")
_COSINE = "num_warmup_steps num_decay_steps peak_lr decay_lr"
_PRESET = {
    "num_warmup_steps": "scheduler_warmup_steps",
    "num_decay_steps": "scheduler_decay_steps",
    "decay_lr": "scheduler_decay_lr",
    "peak_lr": "optimizer_lr",
    "name": "scheduler_name",
}
"""What a policy calls the keys of the scheduler that it makes."""
_NO_RATES = names(
    "action_scheduler beta_schedule noise_scheduler optimizer_weight_decay "
    "optimizer_vqvae_weight_decay prefix_attention_schedule temporal_decay_coeff video_scheduler "
    "warmup_ratio"
)
"""Keys of policies that speak of other things, or that their presets have put in place."""
_GROUPS = names(
    "optimizer_action_expert_lr optimizer_connector_lr optimizer_lr_backbone "
    "optimizer_soft_prompt_lr_scale optimizer_soft_prompt_warmup_lr_scale optimizer_vit_lr "
    "optimizer_vqvae_lr"
)
"""Rates that policies give to parts of themselves."""


def _read(source: Any, ctx: RunFacts) -> Plan:
    top = Keys(_WHO, section(_WHO, source)).among("scheduler optimizer", also=("lr",))
    notes: list[str] = []
    keys, rate = _settings(top, ctx.more.get("lr"), notes)
    batches = _batches(source, ctx)
    if ctx.total is not None or ctx.epochs is not None:
        run = ctx.need_total(_WHO) * batches
    else:
        run = top.whole("steps", _STEPS, low=1)
        if not top.has("steps"):
            notes.append(f"Left out, so LeRobot's own: steps={_STEPS}.")
    if run < batches:
        raise ScheduleError(_WHO, f"has {run} steps, and an update takes {batches}", "give more")
    case = Case(keys, ctx.lasting(run), rate, notes)
    lr = in_order(padded(_schedule(case), run))
    if batches > 1:
        notes.append(f"The schedule counts batches, {batches} of them an update.")
        used = listed(lr.resolve(run).values()[batches - 1 :: batches])
        lr = in_order(padded(used, run // batches))
    return case.of(lr)


def _batches(source: Any, ctx: RunFacts) -> int:
    """Return the batches of an update, as told or as the config has them."""
    stated = dig(source, _FACTS["accumulation"])
    told = stated if ctx.accumulation is None else ctx.accumulation
    return Keys(_WHO, {"gradient_accumulation.steps": told}).whole(
        "gradient_accumulation.steps", 1, low=1
    )


def _settings(top: Keys, told: float | None, notes: list[str]) -> tuple[Keys, float]:
    """Return the keys of the scheduler, and the rate; a policy that presets them counts more."""
    made = top.given.get("scheduler")
    if "scheduler" not in top.given:
        rule = "has no scheduler: the policy makes its own where the run begins"
        raise ScheduleError(_WHO, rule, "give the train_config.json of the run")
    scheduler = dict(section(f"{_WHO} scheduler", made or {}))
    optimizer = Keys(f"{_WHO} optimizer", section(_WHO, top.given.get("optimizer") or {}))
    if optimizer.has("optimizer_groups"):
        rule = "has several optimizers, each with rates of its own"
        raise ScheduleError(_WHO, rule, "read one of them live")
    policy = section(_WHO, top.given.get("policy") or {})
    preset = top.flag("use_policy_training_preset", True) and not top.flag("resume")
    rate = optimizer.given.get("lr")
    if preset:
        rate = _preset(scheduler, rate, policy, notes)
    if told is not None:
        if rate not in (None, told):
            notes.append(f"lr={told:g} was given; the config says {rate}.")
        rate = told
        if preset and "peak_lr" in scheduler:
            scheduler["peak_lr"] = told
    found = Keys(f"{_WHO} optimizer", {"lr": rate}).number("lr", above=True)
    others = [name for name in _GROUPS if policy.get(name) not in (None, rate)]
    if others:
        notes.append(
            f"Groups with a rate of their own ({', '.join(others)}) have the same schedule."
        )
    return Keys(f"{_WHO} scheduler", scheduler), found


def _preset(
    scheduler: dict[str, Any], rate: Any, policy: Mapping[str, Any], notes: list[str]
) -> Any:
    """Put what the policy says in place of what the sections say, and return its rate."""
    own = policy.get("optimizer_lr")
    said = {name: policy.get(key) for name, key in _PRESET.items() if name in scheduler}
    if own is None or None in said.values():
        notes.append("use_policy_training_preset: the policy's own rate and schedule count there.")
    changed = {k: v for k, v in said.items() if v is not None and v != scheduler[k]}
    if changed or own not in (None, rate):
        others = ", ".join([*changed, *([] if own in (None, rate) else ["lr"])])
        notes.append(f"The policy's preset counts more than the file's {others}.")
    scheduler.update(changed)
    return rate if own is None else own


def _schedule(case: Case) -> Schedule:
    keys = case.keys
    if not keys.given:
        return case.lay(stay(1.0))
    kind = keys.choice("type", _TYPES, what="type")
    known, make = _TYPES[kind]
    check_keys(keys.who, keys.given, ["type", *known.split()])
    return make(case)


# By type ------------------------------------------------------------------------------------


def _diffuser(case: Case) -> Schedule:
    """Return a schedule of diffusers, which are those of Transformers."""
    name = case.keys.choice("name", _NAMED, "cosine")
    warmup = 0 if name == "constant" else case.keys.whole("num_warmup_steps")
    filled = arguments(case.who, name, kwargs_of(case.who, name, None), case.peak or 0.0)
    made = build(case.who, name, Timing(warmup, case.run, case.run, free=True), filled)
    case.notes.extend(made.notes)
    return made.layout.schedule()


def _vqbet(case: Case) -> Schedule:
    """Return a constant rate while the code book is trained, then a warm-up and a cosine."""
    keys = case.keys
    warmup, first = keys.whole("num_warmup_steps"), keys.whole("num_vqvae_training_steps")
    cycles, of = keys.number("num_cycles", 0.5), max(1, case.run - warmup)
    case.notes.append("The cosine is as long as if there were no steps before its warm-up.")
    left = max(case.run - first - warmup, 0)
    return case.lay(stay(1.0, first), rise(warmup), (left, swing(0.0, of, cycles)))


def _constant(case: Case) -> Schedule:
    given = case.keys.given
    warmup = case.keys.whole("num_warmup_steps", 0 if "num_warmup_steps" in given else 1000)
    case.idle(warmup)
    return case.lay(rise(warmup), stay(1.0))


def _annealing(case: Case) -> Schedule:
    warmup = case.keys.whole("num_warmup_steps")
    case.idle(warmup)
    return case.lay(rise(warmup), fall(decay("cosine", 0.0), max(case.run - warmup, 0)))


def _cosine(case: Case) -> Schedule:
    """Return Pi0's schedule, whose cosine runs under the warm-up; a short run shrinks both."""
    keys = case.keys
    warmup, end = keys.whole("num_warmup_steps"), keys.whole("num_decay_steps", low=1)
    if case.run < end:
        warmup, before, end = int(warmup * (case.run / end)), (warmup, end), case.run
        case.notes.append(f"The run is short: {before} steps become {(warmup, end)}.")
    if warmup:
        case.notes.append(f"The cosine began at step 0: the rate jumps at step {warmup}.")
    low = keys.number("decay_lr") / keys.number("peak_lr", above=True)
    down = part(decay("cosine", low), end, warmup)
    return case.lay(rise(warmup, 1 / (warmup + 1)), (max(end - warmup, 0), down), stay(low))


def _molmoact(case: Case) -> Schedule:
    """Return a warm-up and a cosine that count from step 1."""
    keys = case.keys
    end = keys.whole("num_decay_steps", low=1)
    warmup = min(keys.whole("num_warmup_steps"), end)
    low = keys.number("decay_lr") / keys.number("peak_lr", above=True)
    if low >= 1:
        raise ScheduleError(case.who, "has decay_lr of peak_lr or above", "give a lower one")
    first = max(warmup - 1, 0)
    climb = rise(first, counted="(t+1)/W", of=warmup or 1)
    return case.lay(climb, fall(decay("cosine", low), end - warmup, first + 1 - warmup), stay(low))


_TYPES: Mapping[str, tuple[str, Callable[[Case], Schedule]]] = {
    "diffuser": ("name num_warmup_steps", _diffuser),
    "vqbet": ("num_warmup_steps num_vqvae_training_steps num_cycles", _vqbet),
    "constant_with_warmup": ("num_warmup_steps", _constant),
    "cosine_annealing_with_warmup": ("num_warmup_steps", _annealing),
    "cosine_decay_with_warmup": (_COSINE, _cosine),
    "molmoact2_cosine_with_warmup": (_COSINE, _molmoact),
}
"""Keys of every type, and what makes its schedule."""

_MARKS = Marks(
    *marks("use_policy_training_preset policy.type", 3),
    FormatMark("scheduler.type", 3, _TYPES),
    *marks("optimizer.grad_clip_norm env_eval_freq policy.input_features", 1),
)
_FACTS = {"batch_size": "batch_size", "accumulation": "accelerator.gradient_accumulation.steps"}
_READS = "scheduler optimizer steps resume use_policy_training_preset policy.type " + " ".join(
    f"policy.{name}" for name in (*_PRESET.values(), *_NO_RATES, *_GROUPS)
)
FORMATS = (Format("lerobot", "LeRobot train_config.json", _MARKS, _read, _FACTS, _READS),)
