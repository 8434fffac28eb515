"""What every format is read into: series of numbers by the names of their columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.logs.series import Points, Series
from ratewise.schedule import ScheduleError

RARE = 4
"""Steps that go back at most once in so many points were written after a resume."""


@dataclass(frozen=True, eq=False)
class LogTable:
    """A log.

    Args:
        where: What it is called in errors.
        name: What its run is called.
        columns: Steps and numbers by name, in the order in which they were written, without what
            no curve is made of.
        step: The column that counts updates.
        names: All columns that the log has; left out, those of `columns`.
        early: Updates by which its steps are behind those made: 1 if update 0 is step 0.
        ahead: Updates by which a logged rate is ahead of the one just used.
        rates: The rate of every update, float64[updates], if the log says so.
        said: What was left out while reading, in words.
        flaws: The same about single columns.
        planned: Updates that the run was to make, if the log says so.
    """

    where: str
    name: str
    columns: Mapping[str, Points]
    step: str = "step"
    names: Sequence[str] = ()
    early: int = 0
    ahead: int = 0
    rates: Floats | None = None
    said: tuple[str, ...] = ()
    flaws: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    planned: int | None = None

    def __post_init__(self) -> None:
        if not self.names:
            object.__setattr__(self, "names", tuple(self.columns))

    def series(self, column: str) -> tuple[Floats, Floats, int]:
        """Return updates made and values of a column, rising, and how many points were replaced.

        A resumed run writes some steps again: from where it goes back, what was there before is
        replaced. A log in no order is sorted, and of equal steps the last written counts.
        """
        steps, values = self.columns.get(column, (np.empty(0), np.empty(0)))
        kept = np.isfinite(steps) & ~np.isnan(values)
        return ordered(steps[kept] + self.early, values[kept])

    def points(self, column: str) -> int:
        """Return how many different steps a column has a number at."""
        return len(self.series(column)[0])

    def highest(self, column: str) -> float:
        """Return the largest number of a column, -inf if it has none."""
        _, values = self.columns.get(column, (np.empty(0), np.empty(0)))
        return float(values[np.isfinite(values)].max(initial=-np.inf))

    def told(self, column: str) -> list[str]:
        """Return what was left out of a column, in words."""
        return [f"{self.name}: {flaw}" for flaw in self.flaws.get(column, ())]


def ordered(steps: Floats, values: Floats) -> tuple[Floats, Floats, int]:
    """Return steps and values with the steps strictly rising, and how many were replaced."""
    back = int((np.diff(steps) < 0).sum())
    if back * RARE > len(steps):
        order = np.argsort(steps, kind="stable")
        steps, values = steps[order], values[order]
    # A point stays if no later one is at its step or before it.
    lowest_behind = np.minimum.accumulate(steps[::-1])[::-1]
    stays = np.ones(len(steps), dtype=bool)
    stays[:-1] = steps[:-1] < lowest_behind[1:]
    return steps[stays], values[stays], int((~stays).sum())


def thinning(name: str, series: Series) -> tuple[str, ...]:
    """Return what is said of a series of which not every point is kept."""
    if series.stride == 1:
        return ()
    nth = "2nd" if series.stride == 2 else f"{series.stride:,}th"
    kept = f"every {nth} is kept, with the first and the last"
    return (f"of the {series.count:,} points of {name} {kept}",)


def to_number(value: Any) -> float:
    """Return a number as it was written, or NaN."""
    if isinstance(value, bool) or value is None:
        return float("nan")
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def unreadable(where: str, rule: str, fix: str = "") -> ScheduleError:
    """Return the error about a file that is not what it should be."""
    known = (
        "give a CSV, a trainer_state.json, a TensorBoard event file, a history of W&B or Trackio, "
        "JSON lines, what a program printed, a journal of ratewise, or a folder with one of them"
    )
    return ScheduleError(f"Log {where!r}", rule, fix or known)
