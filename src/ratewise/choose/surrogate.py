"""The surrogate: what the finished runs say of those that nobody has trained."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise._extras import require
from ratewise.tasks.protocols import Rates

TAIL = 0.05
"""Share of a run, at its end, whose mean rate says how far it is cooled."""

BAD = 2.0
"""A run further behind the middle one than so many times the best is ahead of it counts as that."""

SCALES = (0.3, 3.0)
"""Least and largest length scale of the process, in standard deviations of a feature."""

AMOUNTS, NOISES = (0.05, 10.0), (1e-2, 1.0)
"""Least and largest variance of the process and of the noise, in variances of finished runs."""


@dataclass(frozen=True, eq=False)
class Surrogate:
    """The final metric of every run of a space, as far as it can be told; less is better.

    Args:
        mean: Expected final metric, float64[runs]; of runs that are finished, what is known.
        spread: Standard deviation of that expectation, float64[runs].
        noise: Standard deviation of what the rates do not explain: retrain noise.
    """

    mean: Floats
    spread: Floats
    noise: float

    def improvement(self, best: float, *, lucky: bool) -> Floats:
        """Return by how much each run is expected to be better than a metric, float64[runs].

        EI = (best − μ)·Φ(z) + σ·φ(z),  z = (best − μ)/σ

        Args:
            best: The metric.
            lucky: Whether retrain noise may help: σ² = spread² + noise², else σ = spread.

        Source: Jones, Schonlau & Welch 1998, Journal of Global Optimization 13.
        """
        normal = require("scipy.stats", extra="search").norm
        spread = np.hypot(self.spread, self.noise if lucky else 0.0)
        spread = np.maximum(spread, 1e-12 * max(abs(best), 1e-300))
        gain = best - self.mean
        z = gain / spread
        # Never below the gain of the mean, as rounding would have it where z is large.
        return np.maximum(gain * normal.cdf(z) + spread * normal.pdf(z), gain)


def features(runs: Sequence[Rates]) -> Floats:
    """Return what the process tells runs apart by, standardised, float64[runs, 3].

    The logarithm of the peak, the logarithm of the mean rate, and the square root of the mean rate
    of the last twentieth; a feature in which all runs are alike is 0.
    """
    rows = [
        (math.log(one.max()), math.log(one.mean()), math.sqrt(one[-_tail(len(one)) :].mean()))
        for one in runs
    ]
    table = np.array(rows)
    spread = table.std(axis=0)
    return (table - table.mean(axis=0)) / np.where(spread > 0, spread, 1.0)


def fit_surrogate(
    table: Floats, known: Mapping[int, float], prior: Floats | None = None
) -> Surrogate:
    """Return what the finished runs of a space say of all of them.

    A Gaussian process over the features. Where a law has predicted the final metrics it is tried as
    the mean of the process, with a slope drawn towards 1, and taken if that makes the finished runs
    more likely than a constant mean does.

    Args:
        table: Features of all runs, float64[runs, k].
        known: Final metric of the finished ones by index; NaN if a run did not get to its end.
        prior: What a law predicts for all runs, float64[runs], or None.

    Source: Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, chapter 5.
    """
    done = list(known)
    measured = np.array([known[i] for i in done])
    values = winsorized(measured)
    flat = np.full(len(table), values.mean())
    unit = max(float(values.std()), 1e-12 * max(1.0, abs(float(values.mean()))))
    tried = [_process(table, done, values, flat, unit, 0.0)]
    if prior is not None:
        tried.append(_process(table, done, values, _scaled(prior, done, values), unit, 1.0))
    _, mean, spread, noise = max(tried, key=lambda one: one[0])
    mean[done] = np.where(np.isfinite(measured), measured, values)
    return Surrogate(mean, spread, noise)


def winsorized(values: Floats) -> Floats:
    """Return metrics with the bad ones drawn in: how bad they are says nothing of the good ones."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros(len(values))
    middle, best = float(np.median(finite)), float(finite.min())
    worst = middle + BAD * max(middle - best, 1e-3 * abs(middle))
    return np.minimum(np.where(np.isfinite(values), values, worst), worst)


def _tail(total: int) -> int:
    return max(1, round(TAIL * total))


def _scaled(prior: Floats, done: list[int], values: Floats) -> Floats:
    """Return a law's predictions moved and stretched to the finished runs.

    What it predicts beyond the best and the worst of these counts as them: laws of short runs do
    not reach further.
    """
    prior = np.clip(prior, prior[done].min(), prior[done].max())
    centred = prior[done] - prior[done].mean()
    pull = 0.05 * float(centred @ centred) + 1e-12
    slope = (float(centred @ (values - values.mean())) + pull) / (float(centred @ centred) + pull)
    return values.mean() + max(slope, 0.0) * (prior - prior[done].mean())


def _process(
    table: Floats, done: list[int], values: Floats, mean: Floats, unit: float, penalty: float
) -> tuple[float, Floats, Floats, float]:
    """Return the evidence for a mean, and the posterior of the process around it."""
    process: Any = require("sklearn.gaussian_process", extra="search")
    kernels: Any = process.kernels
    smooth = kernels.RBF(np.ones(table.shape[1]), SCALES)
    kernel = kernels.ConstantKernel(1.0, AMOUNTS) * smooth + kernels.WhiteKernel(0.1, NOISES)
    model = process.GaussianProcessRegressor(kernel)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a length scale at its bound is an answer too
        model.fit(table[done], (values - mean[done]) / unit)
    predicted, spread = model.predict(table, return_std=True)
    evidence = float(model.log_marginal_likelihood_value_) - penalty
    level = float(model.kernel_.k2.noise_level)
    sure = np.sqrt(np.maximum(spread**2 - level, 0.0))  # the predicted spread includes it
    return evidence, mean + unit * predicted, unit * sure, unit * math.sqrt(level)
