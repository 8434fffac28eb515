"""Moves put together from known lengths: joined, cut to a run, and written as briefly as can be."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from ratewise.schedule import (
    Between,
    Clip,
    Hold,
    Linear,
    Move,
    Part,
    Product,
    Repeat,
    Scale,
    Schedule,
    Sequence,
    Warmup,
)


def join(moves: Iterable[Schedule], total: int | None = None, *, closed: bool = False) -> Schedule:
    """Return moves one after the other, none longer than what is left of the run.

    Every length is in updates and only the last move may be open. A start level that is the end
    of the move before it is left out.

    Args:
        moves: The moves, each with its own start level.
        total: Updates in the run; what lies behind is cut off.
        closed: Whether an open move gets what is left as its length.
    """
    kept: list[Schedule] = []
    left, level = total, None
    for move in moves:
        n = extent(move)
        if n == 0:
            continue
        if left is not None and ((n is None and closed) or (n is not None and n > left)):
            move, n = shorten(move, left), left
        elif left is not None and n is None:
            move = _within(move, left)
        kept.append(move if level is None else brief(move, level))
        if n is None:
            break
        level = kept[-1].track(level).end
        left = None if left is None else left - n
        if left == 0:
            break
    return kept[0] if len(kept) == 1 else Sequence(tuple(kept)) if kept else Hold()


def brief(schedule: Schedule, level: float | None = None) -> Schedule:
    """Return a schedule without a start level that says what is so anyway."""
    if isinstance(schedule, Repeat):
        return dataclasses.replace(schedule, pattern=brief(schedule.pattern, level))
    if isinstance(schedule, Between) and level is None:
        return dataclasses.replace(schedule, schedule=brief(schedule.schedule, None))
    if isinstance(schedule, Product):
        first, *others = schedule.factors
        return Product((brief(first, level), *(brief(factor, None) for factor in others)))
    if isinstance(schedule, Sequence):
        return Sequence((brief(schedule.moves[0], level), *schedule.moves[1:]))
    if isinstance(schedule, Part):
        inner: Any = brief(schedule.move, level)
        return dataclasses.replace(schedule, move=inner)
    if not isinstance(schedule, Move) or isinstance(schedule, Warmup):
        return schedule
    before = type(schedule).first if level is None else level
    if isinstance(schedule, Hold):
        return Hold(over=schedule.over) if schedule.level == before else schedule
    move: Any = schedule
    return dataclasses.replace(move, start=None) if move.start == before else move


def extent(schedule: Schedule) -> int | None:
    """Return the updates that a schedule with known lengths covers, or None if it is open."""
    if isinstance(schedule, Sequence):
        lengths = [extent(move) for move in schedule.moves]
        return None if None in lengths else sum(n for n in lengths if n is not None)
    if isinstance(schedule, Product):
        lengths = [extent(factor) for factor in schedule.factors]
        return None if None in lengths else max(n for n in lengths if n is not None)
    if isinstance(schedule, Between | Clip | Scale):
        return extent(schedule.schedule)
    return getattr(schedule, "over")  # noqa: B009  (every other kind has it)


def shorten(schedule: Schedule, n: int) -> Schedule:
    """Return the first `n` updates of a schedule; an open one gets this length."""
    if extent(schedule) == n:
        return schedule
    if isinstance(schedule, Sequence):
        return join(schedule.moves, n, closed=True)
    if isinstance(schedule, Product):
        return Product(tuple(_at_most(factor, n) for factor in schedule.factors))
    if isinstance(schedule, Between | Clip | Scale):
        return dataclasses.replace(schedule, schedule=shorten(schedule.schedule, n))
    move: Any = schedule
    if isinstance(schedule, Part):
        assert isinstance(schedule.over, int | None)
        of = schedule.begin + (schedule.over or n) if schedule.of is None else schedule.of
        return dataclasses.replace(schedule, of=of, over=n)
    if move.over is not None and hasattr(move, "to") and not move.endless:
        return Part(dataclasses.replace(move, over=None), of=float(move.over), over=n)
    return dataclasses.replace(move, over=n)


def finish(schedule: Schedule, total: int | None) -> Schedule:
    """Return a schedule for a run of `total` updates, as briefly as can be.

    A warm-up that reaches the end of the run becomes a part of one: by itself it is refused.
    """
    if total is not None:
        schedule = _without_long_warmups(schedule, total)
    return brief(_without_last_hold(schedule))


def _without_last_hold(schedule: Schedule) -> Schedule:
    """Return a schedule without a last move that holds the level: it is held anyway."""
    if isinstance(schedule, Product):
        return Product(tuple(_without_last_hold(factor) for factor in schedule.factors))
    if not isinstance(schedule, Sequence):
        return schedule
    *before, last = schedule.moves
    if not isinstance(last, Hold) or last.level is not None:
        return schedule
    return Sequence(tuple(before)) if len(before) > 1 else before[0]


def _without_long_warmups(schedule: Schedule, total: int) -> Schedule:
    if isinstance(schedule, Warmup) and isinstance(schedule.over, int) and schedule.over >= total:
        whole = Part(dataclasses.replace(schedule, over=None), of=float(schedule.over))
        return dataclasses.replace(whole, over=total)
    if isinstance(schedule, Sequence):
        *before, last = schedule.moves
        lengths = [extent(move) for move in before]
        left = total - sum(n for n in lengths if n is not None)
        return Sequence((*before, _without_long_warmups(last, left))) if before else schedule
    if isinstance(schedule, Product):
        return Product(tuple(_without_long_warmups(f, total) for f in schedule.factors))
    if isinstance(schedule, Between | Clip | Scale):
        inner = _without_long_warmups(schedule.schedule, total)
        return dataclasses.replace(schedule, schedule=inner)
    return schedule


def padded(schedule: Schedule, n: int) -> list[Schedule]:
    """Return a schedule as moves of `n` updates in all, cut or held."""
    length = extent(schedule)
    if length is None or length >= n:
        return [shorten(schedule, n)]
    return [schedule, Hold(over=n - length)]


def ramp(start: float, to: float, over: int) -> Move:
    """Return the straight line between two levels: a warm-up where it climbs."""
    return Warmup(over, to=to, start=start) if to > start else Linear(to, over=over, start=start)


def _within(schedule: Schedule, n: int) -> Schedule:
    """Return an open schedule of which no part is longer than `n` updates."""
    if isinstance(schedule, Product):
        return Product(tuple(_at_most(factor, n) for factor in schedule.factors))
    if isinstance(schedule, Sequence):
        return join(schedule.moves, n)
    if isinstance(schedule, Between | Clip | Scale):
        return dataclasses.replace(schedule, schedule=_within(schedule.schedule, n))
    return schedule


def _at_most(factor: Schedule, n: int) -> Schedule:
    length = extent(factor)
    if length is None:
        return _within(factor, n)
    return shorten(factor, n) if length > n else factor
