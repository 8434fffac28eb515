"""Moves laid one behind the other, cut where the run ends."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ratewise.schedule import Hold, Move, Part, Piecewise, Repeat, Schedule, Sequence, Warmup


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
        plain = begin == 0 and n == of and not (isinstance(move, Warmup) and fills)
        self.put(_lasting(move, n) if plain else Part(move, begin, float(of), over=n), n)

    def hold(self, level: float | None = None, over: float = math.inf) -> None:
        """Add a stretch at one level, of the rest of the run unless `over` is finite."""
        if math.isinf(over):
            self.rest(Hold(level))
        elif self.room(over):
            self.put(Hold(level, over=self.room(over)), self.room(over))

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

    def take(self, inner: Layout) -> None:
        """Add what an inner layout has collected."""
        if inner.run != 0:
            self.put(inner.schedule(), inner.used if inner.run is None else inner.run)

    def put(self, schedule: Schedule, n: int) -> None:
        """Add a schedule of `n` updates as it is."""
        self._moves.append(schedule)
        self.used += n

    def schedule(self) -> Schedule:
        """Return the moves as one schedule."""
        moves = list(self._moves)
        if self.closed and self.run is not None and self.used < self.run:
            moves.append(Hold(over=self.run - self.used))
        if not moves:
            return Hold()
        return moves[0] if len(moves) == 1 else Sequence(tuple(moves))


def stairs(run: int, every: float, level: Callable[[int], float]) -> Piecewise:
    """Return stairs over a run whose width is no whole number: they begin where float32 says so.

    Args:
        run: Updates in the run.
        every: Width of a stair in updates.
        level: Level of a stair, counted from 0.
    """
    counts = np.floor(np.arange(run, dtype=np.float32) / np.float32(every))
    changes = np.flatnonzero(np.diff(counts, prepend=-1.0))
    return Piecewise({int(k): level(int(counts[k])) for k in changes})


def _lasting(move: Any, n: int) -> Schedule:
    assert isinstance(move, Move | Repeat)
    return dataclasses.replace(move, over=n)  # pyright: ignore[reportArgumentType]
