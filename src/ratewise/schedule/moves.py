"""The smooth moves: one formula for each shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ratewise.schedule.errors import ScheduleError
from ratewise.schedule.lengths import Length
from ratewise.schedule.move import Move
from ratewise.schedule.track import Track, constant

__all__ = ["Cosine", "Exponential", "Hold", "Linear", "Polynomial", "Sqrt"]


@dataclass(frozen=True, eq=False, repr=False)
class Hold(Move, written=True):
    """Stay at the current level, or at `level`.

    level(k) = level, k in [0, n)

    Args:
        level: Level in [0, inf); left out, the one the last move ended on (1 at the beginning).
        over: Length; left out, the rest of the run.

    Raises:
        ScheduleError: `level` is negative or not finite.

    >>> Hold(0.5, over=10)(3)
    0.5
    """

    level: float | None = None
    over: Length | None = None
    endless: ClassVar[bool] = True

    def __post_init__(self) -> None:
        self.check_ends()
        if self.level is not None:
            self.check("level")

    @property
    def idle(self) -> bool:
        return self.level is None

    def piece(self, start: float, n: int | None) -> Track:
        level = start if self.level is None else self.level
        return Track(n, level, constant(level))


@dataclass(frozen=True, eq=False, repr=False)
class Linear(Move, written=True):
    """Go in a straight line from the current level to `to`.

    level(k) = u·start + v·to,  u = (n - k)/n,  v = k/n,  k in [0, n)

    Args:
        to: Level reached when the move ends, in [0, inf).
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: `to` or `start` is negative or not finite.

    Source: linear decay to zero, Defazio et al. 2023, arXiv 2310.07831.

    >>> Linear(to=0, over=4).values()
    array([1.  , 0.75, 0.5 , 0.25])
    """

    to: float = 0.0
    over: Length | None = None
    start: float | None = None

    def weight(self, xp: Any, k: Any, n: Any) -> Any:
        return xp.true_divide(n - k, n)

    def rest(self, xp: Any, k: Any, n: Any, u: Any) -> Any:
        return xp.true_divide(k, n)


@dataclass(frozen=True, eq=False, repr=False)
class Cosine(Move, written=True):
    """Fall along half a cosine from the current level to `to`.

    level(k) = u·start + (1 - u)·to,  u = (1 + cos(π k/n))/2,  k in [0, n)

    Args:
        to: Level reached when the move ends, in [0, inf).
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: `to` or `start` is negative or not finite.

    Source: Loshchilov & Hutter 2017, arXiv 1608.03983 (without restarts).

    >>> Cosine(to=0.1, over=100).resolve()(50)
    0.55
    """

    to: float = 0.0
    over: Length | None = None
    start: float | None = None

    def weight(self, xp: Any, k: Any, n: Any) -> Any:
        return (1 + xp.cos(np.pi * xp.true_divide(k, n))) / 2


@dataclass(frozen=True, eq=False, repr=False)
class Polynomial(Move, written=True):
    """Fall as a power of the time that is left.

    level(k) = u·start + (1 - u)·to,  u = ((n - k)/n)^power,  k in [0, n)

    Args:
        to: Level reached when the move ends, in [0, inf).
        power: Exponent in (0, inf); 1 is a straight line, 2 is steep at first.
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: `power` is not above 0, or a level is negative or not finite.

    Source: Chen et al. 2017, arXiv 1606.00915 ("poly" policy, power 0.9).

    >>> Polynomial(to=0, power=2, over=4).values()
    array([1.    , 0.5625, 0.25  , 0.0625])
    """

    to: float = 0.0
    power: float = 2.0
    over: Length | None = None
    start: float | None = None

    def __post_init__(self) -> None:
        self.check_ends()
        self.check("power", above=True)

    def weight(self, xp: Any, k: Any, n: Any) -> Any:
        return xp.power(xp.true_divide(n - k, n), self.power)


@dataclass(frozen=True, eq=False, repr=False)
class Sqrt(Move, written=True):
    """Cool down as one minus a square root: fast at first, then ever slower.

    level(k) = u·start + (1 - u)·to,  u = 1 - √(k/n),  k in [0, n)

    Args:
        to: Level reached when the move ends, in [0, inf).
        over: Length; left out, the rest of the run.
        start: Level to start from, in [0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: `to` or `start` is negative or not finite.

    Source: Hägele et al. 2024, arXiv 2405.18392 (the "1-sqrt" cooldown).

    >>> Sqrt(to=0, over=4).values()[:2]
    array([1. , 0.5])
    """

    to: float = 0.0
    over: Length | None = None
    start: float | None = None

    def weight(self, xp: Any, k: Any, n: Any) -> Any:
        return 1 - xp.sqrt(xp.true_divide(k, n))


@dataclass(frozen=True, eq=False, repr=False)
class Exponential(Move, written=True):
    """Go to `to` by a constant factor per update.

    level(k) = start · (to/start)^(k/n),  k in [0, n)

    Args:
        to: Level reached when the move ends, in (0, inf).
        over: Length; left out, the rest of the run.
        start: Level to start from, in (0, inf); left out, where the last move ended.

    Raises:
        ScheduleError: `to` or the start level is not above 0.

    Source: exponential decay as in `ExponentialLR` and `ExponentialDecay`, by its end level.

    >>> Exponential(to=0.01, over=2).values()
    array([1. , 0.1])
    """

    to: float = 0.01
    over: Length | None = None
    start: float | None = None

    def __post_init__(self) -> None:
        self.check_ends()
        self.check("to", above=True)
        if self.start is not None:
            self.check("start", above=True)

    def piece(self, start: float, n: int | None) -> Track:
        if start <= 0.0:
            fix = "give start=… above 0, or end the move before it above 0"
            raise ScheduleError(repr(self), "cannot start at level 0", fix)
        return super().piece(start, n)

    def path(self, xp: Any, k: Any, n: Any, start: float, end: float) -> Any:
        level = start * xp.power(end / start, xp.true_divide(k, n))
        return xp.clip(level, min(start, end), max(start, end))
