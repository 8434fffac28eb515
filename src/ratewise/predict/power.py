"""Laws with a power of progress: Chinchilla's, the momentum law, the law of a lagging average."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ratewise._arrays import Floats
from ratewise.predict.grid import RateGrid
from ratewise.predict.solve import LawForm

LOG_LAG = np.log(150.0), 1.5

TYPICAL = 0.6
"""Noise at the reference rate over the fall that is left at the reference length, in runs of two
sizes of language models: what a single curve without a drop of its rate cannot tell."""


@dataclass(frozen=True)
class PowerLaw:
    """A power of the number of updates, blind to the rates: the baseline.

    L(t) = floor + amount·(t / length)^-exponent

    Source: Hoffmann et al. 2022, arXiv 2203.15556 (the form, in data).
    """

    floor: float
    amount: float
    exponent: float
    length: float

    def losses(self, rates: Floats) -> Floats:
        """Return the loss after each update of a run, float64[T]."""
        t = np.arange(1, len(rates) + 1)
        return self.floor + self.amount * (t / self.length) ** -self.exponent


@dataclass(frozen=True)
class EmaLaw:
    """Progress by a power of the rate, and a noise that follows the rate with a lag.

    L(t) = floor + amount·(S(t) / length)^-exponent + noise·(M(t) / reference)^noise_power
    S(t) = Σ (rate / reference)^progress_power, M(t) the exponential moving average of the rates
    over `lag` updates, 0 before the first.

    With both powers 1 it is the momentum law of Tissue et al.: summed up, its annealing term is
    C·S2(t) = C·(lag)·(reference rate - M(t)).

    Source: Tissue et al. 2024, arXiv 2408.11029, generalised by the two powers.
    """

    floor: float
    amount: float
    exponent: float
    noise: float
    progress_power: float
    noise_power: float
    lag: float
    reference: float
    length: float

    def losses(self, rates: Floats) -> Floats:
        """Return the loss after each update of a run, float64[T]."""
        grid = RateGrid.of(rates, np.arange(1, len(rates) + 1), len(rates))
        theta = [self.exponent, self.progress_power, self.noise_power, np.log(self.lag)]
        form = EmaForm(self.reference, self.length)
        c = np.array([self.floor, self.amount, self.noise])
        return form.columns(grid, np.array(theta)) @ c


class PowerForm(LawForm):
    """The form of a `PowerLaw`."""

    def __init__(self, length: float) -> None:
        self.length = length
        self.centre, self.spread = np.array([0.4]), np.array([0.4])
        self.low, self.high = np.array([0.02]), np.array([3.0])

    def columns(self, grid: RateGrid, theta: Floats) -> Floats:
        t = np.maximum(grid.steps, 1) / self.length
        return np.stack([np.ones_like(t), t ** -theta[0]], axis=1)

    def slopes(self, grid: RateGrid, theta: Floats, c: Floats) -> Floats:
        t = np.maximum(grid.steps, 1) / self.length
        return (-c[1] * np.log(t) * t ** -theta[0])[:, None]

    def law(self, theta: Floats, c: Floats) -> PowerLaw:
        return PowerLaw(float(c[0]), float(c[1]), float(theta[0]), self.length)


class EmaForm(LawForm):
    """The form of an `EmaLaw`; with `fixed` powers, that of the momentum law."""

    def __init__(
        self, reference: float, length: float, fixed: bool = False, tie: float = 0.0
    ) -> None:
        self.reference, self.length, self.tie = reference, length, tie
        self.centre = np.array([0.4, 0.7, 0.7, LOG_LAG[0]])
        self.spread = np.array([0.4, 0.3, 0.3, LOG_LAG[1]])
        self.low = np.array([0.02, 0.05, 0.1, np.log(2.0)])
        self.high = np.array([3.0, 2.0, 2.5, np.log(1e5)])
        if fixed:
            for every in (self.centre, self.low, self.high):
                every[1:3] = 1.0

    def starts(self) -> list[Floats]:
        found: list[Floats] = []
        for exponent in (0.2, 0.5):
            for lag in (30.0, 150.0, 700.0):
                found.append(np.array([exponent, *self.centre[1:3], np.log(lag)]))
        return found

    def penalty(self) -> Floats:
        return np.array([[0.0, -TYPICAL, 1.0]]) * self.tie

    def _parts(self, grid: RateGrid, theta: Floats) -> tuple[Floats, ...]:
        level = grid.mean / self.reference
        logs = np.log(np.maximum(level, 1e-30))
        each = np.where(level > 0, np.exp(theta[1] * logs), 0.0)
        progress = np.maximum(grid.sums(each), 1e-9) / self.length
        mean, by_lag = grid.lagged(level, float(np.exp(theta[3])))
        return logs, each, progress, np.maximum(mean, 1e-12), by_lag

    def columns(self, grid: RateGrid, theta: Floats) -> Floats:
        _, _, progress, mean, _ = self._parts(grid, theta)
        return np.stack([np.ones_like(mean), progress ** -theta[0], mean ** theta[2]], axis=1)

    def slopes(self, grid: RateGrid, theta: Floats, c: Floats) -> Floats:
        logs, each, progress, mean, by_lag = self._parts(grid, theta)
        fall = c[1] * progress ** -theta[0]
        by_power = grid.sums(each * logs) / self.length
        noise = c[2] * mean ** theta[2]
        return np.stack(
            [
                -fall * np.log(progress),
                -theta[0] * fall / progress * by_power,
                noise * np.log(mean),
                theta[2] * noise / mean * by_lag,
            ],
            axis=1,
        )

    def law(self, theta: Floats, c: Floats) -> EmaLaw:
        floor, amount, noise = c.tolist()
        exponent, progress_power, noise_power, log_lag = theta.tolist()
        return EmaLaw(
            floor=floor,
            amount=amount,
            exponent=exponent,
            noise=noise,
            progress_power=progress_power,
            noise_power=noise_power,
            lag=float(np.exp(log_lag)),
            reference=self.reference,
            length=self.length,
        )
