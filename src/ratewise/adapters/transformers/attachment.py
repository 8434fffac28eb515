"""A schedule on its trainer: what makes the scheduler, what passes metrics on, what is refused."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from transformers import Trainer, TrainerCallback

from ratewise.adapters.arguments import HorizonOf
from ratewise.adapters.deepspeed.engine import EngineClock, inner_of
from ratewise.adapters.torch.adaptive import unwrap
from ratewise.adapters.torch.logs import rates_of_groups
from ratewise.adapters.torch.scheduler import (
    Scheduler,
    feedback_of,
    recall,
    rewind,
    show,
    told_by,
)
from ratewise.adapters.torch.trainers import RunSettings, measured
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import shorten, speaking

_OWN = ("lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps", "warmup_ratio")
_IN_BACKWARD = ("lomo", "adalomo")
_TRAINING = {"loss", "grad_norm", "learning_rate"}  # what the trainer logs by itself


class TrainerAttachment:
    """Stands in for `create_scheduler` of one trainer, and looks at its train dataloaders and logs.

    Attributes:
        scheduler: The scheduler of the run that was built last, or None.
    """

    def __init__(
        self,
        trainer: Any,
        schedule: Schedule | Plan,
        given: dict[str, Any],
        policies: Mapping[str, Any],
    ) -> None:
        self.trainer = trainer
        self.schedule = schedule
        self.given = given
        self.policies = policies
        self.scheduler: Scheduler | None = None
        self._horizon: dict[str, Any] = {}
        self._batches: int | None = None
        self._engine_clock: EngineClock | None = None
        self._make_loader = trainer.get_train_dataloader
        self._log = trainer.log

    def get_train_dataloader(self, *args: Any, **kwargs: Any) -> Any:
        """Return the trainer's own dataloader, and remember how many batches it has."""
        loader = self._make_loader(*args, **kwargs)
        try:
            self._batches = len(loader)
        except TypeError:  # a stream
            self._batches = None
        return loader

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Scheduler:
        """Return the scheduler for a run of so many updates, also `trainer.lr_scheduler`.

        A run that is built again on an optimizer that has already trained starts again, from the
        values that the optimizer had at first.
        """
        horizon = self.horizon(num_training_steps)
        if self.trainer.is_deepspeed_enabled:
            self.scheduler = self.trainer.lr_scheduler = self._on_engine(optimizer, horizon)
            return self.scheduler
        optimizer = self.trainer.optimizer if optimizer is None else optimizer
        old = self.scheduler
        if old is not None and old.optimizer is unwrap("attach", optimizer):
            if not old.committed and horizon == self._horizon:
                return old
            rewind(old)
        with speaking(HorizonOf(adapter="attach")):
            new = Scheduler(optimizer, self.schedule, **horizon, **self.policies)
        told_by("attach", new)
        self.scheduler = self.trainer.lr_scheduler = new
        self._horizon = horizon
        return new

    def _on_engine(self, optimizer: Any, horizon: dict[str, Any]) -> Scheduler:
        """Return the scheduler on DeepSpeed's engine: it counts, and steps group by group.

        Where DeepSpeed makes the optimizer too, the scheduler is asked for before there is an
        engine, with that optimizer, and once more behind it.
        """
        wrapped: Any = getattr(self.trainer.accelerator, "deepspeed_engine_wrapped", None)
        if optimizer is not None:
            self._engine_clock = self._clock_on(optimizer, horizon, None)
        elif self._engine_clock is None or wrapped.engine.lr_scheduler is None:
            inner = inner_of(wrapped.engine)
            self._engine_clock = self._clock_on(inner, horizon, wrapped.engine)
        else:
            self._engine_clock.join(wrapped.engine)
        return self._engine_clock.scheduler

    def _clock_on(self, inner: Any, horizon: dict[str, Any], engine: Any) -> EngineClock:
        policies = {**self.policies, "updates": None}
        settings = RunSettings("attach", self.schedule, horizon, policies)
        return EngineClock(inner, settings, {}, engine)

    def log(self, logs: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        """Log as the trainer does, beside its `learning_rate` that of each group.

        They stand under `learning_rate/NAME`, or the group's place where it has no name, and only
        where groups do not share one rate: then the trainer's own is that of all of them.
        """
        if self.scheduler is not None and "learning_rate" in logs:
            rates = rates_of_groups(self.scheduler)
            logs.update({f"learning_rate/{name}": rate for name, rate in rates.items()})
        self._log(logs, *args, **kwargs)

    # What the trainer knows -----------------------------------------------------------------

    def horizon(self, total: int) -> dict[str, Any]:
        """Return the horizon of a run of `total` updates; what the user gave counts first."""
        samples = self._samples()
        row = _packed(self.trainer.args)
        known = {"total": total, "epoch": self._epoch(), "samples": samples}
        return {**known, "tokens": samples * row if row else None, **self.given}

    def _epoch(self) -> int | None:
        """Return the updates of an epoch, the partial last window included."""
        if self._batches is None:
            return None
        batches = self._batches * _call(self.trainer, "get_sp_size", 1)
        return max(math.ceil(batches / self.trainer.args.gradient_accumulation_steps), 1)

    def _samples(self) -> int:
        args = self.trainer.args
        window = args.train_batch_size * args.gradient_accumulation_steps * args.world_size
        return _call(self.trainer, "get_total_train_batch_size", window, args)

    # While it runs --------------------------------------------------------------------------

    def check_scheduler(self, scheduler: Any) -> Scheduler:
        """Return the scheduler of the run, or say that another one took its place."""
        if self.scheduler is None or scheduler is not self.scheduler:
            rule = f"found a {type(scheduler).__name__} in the place of its scheduler"
            fix = "leave lr_scheduler to create_scheduler(), which attach has replaced"
            raise ScheduleError(f"{type(self.trainer).__name__} under attach", rule, fix)
        return self.scheduler

    @property
    def several_evaluations(self) -> bool:
        """Whether an evaluation comes in parts, one for each data set."""
        return isinstance(self.trainer.eval_dataset, dict)


def _call(trainer: Any, name: str, default: int, *args: Any) -> int:
    """Return what a method says, that not every version of the trainer has."""
    method = getattr(trainer, name, None)
    return default if method is None else method(*args)


def _packed(args: Any) -> int | None:
    """Return the tokens in a row where rows are packed full, as trainers made from this one do."""
    length = getattr(args, "max_length", None) or getattr(args, "max_seq_length", None)
    return length if getattr(args, "packing", False) else None


class Follow(TrainerCallback):
    """Takes up runs, passes metrics on, and ends a run that is finished.

    Only what is measured behind an update of this session counts: the evaluation that opens a
    session would otherwise be one more on each resume.
    """

    def __init__(self, attachment: TrainerAttachment) -> None:
        self.attachment = attachment
        self._scheduler: Scheduler | None = None
        self._logged: set[str] = set()
        self._evaluated: set[str] = set()

    def on_train_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Check who is in charge, and what will be measured; find the place in the run."""
        scheduler = self.attachment.check_scheduler(parts.get("lr_scheduler"))
        self._scheduler = None
        self._logged, self._evaluated = set(), set()
        _check_measured(feedback_of(scheduler).metrics(), args)
        if state.global_step and not scheduler.committed:
            _take_up(scheduler, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Count this session as begun, and end a run that is finished."""
        self._scheduler = self.attachment.scheduler
        self._end(args, control)

    def on_train_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Stop listening, and leave in the groups what the last update used: none is to come."""
        if self.attachment.scheduler is not None:
            recall(self.attachment.scheduler)
        self._scheduler = None

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **parts: Any) -> None:
        """Show the schedule what is logged: the training loss, as `loss`, and all other numbers."""
        if self._scheduler is not None and logs:
            shown = measured(self._scheduler, logs)
            if not any(name.startswith("eval_") for name in logs):
                self._logged.update(shown)
            show(self._scheduler, shown)
            self._end(args, control)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **parts: Any
    ) -> None:
        """Show the schedule what was evaluated, under the names that the trainer prints."""
        if self._scheduler is not None and metrics:
            shown = measured(self._scheduler, metrics)
            show(self._scheduler, shown)
            self._check_names(self._scheduler, set(shown))
            self._end(args, control, evaluated=True)

    def _check_names(self, scheduler: Scheduler, names: set[str]) -> None:
        feedback = feedback_of(scheduler)
        again = bool(names & self._evaluated)
        self._evaluated |= names
        seen = self._evaluated | self._logged | _TRAINING
        several = self.attachment.several_evaluations
        everything = again or not several
        logged = {name for name in feedback.metrics() if not name.startswith("eval_")}
        sure = everything and (bool(self._logged) or logged <= seen)
        feedback.check(seen, typos=() if several else self._evaluated, sure=sure)

    def _end(self, args: Any, control: Any, evaluated: bool = False) -> None:
        """End a finished run as the trainer ends one, with what it does last."""
        if self._scheduler is None or control.should_training_stop or not self._scheduler.finished:
            return
        control.should_training_stop = True
        control.should_save |= args.save_strategy == "steps"
        control.should_evaluate |= args.eval_strategy == "steps" and not evaluated


def _check_measured(names: list[str], args: Any) -> None:
    """Refuse a metric that these training arguments never measure."""
    for name in names:
        setting = "eval_strategy" if name.startswith("eval_") else "logging_strategy"
        if getattr(args, setting) == "no" and (name in _TRAINING or name.startswith("eval_")):
            rule = f'waits for {name}, and {setting}="no" never measures it'
            raise ScheduleError("The schedule", rule, f'write {setting}="steps"')


def _take_up(scheduler: Scheduler, updates: int) -> None:
    """Go to an update of a run whose checkpoint has no state of the schedule."""
    if names := feedback_of(scheduler).metrics():
        rule = f"of update {updates} has no scheduler.pt with what was decided by {names[0]}"
        fix = "resume from one that has, or with the plan that scheduler.replay() gave"
        raise ScheduleError("The checkpoint", rule, fix)
    scheduler.seek(updates)


def check_trainer(trainer: Any) -> None:
    """Refuse what is no trainer, and a trainer that cannot follow a schedule of ours."""
    if not isinstance(trainer, Trainer):
        rule = "needs a transformers.Trainer"
        raise ScheduleError("attach", rule, "write attach(trainer, schedule)", given=trainer)
    if is_attached(trainer):
        rule = "found a schedule on this trainer"
        raise ScheduleError("attach", rule, "attach once; put several schedules in a Plan")
    if trainer.is_in_train:
        rule = f"came after training had started (update {trainer.state.global_step})"
        raise ScheduleError("attach", rule, "attach before trainer.train()")
    if trainer.lr_scheduler is not None:
        rule = f"found a {type(trainer.lr_scheduler).__name__} on this trainer"
        fix = "make a new trainer, with optimizers=(optimizer, None) if it has its own"
        raise ScheduleError("attach", rule, fix)
    check_optimizer(trainer)
    _check_arguments(trainer.args)


def is_attached(trainer: Any) -> bool:
    """Tell whether a trainer follows a schedule already."""
    return isinstance(getattr(trainer.create_scheduler, "__self__", None), TrainerAttachment)


def check_optimizer(trainer: Any) -> None:
    """Refuse what changes the weights otherwise than by one `optimizer.step()` for all."""
    name = str(getattr(trainer.args.optim, "value", trainer.args.optim))
    if name in _IN_BACKWARD or name.endswith("layerwise"):
        rule = f"cannot count the updates of optim={name!r}, which makes them while it goes back"
        raise ScheduleError("attach", rule, "use an optimizer that makes them in step()")


def _check_arguments(args: Any) -> None:
    defaults = {field.name: field.default for field in dataclasses.fields(args)}
    for name in _OWN:
        value = getattr(args, name, None)
        if value and value != defaults.get(name):
            shown = getattr(value, "value", value)
            who = f"{type(args).__name__}({name}={shorten(shown)})"
            fix = f"leave {name} out, or do not attach a schedule"
            raise ScheduleError(who, "asks for a schedule of its own", fix)
