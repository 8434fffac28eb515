"""What a plan is made of: a climb, what follows it, and both put together in other ways."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.audit.intended import Intended, Updates
from ratewise.schedule import Hold, Schedule, Sequence, Warmup
from ratewise.schedule.compose import Product


@dataclass(frozen=True)
class PlanParts:
    """A resolved schedule, taken apart.

    Args:
        climb: The moves at its beginning that rise, with their lengths in updates.
        rest: What follows; of a product, what the climb is multiplied by from update 0 on.
        product: Whether the two are multiplied, and not one behind the other.
    """

    climb: tuple[Any, ...]
    rest: tuple[Any, ...]
    product: bool = False

    @property
    def warmup(self) -> int:
        """Updates of the climb."""
        return sum(one.over for one in self.climb)

    def put(self, climb: Iterable[Any], rest: Iterable[Any]) -> Schedule | None:
        """Return other moves put together in the same way."""
        if not self.product:
            return joined((*climb, *rest))
        first, then = joined(climb), joined(rest)
        return then if first is None else first if then is None else Product((first, then))

    def left(self, total: int, warmup: int | None = None) -> int:
        """Return the updates that the rest has in a run of some length, behind a climb."""
        return total if self.product else total - (self.warmup if warmup is None else warmup)


def parts_of(schedule: Schedule) -> PlanParts | None:
    """Return the parts of a resolved schedule; None if it is no row of moves, nor that product."""
    if isinstance(schedule, Product):
        return _factors(schedule)
    moves = schedule.moves if isinstance(schedule, Sequence) else (schedule,)
    if not all(isinstance(getattr(one, "over", None), int) for one in moves):
        return None
    climb: list[Any] = []
    for one in moves:
        if not (isinstance(one, Warmup) or _rises(one)) or len(climb) == len(moves) - 1:
            break
        climb.append(one)
    return PlanParts(tuple(climb), tuple(moves[len(climb) :]))


def _factors(schedule: Product) -> PlanParts | None:
    """Return a climb, which holds where it ends, and the decay that it is a factor on."""
    if len(schedule.factors) != 2:
        return None
    ramp, decay = map(parts_of, schedule.factors)
    if ramp is None or decay is None or ramp.product or decay.product or decay.climb:
        return None
    if not ramp.climb or not all(isinstance(one, Hold) for one in ramp.rest):
        return None
    return PlanParts(ramp.climb, decay.rest, product=True)


def _rises(move: Any) -> bool:
    start, end = getattr(move, "start", None), getattr(move, "to", None)
    return start is not None and end is not None and start < end


def climb_of(intended: Intended) -> int:
    """Return the updates before the highest level, if the plan climbs to it; else 0."""
    if not intended.schedules:
        return 0
    found = parts_of(intended.schedules[0])
    return 0 if found is None else found.warmup


def begin_of(intended: Intended) -> int:
    """Return the update at which the decay of a plan begins: 0 if a climb is a factor on it."""
    found = parts_of(intended.schedules[0]) if intended.schedules else None
    return 0 if found is None or found.product else found.warmup


def ramp_of(intended: Intended) -> Schedule | None:
    """Return the climb of a plan alone, which then stays, or None."""
    found = parts_of(intended.schedules[0]) if intended.schedules else None
    return joined((*found.climb, Hold(over=1))) if found is not None and found.climb else None


def stretched(moves: Iterable[Any], total: int) -> list[Any]:
    """Return moves with other lengths: in all `total` updates, in the ratio that they had."""
    listed = list(moves)
    before = sum(one.over for one in listed)
    if not before or total <= 0:
        return []
    made: list[Any] = []
    position = 0
    for one in listed:
        begin = round(position * total / before)
        position += one.over
        over = round(position * total / before) - begin
        made.append(dataclasses.replace(one, over=over, **_own(one, total / before)))
    return [one for one in made if one.over]


def _own(move: Any, factor: float) -> dict[str, Any]:
    """Return the other lengths in a move, stretched too where they are ints."""
    at = getattr(move, "at", None)
    if isinstance(at, tuple) and all(isinstance(one, int) for one in at):
        return {"at": tuple(max(round(one * factor), 1) for one in at)}
    return {}


def begun_high(rest: tuple[Any, ...], level: float) -> tuple[Any, ...]:
    """Return the moves behind a climb so that they begin where it ends, without it."""
    if not rest:
        return ()
    first = rest[0]
    if isinstance(first, Hold):
        first = Hold(level=level if first.level is None else first.level, over=first.over)
    elif getattr(first, "start", 0.0) is None:
        first = dataclasses.replace(first, start=level)
    return (first, *rest[1:])


def joined(moves: Iterable[Any]) -> Schedule | None:
    """Return moves one after the other, or None if there are none."""
    listed = tuple(moves)
    if not listed:
        return None
    return listed[0] if len(listed) == 1 else Sequence(listed)


@dataclass(frozen=True)
class Curved:
    """A run that followed one schedule during its warm-up and another clock behind it.

    Args:
        before: What it followed first.
        behind: What it followed then.
        switch: The update from which on `behind` counts.
        clock: Update of `behind` at update 0 of the run, counted back.
        product: Whether the first goes on as a factor.
    """

    before: Schedule
    behind: Schedule
    switch: int
    clock: int = 0
    product: bool = False
    factor: float = 1.0

    def values(self, n: int) -> Floats:
        """Return the levels of the first updates, float64[n]."""
        return self(np.arange(n))

    def __call__(self, t: Updates) -> Floats:
        """Return the levels of updates."""
        t = np.maximum(t, 0)
        first = self.before(t)
        then = self.behind(np.maximum(t - self.clock, 0)) * self.factor
        if self.product:
            return np.where(t < self.switch, first * then, then)
        return np.where(t < self.switch, first, then)
