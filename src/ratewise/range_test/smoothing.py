"""A curve through noisy losses, without lag."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ratewise._arrays import Floats

WIDTH = 0.3
"""Standard deviation of the kernel, in decades of the learning rate."""


class Smooth(NamedTuple):
    """A curve and its slope, float64[points] or float64[points, curves]."""

    value: Floats
    slope: Floats


def smooth(x: Floats, y: Floats, at: Floats, weights: Floats, width: float = WIDTH) -> Smooth:
    """Fit a line around every point of `at`, and return its height and its slope there.

    (a, b)(u) = argmin Σ w · K((x − u) / width) · (y − a − b (x − u))²,  K(z) = exp(−z² / 2)

    The kernel is symmetric, so nothing is moved to the right as by a running average; a line, not
    a mean, so the ends are not pulled inwards. Curve and slope are linear in `y`.

    Args:
        x: Places, log10 of learning rates, float64[n].
        y: Losses, float64[n] or float64[n, curves].
        at: Places to look at, float64[points].
        weights: Weights in [0, inf), of the shape of `y`.
        width: Standard deviation of the kernel, in the unit of `x`, in (0, inf).

    Source: Fan & Gijbels 1996, Local Polynomial Modelling, chapter 3.

    >>> x = np.linspace(0, 1, 11)
    >>> fit = smooth(x, 3 - 2 * x, x, np.ones(11))
    >>> bool(np.allclose(fit.value, 3 - 2 * x)), bool(np.allclose(fit.slope, -2))
    (True, True)
    """
    distance = x - at[:, None]
    kernel = np.exp(-0.5 * (distance / width) ** 2)
    first, second = kernel * distance, kernel * distance**2
    pulled = weights * y
    s0, s1, s2 = kernel @ weights, first @ weights, second @ weights
    t0, t1 = kernel @ pulled, first @ pulled
    spread = s0 * s2 - s1**2
    wide = spread > 1e-12 * s0 * s2  # else all the weight is on one place, and any slope fits
    safe = np.where(wide, spread, 1.0)
    mean = t0 / np.where(s0 > 0, s0, 1.0)
    value = np.where(wide, (s2 * t0 - s1 * t1) / safe, mean)
    return Smooth(value, np.where(wide, (s0 * t1 - s1 * t0) / safe, 0.0))
