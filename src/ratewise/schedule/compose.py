"""Schedules made of several schedules: one after the other, or times each other."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, Self

import numpy as np

from ratewise.schedule.base import Schedule
from ratewise.schedule.budget import check_chain
from ratewise.schedule.errors import ScheduleError, listed, shorten
from ratewise.schedule.frames import Frame
from ratewise.schedule.lengths import Horizon, LengthMap
from ratewise.schedule.track import Track, chain, finite

__all__ = ["Product", "Sequence"]


class Several(Schedule, abc.ABC):
    """A schedule of several others.

    A subclass is a frozen dataclass with one field, the tuple of them.
    """

    @property
    def open(self) -> bool:
        return any(part.open for part in self.parts)

    def with_parts(self, parts: tuple[Schedule, ...]) -> Self:
        kind: Any = type(self)
        return kind(parts)

    def map_lengths(self, change: LengthMap) -> Self:
        return self.with_parts(tuple(part.map_lengths(change) for part in self.parts))

    def flatten(self, parts: Any) -> tuple[Schedule, ...]:
        """Return the schedules in `parts`, those inside parts of the same kind unpacked."""
        flat: list[Schedule] = []
        name = type(self).__name__
        for given in listed(parts) or ():
            part = self.read(name, given)
            if not isinstance(part, Schedule):
                who = f"{name}({shorten(parts)})"
                raise ScheduleError(who, f"holds {shorten(part)}", "give schedules only")
            flat.extend(part.parts if isinstance(part, type(self)) else (part,))
            check_chain(name, flat)
        if not flat:
            raise ScheduleError(
                f"{name}({shorten(parts)})", "holds no schedule", "give at least one"
            )
        return tuple(flat)


@dataclass(frozen=True, eq=False, repr=False)
class Sequence(Several, written=True):
    """Moves one after the other, each from the level that the one before it ended on.

    Written `a >> b >> c`. At most one move may leave its length out: it takes the rest.

    Args:
        moves: Two or more schedules; sequences among them are unpacked.

    Raises:
        ScheduleError: two open moves.
    """

    moves: tuple[Schedule, ...]
    nests: ClassVar[bool] = False  # one in another is unpacked

    def __post_init__(self) -> None:
        self.keep("moves", self.flatten(self.moves))
        opened = [move for move in self.moves if move.open]
        if len(opened) > 1:
            rule = f"and {opened[1]!r} both leave their length out"
            raise ScheduleError(repr(opened[0]), rule, "give one of them over=…")

    @property
    def parts(self) -> tuple[Schedule, ...]:
        return self.moves

    def extent(self, horizon: Horizon) -> Fraction | None:
        extents = [move.extent(horizon) for move in self.moves]
        return None if None in extents else sum((e for e in extents if e is not None), Fraction(0))

    def settle(self, horizon: Horizon, n: int | None) -> Schedule:
        return self.fit(horizon, n)

    def track(self, level: float | None) -> Track:
        tracks: list[Track] = []
        for move in self.moves:
            tracks.append(move.track(level))
            if tracks[-1].length != 0:
                level = tracks[-1].end
        return chain(tracks, 1.0 if level is None else level)


@dataclass(frozen=True, eq=False, repr=False)
class Product(Several, written=True):
    """Levels multiplied update by update; written `a * b`.

    As long as its longest factor; a factor that ends earlier holds its end level. Behind another
    move the first factor starts at that move's end level and the others at 1.

    Args:
        factors: Two or more schedules; products among them are unpacked.
    """

    factors: tuple[Schedule, ...]

    def __post_init__(self) -> None:
        self.keep("factors", self.flatten(self.factors))

    @property
    def parts(self) -> tuple[Schedule, ...]:
        return self.factors

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
            return _times(xp, [track.levels(xp, t) for track in tracks])

        end = _times(np, [np.float64(track.end) for track in tracks])
        return Track(length, float(end), inside)


def _times(xp: Any, levels: list[Any]) -> Any:
    with np.errstate(over="ignore"):
        out = levels[0]
        for level in levels[1:]:
            out = finite(xp, out * level)
    return out


def span(schedule: Schedule) -> int | None:
    """Return the updates that a schedule with lengths in updates covers; None if it is open.

    Unlike `length` it builds no track, so it is known of one that listens too.
    """
    if isinstance(schedule, Frame):
        return span(schedule.schedule)
    if not isinstance(schedule, Several):
        return getattr(schedule, "over")  # noqa: B009  (every other kind has it)
    lengths = [span(part) for part in schedule.parts]
    known = [n for n in lengths if n is not None]
    if len(known) < len(lengths):
        return None
    return sum(known) if isinstance(schedule, Sequence) else max(known)
