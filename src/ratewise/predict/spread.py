"""How far a prediction may be off, from how far others were."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ratewise._arrays import Floats

WIDTH = 1.8
"""Standard errors on either side of a prediction, for nine final losses of ten: a tenth more than
for a normal distribution."""

NINE = 0.9
"""Share of the final losses that an interval is to hold."""

ENOUGH = 20
"""Misses from which on their own quantile is taken: with fewer it is the largest of them."""


def mean_error(misses: Sequence[float] | Floats, weights: Floats | None = None) -> float:
    """Return the standard error that a mean miss stands for, √(π/2)·mean|e|.

    Single large misses count by their size, not by its square.
    """
    sizes = np.abs(np.asarray(misses, dtype=np.float64))
    return float(np.sqrt(np.pi / 2) * np.average(sizes, weights=weights))


def error_held(misses: Sequence[float] | Floats, weights: Floats | None = None) -> float | None:
    """Return the error e for which ±1.8·e holds nine of ten, None for fewer than 20 misses.

    The quantile of the misses' sizes at which their weights come to .9 of (the weights and 1 for
    the run that is asked for), between misses linear: so many more misses as would be inside if
    the new one were of their kind. No form of distribution is supposed.

    Args:
        misses: Relative errors of final losses.
        weights: What each of them counts for, in (0, 1]; left out, 1.

    Source: Vovk et al. 2005, Algorithmic Learning in a Random World; with weights Tibshirani et al.
    2019, arXiv 1904.06019.

    >>> round(1.8 * error_held(np.arange(1, 100) / 1000), 6)
    0.09
    """
    sizes = np.abs(np.asarray(misses, dtype=np.float64))
    if len(sizes) < ENOUGH:
        return None
    order = np.argsort(sizes)
    counted = np.cumsum(np.ones(len(sizes)) if weights is None else weights[order])
    return float(np.interp(NINE * (counted[-1] + 1), counted, sizes[order])) / WIDTH
