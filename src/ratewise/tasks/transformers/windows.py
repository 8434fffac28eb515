"""The batches of each update, as a Trainer takes them from its loader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ratewise.schedule import ScheduleError
from ratewise.tasks.protocols import length_of
from ratewise.tasks.torch.loader_state import StatefulLoader
from ratewise.tasks.transformers.trainer import MAKER


class UpdateWindows:
    """The batches that a trainer accumulates, update after update.

    Args:
        trainer: The trainer.
        loader: Its batches.
    """

    def __init__(self, trainer: Any, loader: StatefulLoader) -> None:
        self._trainer, self._loader = trainer, loader
        self._several = max(int(trainer.args.gradient_accumulation_steps), 1)
        self._length = length_of(loader.loader)
        self._reached = 0.0

    def draw(self) -> Iterator[tuple[list[Any], Any, bool]]:
        """Yield batches, how many items are in them, and whether an update comes next.

        A stream's last few count for the next update.
        """
        trainer, empty = self._trainer, False
        while True:
            left = self._several if self._length is None else self._length - self._loader.drawn
            count = min(left, self._several)
            batches, items = trainer.get_batch_samples(self._loader, count, trainer.args.device)
            self._reached = self._loader.epoch + self._loader.drawn / (self._length or np.inf)
            whole = len(batches) == count
            if not whole or self._loader.drawn == self._length:
                self._loader.end()
            if batches:
                yield batches, items, whole or self._length is not None
            if whole or (batches and self._length is not None):
                return
            if empty and not batches:
                fix = "give the trainer a train_dataset with at least one batch"
                raise ScheduleError(MAKER, "gave no batch", fix)
            empty = not batches

    def made(self) -> None:
        """Take note that an update was made."""
        self._trainer.state.global_step += 1
        self._trainer.state.epoch = self._reached
