"""A schedule on a learner: bound when its first batch is due, shown what the recorder has."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from typing import Any

from fastai.callback.core import (
    Callback,
    CancelFitException,  # pyright: ignore[reportAttributeAccessIssue]  (made when it is imported)
)
from fastai.callback.schedule import ParamScheduler
from fastai.optimizer import OptimWrapper

from ratewise.adapters.fastai.horizon import horizon_of
from ratewise.adapters.fastai.mirror import Mirror
from ratewise.adapters.torch.scheduler import Scheduler, announce, overruled, recall
from ratewise.adapters.torch.trainers import RunSettings, hear, take_up
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.strict import strict

WHO = "FastaiCallback"
_mirrors: weakref.WeakKeyDictionary[Any, Mirror] = weakref.WeakKeyDictionary()
"""Kept with the optimizers: the second fit of one is known to be that."""


class FastaiCallback(Callback):
    """A callback that makes the optimizer of a learner follow a schedule.

        learn = Learner(dls, model, cbs=FastaiCallback("Warmup('5%') >> Cosine(to=0.1)"))
        learn.fit(5, 3e-3)

    Each `fit` is a run of its own, and its `lr` the peak, one for each group where it is a slice;
    with `total` all of them together are one, and the peak is that of the first. A run that goes on
    says so with `start_epoch`, or with `total`. `fit_one_cycle` and its like bring a schedule of
    their own; `lr_find` is left alone.

    fastai's own optimizers and `OptimWrapper` carry the clock in what `learn.save` writes. A
    schedule that listens hears `train_loss`, `valid_loss` and the metrics at the end of an epoch;
    one that finds its own length ends the fit. It stands at `learn.ratewise`.

    Args:
        schedule: A schedule (of the rate), a plan, or the text of either.
        total: Updates in the run, in place of those of one fit.
        epoch: Updates in an epoch, in place of the learner's.
        samples: Samples in an update, in place of the learner's.
        tokens: Tokens in an update.
        resume: What to do if a checkpoint differs from the code, as of `Scheduler`.
        by_hand: What to do about a rate that a callback sets, as of `Scheduler`.
        updates: Updates that were made before, as of `Scheduler`.
        **unknown: `warmup` and what else a name such as "cosine" takes, where it is given by one; a
            misspelt argument is answered with the nearest one.

    Attributes:
        scheduler: The scheduler of the run; None until its first batch is due.

    Raises:
        ScheduleError: no schedule, or an argument that does not exist; when a fit begins, a second
            schedule, lengths that do not fit, a checkpoint that does not say how long the run is;
            at an epoch's end, a metric that nothing measures.
    """

    learn: Any = None
    order, run_valid = 55, False  # behind the recorder and what skips updates, before what saves

    @strict
    def __init__(
        self,
        schedule: Schedule | Plan | str,
        *,
        total: int | str | None = None,
        epoch: float | None = None,
        samples: float | None = None,
        tokens: float | None = None,
        resume: str | None = None,
        by_hand: str = "warn",
        updates: int | None = None,
        **unknown: Any,
    ) -> None:
        """Read what is to be followed; it is bound when a fit has its first batch."""
        self.scheduler: Scheduler | None = None
        self._settings = RunSettings.read(
            WHO,
            schedule,
            unknown,
            example='FastaiCallback("Cosine(to=0)")',
            resume=resume,
            by_hand=by_hand,
            updates=updates,
            total=total,
            epoch=epoch,
            samples=samples,
            tokens=tokens,
        )
        self._mirror: Mirror | None = None
        self._loaded: dict[str, Any] | None = None
        self._begun = self._due = False
        self._seen: set[str] = set()

    @property
    def name(self) -> str:
        """Where the learner has it, `learn.ratewise`."""
        return "ratewise"

    # State ----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the schedule, primitives only."""
        return dict(self._loaded or {}) if self.scheduler is None else self.scheduler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where a state was saved; before a fit, when it begins."""
        if self.scheduler is not None:
            self.scheduler.load_state_dict(dict(state))
        else:
            self._loaded = dict(state)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled with a learner: the state in the place of the scheduler."""
        kept = {**self.__dict__, "_loaded": self.state_dict() or None}
        return {**kept, "scheduler": None, "_mirror": None}

    # While it runs --------------------------------------------------------------------------

    def before_fit(self) -> None:
        """Look who else is there; how long the run is, its first epoch tells."""
        if hasattr(self.learn, "lr_finder") or hasattr(self.learn, "gather_preds"):
            self.run = False  # until this fit is over
            return
        self._begun, self._seen = False, set()
        for one in self.learn.cbs:
            if isinstance(one, ParamScheduler):
                rule = f"found a {type(one).__name__} beside it, which sets the rate as well"
                fix = "call learn.fit(…), which brings none, or take this callback out"
                raise ScheduleError(WHO, rule, fix)

    def before_train(self) -> None:
        """Bind to the optimizer, in the first epoch that is not skipped."""
        if not self._begun:
            self._begun = True
            self._begin()

    def _begin(self) -> None:
        optimizer = self._optimizer()
        if self.scheduler is not None and self.scheduler.optimizer is optimizer:
            if self._settings.knows_total:
                with overruled(optimizer):  # what this fit has set is that of the first one
                    self._pull()
                self._push()
                return
            self._drop(self.scheduler)
        known = horizon_of(self.learn)
        first: int = self.learn.epoch
        if self._loaded is None and not first:
            fix = "give learn.fit(…, start_epoch=…), with the epochs of the whole run, or total=…"
            self._settings.check_length(optimizer.param_groups, fix)
        self.scheduler = self._settings.bind(optimizer, **known)
        if self._loaded:
            self.scheduler.load_state_dict(self._loaded)
            self._loaded = None
        if first and known.get("epoch"):
            take_up(self.scheduler, round(first * known["epoch"]), WHO)
        self._push()

    def _drop(self, scheduler: Scheduler) -> None:
        """Take off what a fit that broke off has left: this one is its own, at the rates it set."""
        groups = scheduler.optimizer.param_groups
        wished = [group["lr"] for group in groups]
        with overruled(scheduler.optimizer):
            pass
        scheduler.detach()
        for group, rate in zip(groups, wished, strict=True):
            group["lr"] = rate

    def _optimizer(self) -> Any:
        """Return the optimizer of PyTorch, or the mirror of one of fastai."""
        theirs = self.learn.opt
        self._mirror = None
        if isinstance(theirs, OptimWrapper):
            return theirs.opt
        if theirs not in _mirrors:
            _mirrors[theirs] = Mirror(theirs)
        self._mirror = _mirrors[theirs]
        self._mirror.pull()
        return self._mirror

    def before_batch(self) -> None:
        """Let who looks at the start of a batch find the coming rates."""
        self._pull()
        announce(self._running())
        self._push()

    def before_step(self) -> None:
        """Put the rates of the update in place, behind whoever has written in between."""
        self._pull()
        announce(self._running())
        self._push()
        self._due = True

    def after_cancel_step(self) -> None:
        """Count no update that was skipped."""
        self._due = False

    def after_step(self) -> None:
        """Count the update, where the optimizer has no hooks."""
        if self._due and self._mirror is not None:
            self._pull()
            self._mirror.step()
            self._push()
        self._due = False

    def after_batch(self) -> None:
        """End a fit whose schedule has found its end."""
        if self._running().finished:
            raise CancelFitException

    def after_epoch(self) -> None:
        """Show the schedule what the recorder has of the epoch, if it was not skipped."""
        recorder = getattr(self.learn, "recorder", None)
        if not self._begun or recorder is None:
            return
        names = [name for name in recorder.metric_names[1:] if name != "time"]
        values = list(self.learn.final_record)
        if len(values) == len(names):
            metrics = dict(zip(names, values, strict=True))
            if hear(self._running(), metrics, self._seen):
                raise CancelFitException

    def after_fit(self) -> None:
        """Give the peaks back, unless all fits together are one run."""
        if self.scheduler is None or not self._begun:
            return
        self._pull()
        recall(self.scheduler)
        if not self._settings.knows_total:
            self.scheduler.detach()
            self._push()
            self.scheduler = None
        else:
            self._push()

    def _pull(self) -> None:
        if self._mirror is not None:
            self._mirror.pull()

    def _push(self) -> None:
        if self._mirror is not None:
            self._mirror.push()

    def _running(self) -> Scheduler:
        if self.scheduler is None:
            raise ScheduleError(WHO, "was added while the learner was fitting", "add it before")
        return self.scheduler
