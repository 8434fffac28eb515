"""A schedule on its trainer: it makes the scheduler whenever the trainer builds a run."""

from __future__ import annotations

import math
from typing import Any

from ratewise.adapters.arguments import HorizonOf
from ratewise.adapters.torch.adaptive import unwrap
from ratewise.adapters.torch.scheduler import Scheduler, rewind
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import speaking


class TrainerAttachment:
    """Stands in for `create_scheduler` of one trainer, and looks at its train dataloaders.

    Attributes:
        scheduler: The scheduler of the run that was built last, or None.
    """

    def __init__(
        self, trainer: Any, schedule: Schedule | Plan, given: dict[str, Any], resume: str | None
    ) -> None:
        self.trainer = trainer
        self.schedule = schedule
        self.given = given
        self.resume = resume
        self.scheduler: Scheduler | None = None
        self._horizon: dict[str, Any] = {}
        self._batches: int | None = None
        self._make_loader = trainer.get_train_dataloader

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
        optimizer = self.trainer.optimizer if optimizer is None else optimizer
        horizon = self.horizon(num_training_steps)
        old = self.scheduler
        if old is not None and old.optimizer is unwrap("attach", optimizer):
            if not old.committed and horizon == self._horizon:
                return old
            rewind(old)
        with speaking(HorizonOf(adapter="attach")):
            new = Scheduler(optimizer, self.schedule, **horizon, resume=self.resume)
        self.scheduler = self.trainer.lr_scheduler = new
        self._horizon = horizon
        return new

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
