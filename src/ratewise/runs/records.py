"""What comes of training: of one stretch, and of one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ratewise._json import plain
from ratewise.tasks.protocols import Losses, Rates


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


@dataclass(frozen=True, eq=False)
class Record:
    """What one run did.

    Args:
        name: Name of the candidate.
        schedule: The resolved schedule, as text.
        peak: Peak learning rate.
        seed: Seed.
        metrics: Final metrics by name; NaN if the run diverged or failed, or did not get there.
        losses: Training loss of every update, float64[total]; NaN where there was none.
        rates: Learning rate of every update, float64[total].
        diverged: The first update whose loss was not finite, or None.
        error: Traceback of an exception in the task's code, or None.
        optimizer: Name of the optimizer that the candidate brought, or None: the task's own.
    """

    name: str
    schedule: str
    peak: float
    seed: int
    metrics: dict[str, float]
    losses: Losses = field(repr=False)
    rates: Rates = field(repr=False)
    diverged: int | None = None
    error: str | None = field(default=None, repr=False)
    optimizer: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as JSON types, without the rates, which follow from the schedule."""
        told = {
            "name": self.name,
            "optimizer": self.optimizer,
            "schedule": self.schedule,
            "total": len(self.rates),
            "peak": self.peak,
            "seed": self.seed,
            "metrics": self.metrics,
            "losses": self.losses,
            "diverged": self.diverged,
            "error": self.error,
        }
        return plain(told)
