"""Moves laid one behind the other, cut where the run ends, and written as briefly as can be.

Two ways, for two kinds of frameworks: `join` where lengths are whole updates, `Layout` where a
move may begin and end between two updates. (Configs name their pieces: `moves.lay`.)
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ratewise import schedule as rw
from ratewise.schedule import Move, Schedule
from ratewise.schedule.compose import span
from ratewise.schedule.frames import Frame


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
        n = span(move)
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
    return in_order(kept)


def in_order(moves: list[Schedule]) -> Schedule:
    """Return moves one after the other; of none, the level that is held."""
    return moves[0] if len(moves) == 1 else rw.Sequence(tuple(moves)) if moves else rw.Hold()


def brief(schedule: Schedule, level: float | None = None) -> Schedule:
    """Return a schedule without a start level that says what is so anyway."""
    if isinstance(schedule, rw.Repeat):
        return dataclasses.replace(schedule, pattern=brief(schedule.pattern, level))
    if isinstance(schedule, rw.Between) and level is None:
        return dataclasses.replace(schedule, schedule=brief(schedule.schedule, None))
    if isinstance(schedule, rw.Product):
        first, *others = schedule.factors
        return rw.Product((brief(first, level), *(brief(factor, None) for factor in others)))
    if isinstance(schedule, rw.Sequence):
        return rw.Sequence((brief(schedule.moves[0], level), *schedule.moves[1:]))
    if isinstance(schedule, rw.Part):
        inner: Any = brief(schedule.move, level)
        return dataclasses.replace(schedule, move=inner)
    if not isinstance(schedule, Move) or isinstance(schedule, rw.Warmup):
        return schedule
    before = type(schedule).first if level is None else level
    if isinstance(schedule, rw.Hold):
        return rw.Hold(over=schedule.over) if schedule.level == before else schedule
    move: Any = schedule
    return dataclasses.replace(move, start=None) if move.start == before else move


def shorten(schedule: Schedule, n: int) -> Schedule:
    """Return the first `n` updates of a schedule; an open one gets this length."""
    if span(schedule) == n:
        return schedule
    if isinstance(schedule, rw.Sequence):
        return join(schedule.moves, n, closed=True)
    if isinstance(schedule, rw.Product):
        return rw.Product(tuple(_closed(factor, n) for factor in schedule.factors))
    if isinstance(schedule, Frame):
        return schedule.with_parts((shorten(schedule.schedule, n),))
    move: Any = schedule
    if isinstance(schedule, rw.Part):
        assert isinstance(schedule.over, int | None)
        of = schedule.begin + (schedule.over or n) if schedule.of is None else schedule.of
        return dataclasses.replace(schedule, of=of, over=n)
    if move.over is not None and hasattr(move, "to") and not move.endless:
        return rw.Part(dataclasses.replace(move, over=None), of=float(move.over), over=n)
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
    if isinstance(schedule, rw.Product):
        return rw.Product(tuple(_without_last_hold(factor) for factor in schedule.factors))
    if not isinstance(schedule, rw.Sequence):
        return schedule
    *before, last = schedule.moves
    if not isinstance(last, rw.Hold) or last.level is not None:
        return schedule
    return in_order(before)


def _without_long_warmups(schedule: Schedule, total: int) -> Schedule:
    if (
        isinstance(schedule, rw.Warmup)
        and isinstance(schedule.over, int)
        and schedule.over >= total
    ):
        whole = rw.Part(dataclasses.replace(schedule, over=None), of=float(schedule.over))
        return dataclasses.replace(whole, over=total)
    if isinstance(schedule, rw.Sequence):
        *before, last = schedule.moves
        lengths = [span(move) for move in before]
        left = total - sum(n for n in lengths if n is not None)
        return rw.Sequence((*before, _without_long_warmups(last, left))) if before else schedule
    if isinstance(schedule, rw.Product):
        return rw.Product(tuple(_without_long_warmups(f, total) for f in schedule.factors))
    if isinstance(schedule, Frame):
        return schedule.with_parts((_without_long_warmups(schedule.schedule, total),))
    return schedule


def padded(schedule: Schedule, n: int) -> list[Schedule]:
    """Return a schedule as moves of `n` updates in all, cut or held."""
    length = span(schedule)
    if length is None or length >= n:
        return [shorten(schedule, n)]
    return [schedule, rw.Hold(over=n - length)]


def ramp(start: float, to: float, over: int | None = None) -> Move:
    """Return the straight line between two levels: a warm-up where it climbs."""
    return (
        rw.Warmup(over, to=to, start=start) if to > start else rw.Linear(to, over=over, start=start)
    )


def _within(schedule: Schedule, n: int) -> Schedule:
    """Return an open schedule of which no part is longer than `n` updates."""
    if isinstance(schedule, rw.Product):
        return rw.Product(tuple(_at_most(factor, n) for factor in schedule.factors))
    if isinstance(schedule, rw.Sequence):
        return join(schedule.moves, n)
    if isinstance(schedule, Frame):
        return schedule.with_parts((_within(schedule.schedule, n),))
    return schedule


def _closed(factor: Schedule, n: int) -> Schedule:
    length = span(factor)
    return shorten(factor, n) if length is None or length > n else factor


def _at_most(factor: Schedule, n: int) -> Schedule:
    length = span(factor)
    if length is None:
        return _within(factor, n)
    return shorten(factor, n) if length > n else factor


# Between updates ---------------------------------------------------------------------------


class Layout:
    """Collects moves by what a framework's clock says about them.

    A framework's move may be longer than the run, or start and end between two updates: what is
    left of it is then a `Part`. A move that fits as it is stays as it is.

    Args:
        run: Updates to cover; None if not known.
        closed: Whether more follows in a larger schedule: then every length is spelt out and all
            of `run` is covered.
        level: Level that the schedule has before the first move.
        ends: Whether the end of `run` is the end of the whole run.
    """

    def __init__(
        self, run: int | None, *, closed: bool = False, level: float = 1.0, ends: bool = True
    ) -> None:
        self.run = run
        self.closed = closed
        self.level = level
        self.ends = ends
        self.used = 0
        self._moves: list[Schedule] = []

    def room(self, n: float) -> int:
        """Return how many of `n` updates are left before the run ends."""
        left = math.inf if self.run is None else self.run - self.used
        return max(0, int(min(n, left)))

    def start(self, level: float) -> float | None:
        """Return `start=` of a move that begins at `level`: None where that goes without saying."""
        return None if level == self.level and not self._moves else level

    def add(self, move: Move, of: float, *, begin: float = 0.0, over: int | None = None) -> None:
        """Add a move that is `of` updates long in full, from its position `begin` on.

        Args:
            move: A move without length.
            of: Its full length, in (0, inf).
            begin: Position of the first update in it.
            over: Updates that it lasts; left out, up to its end, and its end level is held where
                that comes before the first update.
        """
        if over is None and of <= begin:  # over before its first update
            self.hold(float(getattr(move, "to")))  # noqa: B009
            return
        n = self.room(math.ceil(of - begin) if over is None else over)
        if n <= 0:
            return
        fills = self.ends and self.run is not None and self.used + n >= self.run
        plain = begin == 0 and n == of and not (isinstance(move, rw.Warmup) and fills)
        self.put(_lasting(move, n) if plain else rw.Part(move, begin, float(of), over=n), n)

    def climb(self, move: rw.Warmup, of: float, *, over: int | None = None) -> list[str]:
        """Add a warm-up from its start level, and return what to say of it."""
        self.add(move, of, over=over)
        if move.start != 0.0:
            return []
        return ["Update 0 uses a rate of 0 and changes nothing: the warm-up begins there."]

    def hold(self, level: float | None = None, over: float = math.inf) -> None:
        """Add a stretch at one level, of the rest of the run unless `over` is finite."""
        if math.isinf(over):
            self.rest(rw.Hold(level))
        elif self.room(over):
            self.put(rw.Hold(level, over=self.room(over)), self.room(over))

    def rest(self, move: Schedule) -> None:
        """Add what takes all that is left of the run."""
        n = self.room(math.inf) if self.run is not None else None
        if n != 0:
            self.put(_lasting(move, n) if self.closed and n is not None else move, n or 0)
            self.used = self.run if self.run is not None else self.used

    def inner(self, n: float = math.inf, *, closed: bool = False) -> Layout:
        """Return an empty layout for the next `n` updates."""
        known = self.run is not None or not math.isinf(n)
        last = self.run is not None and self.used + n >= self.run
        level = self.schedule().resolve().track(self.level).end if self._moves else self.level
        return Layout(
            self.room(n) if known else None,
            closed=closed or self.closed,
            level=level,
            ends=self.ends and (last or math.isinf(n)),
        )

    def take(self, inner: Layout, schedule: Schedule | None = None) -> None:
        """Add what an inner layout has collected, or what was made of it."""
        if inner.run != 0:
            n = inner.used if inner.run is None else inner.run
            self.put(inner.schedule() if schedule is None else schedule, n)

    def put(self, schedule: Schedule, n: int) -> None:
        """Add a schedule of `n` updates as it is."""
        self._moves.append(schedule)
        self.used += n

    def schedule(self) -> Schedule:
        """Return the moves as one schedule."""
        moves = list(self._moves)
        if self.closed and self.run is not None and self.used < self.run:
            moves.append(rw.Hold(over=self.run - self.used))
        return in_order(moves)


def stairs(run: int, every: float, level: Callable[[int], float]) -> rw.Piecewise:
    """Return stairs over a run whose width is no whole number: they begin where float32 says so.

    Args:
        run: Updates in the run.
        every: Width of a stair in updates.
        level: Level of a stair, counted from 0.
    """
    counts = np.floor(np.arange(run, dtype=np.float32) / np.float32(every))
    changes = np.flatnonzero(np.diff(counts, prepend=-1.0))
    return rw.Piecewise({int(k): level(int(counts[k])) for k in changes})


def _lasting(move: Any, n: int) -> Schedule:
    assert isinstance(move, Move | rw.Repeat)
    return dataclasses.replace(move, over=n)  # pyright: ignore[reportArgumentType]
