"""What comes of training: of one segment, and of one run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ratewise._json import plain
from ratewise.schedule.errors import Who
from ratewise.tasks.failures import RaisedElsewhere, TaskError
from ratewise.tasks.protocols import Losses, Rates


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came of one segment.

    Args:
        losses: float64[k], NaN where nothing was trained.
        metrics: What was measured at its end; empty where no run ends or none could be measured.
        failure: What the task's code raised, or None.
        diverged: The first update of the run whose loss was not finite, or None.
        whole: Whether it was trained to its end, so that others can go on from there.
    """

    losses: Losses
    metrics: Mapping[str, float]
    failure: TaskError | None = None
    diverged: int | None = None
    whole: bool = True

    @property
    def error(self) -> str | None:
        """The failure as text: the frames that are the user's, or else the error itself."""
        return None if self.failure is None else self.failure.traceback or str(self.failure)


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
        error: What the task's code raised, with the frames that are the user's, or None.
        optimizer: Name of the optimizer that the candidate brought, or None: the task's own.
        failure: The same as an error; its cause is the exception, if that was in this process.
        stacked: Whether it was trained in a stack with others, and so not to the last bit as alone.
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
    failure: TaskError | None = field(default=None, repr=False)
    stacked: bool = False

    @property
    def ended(self) -> bool:
        """Whether it got to its end, with a loss for every update, whatever was measured there."""
        return self.diverged is None and self.error is None and _all_finite(self.losses)

    def as_error(self, who: Who, rule: str) -> TaskError:
        """Return the error to raise where a run that failed is the end of everything.

        Its cause is what was raised; of what was raised in another process that is the text.
        """
        assert self.failure is not None
        error = TaskError(who, rule, self.failure.fix, traceback=self.failure.traceback)
        text, cause = self.failure.traceback, self.failure.__cause__
        error.__cause__ = cause or (RaisedElsewhere(text) if text else self.failure)
        return error

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
            "stacked": self.stacked,
        }
        return plain(told)


@dataclass(frozen=True, eq=False)
class Results:
    """What came of a list of runs, as far as they were trained.

    Args:
        runs: A record for each, in the order they were asked for.
        metric: Name of the metric that decides.
        higher_is_better: Whether more of it is better.
        trained: Updates that were trained.
        asked: Updates that all runs would take, each trained alone.
        reused: Updates that were taken from a journal.
        damaged: Checkpoints that were damaged or gone, and were trained again.
        journal: Name of the journal's file; "" if there was none.
        notes: What else there is to know of how they were trained, each a sentence.
    """

    runs: tuple[Record, ...] = field(repr=False)
    metric: str
    higher_is_better: bool
    trained: int
    asked: int
    reused: int = 0
    damaged: int = 0
    journal: str = ""
    notes: tuple[str, ...] = ()


def _all_finite(losses: Losses) -> bool:
    return bool(np.isfinite(losses).all())


class Stopped(KeyboardInterrupt):
    """Training that was stopped by hand; `results` holds the runs as far as they came."""

    def __init__(self, results: Results) -> None:
        super().__init__("stopped")
        self.results = results
