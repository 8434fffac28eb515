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


ORDINARY, TOLD = 0.08, 2 / 3
"""Relative error of the end of a single run, foreseen from its first .6, before it was looked at;
and the power with which its own looks ahead tell more: over 58 records of fine-tunes the logarithm
of the miss went with .7 of that of these looks, from .1 % to 200 %."""


def drawn_in(error: float) -> float:
    """Return the error that a few looks ahead in a single run stand for, c^(1/3)·e^(2/3), c = .08.

    Three looks tell the size of an error badly: small ones are small by luck, and the largest come
    of the earliest points. So they are drawn to what is usual, on the scale of their logarithm.

    >>> round(drawn_in(0.01), 3), round(drawn_in(0.08), 3), round(drawn_in(0.64), 3)
    (0.02, 0.08, 0.32)
    """
    return float(ORDINARY ** (1 - TOLD) * error**TOLD)


def mean_error(misses: Sequence[float] | Floats, weights: Floats | None = None) -> float:
    """Return the standard error that a mean miss stands for, √(π/2)·mean|e|.

    Single large misses count by their size, not by its square.
    """
    sizes = np.abs(np.asarray(misses, dtype=np.float64))
    return float(np.sqrt(np.pi / 2) * np.average(sizes, weights=weights))


def error_held(misses: Sequence[float] | Floats, weights: Floats | None = None) -> float | None:
    """Return the error e for which ±1.8·e holds nine of ten, None for fewer than 20 misses.

    The quantile of the misses' sizes at .9·(1 + 1/n), between misses linear, with
    n = (Σw)² / Σw² of them: so that the next is inside nine times of ten if it is of their kind.
    No form of distribution is supposed.

    Args:
        misses: Relative errors of final losses.
        weights: What each of them counts for, above 0; left out, all the same.

    Source: Vovk et al. 2005, Algorithmic Learning in a Random World; with weights Tibshirani et al.
    2019, arXiv 1904.06019.

    >>> round(1.8 * error_held(np.arange(1, 100) / 1000), 6)
    0.09
    """
    sizes = np.abs(np.asarray(misses, dtype=np.float64))
    if len(sizes) < ENOUGH:
        return None
    order = np.argsort(sizes)
    counts = np.ones(len(sizes)) if weights is None else weights[order]
    until = np.cumsum(counts) / counts.sum()
    more = 1 + float(counts @ counts) / float(counts.sum()) ** 2
    return float(np.interp(NINE * more, until, sizes[order])) / WIDTH
