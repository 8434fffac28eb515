"""Pieces of a schedule that frameworks count in their own ways, laid end to end."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ratewise.schedule import (
    Cosine,
    Hold,
    Linear,
    Move,
    Part,
    Piecewise,
    Schedule,
    Sequence,
    Warmup,
    Wave,
)

Make = Callable[[int | None], Schedule]
"""Makes a piece of so many updates; None: the rest of the run."""

Piece = tuple[int | None, Make]
"""Updates of a piece (None: the rest of the run), and what makes it."""


def lay(total: int | None, *pieces: Piece) -> Schedule:
    """Return the pieces one after the other, cut where the run ends.

    Pieces know their full lengths by themselves, so that a cut does not bend them.
    """
    moves: list[Schedule] = []
    used = 0
    for n, make in pieces:
        if n is not None:
            n = max(n, 0) if total is None else min(max(n, 0), total - used)
        if n == 0 or used == total:
            continue
        move = make(n)
        used += n or 0
        if isinstance(move, Warmup) and n is not None and used == total:
            move = Part(dataclasses.replace(move, over=None), of=n, over=n)  # has no peak to reach
        moves.append(move)
        if n is None:
            break
    if not moves:
        moves = [Hold()]
    return moves[0] if len(moves) == 1 else Sequence(tuple(moves))


def part(move: Any, of: float | Fraction, begin: float | Fraction = 0) -> Make:
    """Return what makes a move of full length `of`, from position `begin` on."""

    def make(n: int | None) -> Schedule:
        if begin == 0 and n == of:
            return dataclasses.replace(move, over=n)
        return Part(move, begin=float(begin), of=float(of), over=n)

    return make


def whole(move: Any) -> Make:
    """Return what makes a move that fills its place, or needs no length."""
    return lambda n: dataclasses.replace(move, over=n)


def hold(level: float | None = None) -> Make:
    """Return what makes a constant level; without one, the level before it."""
    return lambda n: Hold(level, over=n)


def climb(of: float | Fraction, start: float = 0.0, to: float = 1.0, begin: float = 0.0) -> Make:
    """Return what makes a straight warm-up, t/W from 0 unless told otherwise."""
    return part(Warmup(to=to, start=start), of, begin)


def swing(to: float, of: float, cycles: float = 0.5) -> Make:
    """Return what makes a cosine from level 1 that goes on past its end, up again."""

    def make(n: int | None) -> Schedule:
        if n is None:
            return Cosine(to=to, start=1.0) if cycles == 0.5 else Wave(to, cycles, start=1.0)
        if cycles == 0.5 and n <= of:
            return part(Cosine(to=to, start=1.0), of)(n)
        return Wave(to, cycles * n / of, over=n, start=1.0)

    return make


def between(make: Make, low: float, high: float = 1.0) -> Make:
    """Return what makes the piece put between two levels."""
    return make if (low, high) == (0.0, 1.0) else lambda n: make(n).between(low, high)


def floored(make: Make, low: float) -> Make:
    """Return what makes the piece with a lowest level."""
    return make if low == 0.0 else lambda n: make(n).clip(low=low)


def count(position: float | Fraction) -> int:
    """Return the number of updates before a position that may fall between two."""
    return math.ceil(position)


def skip(schedule: Schedule, n: int, total: int) -> Schedule:
    """Return a schedule of `total` updates without its first `n`; past its end it holds."""
    settled = schedule.resolve(total)
    moves = list(settled.moves) if isinstance(settled, Sequence) else [settled]
    while n and moves:
        first, length = moves[0], moves[0].length or 0
        if length > n or len(moves) == 1:
            moves[0] = _without(first, length, n)
            break
        moves[1] = _from(moves[1], first.end)
        moves, n = moves[1:], n - length
    return moves[0] if len(moves) == 1 else Sequence(tuple(moves))


def _from(move: Any, level: float) -> Schedule:
    """Return a move that starts at a level, where it leaned on the one before it."""
    if isinstance(move, Part):
        inner: Any = _from(move.move, level)
        return dataclasses.replace(move, move=inner)
    for name in ("level", "start"):
        if name in {field.name for field in dataclasses.fields(move)} and not getattr(move, name):
            return move if getattr(move, name) == 0 else dataclasses.replace(move, **{name: level})
    return move


def _without(move: Any, length: int, n: int) -> Schedule:
    """Return a settled move without its first updates: a part of it where there is such a thing."""
    over = length - n
    if over <= 0:
        return Hold(move.end)
    if isinstance(move, Hold):
        return dataclasses.replace(move, over=over)
    if isinstance(move, Part) and move.of is not None:
        return dataclasses.replace(move, begin=move.begin + n, over=over)
    if isinstance(move, Linear | Warmup | Cosine) and length:
        whole = dataclasses.replace(move, over=None)
        shifted = isinstance(move, Warmup) and move.start is None
        return (
            Part(whole, begin=n, of=length, over=over) if not shifted else _table(move, length, n)
        )
    return _table(move, length, n)


def _table(move: Schedule, length: int, n: int) -> Schedule:
    levels = [*move.values(length), move.end][n:]
    return Piecewise({t: float(level) for t, level in enumerate(levels)}, over=length - n)


# One-cycle, as PyTorch counts it -------------------------------------------------------------

_SLOPES: dict[str, type[Move]] = {"cos": Cosine, "linear": Linear}


def one_cycle(
    steps: int, share: float, levels: tuple[float, ...], shape: str, three_phase: bool = False
) -> list[Piece]:
    """Return the phases of a one-cycle schedule over `steps` updates, the last of them at the end.

    Phases end at share·steps - 1, with three phases also at 2·share·steps - 2, and at steps - 1,
    which need not be whole updates.

    Args:
        steps: Updates of the cycle.
        share: Share of the first phase.
        levels: Level at the start and at the end of every phase.
        shape: "cos" or "linear".
        three_phase: Whether there are three phases.
    """
    ends = [float(share * steps) - 1, float(steps - 1)]
    if three_phase:
        ends.insert(1, float(2 * share * steps) - 2)
    slope: Any = _SLOPES[shape]
    pieces: list[Piece] = []
    used, start = 0, 0.0
    for i, end in enumerate(ends):
        stop = steps if i == len(ends) - 1 else min(max(math.floor(end) + 1, used), steps)
        move = slope(to=levels[i + 1], start=levels[i])
        if stop > used:
            pieces.append((stop - used, part(move, end - start, used - start)))
        used, start = stop, end
    return pieces
