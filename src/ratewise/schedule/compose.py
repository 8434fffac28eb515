"""Schedules made of schedules: one after the other, times each other, scaled, clipped."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Self

import numpy as np

from ratewise.schedule.base import Schedule
from ratewise.schedule.errors import ScheduleError, number, shorten
from ratewise.schedule.frames import Between
from ratewise.schedule.layout import fit_moves
from ratewise.schedule.lengths import Horizon, LengthMap
from ratewise.schedule.track import LARGEST, Track, chain, finite


def flatten(kind: type[Any], name: str, parts: Any) -> tuple[Schedule, ...]:
    """Return the schedules in `parts`, those inside parts of the same kind unpacked."""
    who = f"{kind.__name__}({shorten(parts)})"
    flat: list[Schedule] = []
    for part in parts if isinstance(parts, Iterable) else ():
        if not isinstance(part, Schedule):
            raise ScheduleError(who, f"holds {shorten(part)}", "give schedules only")
        flat.extend(getattr(part, name) if isinstance(part, kind) else (part,))
    if not flat:
        raise ScheduleError(who, "holds no schedule", "give at least one")
    return tuple(flat)


# One after the other ------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Sequence(Schedule):
    """Moves one after the other, each from the level that the one before it ended on.

    Written `a >> b >> c`. At most one move may leave its length out: it takes the rest.

    Args:
        moves: Two or more schedules; sequences among them are unpacked.

    Raises:
        ScheduleError: two open moves.
    """

    moves: tuple[Schedule, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "moves", flatten(Sequence, "moves", self.moves))
        opened = [move for move in self.moves if is_open(move)]
        if len(opened) > 1:
            rule = f"and {opened[1]!r} both leave their length out"
            raise ScheduleError(repr(opened[0]), rule, "give one of them over=…")

    def extent(self, horizon: Horizon) -> Fraction | None:
        extents = [move.extent(horizon) for move in self.moves]
        return None if None in extents else sum((e for e in extents if e is not None), Fraction(0))

    def fit(self, horizon: Horizon, total: int | None) -> Schedule:
        return fit_moves(self.moves, horizon, total)

    def settle(self, horizon: Horizon, n: int | None) -> Schedule:
        return self.fit(horizon, n)

    def track(self, level: float | None) -> Track:
        tracks: list[Track] = []
        for move in self.moves:
            tracks.append(move.track(level))
            if tracks[-1].length != 0:
                level = tracks[-1].end
        return chain(tracks, 1.0 if level is None else level)

    def map_lengths(self, change: LengthMap) -> Self:
        return dataclasses.replace(self, moves=tuple(m.map_lengths(change) for m in self.moves))


def is_open(schedule: Schedule) -> bool:
    """Whether a schedule leaves its length out, and so takes the rest of the run."""
    if isinstance(schedule, Sequence):
        return any(is_open(move) for move in schedule.moves)
    if isinstance(schedule, Product):
        return any(is_open(factor) for factor in schedule.factors)
    if isinstance(schedule, Scale | Clip | Between):
        return is_open(schedule.schedule)
    return bool(getattr(schedule, "open", getattr(schedule, "over", None) is None))


# Times each other ---------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Product(Schedule):
    """Levels multiplied update by update; written `a * b`.

    As long as its longest factor; a factor that ends earlier holds its end level. Behind another
    move the first factor starts at that move's end level and the others at 1.

    Args:
        factors: Two or more schedules; products among them are unpacked.
    """

    factors: tuple[Schedule, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "factors", flatten(Product, "factors", self.factors))

    def extent(self, horizon: Horizon) -> Fraction | None:
        extents = [factor.extent(horizon) for factor in self.factors]
        return None if None in extents else max(e for e in extents if e is not None)

    def settle(self, horizon: Horizon, n: int | None) -> Schedule:
        return Product(tuple(factor.fit(horizon, n) for factor in self.factors))

    def track(self, level: float | None) -> Track:
        tracks = [f.track(level if i == 0 else None) for i, f in enumerate(self.factors)]
        lengths = [track.length for track in tracks]
        length = None if None in lengths else max(n for n in lengths if n is not None)

        def inside(xp: Any, t: Any) -> Any:
            with np.errstate(over="ignore"):
                out = tracks[0].levels(xp, t)
                for track in tracks[1:]:
                    out = finite(xp, out * track.levels(xp, t))
            return out

        return Track(length, _end(tracks), inside)

    def map_lengths(self, change: LengthMap) -> Self:
        return dataclasses.replace(self, factors=tuple(f.map_lengths(change) for f in self.factors))


def _end(tracks: list[Track]) -> float:
    with np.errstate(over="ignore"):
        end = np.float64(1.0) * tracks[0].end
        for track in tracks[1:]:
            end = np.minimum(end * track.end, LARGEST)
    return float(end)


@dataclass(frozen=True, repr=False)
class Scale(Schedule):
    """A schedule times a number; written `schedule * 0.5`.

    Args:
        schedule: What is scaled.
        factor: Multiplier in [0, inf).
    """

    schedule: Schedule
    factor: float

    def __post_init__(self) -> None:
        _only_schedule(self, self.schedule)
        object.__setattr__(self, "factor", number("schedule * factor", "factor", self.factor))

    def extent(self, horizon: Horizon) -> Fraction | None:
        return self.schedule.extent(horizon)

    def settle(self, horizon: Horizon, n: int | None) -> Schedule:
        return dataclasses.replace(self, schedule=self.schedule.fit(horizon, n))

    def track(self, level: float | None) -> Track:
        inner = self.schedule.track(level)

        def inside(xp: Any, t: Any) -> Any:
            with np.errstate(over="ignore"):
                return finite(xp, inner.inside(xp, t) * self.factor)

        return Track(inner.length, float(min(inner.end * self.factor, LARGEST)), inside)

    def map_lengths(self, change: LengthMap) -> Self:
        return dataclasses.replace(self, schedule=self.schedule.map_lengths(change))


@dataclass(frozen=True, repr=False)
class Clip(Schedule):
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

    def __post_init__(self) -> None:
        _only_schedule(self, self.schedule)
        who = f"clip(low={shorten(self.low)}, high={shorten(self.high)})"
        if self.low is None and self.high is None:
            raise ScheduleError(who, "has no bound", "give low, high or both")
        for name in ("low", "high"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, number(who, name, getattr(self, name)))
        if self.low is not None and self.high is not None and self.high < self.low:
            raise ScheduleError(who, "has high below low", "swap them")

    def extent(self, horizon: Horizon) -> Fraction | None:
        return self.schedule.extent(horizon)

    def settle(self, horizon: Horizon, n: int | None) -> Schedule:
        return dataclasses.replace(self, schedule=self.schedule.fit(horizon, n))

    def track(self, level: float | None) -> Track:
        inner = self.schedule.track(level)
        low = 0.0 if self.low is None else self.low
        high = self.high

        def inside(xp: Any, t: Any) -> Any:
            out = xp.maximum(inner.inside(xp, t), low)
            return out if high is None else xp.minimum(out, high)

        end = max(inner.end, low) if high is None else min(max(inner.end, low), high)
        return Track(inner.length, end, inside)

    def map_lengths(self, change: LengthMap) -> Self:
        return dataclasses.replace(self, schedule=self.schedule.map_lengths(change))


def _only_schedule(self: Schedule, inner: Any) -> None:
    if not isinstance(inner, Schedule):
        rule = "needs a schedule"
        raise ScheduleError(type(self).__name__, rule, "give it a schedule", given=inner)
