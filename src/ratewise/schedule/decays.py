"""Moves that are a ratio to their start and need no end: decays without a horizon."""

from __future__ import annotations

import abc
import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from ratewise.schedule.base import Schedule
from ratewise.schedule.errors import ScheduleError, flag, shorten
from ratewise.schedule.foreign import call
from ratewise.schedule.lengths import Horizon, Length, LengthMap, length
from ratewise.schedule.move import Move
from ratewise.schedule.steps import settle_position
from ratewise.schedule.track import Track, blend, finite

__all__ = [
    "ExponentialDecay",
    "InverseTime",
    "NaturalDecay",
    "PolynomialCycles",
    "Power",
    "Saturate",
]


class Ratio(Move, abc.ABC):
    """A move whose level is its start times `ratio(k)`; it needs neither length nor total.

    A subclass has a field `every`, the length that is the unit of its formula.
    """

    endless: ClassVar[bool] = True
    every: Length

    @abc.abstractmethod
    def ratio(self, xp: Any, k: Any) -> Any:
        """Return level/start at positions `k` >= 0."""

    def __post_init__(self) -> None:
        self.check_ends()
        who = f"{type(self).__name__}(every={shorten(self.every)})"
        every = length(who, "every", self.every)
        if every == 0:
            raise ScheduleError(who, "needs every of 1 or more", "give a length")
        self.keep("every", every)

    def periods(self, xp: Any, k: Any) -> Any:
        """Return k/every, or its whole part with `staircase`."""
        if getattr(self, "staircase", False):
            return xp.true_divide(xp.floor_divide(k, self.every), 1)
        return xp.true_divide(k, self.every)

    def settle(self, horizon: Horizon, n: int | None) -> Schedule:
        assert not isinstance(self.every, float)
        every = max(1, settle_position(repr(self), horizon, n, self.every))
        return dataclasses.replace(self, every=every, over=n)  # pyright: ignore[reportArgumentType]

    def map_lengths(self, change: LengthMap) -> Self:
        moved = super().map_lengths(change)
        assert not isinstance(self.every, float)
        return dataclasses.replace(moved, every=change(self.every))  # pyright: ignore[reportArgumentType]

    def reach(self, xp: Any, k: Any, start: float) -> Any:
        """Return the level at positions `k`, behind the level `start`."""
        with np.errstate(over="ignore", under="ignore"):
            return finite(xp, start * self.ratio(xp, k))

    def piece(self, start: float, n: int | None) -> Track:
        def inside(xp: Any, k: Any) -> Any:
            return self.reach(xp, k, start)

        end = float("nan") if n is None else float(inside(np, np.array([n], dtype=np.int64))[0])
        return Track(n, end, inside)


@dataclass(frozen=True, eq=False, repr=False)
class Timed(Ratio, abc.ABC):
    """A decay by a rate per `every` updates."""

    rate: float
    every: Length = 1
    staircase: bool = False
    over: Length | None = None
    start: float | None = None

    def __post_init__(self) -> None:
        self.check_staircase()
        super().__post_init__()
        self.check("rate")

    def check_staircase(self) -> None:
        """Refuse a number: Keras' namesakes have the rate there, behind another length."""
        name = type(self).__name__
        who = f"{name}(staircase={shorten(self.staircase)})"
        try:
            self.keep("staircase", flag(who, "staircase", self.staircase))
        except ScheduleError as error:
            placed = [self.rate, self.every, self.staircase]
            placed += [self.over] if isinstance(self.over, bool) else []
            theirs = call(name, {}, placed)[1]
            told = f"; if it is that of Keras, {theirs}" if theirs else ""
            raise error.about(who, f"give one of them{told}") from None


@dataclass(frozen=True, eq=False, repr=False)
class ExponentialDecay(Timed, written=True):
    """Multiply by `rate` for every `every` updates, smoothly or in stairs.

    level(k) = start · rate^(k/every), or start · rate^⌊k/every⌋ with `staircase`

    Args:
        rate: Multiplier in (0, inf); above 1 the level grows.
        every: Length over which it applies once, at least 1 update.
        staircase: Whether it applies all at once at the end of each such length.
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: a number outside its interval.

    Source: `ExponentialDecay` of Keras and `exponential_decay` of Optax; `ExponentialLR` of
    PyTorch is every=1.

    >>> ExponentialDecay(0.25, every=2).values(3)
    array([1.  , 0.5 , 0.25])
    """

    def __post_init__(self) -> None:
        self.check_staircase()
        Ratio.__post_init__(self)
        self.check("rate", above=True)

    def ratio(self, xp: Any, k: Any) -> Any:
        return xp.power(self.rate, self.periods(xp, k))


@dataclass(frozen=True, eq=False, repr=False)
class NaturalDecay(Timed, written=True):
    """Fall exponentially at a given rate (natural exponential decay).

    level(k) = start · e^(-rate·k/every), or with ⌊k/every⌋ in stairs

    Args:
        rate: Rate of decay in [0, inf).
        every: Length that is the unit of time, at least 1 update.
        staircase: Whether time advances in whole units.
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: a number outside its interval.

    Source: `natural_exp_decay` of TensorFlow 1, `NaturalExpDecay` of Paddle.

    >>> float(round(NaturalDecay(1.0, every=10)(10), 6))
    0.367879
    """

    def ratio(self, xp: Any, k: Any) -> Any:
        return xp.exp(-self.rate * self.periods(xp, k))


@dataclass(frozen=True, eq=False, repr=False)
class InverseTime(Timed, written=True):
    """Fall as one over time (time-based decay).

    level(k) = start / (1 + rate·k/every), or with ⌊k/every⌋ in stairs

    Args:
        rate: Rate of decay in [0, inf).
        every: Length that is the unit of time, at least 1 update.
        staircase: Whether time advances in whole units.
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: a number outside its interval.

    Source: Robbins & Monro 1951; `InverseTimeDecay` of Keras.

    >>> InverseTime(1.0, every=10)(10)
    0.5
    """

    def ratio(self, xp: Any, k: Any) -> Any:
        return 1 / (1 + self.rate * self.periods(xp, k))


@dataclass(frozen=True, eq=False, repr=False)
class Power(Ratio, written=True):
    """Fall as a power of time; with power 0.5 the inverse square root.

    level(k) = start · (1 + k/every)^(-power)

    Behind a warm-up of W updates and with every=W this is (W/t)^power of update t.

    Args:
        power: Exponent in [0, inf).
        every: The time scale, at least 1 update: the level halves to 2^(-power) after it.
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: a number outside its interval.

    Source: Vaswani et al. 2017, arXiv 1706.03762 (0.5); Shen et al. 2024, arXiv 2408.13359 (0.51).

    >>> Power(0.5, every=100)(300)
    0.5
    """

    power: float = 0.5
    every: Length = 10_000
    over: Length | None = None
    start: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check("power")

    def ratio(self, xp: Any, k: Any) -> Any:
        return xp.power(1 + self.periods(xp, k), -self.power)


@dataclass(frozen=True, eq=False, repr=False)
class Saturate(Ratio, written=True):
    """Climb towards `to` as an exponential that never quite gets there.

    level(k) = start + (to - start)·(1 - e^(-(k+1)/every)); `start` is 0 at the beginning

    Args:
        every: Time constant, at least 1 update.
        to: Level it approaches, in [0, inf).
        over: Length; left out, the rest of the run.
        start: Level below the first one, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: a number outside its interval.

    Source: Ma & Yarats 2019, arXiv 1910.04209 (exponential warm-up of Adam).

    >>> float(round(Saturate(10)(9), 6))
    0.632121
    """

    every: Length
    to: float = 1.0
    over: Length | None = None
    start: float | None = None
    first: ClassVar[float] = 0.0

    def ratio(self, xp: Any, k: Any) -> Any:
        return -xp.expm1(-self.periods(xp, k + 1))

    def reach(self, xp: Any, k: Any, start: float) -> Any:
        v = self.ratio(xp, k)
        return blend(xp, 1 - v, v, start, self.to)


@dataclass(frozen=True, eq=False, repr=False)
class PolynomialCycles(Ratio, written=True):
    """Fall as a polynomial whose end moves away by `every` each time it is reached.

    level(k) = to + (start - to)·(1 - k/(c·every))^power,  c = max(1, ⌈k/every⌉)

    At k = every it is `to`; behind it, the level jumps up to where a decay twice as long would be.

    Args:
        to: Level at each end, in [0, inf).
        power: Exponent in (0, inf).
        every: Length of a cycle, at least 1 update.
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: a number outside its interval.

    Source: `PolynomialDecay(cycle=True)` of Keras.

    >>> PolynomialCycles(to=0, power=1, every=4).values(9)[3:6]
    array([0.25 , 0.   , 0.375])
    """

    to: float = 0.0
    power: float = 1.0
    every: Length = 1
    over: Length | None = None
    start: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check("power", above=True)

    def ratio(self, xp: Any, k: Any) -> Any:
        cycles = xp.maximum(1, xp.floor_divide(k + int(self.every) - 1, self.every))
        return xp.power(xp.true_divide(cycles * self.every - k, cycles * self.every), self.power)

    def reach(self, xp: Any, k: Any, start: float) -> Any:
        u = self.ratio(xp, k)
        return blend(xp, u, 1 - u, start, self.to)
