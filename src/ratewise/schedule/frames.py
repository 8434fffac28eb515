"""Schedules seen through a frame: cut at an update, put between two levels."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np

from ratewise.schedule.base import Schedule
from ratewise.schedule.errors import ScheduleError, number, shorten
from ratewise.schedule.lengths import Horizon, Length, LengthMap, length
from ratewise.schedule.track import Track, finite


@dataclass(frozen=True, repr=False)
class Until(Schedule):
    """The first `over` updates of a schedule that was planned for the whole run.

    Written `schedule.until(300)`. It ends on the level that the schedule has at that update, so
    that what follows goes on from there: an anytime cooldown is `schedule.until(at) >> Linear()`.

    Args:
        schedule: What is cut; its shares, and its open move, go by the whole run.
        over: Length up to the cut.
    """

    schedule: Schedule
    over: Length

    def __post_init__(self) -> None:
        if not isinstance(self.schedule, Schedule):
            rule = "needs a schedule"
            raise ScheduleError("Until", rule, "write schedule.until(300)", given=self.schedule)
        cut = length(f"until({shorten(self.over)})", "over", self.over)
        object.__setattr__(self, "over", cut)

    def extent(self, horizon: Horizon) -> Fraction | None:
        assert not isinstance(self.over, float)
        return horizon.updates(repr(self), self.over)

    def settle(self, horizon: Horizon, n: int | None) -> Schedule:
        assert n is not None
        whole = None if horizon.total is None else max(horizon.total, n)
        return Until(self.schedule.fit(horizon, whole), n)

    def track(self, level: float | None) -> Track:
        n = self.over
        assert isinstance(n, int)
        inner = self.schedule.track(level)
        end = float(inner.levels(np, np.array([n], dtype=np.int64))[0])
        return Track(n, end, inner.levels)

    def map_lengths(self, change: LengthMap) -> Self:
        assert not isinstance(self.over, float)
        inner = self.schedule.map_lengths(change)
        return dataclasses.replace(self, schedule=inner, over=change(self.over))


@dataclass(frozen=True, repr=False)
class Between(Schedule):
    """A schedule put between two levels: 0 becomes `low` and 1 becomes `high`.

    Written `schedule.between(low, high)`; level = s·high + (1 - s)·low, and 0 at the least.

    Args:
        schedule: What is moved and stretched.
        low: Level that 0 becomes, in [0, inf).
        high: Level that 1 becomes, in [0, inf).
    """

    schedule: Schedule
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.schedule, Schedule):
            rule = "needs a schedule"
            raise ScheduleError(
                "Between", rule, "write schedule.between(0.1, 1)", given=self.schedule
            )
        who = f"between({shorten(self.low)}, {shorten(self.high)})"
        for name in ("low", "high"):
            object.__setattr__(self, name, number(who, name, getattr(self, name)))

    def extent(self, horizon: Horizon) -> Fraction | None:
        return self.schedule.extent(horizon)

    def settle(self, horizon: Horizon, n: int | None) -> Schedule:
        return dataclasses.replace(self, schedule=self.schedule.fit(horizon, n))

    def track(self, level: float | None) -> Track:
        inner = self.schedule.track(level)

        def put(xp: Any, s: Any) -> Any:
            with np.errstate(over="ignore", invalid="ignore"):
                return finite(xp, xp.maximum(s * self.high + (1 - s) * self.low, 0.0))

        end = float(put(np, np.array([inner.end]))[0])
        return Track(inner.length, end, lambda xp, t: put(xp, inner.inside(xp, t)))

    def map_lengths(self, change: LengthMap) -> Self:
        return dataclasses.replace(self, schedule=self.schedule.map_lengths(change))
