"""The callback that goes with an attached schedule."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

from transformers import TrainerCallback

from ratewise.adapters.torch.scheduler import Scheduler, feedback_of, show
from ratewise.adapters.transformers.attachment import TrainerAttachment
from ratewise.schedule import ScheduleError

_TRAINING = {"loss", "grad_norm", "learning_rate"}  # what the trainer logs by itself


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
        """Stop listening."""
        self._scheduler = None

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **parts: Any) -> None:
        """Show the schedule what is logged: the training loss, as `loss`, and all other numbers."""
        if self._scheduler is not None and logs:
            if not any(name.startswith("eval_") for name in logs):
                self._logged.update(logs)
            show(self._scheduler, _numbers(logs))
            self._end(args, control)

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Any = None, **parts: Any
    ) -> None:
        """Show the schedule what was evaluated, under the names that the trainer prints."""
        if self._scheduler is not None and metrics:
            show(self._scheduler, _numbers(metrics))
            self._check_names(self._scheduler, set(metrics))
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


def _numbers(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in metrics.items() if isinstance(v, Real) or hasattr(v, "item")}


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
