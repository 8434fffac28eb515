"""Warm-ups: the climb to the peak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ratewise.schedule.errors import one_of, shorten
from ratewise.schedule.lengths import Length
from ratewise.schedule.move import Move
from ratewise.schedule.track import blend

__all__ = ["Warmup"]

SHAPES = ("linear", "cosine", "sqrt", "quadratic", "log")


@dataclass(frozen=True, eq=False, repr=False)
class Warmup(Move, written=True):
    """Climb to `to`, in equal steps; the first update is above the level before it.

    level(k) = u·c + v·to,  v = (k + 1)/(n + 1),  u = 1 - v,  k in [0, n), c the level before
    (0 at the beginning). So no update is spent at zero, and update n is the first at the peak.
    With `start` it is the half-open ramp of Transformers, Optax and Keras, p = k/n:
    level(k) = (1 - p)·start + p·to.

    Other shapes put a function of p = (k + 1)/(n + 1), or k/n, in place of v:
    "cosine" (1 - cos(πp))/2 · "sqrt" 1 - √(1 - p) · "quadratic" p² ·
    "log" log(1 + x)/log(1 + N) for p = x/N.

    Args:
        over: Length; left out, what the moves behind it leave. A warm-up as long as the run or
            longer is refused.
        to: Level reached by the first update after it, in [0, inf).
        start: Level of the first update, in [0, inf).
        shape: "linear", "cosine", "sqrt", "quadratic" or "log".

    Raises:
        ScheduleError: a level is negative or not finite; a shape that is not known.

    Source: Goyal et al. 2017, arXiv 1706.02677 (gradual warm-up); "log" is DeepSpeed's default.

    >>> Warmup(4).values()
    array([0.2, 0.4, 0.6, 0.8])
    >>> Warmup(4, start=0).values()
    array([0.  , 0.25, 0.5 , 0.75])
    """

    over: Length | None = None
    to: float = 1.0
    start: float | None = None
    shape: str = "linear"
    first: ClassVar[float] = 0.0

    def __post_init__(self) -> None:
        self.check_ends()
        who = f"Warmup(shape={shorten(self.shape)})"
        one_of(who, "is not a shape", self.shape, SHAPES)

    def path(self, xp: Any, k: Any, n: Any, start: float, end: float) -> Any:
        if self.start is None:
            k, n = k + 1, n + 1
        u, v = self._weights(xp, k, n)
        return blend(xp, u, v, start, end)

    def _weights(self, xp: Any, k: Any, n: Any) -> tuple[Any, Any]:
        if self.shape == "linear":
            return xp.true_divide(n - k, n), xp.true_divide(k, n)
        if self.shape == "cosine":
            u = (1 + xp.cos(np.pi * xp.true_divide(k, n))) / 2
            return u, 1 - u
        if self.shape == "sqrt":
            u = xp.sqrt(xp.true_divide(n - k, n))
            return u, 1 - u
        p = xp.true_divide(k, n)
        v = p * p if self.shape == "quadratic" else xp.log1p(xp.true_divide(k, 1)) / np.log1p(n)
        return 1 - v, v
