"""The rates of a run in blocks of updates: what every law is computed from."""

from __future__ import annotations

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

    def at_points(self, ends: Floats, start: float = 0.0) -> Floats:
        """Return a quantity, known at the ends of the blocks, at the points wanted."""
        if self.size == 1 and len(self.steps) and self.steps[0] >= 1:
            return ends[self.steps.astype(np.int64) - 1]
        edges = np.arange(len(self.mean) + 1, dtype=np.float64) * self.size
        return np.interp(self.steps, edges, np.append(start, ends))

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
