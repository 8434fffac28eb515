"""The last loss of a falling run, and its derivatives: what the search for the best goes by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.predict.law import MixedLaw
from ratewise.predict.multipower import MultiPowerLaw
from ratewise.predict.nonparametric import NonparametricForm, NonparametricLaw
from ratewise.predict.power import EmaLaw

PARTS = 8
"""Stretches of equal rate slope that the updates between two knots are taken together in."""

HEAD = 64
"""Stretches that a warm-up is cut into."""

SEEN = EmaLaw, MultiPowerLaw, NonparametricLaw
"""Laws that depend on the rates."""


@dataclass(frozen=True, eq=False)
class RatePath:
    """Rates that rise in a warm-up and then fall, in straight lines or in stairs, cut in stretches.

    On a line, a stretch of h updates from level a to level b has the mean (a + b)/2 - (a - b)/(2h),
    that of its updates, and the fall a - b, spread over them. A stair is one stretch, whose fall
    comes before its first update. All is linear in the levels at the knots.

    Args:
        knots: Updates after the warm-up at which lines meet or stairs begin, rising from 0, int[m].
        mean: Mean level of each stretch by the levels at the knots, float64[k, m].
        fall: Its fall by the levels at the knots, float64[k, m].
        size: Its updates, float64[k].
        own: How many of them come behind its fall, on the mean, float64[k].
        rising: Mean level of each stretch of the warm-up, float64[r].
        sizes: Their updates, float64[r].
    """

    knots: Floats
    mean: Floats
    fall: Floats
    size: Floats
    own: Floats
    rising: Floats
    sizes: Floats

    @classmethod
    def lines(cls, knots: Floats, warmup: Floats) -> RatePath:
        """Return straight lines through knots, the last update one of them, behind a warm-up.

        Args:
            knots: Where the lines meet.
            warmup: Level of each update of the warm-up, float64[updates].
        """
        edges = _edges(knots)
        at = _between(edges, knots)
        size = np.append(1.0, np.diff(edges))
        half = 0.5 / size[1:, None]
        mean = np.concatenate([at[:1], (0.5 - half) * at[:-1] + (0.5 + half) * at[1:]])
        fall = -np.diff(at, axis=0, prepend=at[:1])
        return cls(knots, mean, fall, size, (size + 1) / 2, *_head(warmup))

    @classmethod
    def stairs(cls, knots: Floats, warmup: Floats, n: int) -> RatePath:
        """Return stairs that begin at knots, `n` updates behind a warm-up."""
        mean = np.eye(len(knots))
        fall = -np.diff(mean, axis=0, prepend=mean[:1])
        size = np.diff(np.append(knots, n)).astype(np.float64)
        return cls(knots, mean, fall, size, size, *_head(warmup))

    def through(self, kept: list[int]) -> RatePath:
        """Return the path on the same stretches that has these of the knots alone."""
        knots = self.knots[kept]
        if len(self.mean) == len(self.knots):  # stairs
            stair = np.searchsorted(knots, self.knots, side="right") - 1
            spread = np.eye(len(kept))[stair]
        else:
            spread = _between(self.knots, knots)
        return replace(self, knots=knots, mean=self.mean @ spread, fall=self.fall @ spread)

    def loss(self, law: Any, peak: float, levels: Floats) -> tuple[float, Floats]:
        """Return the loss after the last update, and its derivatives by the levels at the knots."""
        laws = law.laws if isinstance(law, MixedLaw) else (law,)
        first = len(self.rising)
        rates = peak * np.append(self.rising, self.mean @ levels)
        falls = peak * np.append(np.zeros(first), self.fall @ levels)
        sizes, own = np.append(self.sizes, self.size), np.append(self.sizes, self.own)
        value, slope = 0.0, np.zeros(len(levels))
        for one in laws:
            loss, by_rate, by_fall = last(one, rates, falls, sizes, own)
            value += loss / len(laws)
            slope += (by_rate[first:] @ self.mean + by_fall[first:] @ self.fall) / len(laws)
        return value, slope * peak


def _edges(knots: Floats) -> Floats:
    """Return where the stretches between knots begin, and the last knot."""
    parts = [min(PARTS, int(gap)) for gap in np.diff(knots)]
    inner = [
        a + np.floor((b - a) * np.arange(count) / count)
        for a, b, count in zip(knots[:-1], knots[1:], parts, strict=True)
    ]
    return np.concatenate([*inner, knots[-1:]])


def _between(at: Floats, knots: Floats) -> Floats:
    """Return the matrix that takes values at knots to places on the lines between them."""
    return np.stack([np.interp(at, knots, unit) for unit in np.eye(len(knots))], axis=1)


def _head(warmup: Floats) -> tuple[Floats, Floats]:
    """Return the mean levels and sizes of the stretches of a warm-up."""
    pieces = np.array_split(warmup, min(HEAD, len(warmup))) if len(warmup) else []
    means, sizes = [piece.mean() for piece in pieces], [float(len(piece)) for piece in pieces]
    return np.array(means), np.array(sizes)


def last(
    law: Any, rates: Floats, falls: Floats, sizes: Floats, own: Floats
) -> tuple[float, Floats, Floats]:
    """Return the loss after the last stretch, and its derivatives by the rates and the falls.

    Args:
        law: One that sees the rates.
        rates: Mean rate of each stretch, float64[k].
        falls: By how much the rate falls within each, float64[k].
        sizes: Updates of each, float64[k].
        own: How many of them come behind the fall, on the mean, float64[k].
    """
    if isinstance(law, MultiPowerLaw):
        return _last_multipower(law, rates, falls, sizes, own)
    if isinstance(law, EmaLaw):
        return (*_last_ema(law, rates, sizes), np.zeros(len(rates)))
    form = NonparametricForm(law.reference, law.knots, law.hinges, law.bends)
    return (*form.last(law, rates, sizes, recent(sizes, law.lag)), np.zeros(len(rates)))


def exact(law: Any, rates: Floats) -> float:
    """Return the loss after the last update of a run, each update by itself."""
    laws = law.laws if isinstance(law, MixedLaw) else (law,)
    if not all(isinstance(one, SEEN) for one in laws):
        return float(law.losses(rates)[-1])
    falls = -np.diff(rates, prepend=0.0)
    falls[: int(np.argmax(rates >= rates.max() * (1 - 1e-9))) + 1] = 0.0
    ones = np.ones(len(rates))
    return float(np.mean([last(one, rates, falls, ones, ones)[0] for one in laws]))


def recent(sizes: Floats, lag: float) -> Floats:
    """Return how much each stretch counts in the moving average at the end."""
    until = np.append(np.cumsum(sizes[::-1])[::-1], 0.0)
    left = np.exp(-until / lag)
    return left[1:] - left[:-1]


def _last_ema(law: EmaLaw, rates: Floats, sizes: Floats) -> tuple[float, Floats]:
    level = np.maximum(rates / law.reference, 1e-12)
    power = level**law.progress_power
    progress = power @ sizes / law.length
    counts = recent(sizes, law.lag)
    mean = max(float(counts @ level), 1e-12)
    fall = law.amount * progress**-law.exponent
    noise = law.noise * mean**law.noise_power
    by_progress = -law.exponent * fall / progress / law.length
    slope = by_progress * law.progress_power * power / level * sizes
    slope += law.noise_power * noise / mean * counts
    return float(law.floor + fall + noise), slope / law.reference


def _last_multipower(
    law: MultiPowerLaw, rates: Floats, falls: Floats, sizes: Floats, own: Floats
) -> tuple[float, Floats, Floats]:
    level = np.maximum(rates / law.reference, 1e-9)
    drops = falls / law.reference
    summed = level * sizes
    left = np.cumsum(summed[::-1])[::-1] - summed + level * own
    progress = summed.sum() / law.length
    fall = law.amount * progress**-law.exponent
    height = law.scale * level**-law.gamma
    x = height * left
    kept = (1 + x) ** -law.beta
    by_x = law.drop * drops * law.beta * kept / (1 + x)
    slope = -law.exponent * fall / progress * sizes / law.length
    pull = by_x * height
    before = np.append(0.0, np.cumsum(pull)[:-1])
    slope -= before * sizes + pull * own - law.gamma * by_x * x / level
    gain = 1 - kept
    value = float(law.floor + fall - law.drop * (drops @ gain))
    return value, slope / law.reference, -law.drop * gain / law.reference
