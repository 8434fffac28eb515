"""Schedules seen through a frame: cut at an update, scaled, clipped, put between two levels."""

from __future__ import annotations

import abc
import dataclasses
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Self

import numpy as np

from ratewise.schedule.base import Schedule
from ratewise.schedule.errors import ScheduleError, number, shorten
from ratewise.schedule.lengths import Horizon, Length, LengthMap, length
from ratewise.schedule.track import Track, finite

__all__ = ["Between", "Clip", "Scale", "Until"]


class Around(Schedule, abc.ABC):
    """A schedule around one other.

    A subclass is a frozen dataclass whose first field is `schedule`.
    """

    schedule: Schedule
    usage: ClassVar[str]
    """How it is written, for messages."""

    @property
    def parts(self) -> tuple[Schedule, ...]:
        return (self.schedule,)

    def with_parts(self, parts: tuple[Schedule, ...]) -> Schedule:
        (inner,) = parts
        return dataclasses.replace(self, schedule=inner)  # pyright: ignore[reportArgumentType]

    def check_inner(self) -> None:
        """Read a text, and refuse what is no schedule."""
        self.keep("schedule", self.read(type(self).__name__, self.schedule))
        if not isinstance(self.schedule, Schedule):
            name, fix = type(self).__name__, f"write {self.usage}"
            raise ScheduleError(name, "needs a schedule", fix, given=self.schedule)


class Frame(Around, abc.ABC):
    """A schedule whose levels are another one's, each put through a function."""

    @abc.abstractmethod
    def put(self, xp: Any, level: Any) -> Any:
        """Return what levels become."""

    @property
    def open(self) -> bool:
        return self.schedule.open

    def extent(self, horizon: Horizon) -> Fraction | None:
        return self.schedule.extent(horizon)

    def settle(self, horizon: Horizon, n: int | None) -> Schedule:
        return self.with_parts((self.schedule.fit(horizon, n),))

    def track(self, level: float | None) -> Track:
        inner = self.schedule.track(level)
        end = float(self.put(np, np.array([inner.end]))[0])
        return Track(inner.length, end, lambda xp, t: self.put(xp, inner.inside(xp, t)))

    def map_lengths(self, change: LengthMap) -> Self:
        inner = self.schedule.map_lengths(change)
        return dataclasses.replace(self, schedule=inner)  # pyright: ignore[reportArgumentType]


@dataclass(frozen=True, eq=False, repr=False)
class Scale(Frame, written=True):
    """A schedule times a number; written `schedule * 0.5`.

    Args:
        schedule: What is scaled.
        factor: Multiplier in [0, inf).
    """

    schedule: Schedule
    factor: float
    usage: ClassVar[str] = "schedule * 0.5"

    def __post_init__(self) -> None:
        self.check_inner()
        self.keep("factor", number("schedule * factor", "factor", self.factor))

    def put(self, xp: Any, level: Any) -> Any:
        with np.errstate(over="ignore"):
            return finite(xp, level * self.factor)


@dataclass(frozen=True, eq=False, repr=False)
class Clip(Frame, written=True):
    """A schedule kept within [low, high]; written `schedule.clip(low, high)`.

    Args:
        schedule: What is clipped.
        low: Lowest level, in [0, inf), or None.
        high: Highest level, in [low, inf), or None.

    Raises:
        ScheduleError: neither bound is given, or `high` is below `low`.
    """

    schedule: Schedule
    low: float | None = None
    high: float | None = None
    usage: ClassVar[str] = "schedule.clip(0.1, 1)"

    def __post_init__(self) -> None:
        self.check_inner()
        who = f"clip(low={shorten(self.low)}, high={shorten(self.high)})"
        if self.low is None and self.high is None:
            raise ScheduleError(who, "has no bound", "give low, high or both")
        for name in ("low", "high"):
            if getattr(self, name) is not None:
                self.keep(name, number(who, name, getattr(self, name)))
        if self.low is not None and self.high is not None and self.high < self.low:
            raise ScheduleError(who, "has high below low", "swap them")

    def put(self, xp: Any, level: Any) -> Any:
        out = xp.maximum(level, 0.0 if self.low is None else self.low)
        return out if self.high is None else xp.minimum(out, self.high)


@dataclass(frozen=True, eq=False, repr=False)
class Between(Frame, written=True):
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
    usage: ClassVar[str] = "schedule.between(0.1, 1)"

    def __post_init__(self) -> None:
        self.check_inner()
        who = f"between({shorten(self.low)}, {shorten(self.high)})"
        for name in ("low", "high"):
            self.keep(name, number(who, name, getattr(self, name)))

    def put(self, xp: Any, level: Any) -> Any:
        with np.errstate(over="ignore", invalid="ignore"):
            return finite(xp, xp.maximum(level * self.high + (1 - level) * self.low, 0.0))


@dataclass(frozen=True, eq=False, repr=False)
class Until(Around, written=True):
    """The first `over` updates of a schedule that was planned for the whole run.

    Written `schedule.until(300)`. It ends on the level that the schedule has at that update, so
    that what follows goes on from there: an anytime cooldown is `schedule.until(at) >> Linear()`.

    Args:
        schedule: What is cut; its shares, and its open move, go by the whole run.
        over: Length up to the cut.
    """

    schedule: Schedule
    over: Length
    usage: ClassVar[str] = "schedule.until(300)"

    def __post_init__(self) -> None:
        self.check_inner()
        self.keep("over", length(f"until({shorten(self.over)})", "over", self.over))

    def extent(self, horizon: Horizon) -> Fraction | None:
        if isinstance(self.over, int):
            return Fraction(self.over)
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
