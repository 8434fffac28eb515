"""A law without a form: free progress and free noise, for short runs that are no power laws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ratewise._arrays import Floats
from ratewise.predict.grid import RateGrid, RateSegments, distinct_peaks
from ratewise.predict.law import Law, LawForm

KNOTS = 9
"""Knots of the progress curve, its ends included."""

SMOOTH = 3.0
"""Weight of the second differences of the progress curve, in units of a residual's scale."""


@dataclass(frozen=True)
class NonparametricLaw(Law):
    """Loss as a free falling function of progress and a free rising function of the lagging rate.

    L(t) = g(log S(t)) + h(M(t)),  S(t) = Σ φ(rate),  M(t) the moving average over `lag` updates

    The slope of g is piecewise linear, -drops[j] ≤ 0 at knots[j] and constant beyond the ends; at
    the last knot g is `floor`. h(M) = Σ noise[j]·max(M - hinges[j], 0) / reference, noise ≥ 0 and
    hinges[0] = 0, rises and is convex. φ is a power of the rate whose exponent changes at `bends`;
    φ(reference) = 1.
    """

    floor: float
    knots: tuple[float, ...]
    drops: tuple[float, ...]
    hinges: tuple[float, ...]
    noise: tuple[float, ...]
    bends: tuple[float, ...]
    exponents: tuple[float, ...]
    lag: float
    reference: float

    def losses(self, rates: Floats) -> Floats:
        grid = RateGrid.of(rates, np.arange(1, len(rates) + 1), len(rates))
        theta = np.array([*self.exponents, np.log(self.lag)])
        return self._form.columns(grid, theta) @ np.array([self.floor, *self.drops, *self.noise])

    def last(self, run: RateSegments) -> tuple[float, Floats, Floats]:
        form, rates, counts = self._form, run.rates, run.recent(self.lag)
        exponents = np.array(self.exponents)
        each, _ = form.phi(rates, exponents)
        progress = np.array([each @ run.sizes])
        falls, slope = form.falls(np.log(progress))
        above = np.maximum(counts @ rates - np.array(self.hinges), 0.0)
        loss = self.floor + falls[0] @ self.drops + above @ self.noise / self.reference
        power = exponents[np.searchsorted(np.array(self.bends), rates)]
        by_rate = power * each / np.maximum(rates, 1e-12 * self.reference) * run.sizes
        found = slope[0] @ self.drops / progress[0] * by_rate
        found += (above > 0) @ np.array(self.noise) / self.reference * counts
        return float(loss), found, np.zeros(len(rates))

    @property
    def _form(self) -> NonparametricForm:
        return NonparametricForm(self.reference, self.knots, self.hinges, self.bends)


class NonparametricForm(LawForm):
    """The form of a `NonparametricLaw`: θ = the exponents of φ and the log of the lag.

    Args:
        reference: The rate whose φ is 1.
        knots: In log S, from the least to the most progress, float[k].
        hinges: Rates where the noise may grow steeper, the first of them 0.
        bends: Rates at which the exponent of φ changes, rising.
    """

    def __init__(
        self,
        reference: float,
        knots: tuple[float, ...],
        hinges: tuple[float, ...],
        bends: tuple[float, ...],
    ) -> None:
        self.reference, self.knots, self.hinges, self.bends = reference, knots, hinges, bends
        count = len(bends) + 1
        self.centre = np.array([0.7] * count + [np.log(60.0)])
        self.spread = np.array([0.35] * count + [1.0])
        self.low = np.array([-0.3] * count + [np.log(2.0)])
        self.high = np.array([2.0] * count + [np.log(1e4)])

    @classmethod
    def around(cls, grids: Sequence[RateGrid], tie: float) -> NonparametricForm:
        """Return the form with knots and hinges where the runs are.

        The exponent of φ changes at a quarter and at nine tenths of the highest peak, and at the
        lowest where the peaks are apart; noise may grow steeper at four fifths of each peak. The
        knots are quantiles of log S over all points, at the usual exponent.
        """
        peaks = distinct_peaks(grid.mean.max() for grid in grids)
        low, high = peaks[0], peaks[-1]
        lowest = [low] if low < 0.2 * high else []
        bends = [*lowest, high / 4, 0.9 * high]
        hinges = (0.0, *(0.8 * peak for peak in peaks[:: max(1, len(peaks) // 6)]))
        rough = cls(high, (0.0, 1.0), (0.0,), tuple(bends))
        x = np.concatenate([np.log(rough._parts(grid, rough.centre)[2]) for grid in grids])
        knots = np.quantile(x, np.linspace(0, 1, KNOTS))
        apart = np.append(True, np.diff(knots) > 1e-6 * max(1.0, float(np.ptp(knots))))
        return cls(high, tuple(knots[apart].tolist()), hinges, tuple(bends))

    def starts(self) -> list[Floats]:
        count, lags = len(self.bends) + 1, (15.0, 80.0, 300.0)
        return [np.array([a] * count + [np.log(lag)]) for a in (0.4, 0.8, 1.2) for lag in lags]

    def phi(self, rates: Floats, exponents: Floats) -> tuple[Floats, Floats]:
        """Return φ of some rates, float64[n], and d log φ / d exponent, float64[n, exponents]."""
        logs = np.log(np.maximum(rates, 1e-12 * self.reference))
        edges = np.log([1e-300, *self.bends, np.inf])
        inner = np.clip(logs[:, None], edges[:-1], edges[1:])
        pieces = inner - np.clip(np.log(self.reference), edges[:-1], edges[1:])
        return np.where(rates > 0, np.exp(np.minimum(pieces @ exponents, 50.0)), 0.0), pieces

    def _parts(self, grid: RateGrid, theta: Floats) -> tuple[Floats, ...]:
        each, pieces = self.phi(grid.mean, theta[:-1])
        progress = np.maximum(grid.sums(each), 1e-9)
        mean, by_lag = grid.lagged(grid.mean, float(np.exp(theta[-1])))
        return pieces, each, progress, mean, by_lag

    def falls(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the falls that are left at log S, one for each knot, and their slopes.

        The slope of the j-th is a hat around knot j; that of the first and the last go on for ever.
        """
        knots = np.array(self.knots)
        gaps = np.diff(knots)
        z = x[:, None]
        share = np.clip((z - knots[:-1]) / gaps, 0, 1)  # in each interval
        rising = gaps * share**2 / 2
        falling = gaps * (share - share**2 / 2)
        area = np.zeros((len(x), len(knots)))
        area[:, :-1] += falling
        area[:, 1:] += rising
        area[:, 0] += np.minimum(x - knots[0], 0)
        area[:, -1] += np.maximum(x - knots[-1], 0)
        hats = np.zeros_like(area)
        inside = (z >= knots[:-1]) & (z < knots[1:])
        hats[:, :-1] += np.where(inside, 1 - share, 0)
        hats[:, 1:] += np.where(inside, share, 0)
        hats[:, 0] += x < knots[0]
        hats[:, -1] += x >= knots[-1]
        whole = np.append(gaps, 0) / 2 + np.append(0, gaps) / 2
        return whole - area, -hats

    def penalty(self) -> Floats:
        count = len(self.knots)
        rows = np.zeros((count - 2, 1 + count + len(self.hinges)))
        for i in range(count - 2):
            rows[i, 1 + i : 4 + i] = [1, -2, 1]
        return rows * SMOOTH

    def columns(self, grid: RateGrid, theta: Floats) -> Floats:
        _, _, progress, mean, _ = self.remembered(grid, theta, self._parts)
        falls, _ = self.falls(np.log(progress))
        noise = np.maximum(mean[:, None] - np.array(self.hinges), 0) / self.reference
        return np.concatenate([np.ones((len(mean), 1)), falls, noise], axis=1)

    def slopes(self, grid: RateGrid, theta: Floats, c: Floats) -> Floats:
        pieces, each, progress, mean, by_lag = self.remembered(grid, theta, self._parts)
        count = len(self.knots)
        _, slope = self.falls(np.log(progress))
        by_log = slope @ c[1 : 1 + count] / progress
        found = [by_log * grid.sums(each * piece) for piece in pieces.T]
        above = (mean[:, None] > np.array(self.hinges)) @ c[1 + count :]
        return np.stack([*found, above * by_lag / self.reference], axis=1)

    def law(self, theta: Floats, c: Floats) -> NonparametricLaw:
        count = len(self.knots)
        return NonparametricLaw(
            float(c[0]),
            self.knots,
            tuple(map(float, c[1 : 1 + count])),
            self.hinges,
            tuple(map(float, c[1 + count :])),
            self.bends,
            tuple(map(float, theta[:-1])),
            float(np.exp(theta[-1])),
            self.reference,
        )
