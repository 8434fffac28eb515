"""The move: one piece of a schedule, with a length."""

from __future__ import annotations

import abc
import dataclasses
import math
from fractions import Fraction
from typing import Any, ClassVar, Self

from ratewise.schedule.base import Schedule
from ratewise.schedule.errors import Fix, ScheduleError, number, shorten
from ratewise.schedule.lengths import Horizon, LengthMap, length
from ratewise.schedule.track import Track, blend


class Move(Schedule, abc.ABC):
    """One piece of a schedule: it starts where the last one ended and takes `over` updates.

    A subclass is a frozen dataclass with fields `over` and (if it can start elsewhere) `start`,
    and either `weight` and `to`, or `piece`.
    """

    over: int | float | str | None
    start: float | None = None
    endless: ClassVar[bool] = False
    """Whether the move makes sense without a length and without a total."""
    first: ClassVar[float] = 1.0
    """Level at which it starts when nothing comes before it."""

    def __post_init__(self) -> None:
        self.check_ends()

    def weight(self, xp: Any, k: Any, n: Any) -> Any:
        """Return the weight of the start level at position `k` of `n`: 1 at k=0, 0 at k=n."""
        raise NotImplementedError

    def rest(self, xp: Any, k: Any, n: Any, u: Any) -> Any:
        """Return the weight of the end level, 1 - u, in the form that is most exact."""
        return 1 - u

    def path(self, xp: Any, k: Any, n: Any, start: float, end: float) -> Any:
        """Return the level at position `k` of `n` on the way from `start` to `end`."""
        u = self.weight(xp, k, n)
        return blend(xp, u, None if end == 0.0 else self.rest(xp, k, n, u), start, end)

    def piece(self, start: float, n: int | None) -> Track:
        """Return the track from level `start` over `n` updates (None: without end)."""
        end = float(getattr(self, "to"))  # noqa: B009  (only moves with weights have it)
        return Track(n, end, lambda xp, k: self.path(xp, k, n, start, end))

    def extent(self, horizon: Horizon) -> Fraction | None:
        if self.over is None:
            return None
        assert not isinstance(self.over, float)
        return horizon.updates(repr(self), self.over)

    def settle(self, horizon: Horizon, n: int | None) -> Schedule:
        if n is None and not self.endless:
            over = f"write {type(self).__name__}(…, over=…)"
            fix = Fix(f"{over}, or give {{total}}", f"{over}, or call resolve(total=…)", total="…")
            raise ScheduleError(repr(self), "has no length and the run no total", fix)
        return dataclasses.replace(self, over=n)  # pyright: ignore[reportArgumentType]

    def track(self, level: float | None) -> Track:
        assert self.over is None or isinstance(self.over, int)
        before = self.first if level is None else level
        if self.over == 0:
            return Track(0, 1.0 if level is None else level, lambda xp, t: t * 0.0)
        return self.piece(before if self.start is None else self.start, self.over)

    def map_lengths(self, change: LengthMap) -> Self:
        if self.over is None:
            return self
        assert not isinstance(self.over, float)
        return dataclasses.replace(self, over=change(self.over))  # pyright: ignore[reportArgumentType]

    def check(
        self, name: str, *, low: float = 0.0, above: bool = False, high: float = math.inf
    ) -> None:
        """Make the field a finite float in its interval, or refuse it by name."""
        value = getattr(self, name)
        who = f"{type(self).__name__}({name}={shorten(value)})"
        self.keep(name, number(who, name, value, low=low, above=above, high=high))

    def check_ends(self) -> None:
        """Check `over` and, where given, `start` and `to`."""
        if self.over is not None:
            who = f"{type(self).__name__}(over={shorten(self.over)})"
            self.keep("over", length(who, "over", self.over))
        if self.start is not None:
            self.check("start")
        if hasattr(self, "to"):
            self.check("to")
