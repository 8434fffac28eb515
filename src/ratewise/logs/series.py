"""The points of one column as they come in, however many: thinned by one rule, in bounded memory.

Point i of a series of n is kept if 2^k divides i, with the smallest k that leaves `most` of them.
So the spacing is even, and the same whether all points come at once or one by one. Kept besides
are the last point, the first infinite one, the first of the NaNs that a run ended in, and where
the steps go back, since a resumed run replaces what was there.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ratewise._arrays import Floats

MOST_POINTS = 200_000
"""Points that are kept of a series, and some that are kept besides."""
MOST_IN_ALL = 6_400_000
"""Points that are kept of all series of all logs that are read together: up to 32 series have all
that they may have, more have their share."""
LEAST = 100
"""Points that a series may keep in any case."""
MOST_TURNS = 1000
"""Places where the steps go back that are kept besides: more are a log in no order."""
MOST_PARTS = 64

Points = tuple[Floats, Floats]
"""Steps and the numbers at them, as they were written."""


def share_of(series: int, logs: int = 1) -> int:
    """Return how many points each of so many series may keep, in each of so many logs.

    >>> share_of(3), share_of(64), share_of(4, logs=100)
    (200000, 100000, 16000)
    """
    return max(min(MOST_POINTS, MOST_IN_ALL // max(series * logs, 1)), LEAST)


class Series:
    """The points of a column, in the order in which they were written.

    >>> series = Series()
    >>> for start in range(0, 1000, 10):
    ...     series.add(np.arange(start, start + 10.0), np.ones(10), most=100)
    >>> series.stride, series.count, series.points()[0][[0, 1, 2, -1]].tolist()
    (16, 1000, [0.0, 16.0, 32.0, 999.0])
    """

    def __init__(self) -> None:
        self.count, self.stride = 0, 1
        self._parts: list[Points] = []
        self._kept = 0
        self._beside: dict[int, tuple[float, float]] = {}
        self._turns = 0
        self._infinite = False
        self._tail: tuple[int, float] | None = None
        self._last: tuple[float, float] | None = None

    def add(self, steps: Floats, values: Floats, most: int = MOST_POINTS) -> None:
        """Take more points; a NaN among the values is one that was written."""
        if not len(steps):
            return
        self._note(steps, values)
        first = -self.count % self.stride
        kept = steps[first :: self.stride].copy(), values[first :: self.stride].copy()
        if len(kept[0]):
            self._parts.append(kept)
            self._kept += len(kept[0])
        self.count += len(steps)
        self._last = float(steps[-1]), float(values[-1])
        if self._kept > most or len(self._parts) > MOST_PARTS:
            self.thin(most)

    def thin(self, most: int) -> None:
        """Halve what is kept until it is `most` or less."""
        steps, values = _joined(self._parts)
        while len(steps) > most:
            steps, values = steps[::2], values[::2]
            self.stride *= 2
        self._parts, self._kept = [(steps.copy(), values.copy())], len(steps)

    def points(self) -> Points:
        """Return what is kept: NaNs to the end are infinite, since the run ended in them."""
        steps, values = _joined(self._parts)
        at = np.arange(len(steps), dtype=np.int64) * self.stride
        beside = dict(self._beside)
        if self._last is not None:
            beside[self.count - 1] = self._last
        if self._tail is not None:
            beside[self._tail[0]] = self._tail[1], np.nan
        beside = {place: point for place, point in beside.items() if place % self.stride}
        if beside:
            more = np.array(list(beside.values()), dtype=np.float64)
            at = np.append(at, list(beside))
            order = np.argsort(at, kind="stable")
            at = at[order]
            steps = np.append(steps, more[:, 0])[order]
            values = np.append(values, more[:, 1])[order]
        if self._tail is not None:
            values = np.where(at >= self._tail[0], np.inf, values)
        return steps, values

    def _note(self, steps: Floats, values: Floats) -> None:
        """Remember of some points those that are kept whatever the spacing."""
        finite = np.isfinite(values)
        if not finite.all():
            blown = np.flatnonzero(np.isinf(values))
            if len(blown) and not self._infinite:
                self._infinite = True
                self._keep(steps, values, blown[:1])
        numbers = np.flatnonzero(~np.isnan(values)) if not finite.all() else None
        if numbers is None or (len(numbers) and numbers[-1] == len(values) - 1):
            self._tail = None
        elif len(numbers) or self._tail is None:
            place = int(numbers[-1]) + 1 if len(numbers) else 0
            self._tail = self.count + place, float(steps[place])
        before = steps[0] if self._last is None else self._last[0]
        turns = np.flatnonzero(np.diff(steps, prepend=before) < 0)
        if len(turns):
            self._keep(steps, values, turns[: MOST_TURNS - self._turns])
            self._turns = min(self._turns + len(turns), MOST_TURNS)

    def _keep(self, steps: Floats, values: Floats, places: Iterable[int]) -> None:
        for place in places:
            self._beside[self.count + int(place)] = float(steps[place]), float(values[place])


def _joined(parts: list[Points]) -> Points:
    if not parts:
        return np.empty(0), np.empty(0)
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([one for one, _ in parts]), np.concatenate([one for _, one in parts])
