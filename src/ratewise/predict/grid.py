"""The rates of a run, in blocks or in segments: what every law is computed from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.signal import lfilter

from ratewise._arrays import Floats

BLOCKS = 2000
"""Blocks of a run while a law is fitted; a prediction takes every update by itself."""


@dataclass(frozen=True, eq=False)
class RateGrid:
    """A run cut into blocks of equally many updates, and the points where its loss is wanted.

    Args:
        mean: Mean rate of each block, float64[k].
        size: Updates in a block.
        steps: Updates after which the loss is wanted, float64[n].
    """

    mean: Floats
    size: int
    steps: Floats

    @classmethod
    def of(cls, rates: Floats, steps: ArrayLike, blocks: int = BLOCKS) -> RateGrid:
        """Return the grid of a run with at most so many blocks."""
        size = max(1, -(-len(rates) // blocks))
        missing = -len(rates) % size
        padded = np.append(rates, np.full(missing, rates[-1])) if missing else rates
        return cls(padded.reshape(-1, size).mean(1), size, np.asarray(steps, dtype=np.float64))

    def coarser(self, blocks: int) -> RateGrid:
        """Return the same run in at most so many blocks."""
        times = -(-len(self.mean) // blocks)
        if times <= 1:
            return self
        return RateGrid(RateGrid.of(self.mean, [], blocks).mean, self.size * times, self.steps)

    def at_points(self, ends: Floats, start: float = 0.0) -> Floats:
        """Return a quantity, known at the ends of the blocks, at the points wanted."""
        if self.size == 1 and len(self.steps) and self.steps[0] >= 1:
            return ends[self.steps.astype(np.int64) - 1]
        edges = np.arange(len(self.mean) + 1, dtype=np.float64) * self.size
        return np.interp(self.steps, edges, np.append(start, ends))

    def rows_at_points(self, ends: Floats) -> Floats:
        """Return several quantities, 0 at first, at the points wanted: float64[n, k]."""
        place = np.clip(self.steps / self.size, 0.0, len(self.mean))
        after = np.minimum(place.astype(np.int64), len(self.mean) - 1)
        share = (place - after)[:, None]
        earlier = np.where(after[:, None] > 0, ends[after - 1], 0.0)
        return earlier * (1 - share) + ends[after] * share

    def sums(self, per_update: Floats) -> Floats:
        """Return the sum over all updates before each point of what each update adds."""
        return self.at_points(np.cumsum(per_update) * self.size)

    def lagged(self, values: Floats, lag: float) -> tuple[Floats, Floats]:
        """Return the exponential moving average at the points, and its derivative by log lag.

        M(t) = d·M(t-1) + (1 - d)·v(t) with d = exp(-1/lag), lag in updates, M(0) = 0.
        """
        per_block = np.exp(-self.size / lag)
        means: Any = lfilter([1.0 - per_block], [1.0, -per_block], values)
        before = np.append(0.0, means[:-1])
        slopes: Any = lfilter([1.0], [1.0, -per_block], before - values)
        slopes = slopes * per_block * self.size / lag
        return self.at_points(means), self.at_points(slopes)


@dataclass(frozen=True, eq=False)
class RateSegments:
    """A run cut in segments over each of which the rate falls evenly, or all at once.

    Args:
        rates: Mean rate of each segment, float64[k].
        falls: By how much the rate falls within each, float64[k].
        sizes: Updates of each, float64[k].
        own: How many of them come behind the fall, on the mean, float64[k].
    """

    rates: Floats
    falls: Floats
    sizes: Floats
    own: Floats

    @classmethod
    def of(cls, rates: Floats) -> RateSegments:
        """Return every update as a segment; before the first at the peak no fall counts."""
        falls = -np.diff(rates, prepend=0.0)
        falls[: int(np.argmax(rates >= rates.max() * (1 - 1e-9))) + 1] = 0.0
        ones = np.ones(len(rates))
        return cls(rates, falls, ones, ones)

    def recent(self, lag: float) -> Floats:
        """Return how much each segment counts in the moving average at the end, float64[k]."""
        until = np.append(np.cumsum(self.sizes[::-1])[::-1], 0.0)
        left = np.exp(-until / lag)
        return left[1:] - left[:-1]


def highest_rate(grids: Sequence[RateGrid]) -> float:
    """Return the highest rate of some runs: the one that laws take as a unit."""
    return float(max(grid.mean.max() for grid in grids))


def longest_run(grids: Sequence[RateGrid]) -> float:
    """Return the last point of some runs: the unit of length."""
    return float(max(grid.steps[-1] for grid in grids))


def distinct_peaks(peaks: Iterable[float]) -> list[float]:
    """Return the different peaks of some runs, rising, in six figures."""
    return sorted({float(f"{peak:.6g}") for peak in peaks})
