"""What every format is read into: columns of numbers, row by row as they were written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.schedule import ScheduleError

RARE = 4
"""Steps that go back at most once in so many points were written after a resume."""


@dataclass(frozen=True, eq=False)
class LogTable:
    """A log.

    Args:
        where: What it is called in errors.
        name: What its run is called.
        columns: Numbers by name, float64[rows], NaN where a row has none.
        early: Updates by which its steps are behind those made: 1 if update 0 is step 0.
        ahead: Updates by which a logged rate is ahead of the one just used.
        rates: The rate of every update, float64[updates], if the log says so.
        said: What was left out while reading, in words.
        planned: Updates that the run was to make, if the log says so.
    """

    where: str
    name: str
    columns: Mapping[str, Floats]
    early: int = 0
    ahead: int = 0
    rates: Floats | None = None
    said: tuple[str, ...] = ()
    planned: int | None = None

    def series(self, step: str, column: str) -> tuple[Floats, Floats, int]:
        """Return updates made and values of a column, rising, and how many points were replaced.

        A resumed run writes some steps again: from where it goes back, what was there before is
        replaced. A log in no order is sorted, and of equal steps the last written counts.
        """
        steps, values = self.columns[step] + self.early, self.columns[column]
        kept = np.isfinite(steps) & ~np.isnan(values)
        return ordered(steps[kept], values[kept])

    def points(self, step: str, column: str) -> int:
        """Return how many different steps a column has a number at."""
        return len(self.series(step, column)[0])

    def highest(self, column: str) -> float:
        """Return the largest number of a column, -inf if it has none."""
        values = self.columns[column]
        return float(values[np.isfinite(values)].max(initial=-np.inf))


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


def from_rows(rows: Iterable[Mapping[str, Any]]) -> dict[str, Floats]:
    """Return columns from rows; what is no number, or not there, is NaN."""
    listed = list(rows)
    names = list(dict.fromkeys(name for row in listed for name in row))
    return {name: _column([row.get(name) for row in listed]) for name in names}


def _column(cells: list[Any]) -> Floats:
    """Return the numbers of a column; NaN that was written, and no number after it, is infinite.

    So a run that ended in NaN is told from one that logged less and less.
    """
    values = np.array([to_number(one) for one in cells], dtype=np.float64)
    for i in range(len(cells) - 1, -1, -1):
        if not np.isnan(values[i]):
            break
        if str(cells[i]).strip().lower() in ("nan", "-nan"):
            values[i] = np.inf
    return values


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
        "give a CSV, a trainer_state.json, a TensorBoard event file, a journal of ratewise, or a "
        "folder with one of them"
    )
    return ScheduleError(f"Log {where!r}", rule, fix or known)
