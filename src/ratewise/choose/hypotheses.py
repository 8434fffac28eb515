"""What a whole space of runs may look like, before any of them is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ratewise._arrays import Floats
from ratewise.choose.experience import Experience, traits
from ratewise.tasks.protocols import Rates

MARGIN, STEP = 0.6, 0.4
"""How far beyond the ladder the best peak may lie, and how finely it is tried: in factors of e."""

LIKE_THE_MEAN, LIKE_ONE, ANY_SHAPE, NOTHING = 1.0, 1.0, 0.2, 0.2
"""Prior weights: the mean of the recorded tasks, one of them, their peaks alone, nothing at all."""

BROKE_BELOW = 3.0
"""How much less likely, in logarithms, it is that a run broke whose peak is below the best one."""

PEAK, LEVEL, COOLED, CLIMB = 1.2, 0.5, 0.4, 0.25
"""How far apart runs are that are told apart in their peak and each trait, for a smooth process."""

AMOUNTS, LENGTHS, NOISES = (0.3, 0.6), (0.5, 1.0), (0.05, 0.2)
"""Deviations of the process, its length scales, deviations of noise: all of them are tried."""


@dataclass(frozen=True, eq=False)
class Hypotheses:
    """Surfaces over a space of runs, one of which the task is taken to follow, up to a process.

    metric = a + s·(surface + process) + noise, with an offset a and a scale s that nobody knows.

    Args:
        surfaces: How far behind the best each run would be, float64[hypotheses, runs].
        weights: Logarithm of how likely each is beforehand, float64[hypotheses].
        centres: Logarithm of the best peak that each supposes, NaN if it supposes none.
        peaks: Logarithm of the peak of each run, float64[runs].
        apart: Squared distance of runs for the process, float64[runs, runs].
    """

    surfaces: Floats
    weights: Floats
    centres: Floats
    peaks: Floats
    apart: Floats

    @classmethod
    def of(cls, runs: Sequence[Rates], experience: Experience) -> Hypotheses:
        """Return what the recorded tasks say of a space, wherever in it the best peak is.

        Beside them there is a surface that knows of peaks and of no shapes, and a flat one, of a
        task that has nothing in common with them: then the process has to do it all.
        """
        peaks = np.log([run.max() for run in runs])
        centres = np.arange(peaks.min() - MARGIN, peaks.max() + MARGIN + 1e-9, STEP)
        each = experience.surfaces(runs, centres)
        mean = each.mean(axis=0) if len(each) else np.zeros((len(centres), len(runs)))
        shapeless = _shapeless(experience, peaks, centres)
        surfaces = np.concatenate([*each, mean, shapeless, np.zeros((1, len(runs)))])
        size = len(centres)
        weights = np.concatenate([
            np.full(len(each) * size, LIKE_ONE / max(len(each), 1)),
            np.full(size, LIKE_THE_MEAN),
            np.full(size, ANY_SHAPE),
            [NOTHING * size],
        ])  # fmt: skip
        told = np.append(np.tile(centres, len(each) + 2), np.nan)
        return cls(surfaces, np.log(weights / weights.sum()), told, peaks, _apart(runs, peaks))

    def beforehand(self, known: Mapping[int, float]) -> Floats:
        """Return the prior weights with what runs that broke say: their peaks were too high."""
        broke = [i for i, value in known.items() if not np.isfinite(value)]
        if not broke:
            return self.weights
        lowest = self.peaks[broke].min()
        return self.weights - BROKE_BELOW * (self.centres > lowest)

    def first(self, peak: float) -> int:
        """Return the run to begin with: at a peak, the least behind if that is the best peak."""
        near = np.abs(self.peaks - np.log(peak))
        there = np.flatnonzero(near <= near.min() + 1e-9)
        supposed = np.abs(self.centres - np.log(peak))
        alike = np.flatnonzero(supposed <= np.nanmin(supposed) + 1e-9)
        told = np.exp(self.weights[alike]) @ self.surfaces[np.ix_(alike, there)]
        return int(there[np.argmin(told)])


def _shapeless(experience: Experience, peaks: Floats, centres: Floats) -> Floats:
    """Return how far behind a run is by its peak alone, on average, float64[centres, runs]."""
    distance = peaks - centres[:, None]
    told = [task.at(distance).mean(axis=0) for task in experience.tasks.values()]
    return np.mean(told, axis=0) if told else np.zeros_like(distance)


def _apart(runs: Sequence[Rates], peaks: Floats) -> Floats:
    """Return the squared distances of runs: in their peak, their level, their end, their climb."""
    table = np.column_stack([peaks / PEAK, traits(runs) / (LEVEL, COOLED, CLIMB)])
    return ((table[:, None] - table) ** 2).sum(axis=-1)
