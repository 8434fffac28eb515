"""What is read off the curves: levels and rates at the cursor, and what a longer run changes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.studio.state import StudioState, drawn
from ratewise.view.format import format_rate

COMPARED = 1024
"""Updates at which two runs of a schedule are held against each other, at most."""
OTHERS = (2, 3)
"""Runs that a schedule is tried in besides: so many times as long."""


@dataclass(frozen=True)
class CursorReading:
    """What one curve says at the cursor.

    Attributes:
        name: What the curve is called.
        update: The update.
        level: Its level.
        rate: Its rate, or the value of another key; None where the peak is not known.
    """

    name: str
    update: int
    level: float
    rate: float | None

    @property
    def text(self) -> str:
        """What is shown of the rate."""
        return "no peak given" if self.rate is None else format_rate(self.rate)


def cursor(state: StudioState) -> tuple[CursorReading, ...]:
    """Return what every curve on the screen says at the cursor.

    >>> [(one.update, round(one.level, 3)) for one in cursor(StudioState(cursor=500))]
    [(500, 1.0)]
    """
    found: list[CursorReading] = []
    for one, what in zip(state.drawings, drawn(state), strict=True):
        for curve in what.curves if one.shown else ():
            at = min(state.cursor, curve.length - 1)
            level = curve.schedule(at)
            row = "" if curve.row == "lr" else f" · {curve.row}"
            rate = None if curve.peak is None else curve.peak * level
            found.append(CursorReading(f"{one.title}{row}", at, level, rate))
    return tuple(found)


def depends_on_total(value: Schedule | Plan, state: StudioState) -> bool | None:
    """Tell whether the rates of a schedule change with the length of the run; None if unknown.

    It is tried: the levels of runs two and three times as long are held against those of this
    one, at the updates that they share. What needs a total to be drawn at all depends on it.

    >>> depends_on_total(StudioState().at.value, StudioState())
    True
    """
    schedules = list(value.schedules().values()) if isinstance(value, Plan) else [value]
    units = tuple(state.units.items())
    try:
        return any(_depends(one, state.updates, units) for one in schedules)
    except ScheduleError:
        return None


@lru_cache(maxsize=256)
def _depends(schedule: Schedule, total: int, units: tuple[tuple[str, float | None], ...]) -> bool:
    at = np.unique(np.linspace(0, total - 1, min(total, COMPARED)).round().astype(np.int64))
    runs = [schedule.resolve(times * total, **dict(units)) for times in (1, *OTHERS)]
    if any(run.listens for run in runs):
        runs = [run.simulate([]).schedule for run in runs]
    first, *others = [run(at) for run in runs]
    return any(not np.array_equal(first, other) for other in others)
