"""How far candidates are apart, seed by seed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ratewise._arrays import Floats
from ratewise._extras import require
from ratewise.compare.verdict import LEVEL, Standing, ranked

ENUMERATED = 6
"""Seeds up to which all n^n resamples are taken, rather than a sample of them."""

RESAMPLES = 20_000


@dataclass(frozen=True)
class Difference:
    """A candidate against the best one, each at its own best peak, paired by seed.

    Args:
        name: Name of the candidate.
        mean: Mean over the seeds of how much worse it is than the best, in the metric's unit.
        low: Lower end of the paired bootstrap interval of `mean`, at 90 %; NaN with one seed.
        high: Upper end.
        p: Two-sided p-value of the paired t-test, corrected for the number of candidates after
            Holm, in [0, 1]; NaN with one seed.
    """

    name: str
    mean: float
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan


def differences(standings: Sequence[Standing], higher_is_better: bool) -> tuple[Difference, ...]:
    """Return how much worse each candidate is than the best, the nearest first.

    Candidates of which no peak finished are left out, and so is the best itself.

    >>> a = Standing("a", 0.1, (1.0, 2.0, 3.0), (0.1,), 10)
    >>> b = Standing("b", 0.1, (1.2, 2.2, 3.2), (0.1,), 10)
    >>> [(one.name, round(one.mean, 3)) for one in differences([b, a], higher_is_better=False)]
    [('b', 0.2)]
    """
    finished = ranked([one for one in standings if one.values], higher_is_better)
    if len(finished) < 2:
        return ()
    sign = -1.0 if higher_is_better else 1.0
    best = np.array(finished[0].values)
    gaps = [sign * (np.array(one.values) - best) for one in finished[1:]]
    tests = holm([paired_p(gap) for gap in gaps])
    return tuple(
        Difference(one.name, float(gap.mean()), *bootstrap(gap), p=float(p))
        for one, gap, p in zip(finished[1:], gaps, tests, strict=True)
    )


def bootstrap(gaps: ArrayLike, level: float = LEVEL) -> tuple[float, float]:
    """Return the percentile interval of the mean of paired differences, float64[n].

    The differences are drawn again with replacement, all nⁿ ways for few of them. Such means vary
    too little when there are few, so they are spread about the observed mean by

        √(n / (n − 1)) · t / z

    with t and z the quantiles of Student's distribution, n − 1 degrees of freedom, and the normal
    one: for normal differences the interval then holds about what it says, from three seeds on.

    Args:
        gaps: One difference per seed.
        level: Share of the means that the interval holds, in (0, 1).

    Source: Hesterberg 2015, The American Statistician 69, arXiv 1411.5279, on intervals of few.
    """
    given = np.asarray(gaps, dtype=np.float64)
    n = len(given)
    if n < 2 or not np.isfinite(given).all():
        return math.nan, math.nan
    stats = require("scipy.stats", extra="search")
    tail = (1 - level) / 2
    wider = math.sqrt(n / (n - 1)) * float(stats.t.isf(tail, n - 1) / stats.norm.isf(tail))
    centre = given.mean()
    low, high = np.quantile(_resampled(n, given) - centre, [tail, 1 - tail])
    return float(centre + low * wider), float(centre + high * wider)


def _resampled(n: int, given: Floats) -> Floats:
    if n <= ENUMERATED:
        picks = np.array(list(itertools.product(range(n), repeat=n)))
    else:
        picks = np.random.default_rng(0).integers(0, n, (RESAMPLES, n))
    return given[picks].mean(axis=1)


def paired_p(gaps: ArrayLike) -> float:
    """Return the two-sided p-value of the t-test that the mean of the differences is 0.

    NaN with one difference; 1 if all are 0, and 0 if all are equal and not 0.
    """
    given = np.asarray(gaps, dtype=np.float64)
    n = len(given)
    if n < 2 or not np.isfinite(given).all():
        return math.nan
    if (given == given[0]).all():
        return 0.0 if given[0] else 1.0
    spread = given.std(ddof=1)
    t = abs(given.mean()) / (spread / math.sqrt(n))
    return float(2 * require("scipy.stats", extra="search").t.sf(t, n - 1))


def holm(p: ArrayLike) -> Floats:
    """Return p-values corrected so that all rejections hold together; NaN stays NaN.

    The k-th smallest of m is multiplied by m − k (k from 0), made monotone, and cut at 1.

    Source: Holm 1979, Scandinavian Journal of Statistics 6, 65-70.

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, dtype=np.float64)
    corrected = np.full(given.shape, np.nan)
    known = np.flatnonzero(~np.isnan(given))
    order = known[np.argsort(given[known])]
    factors = len(order) - np.arange(len(order))
    corrected[order] = np.minimum(np.maximum.accumulate(given[order] * factors), 1.0)
    return corrected
