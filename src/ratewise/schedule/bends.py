"""Moves with a bend of their own: tanh, REX, waves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise.schedule.errors import ScheduleError, number, shorten
from ratewise.schedule.lengths import Length
from ratewise.schedule.move import Move
from ratewise.schedule.track import Track, finite

__all__ = ["LinearCosine", "Part", "Rex", "Tanh", "Wave"]


@dataclass(frozen=True, eq=False, repr=False)
class Tanh(Move, written=True):
    """Fall along a hyperbolic tangent: flat, steep, flat.

    level(k) = u·start + (1 - u)·to,  u = (1 - tanh(low·(1 - p) + high·p))/2,  p = k/n

    The tangent is not stretched to its ends: it begins at u = (1 - tanh(low))/2, just below 1.

    Args:
        to: Level reached when the move ends, in [0, inf).
        low: Argument of the tangent at the start, below `high`.
        high: Argument of the tangent at the end.
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: `low` is not below `high`, or a level is negative or not finite.

    Source: Hsueh et al. 2018, arXiv 1806.01593; `TanhLRScheduler` of timm.

    >>> float(round(Tanh(to=0, over=10)(7), 6))
    0.5
    """

    to: float = 0.0
    low: float = -7.0
    high: float = 3.0
    over: Length | None = None
    start: float | None = None

    def __post_init__(self) -> None:
        self.check_ends()
        for name in ("low", "high"):
            self.check(name, low=-1e6, high=1e6)
        if self.low >= self.high:
            who = f"Tanh(low={shorten(self.low)}, high={shorten(self.high)})"
            raise ScheduleError(who, "needs low below high", "swap them")

    def weight(self, xp: Any, k: Any, n: Any) -> Any:
        p = xp.true_divide(k, n)
        return (1 - xp.tanh(self.low * (1 - p) + self.high * p)) / 2


@dataclass(frozen=True, eq=False, repr=False)
class Rex(Move, written=True):
    """Fall slowly at first and ever faster towards the end (reflected exponential).

    level(k) = u·start + (1 - u)·to,  u = z/(bend + (1 - bend)·z),  z = (n - k)/n

    Args:
        to: Level reached when the move ends, in [0, inf).
        bend: In (0, 1]: 1 is a straight line, and the smaller, the later the fall.
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: `bend` outside (0, 1], or a level is negative or not finite.

    Source: Chen et al. 2021, arXiv 2107.04197 (bend 0.5); Axolotl uses bend 0.1.

    >>> Rex(to=0, over=3)(1)
    0.8
    """

    to: float = 0.0
    bend: float = 0.5
    over: Length | None = None
    start: float | None = None

    def __post_init__(self) -> None:
        self.check_ends()
        self.check("bend", above=True, high=1.0)

    def weight(self, xp: Any, k: Any, n: Any) -> Any:
        z = xp.true_divide(n - k, n)
        return z / (self.bend + (1 - self.bend) * z)


@dataclass(frozen=True, eq=False, repr=False)
class Wave(Move, written=True):
    """Swing along a cosine for any number of its periods.

    level(k) = u·start + (1 - u)·to,  u = ((1 + cos(2π·cycles·k/n))/2)^exponent

    With half a period and exponent 1 it is `Cosine`; a whole one returns to the start.

    Args:
        to: Level in the troughs, in [0, inf).
        cycles: Periods in the move, in [0, inf).
        exponent: Power of the weight, in (0, inf).
        over: Length; left out, the rest of the run.
        start: Level at the crests, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: a number outside its interval.

    Source: `num_cycles` of Transformers' cosine schedules, `exponent` of Optax's.

    >>> Wave(to=0, cycles=1, over=4).values()[[0, 2]]
    array([1., 0.])
    """

    to: float = 0.0
    cycles: float = 0.5
    exponent: float = 1.0
    over: Length | None = None
    start: float | None = None

    def __post_init__(self) -> None:
        self.check_ends()
        self.check("cycles", high=1e9)
        self.check("exponent", above=True)

    def weight(self, xp: Any, k: Any, n: Any) -> Any:
        u = (1 + xp.cos(np.pi * (2 * self.cycles) * xp.true_divide(k, n))) / 2
        return u if self.exponent == 1.0 else xp.power(u, self.exponent)

    def piece(self, start: float, n: int | None) -> Track:
        track = super().piece(start, n)
        end = track.inside(np, np.array([n], dtype=np.int64))
        return Track(n, float(end[0]), track.inside)


@dataclass(frozen=True, eq=False, repr=False)
class LinearCosine(Move, written=True):
    """A straight line times a cosine, on top of a small constant.

    level(k) = start·((alpha + 1 - p)·(1 + cos(2π·cycles·p))/2 + beta),  p = k/n

    Args:
        cycles: Periods of the cosine in the move, in [0, inf).
        alpha: Added to the line, in [0, inf).
        beta: Added to the product, in [0, inf): the level at the start is 1 + alpha + beta.
        over: Length; left out, the rest of the run.
        start: Level that is scaled, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: a number outside its interval.

    Source: Bello et al. 2017, arXiv 1709.07417; `linear_cosine_decay` of TensorFlow 1.

    >>> LinearCosine(beta=0.0, over=2)(1)
    0.25
    """

    cycles: float = 0.5
    alpha: float = 0.0
    beta: float = 0.001
    over: Length | None = None
    start: float | None = None

    def __post_init__(self) -> None:
        self.check_ends()
        for name in ("cycles", "alpha", "beta"):
            self.check(name, high=1e9)

    def piece(self, start: float, n: int | None) -> Track:
        assert n is not None

        def inside(xp: Any, k: Any) -> Any:
            wave = (1 + xp.cos(np.pi * (2 * self.cycles) * xp.true_divide(k, n))) / 2
            line = self.alpha + xp.true_divide(n - k, n)
            return finite(xp, start * (line * wave + self.beta))

        return Track(n, float(inside(np, np.array([n], dtype=np.int64))[0]), inside)


@dataclass(frozen=True, eq=False, repr=False)
class Part(Move, written=True):
    """Part of a move: its positions `begin`, `begin + 1`, … of a length that need not be whole.

    level(k) = the level of `move` at position x of `of`,  x = min(begin + k, of),
    with `warp` at position of·(x/of)^warp

    What frameworks count from 1, or over one step fewer, or over a fraction of a step, is a part
    of a move; so is k-decay (`warp`).

    Args:
        move: A move with an end level: Linear, Warmup, Cosine, Polynomial, Sqrt, Tanh, Rex, Wave.
            Its `over` is left out.
        begin: Position of the first update, in [0, inf).
        of: Length that the move would have in full, in (0, inf); left out, begin + over.
        warp: Exponent of time, in (0, inf).
        over: Length; left out, the rest of the run.

    Raises:
        ScheduleError: a move that has no such form, a number outside its interval.

    Source: Zhang & Li 2020, arXiv 2004.05909 (k-decay).

    >>> from ratewise import Linear
    >>> Part(Linear(to=0), begin=1, of=4, over=3).values()
    array([0.75, 0.5 , 0.25])
    """

    move: Move
    begin: float = 0.0
    of: float | None = None
    warp: float = 1.0
    over: Length | None = None

    def __post_init__(self) -> None:
        self.check_ends()
        move: Any = self.move
        broken = fix = ""
        if not isinstance(move, Move) or isinstance(move, Part) or not hasattr(move, "to"):
            broken, fix = "needs a move with an end level", "write Part(Cosine(to=0))"
        elif move.over is not None:
            broken, fix = "has a move with a length", "give Part(…, of=…, over=…)"
        if broken:
            raise ScheduleError(f"Part({shorten(move)})", broken, fix)
        self.check("begin")
        self.check("warp", above=True)
        if self.of is not None:
            self.keep("of", number(f"Part(of={shorten(self.of)})", "of", self.of, above=True))

    @property
    def first(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Level at which the move starts when nothing comes before it."""
        return self.move.first

    def piece(self, start: float, n: int | None) -> Track:
        assert n is not None
        a = start if self.move.start is None else self.move.start
        b = float(getattr(self.move, "to"))  # noqa: B009
        of = self.begin + n if self.of is None else self.of

        def inside(xp: Any, k: Any) -> Any:
            x = xp.minimum(k + self.begin, of)
            if self.warp != 1.0:
                x = of * xp.power(xp.true_divide(x, of), self.warp)
            return self.move.path(xp, x, of, a, b)

        last = float(inside(np, np.array([n], dtype=np.int64))[0])
        whole = self.begin + n >= of and not isinstance(self.move, Wave)
        return Track(n, b if whole else last, inside)
