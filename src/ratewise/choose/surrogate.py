"""The surrogate: what the finished runs say of those that nobody has trained."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ratewise._arrays import Floats
from ratewise._extras import require
from ratewise.choose.hypotheses import AMOUNTS, LENGTHS, NOISES, Hypotheses

BAD = 2.0
"""A run further behind the middle one than so many times the best is ahead of it counts as that."""

SCALES = 2.0 ** np.arange(-3, 4.1, 0.5)
"""Scales that are tried, in units of how far finished runs are apart."""

FIRST_SCALES = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5])
"""The same while one run is finished, in units of its metric: nothing else is known of it."""

UNLIKELY = 7.0
"""What is less likely than the likeliest, by so much in logarithms, is left out."""


@dataclass(frozen=True, eq=False)
class Surrogate:
    """The final metric of every run of a space, as far as it can be told; less is better.

    A mixture of normal distributions, one for each hypothesis that the finished runs allow.

    Args:
        weights: How likely each is, float64[k]; they sum to 1.
        means: Expected final metrics under each, float64[k, runs].
        spreads: Standard deviations of these expectations, float64[k, runs].
        noises: Standard deviation of what rates do not explain, retrain noise, float64[k].
    """

    weights: Floats
    means: Floats
    spreads: Floats
    noises: Floats

    @cached_property
    def mean(self) -> Floats:
        """Expected final metric, float64[runs]; of runs that are finished, what is known."""
        return self.weights @ self.means

    @cached_property
    def spread(self) -> Floats:
        """Standard deviation of that, without retrain noise, float64[runs]."""
        return np.sqrt(self.weights @ (self.spreads**2 + (self.means - self.mean) ** 2))

    @property
    def noise(self) -> float:
        """Standard deviation of retrain noise."""
        return math.sqrt(self.weights @ self.noises**2)

    def improvement(self, best: float, *, lucky: bool) -> Floats:
        """Return by how much each run is expected to be better than a metric, float64[runs].

        EI = Σ w·((best − μ)·Φ(z) + σ·φ(z)),  z = (best − μ)/σ

        Args:
            best: The metric.
            lucky: Whether retrain noise may help: σ² = spread² + noise², else σ = spread.

        Source: Jones, Schonlau & Welch 1998, Journal of Global Optimization 13.
        """
        normal = require("scipy.special", extra="search").ndtr
        spread = np.hypot(self.spreads, self.noises[:, None] if lucky else 0.0)
        spread = np.maximum(spread, 1e-12 * max(abs(best), 1e-300))
        gain = best - self.means
        z = gain / spread
        density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
        # Never below the gain of the mean, as rounding would have it where z is large.
        return self.weights @ np.maximum(gain * normal(z) + spread * density, gain)


def fit_surrogate(hypotheses: Hypotheses, known: Mapping[int, float]) -> Surrogate:
    """Return what the finished runs of a space say of all of them.

    metric = a + s·(surface + process) + noise. Each hypothesis is a surface; with each scale s, and
    each kernel of the process, it is a Gaussian process that is known in closed form, the offset
    a included. They count by their evidence: where no surface fits, the flat one and the process
    are left, so what is measured wins over what was seen of other tasks.

    Args:
        hypotheses: What the space may look like.
        known: Final metric of the finished runs, at least one, by index; NaN if one broke.

    Source: Rasmussen & Williams 2006, Gaussian Processes for Machine Learning, chapters 2.7 and 5.
    """
    done = list(known)
    measured = np.array([known[i] for i in done])
    values = winsorized(measured)
    scales = _scales(values)
    prior = hypotheses.beforehand(known)
    kernels = [
        _Kernel.of(hypotheses.apart, done, amount, length, noise)
        for amount, length, noise in itertools.product(AMOUNTS, LENGTHS, NOISES)
    ]
    surfaces = hypotheses.surfaces[:, done]
    evidence = [one.evidence(values, surfaces, scales) + prior[:, None] for one in kernels]
    top = max(float(one.max()) for one in evidence)
    parts: list[tuple[Floats, Floats, Floats, Floats]] = []
    for kernel, told in zip(kernels, evidence, strict=True):
        which, at = np.nonzero(told > top - UNLIKELY)
        scale = scales[at]
        mean = kernel.mean(values / scale[:, None], hypotheses.surfaces[which], surfaces[which])
        parts.append((
            np.exp(told[which, at] - top), scale[:, None] * mean,
            scale[:, None] * kernel.spread, scale * kernel.noise,
        ))  # fmt: skip
    weights, means, spreads, noises = (np.concatenate(each) for each in zip(*parts, strict=True))
    means[:, done] = np.where(np.isfinite(measured), measured, values)
    spreads[:, done] = 0.0
    return Surrogate(weights / weights.sum(), means, spreads, noises)


def winsorized(values: Floats) -> Floats:
    """Return metrics with the bad ones drawn in: how bad they are says nothing of the good ones."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.zeros(len(values))
    middle, best = float(np.median(finite)), float(finite.min())
    worst = middle + BAD * max(middle - best, 1e-3 * abs(middle))
    return np.minimum(np.where(np.isfinite(values), values, worst), worst)


def _scales(values: Floats) -> Floats:
    least = 1e-12 * max(1.0, float(np.abs(values).max()))
    if len(values) == 1:
        return FIRST_SCALES * max(abs(float(values[0])), least)
    return SCALES * max(float(np.ptp(values)), least)


@dataclass(frozen=True, eq=False)
class _Kernel:
    """A process with one setting, its offset unknown, that was seen at some runs.

    Args:
        pull: What each finished run says of each run, float64[runs, done].
        precision: Inverse covariance of the finished runs, the offset projected out.
        offset: What the offset is of the finished runs, float64[done].
        spread: Standard deviation of the process at each run, given these, float64[runs].
        noise: Standard deviation of noise.
        size: Half of the logarithm of the determinants.
    """

    pull: Floats
    precision: Floats
    offset: Floats
    spread: Floats
    noise: float
    size: float

    @classmethod
    def of(
        cls, apart: Floats, done: list[int], amount: float, length: float, noise: float
    ) -> _Kernel:
        covariance = amount**2 * np.exp(-0.5 * apart[:, done] / length**2)
        seen = covariance[done] + noise**2 * np.eye(len(done))
        inverse = np.linalg.inv(seen)
        each = inverse.sum(axis=1)
        total = float(each.sum())
        pull = covariance @ inverse
        unsure = amount**2 - (pull * covariance).sum(axis=1) + (1 - pull.sum(axis=1)) ** 2 / total
        return cls(
            pull=pull,
            precision=inverse - np.outer(each, each) / total,
            offset=each / total,
            spread=np.sqrt(np.maximum(unsure, 0.0)),
            noise=noise,
            size=0.5 * (float(np.linalg.slogdet(seen)[1]) + math.log(total)),
        )

    def evidence(self, values: Floats, surfaces: Floats, scales: Floats) -> Floats:
        """Return the log-likelihood of each surface with each scale, float64[surfaces, scales]."""
        across = surfaces @ self.precision
        own = float(values @ self.precision @ values)
        both = across @ values
        square = own / scales**2 - 2 * both[:, None] / scales
        square += (across * surfaces).sum(axis=1)[:, None]
        return -0.5 * square - (len(values) - 1) * np.log(scales) - self.size

    def mean(self, values: Floats, surfaces: Floats, at: Floats) -> Floats:
        """Return what is expected of each run, in units of the scale, float64[k, runs]."""
        rest = values - at
        offset = (rest @ self.offset)[:, None]
        return surfaces + offset + (rest - offset) @ self.pull.T
