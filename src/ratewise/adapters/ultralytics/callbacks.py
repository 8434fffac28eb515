"""A schedule on a trainer of Ultralytics: bound when it is set up, shown what it has validated.

Nothing of Ultralytics is imported: what is here stands on its callbacks, and on the public names of
the trainer that they are given.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ratewise.adapters.torch.scheduler import Scheduler, announce, feedback_of, recall, rewind
from ratewise.adapters.torch.trainers import RunSettings, hear, take_up
from ratewise.schedule import ScheduleError

WHO = "attach"
STATE = "schedule.json"
"""The file beside the weights that holds the state of a schedule that listens."""


class UltralyticsSchedule:
    """Follows a schedule with the optimizer of each training that its callbacks are called in.

    Attributes:
        scheduler: The scheduler of the training, also `trainer.scheduler`; None until it is set up.
    """

    def __init__(self, settings: RunSettings) -> None:
        self.scheduler: Scheduler | None = None
        self._settings = settings
        self._total: int | None = None
        self._seen: set[str] = set()
        self._epoch = self._heard = -1  # the epoch that runs, and the one that was heard last

    def callbacks(self) -> dict[str, Callable[[Any], None]]:
        """Return what is to be called, by event."""
        return {
            "on_pretrain_routine_end": self.begin,
            "on_train_epoch_start": self.epoch_start,
            "on_train_batch_start": self.batch_start,
            "on_train_batch_end": self.batch_end,
            "on_model_save": self.saved,
            "on_fit_epoch_end": self.hear,
            "on_train_end": self.end,
        }

    # State ----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the state of the schedule, primitives only."""
        return self._running().state_dict()

    # While it runs --------------------------------------------------------------------------

    def begin(self, trainer: Any) -> None:
        """Bind to the optimizer of the trainer, which may have loaded a checkpoint by now."""
        check_arguments(trainer.args)
        self.scheduler, self._seen, self._heard = None, set(), -1
        self._bind(trainer)
        if trainer.start_epoch:
            self._resume(trainer)

    def _bind(self, trainer: Any) -> None:
        known = _known(trainer)
        # Its own warm-up sets the rates of every batch; what is to warm up is in the schedule.
        trainer.args.warmup_epochs = 0
        self.scheduler = self._settings.bind(trainer.optimizer, **known)
        self._total = known["total"]
        trainer.scheduler = self.scheduler

    def _resume(self, trainer: Any) -> None:
        path = Path(trainer.wdir) / STATE
        if feedback_of(self._running()) and path.exists():
            self._running().load_state_dict(json.loads(path.read_text(encoding="utf-8")))
        done = trainer.start_epoch * len(trainer.train_loader) // trainer.accumulate
        take_up(self._running(), done, WHO)

    def epoch_start(self, trainer: Any) -> None:
        """Bind anew where the trainer has made its batches smaller, for want of memory."""
        self._epoch = trainer.epoch
        total = _known(trainer)["total"]
        if total == self._total:
            return
        made = self._running().committed
        rewind(self._running())
        self._bind(trainer)
        self._running().seek(made)

    def batch_start(self, trainer: Any) -> None:
        """Let who looks at the start of a batch find the coming rates."""
        announce(self._running())

    def batch_end(self, trainer: Any) -> None:
        """End a training whose schedule has found its end."""
        if self._running().finished:
            trainer.stop = True

    def saved(self, trainer: Any) -> None:
        """Keep what the schedule has been shown beside the weights that were written."""
        self.hear(trainer)
        if feedback_of(self._running()):
            path = Path(trainer.wdir) / STATE
            new = path.with_suffix(".new")
            new.write_text(json.dumps(self._running().state_dict()), encoding="utf-8")
            new.replace(path)

    def hear(self, trainer: Any) -> None:
        """Show the schedule what was measured in the epoch, once.

        Behind the last epoch the best weights are measured again, as if there were one more.
        """
        if self._heard == trainer.epoch or trainer.epoch != self._epoch:
            return
        self._heard = trainer.epoch
        losses: Mapping[str, Any] = trainer.label_loss_items(trainer.tloss) or {}
        metrics = {**losses, **trainer.metrics, "fitness": trainer.fitness}
        if hear(self._running(), metrics, self._seen):
            trainer.stop = True

    def end(self, trainer: Any) -> None:
        """Leave in the groups what the last update used."""
        recall(self._running())

    def _running(self) -> Scheduler:
        if self.scheduler is None:
            raise ScheduleError(WHO, "came after the training was set up", "attach before it")
        return self.scheduler


def _known(trainer: Any) -> dict[str, Any]:
    """Return the horizon of a training, in updates of `accumulate` batches each."""
    batches, window = len(trainer.train_loader), trainer.accumulate
    return {
        "total": batches * trainer.epochs // window,
        "epoch": batches / window,
        "samples": trainer.batch_size * window,
    }


def check_arguments(args: Any) -> None:
    """Refuse arguments that ask for a schedule of their own, or leave the length open.

    Raises:
        ScheduleError: they do.
    """
    if getattr(args, "cos_lr", False):
        fix = "leave cos_lr out, or do not attach a schedule"
        raise ScheduleError("attach(cos_lr=True)", "asks for a schedule of its own", fix)
    if getattr(args, "time", None):
        rule = "makes a training of which nobody knows the updates"
        raise ScheduleError(f"attach(time={args.time:g})", rule, "give epochs=… in its place")


def check_target(target: Any) -> None:
    """Refuse what has no callbacks, and what will start processes that know of none.

    Raises:
        ScheduleError: it is such.
    """
    if not callable(getattr(target, "add_callback", None)):
        rule = "needs a model or a trainer of Ultralytics"
        raise ScheduleError(WHO, rule, "write attach(YOLO(…), schedule)", given=target)
    if getattr(target, "ddp", False):
        rule = "found a trainer that starts a process for each device, where no callback is known"
        raise ScheduleError(WHO, rule, "train on one device, device=0")
    known: Any = getattr(target, "callbacks", {})
    for one in known.get("on_pretrain_routine_end", ()):
        if isinstance(getattr(one, "__self__", None), UltralyticsSchedule):
            fix = "attach once; put several schedules in a Plan"
            raise ScheduleError(WHO, "found a schedule here", fix)
