"""What a curve of losses over rates says: where it is steepest, lowest, and where it breaks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ratewise._arrays import Floats
from ratewise.range_test.ladder import Ladder, Sweep, ceiling, noise_of
from ratewise.range_test.smoothing import WIDTH, smooth

STEP = 0.01
"""Decades between the points at which a curve is looked at."""
RISE = 0.2
"""Share of the fall that the loss has risen by, where divergence begins."""
AGAIN = 300
"""Curves of the bootstrap."""
INSIDE = (0.05, 0.95)
"""Shares of the bootstrap below an interval's ends."""


@dataclass(frozen=True)
class Mark:
    """A learning rate with its interval.

    Args:
        rate: Learning rate, in (0, inf).
        low: Lower end of the 90 % interval.
        high: Upper end.
    """

    rate: float
    low: float
    high: float

    @property
    def decades(self) -> float:
        """Width of the interval, in decades."""
        return math.log10(self.high / self.low)

    def scaled(self, factor: float) -> Mark:
        """Return the mark with all its rates multiplied."""
        return Mark(self.rate * factor, self.low * factor, self.high * factor)


class MarkedCurve(NamedTuple):
    """A curve and its marks; of those, None is what there is not.

    Args:
        at: Decimal logarithms of learning rates, float64[points].
        curve: Loss at each, smoothed.
        losses: Mean loss of each rung over the sweeps, float64[rungs].
        rise: By how much the curve is above where it begins, float64[points].
        doubt: Standard error of that, from the bootstrap and the noise between neighbours.
        steepest: Where the loss falls fastest.
        minimum: Where it is lowest.
        onset: Where it begins to break.
    """

    at: Floats
    curve: Floats
    losses: Floats
    rise: Floats
    doubt: Floats
    steepest: Mark | None
    minimum: Mark | None
    onset: Mark | None

    @property
    def lowest(self) -> int:
        """Index of the point where the curve is lowest."""
        return int(self.curve.argmin())

    @property
    def clarity(self) -> float:
        """How many standard errors the loss falls by, from where the curve begins to its lowest."""
        fall, doubt = -float(self.rise[self.lowest]), float(self.doubt[self.lowest])
        return fall / max(doubt, 1e-12 * abs(fall), 1e-300)


def read_sweeps(ladder: Ladder, sweeps: Sequence[Sweep]) -> MarkedCurve:
    """Return the curve through all sweeps, with its marks and their intervals.

    A sweep that diverged stays at the ceiling, so a mean over sweeps never jumps when one ends.
    """
    losses, x = _square(ladder, sweeps)
    at = np.arange(x[0], x[-1] + STEP / 2, STEP)
    weights = _weights(losses.shape)
    pooled = np.einsum("srb,sr->rb", weights, losses)
    total = weights.sum(0)
    fit = smooth(x, pooled / total, at, total)
    places = np.array([_places(at, *pair) for pair in zip(fit.value.T, fit.slope.T, strict=True)])
    marks = [_mark(column) for column in places.T]
    mean = losses.mean(0)
    share = (x[1] - x[0]) / (2 * math.sqrt(math.pi) * WIDTH)
    between = noise_of(mean) * math.sqrt(min(share, 1.0))
    flat = max(1, int(fit.slope[: int(fit.value[:, 0].argmin()) + 1, 0].argmin()) // 2)
    curve = fit.value[:, 0]
    # A point has few rungs around it, which alone would tell too little of their own noise.
    doubt = np.maximum(_doubt(losses, x, at, flat), between)
    return MarkedCurve(at, curve, mean, curve - curve[:flat].mean(), doubt, *marks)


def _doubt(losses: Floats, x: Floats, at: Floats, flat: int) -> Floats:
    """Return the standard error of how far a curve has risen from its first points.

    Rungs are drawn within their sweeps: by how much more one sweep falls than another says nothing
    of whether they fall.
    """
    drawn = np.random.default_rng(1).exponential(size=(*losses.shape, AGAIN))
    total = drawn.sum(0)
    own = losses - losses.mean(axis=1, keepdims=True)
    again = smooth(x, np.einsum("srb,sr->rb", drawn, own) / total, at, total).value
    return (again - again[:flat].mean(axis=0)).std(axis=1)


def _square(ladder: Ladder, sweeps: Sequence[Sweep]) -> tuple[Floats, Floats]:
    """Return losses, float64[sweeps, rungs], up to where the last sweep ended, and the places."""
    highs = [ceiling(np.array(_sound(one))) if _sound(one) else math.inf for one in sweeps]
    ends = [len(one.rungs) if one.broke is None else one.broke + 2 for one in sweeps]
    rungs = min(max(*ends, 4), ladder.rungs)
    losses = np.empty((len(sweeps), rungs))
    for row, one, high in zip(losses, sweeps, highs, strict=True):
        row[:] = high if math.isfinite(high) else one.losses[0]
        known = np.array(one.rungs[:rungs])
        capped = np.minimum(known, row[: len(known)])
        row[: len(known)] = np.where(np.isfinite(known), capped, row[: len(known)])
    return losses, ladder.places[:rungs]


def _sound(sweep: Sweep) -> list[float]:
    return sweep.rungs if sweep.broke is None else sweep.rungs[: sweep.broke]


def _weights(shape: tuple[int, int]) -> Floats:
    """Return weights for the curve itself, then for each of the bootstrap's, float64[s, r, 1 + n].

    Sweeps are drawn as wholes, and rungs in them: what is between sweeps and what is between
    batches both count (a Bayesian bootstrap, Rubin 1981).
    """
    random = np.random.default_rng(0)
    sweeps, rungs = shape
    whole = random.exponential(size=(sweeps, 1, AGAIN)) if sweeps > 1 else 1.0
    drawn = whole * random.exponential(size=(sweeps, rungs, AGAIN))
    return np.concatenate([np.ones((sweeps, rungs, 1)), drawn], axis=2)


def _places(at: Floats, curve: Floats, slope: Floats) -> tuple[float, float, float]:
    """Return where one curve is steepest and lowest, and where it begins to break, or NaN."""
    low = int(curve.argmin())
    steep = int(slope[: low + 1].argmin())
    fall = curve[: low + 1].max() - curve[low]
    risen = np.flatnonzero(curve[low:] > curve[low] + RISE * fall)
    onset = float(at[low + risen[0]]) if risen.size else math.nan
    return float(at[steep]), float(at[low]), onset


def _mark(places: Floats) -> Mark | None:
    """Return the mark at the first place, with the interval that the others give."""
    first, others = places[0], places[1:]
    if math.isnan(first):
        return None
    known = others[np.isfinite(others)]
    low, high = np.quantile(known, INSIDE) if known.size else (first, first)
    ends = min(float(low), float(first)), max(float(high), float(first))
    return Mark(*(10.0**place for place in (float(first), *ends)))
