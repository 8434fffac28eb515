"""Batches counted as updates: the loss of an update is the mean over its batches."""

from __future__ import annotations

import numpy as np

from ratewise.schedule import ScheduleError
from ratewise.tasks.protocols import Over

IDLE = 1000
"""Batches in a row without an update, after which something is wrong."""


class UpdateLosses:
    """Makes the losses of batches into losses of updates, and asks after each whether to stop.

    Args:
        over: Takes the loss of an update; returns whether to stop.
        who: What makes the updates, for an error.
        fix: What to do if it makes none.
        made: Updates that were made before.
        skips: Whether batches may be left out that come without a loss, and with an update.

    Attributes:
        told: Losses of updates that were told.
    """

    def __init__(
        self, over: Over, who: str, fix: str, *, made: int = 0, skips: bool = False
    ) -> None:
        self._over, self._who, self._fix, self._skips = over, who, fix, skips
        self._waiting: list[float] = []
        self.told = 0
        self._made = made

    def take(self, loss: float, made: int) -> bool:
        """Take the loss of a batch, after which `made` updates were made; return whether to stop.

        A loss that is not finite counts as an update, as there may never be another.
        """
        self._waiting.append(loss)
        before = self._made
        if made > before + 1 and not self._skips:
            rule = f"made {made - before} updates with one batch"
            raise ScheduleError(self._who, rule, "let it make one at most")
        if made > before or not np.isfinite(loss):
            mean = float(np.mean(self._waiting))
            self._waiting.clear()
            self.told += 1
            self._made = made
            return self._over(mean)
        if len(self._waiting) >= IDLE:
            raise ScheduleError(self._who, f"made no update in {IDLE} batches", self._fix)
        return False
