"""Pieces of a schedule that frameworks count in their own ways, laid end to end."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from ratewise import schedule as rw
from ratewise.convert.pieces.layout import in_order
from ratewise.schedule import Move, Schedule

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
        if isinstance(move, rw.Warmup) and n is not None and used == total:
            move = rw.Part(
                dataclasses.replace(move, over=None), of=n, over=n
            )  # has no peak to reach
        moves.append(move)
        if n is None:
            break
    return in_order(moves)


def part(move: Any, of: float | Fraction, begin: float | Fraction = 0) -> Make:
    """Return what makes a move of full length `of`, from position `begin` on."""

    def make(n: int | None) -> Schedule:
        if begin == 0 and n == of:
            return dataclasses.replace(move, over=n)
        return rw.Part(move, begin=float(begin), of=float(of), over=n)

    return make


def whole(move: Any) -> Make:
    """Return what makes a move that fills its place, or needs no length."""
    return lambda n: dataclasses.replace(move, over=n)


def hold(level: float | None = None) -> Make:
    """Return what makes a constant level; without one, the level before it."""
    return lambda n: rw.Hold(level, over=n)


# Warm-ups and decays by name ----------------------------------------------------------------

WARMUPS: dict[str, tuple[bool, int]] = {
    "t/W": (True, 0),
    "(t+1)/W": (True, 1),
    "(t+1)/(W+1)": (False, 0),
}
"""How a warm-up of W updates counts: whether it has a start, and at which t it begins."""


def rise(
    n: float | Fraction,
    start: float = 0.0,
    *,
    counted: str = "t/W",
    begin: int = 0,
    of: float | Fraction | None = None,
    to: float = 1.0,
    shape: str = "linear",
) -> Piece:
    """Return a warm-up of n updates, none if n is 0.

    Args:
        n: Updates, which need not be whole.
        start: Level at p = 0, where the warm-up is counted from one.
        counted: The progress p at update t, one of `WARMUPS`.
        begin: Updates of it that other pieces have taken.
        of: Its full length W; left out, n.
        to: Level at p = 1.
        shape: That of `Warmup`.
    """
    has_start, ahead = WARMUPS[counted]
    move = rw.Warmup(to=to, start=start if has_start else None, shape=shape)
    return count(n) - begin, part(move, n if of is None else of, begin + ahead)


DECAYS: dict[str, Callable[..., Move]] = {
    "linear": rw.Linear,
    "cosine": rw.Cosine,
    "1-sqrt": rw.Sqrt,
    "exponential": rw.Exponential,
    "polynomial": rw.Polynomial,
    "rex": rw.Rex,
}
"""Ways to fall from one level to another."""


def decay(name: str, to: float, start: float = 1.0, **shape: Any) -> Move:
    """Return a decay of `DECAYS` between two levels, the length still open."""
    return DECAYS[name](to=to, start=start, **shape)


def fall(move: Move, of: float | Fraction, taken: float | Fraction = 0) -> Piece:
    """Return a decay up to its end at position `of`, its first updates taken by other pieces."""
    return max(count(of - taken), 0), part(move, of, taken)


def stay(level: float | None = None, n: int | None = None) -> Piece:
    """Return a level that is held, to the end of the run unless told for how many updates."""
    return n, hold(level)


def swing(to: float, of: float, cycles: float = 0.5) -> Make:
    """Return what makes a cosine from level 1 that goes on past its end, up again."""

    def make(n: int | None) -> Schedule:
        if n is None:
            return rw.Cosine(to=to, start=1.0) if cycles == 0.5 else rw.Wave(to, cycles, start=1.0)
        if cycles == 0.5 and n <= of:
            return part(rw.Cosine(to=to, start=1.0), of)(n)
        return rw.Wave(to, cycles * n / of, over=n, start=1.0)

    return make


def between(make: Make, low: float, high: float = 1.0) -> Make:
    """Return what makes the piece put between two levels."""
    return make if (low, high) == (0.0, 1.0) else lambda n: make(n).between(low, high)


def floored(make: Make, low: float) -> Make:
    """Return what makes the piece with a lowest level."""
    return make if low == 0.0 else lambda n: make(n).clip(low=low)


def changes(levels: Mapping[int, float]) -> dict[int, float]:
    """Return levels by update without those that repeat the one before."""
    kept: dict[int, float] = {}
    last = None
    for t, level in levels.items():
        if level != last:
            kept[t] = last = level
    return kept


def count(position: float | Fraction) -> int:
    """Return the number of updates before a position that may fall between two."""
    return math.ceil(position)


# One-cycle, as PyTorch counts it -------------------------------------------------------------


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
        shape: One of `DECAYS`.
        three_phase: Whether there are three phases.
    """
    ends = [float(share * steps) - 1, float(steps - 1)]
    if three_phase:
        ends.insert(1, float(2 * share * steps) - 2)
    pieces: list[Piece] = []
    used, start = 0, 0.0
    for i, end in enumerate(ends):
        stop = steps if i == len(ends) - 1 else min(max(math.floor(end) + 1, used), steps)
        move = decay(shape, levels[i + 1], levels[i])
        if stop > used:
            pieces.append((stop - used, part(move, end - start, used - start)))
        used, start = stop, end
    return pieces
