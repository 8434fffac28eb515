"""What comes of a stretch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ratewise.tasks.protocols import Losses


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one stretch.

    Args:
        losses: float64[k], NaN where nothing was trained.
        metrics: What was measured at its end; empty where no run ends or none could be measured.
        error: Traceback of an exception in the task's code, or None.
        diverged: The first update of the run whose loss was not finite, or None.
        whole: Whether it was trained to its end, so that others can go on from there.
    """

    losses: Losses
    metrics: Mapping[str, float]
    error: str | None = None
    diverged: int | None = None
    whole: bool = True
