"""Cycles: a pattern again and again, growing or shrinking."""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, Self

import numpy as np

from ratewise.schedule.base import Schedule
from ratewise.schedule.errors import ScheduleError, number, shorten, whole
from ratewise.schedule.lengths import (
    LONGEST,
    Horizon,
    Length,
    LengthMap,
    length,
    nearest_update,
)
from ratewise.schedule.track import BLOCK, LARGEST, Inside, Track, finite, switch

__all__ = ["Repeat"]


@dataclass(frozen=True, eq=False, repr=False)
class Repeat(Schedule, written=True):
    """Run a pattern again and again; each cycle starts at the level at which the first one did.

    Cycle i covers every · grow^i updates (boundaries, added up exactly, are rounded to the nearest
    update) and its levels are the pattern's times shrink^i. Inside the pattern, shares are of the
    cycle. The last cycle is cut where the run ends.

    Args:
        pattern: The schedule of one cycle.
        every: Length of the first cycle, at least 1 update; left out, the pattern's own length.
        grow: Ratio of the lengths of a cycle and the one before it, 1 or in
            [1.01, inf).
        shrink: Ratio of the levels of a cycle and the one before it, in [0, inf).
        times: Number of cycles, at least 1; behind them the end level is held. Left out: no end.
        over: Length; left out, `times` cycles, or the rest of the run.

    Raises:
        ScheduleError: a number outside its interval; a cycle without length.

    Source: Loshchilov & Hutter 2017, arXiv 1608.03983 (warm restarts, T_0 and T_mult).

    >>> from ratewise import Linear
    >>> Repeat(Linear(to=0), every=2, grow=2).values(6)
    array([1.  , 0.5 , 1.  , 0.75, 0.5 , 0.25])
    """

    pattern: Schedule
    every: Length | None = None
    grow: float = 1.0
    shrink: float = 1.0
    times: int | None = None
    over: Length | None = None

    def __post_init__(self) -> None:
        self.keep("pattern", self.read("Repeat", self.pattern))
        if not isinstance(self.pattern, Schedule):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ScheduleError(
                f"Repeat({shorten(self.pattern)})",
                "needs a schedule",
                "write Repeat(Cosine(), every=100)",
            )
        for name in ("every", "over"):
            value = getattr(self, name)
            if value is not None:
                self.keep(name, length(f"Repeat({name}={shorten(value)})", name, value))
        if self.every == 0:
            raise ScheduleError("Repeat(every=0)", "needs every of 1 or more", "give a length")
        who = f"Repeat(grow={shorten(self.grow)})"
        self.keep("grow", number(who, "grow", self.grow, low=1.0))
        if 1.0 < self.grow < 1.01:
            raise ScheduleError(who, "needs grow of 1, or in [1.01, inf)", "give one of these")
        self.keep("shrink", number(f"Repeat(shrink={shorten(self.shrink)})", "shrink", self.shrink))
        if self.times is not None:
            who = f"Repeat(times={shorten(self.times)})"
            self.keep("times", whole(who, "times", self.times, low=1, high=2**20))

    @property
    def parts(self) -> tuple[Schedule, ...]:
        return (self.pattern,)

    def with_parts(self, parts: tuple[Schedule, ...]) -> Repeat:
        (pattern,) = parts
        return dataclasses.replace(self, pattern=pattern)

    @property
    def open(self) -> bool:
        return self.over is None and self.times is None

    def cycle(self, horizon: Horizon) -> Fraction:
        """Return the exact length of the first cycle in updates."""
        if self.every is not None:
            assert not isinstance(self.every, float)
            return horizon.updates(repr(self), self.every)
        extent = self.pattern.extent(dataclasses.replace(horizon, total=None))
        if not extent:
            raise ScheduleError(repr(self), "has a cycle without length", "give every=…")
        return extent

    def extent(self, horizon: Horizon) -> Fraction | None:
        if self.over is not None:
            assert not isinstance(self.over, float)
            return horizon.updates(repr(self), self.over)
        if self.times is None:
            return None
        ends = Cycles(Fraction(max(1, nearest_update(self.cycle(horizon)))), self.grow)
        return Fraction(ends.boundary(self.times))

    def settle(self, horizon: Horizon, n: int | None) -> Schedule:
        every = max(1, nearest_update(self.cycle(horizon)))
        who = repr(self)

        def fixed(given: int | str) -> int | str:
            if isinstance(given, int) or given.endswith("%"):
                return given
            return nearest_update(horizon.unit(who, given))

        pattern = self.pattern.map_lengths(fixed)
        if self.grow == 1.0:
            pattern = pattern.fit(Horizon(total=every), every)
        else:
            pattern.fit(Horizon(total=every), every)  # refused now, not in the middle of a run
        return dataclasses.replace(self, pattern=pattern, every=every, over=n)

    def map_lengths(self, change: LengthMap) -> Self:
        every = None if self.every is None else change(self.every)  # pyright: ignore
        over = None if self.over is None else change(self.over)  # pyright: ignore
        pattern = self.pattern.map_lengths(change)
        return dataclasses.replace(self, pattern=pattern, every=every, over=over)

    def track(self, level: float | None) -> Track:
        every, n = self.every, self.over
        assert isinstance(every, int)
        assert not isinstance(n, float | str)
        if n == 0:
            return Track(0, 1.0 if level is None else level, lambda xp, t: t * 0.0)
        cycles = Cycles(Fraction(every), self.grow)
        one = lru_cache(maxsize=256)(self._one_cycle(level))
        inside = _CycleLevels(cycles, one, self.shrink, self.times, n)
        return Track(n, float("nan") if n is None else inside.end(n), inside)

    def _one_cycle(self, level: float | None) -> Callable[[int], Track]:
        return lambda n: self.pattern.fit(Horizon(total=n), n).track(level)


class Cycles:
    """The boundaries of cycles: rounded exact partial sums of a geometric series."""

    def __init__(self, every: Fraction, grow: float) -> None:
        self.every, self.grow = every, Fraction(repr(grow))
        self._ends = [0]

    def boundary(self, i: int) -> int:
        """Return the update at which cycle `i` starts."""
        if self.grow == 1:
            return nearest_update(self.every * i)
        while len(self._ends) <= i and self._ends[-1] <= LONGEST:
            k = len(self._ends)
            total = self.every * (self.grow**k - 1) / (self.grow - 1)
            self._ends.append(max(nearest_update(total), self._ends[-1] + 1))
        return self._ends[min(i, len(self._ends) - 1)]

    def find(self, t: int) -> int:
        """Return the number of the cycle that update `t` is in."""
        if self.grow == 1:
            return t // int(self.every)
        while self._ends[-1] <= t:
            self.boundary(len(self._ends))
        return bisect.bisect_right(self._ends, t) - 1


@dataclass(frozen=True)
class _CycleLevels:
    """Levels inside a `Repeat` over n updates: `one(m)` is the track of a cycle of m updates."""

    cycles: Cycles
    one: Callable[[int], Track]
    shrink: float
    times: int | None
    over: int | None

    def __call__(self, xp: Any, t: Any) -> Any:
        if xp is not np:
            return self._traced(xp, t)
        if not t.size:
            return np.empty(0)
        every = int(self.cycles.every)
        short = self.cycles.grow == 1 and every <= BLOCK and t.size > every
        return self._by_table(t, every) if short else self._by_cycle(t)

    def _by_cycle(self, t: Any) -> Any:
        out, done = np.empty(t.shape), 0
        while done < t.size:
            i = self._cycle(int(t[done]))
            start, stop = self.cycles.boundary(i), self.cycles.boundary(i + 1)
            last = self.times is not None and i == self.times - 1
            until = t.size if last else int(np.searchsorted(t, stop))
            levels = self.one(stop - start).levels(np, t[done:until] - start)
            out[done:until] = self._shrunk(levels, np.full(levels.shape, float(i)))
            done = until
        return out

    def _by_table(self, t: Any, every: int) -> Any:
        track = self.one(every)
        table = np.append(track.levels(np, np.arange(every, dtype=np.int64)), track.end)
        i, k = np.divmod(t, every)
        if self.times is not None:
            beyond = i >= self.times
            i, k = np.where(beyond, self.times - 1, i), np.where(beyond, every, k)
        return self._shrunk(table[k], i.astype(np.float64))

    def _cycle(self, t: int) -> int:
        i = self.cycles.find(t)
        return i if self.times is None else min(i, self.times - 1)

    def _shrunk(self, levels: Any, i: Any) -> Any:
        if self.shrink == 1.0:
            return levels
        with np.errstate(over="ignore", under="ignore"):
            return np.minimum(levels * np.minimum(np.power(self.shrink, i), LARGEST), LARGEST)

    def end(self, n: int) -> float:
        """Return the level held behind `n` updates: no new cycle begins there."""
        i = self._cycle(n - 1)
        start, stop = self.cycles.boundary(i), self.cycles.boundary(i + 1)
        track = self.one(stop - start)
        at = np.array([min(n, stop) - start], dtype=np.int64)
        return float(self._shrunk(track.levels(np, at), np.array([float(i)]))[0])

    def _traced(self, xp: Any, t: Any) -> Any:
        if self.cycles.grow == 1:
            every = int(self.cycles.every)
            i = xp.floor_divide(t, every)
            i = i if self.times is None else xp.minimum(i, self.times - 1)
            levels = self.one(every).levels(xp, t - i * every)
            if self.shrink == 1.0:
                return levels
            return finite(xp, levels * finite(xp, xp.power(self.shrink, xp.true_divide(i, 1))))
        last = self.cycles.find(2**31 if self.over is None else min(self.over, 2**31) - 1)
        count = last + 1 if self.times is None else min(last + 1, self.times)
        bounds = [self.cycles.boundary(i) for i in range(1, count)]
        return switch(xp, t, bounds, [self._traced_cycle(i) for i in range(count)])

    def _traced_cycle(self, i: int) -> Inside:
        track = self.one(self.cycles.boundary(i + 1) - self.cycles.boundary(i))
        if self.shrink == 1.0:
            return track.levels
        with np.errstate(over="ignore"):
            factor = float(np.minimum(np.power(self.shrink, float(i)), LARGEST))
        return lambda xp, t: finite(xp, track.levels(xp, t) * factor)
