"""The EMA law, and the momentum law that it generalises: progress, and a noise that lags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ratewise._arrays import Floats
from ratewise.predict.grid import RateGrid, RateSegments, highest_rate, longest_run
from ratewise.predict.law import Law, LawForm, tied

LOG_LAG = np.log(150.0), 1.5
"""Where the logarithm of the lag lies before any curve was seen, and how far from there."""


@dataclass(frozen=True)
class EmaLaw(Law):
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
        grid = RateGrid.of(rates, np.arange(1, len(rates) + 1), len(rates))
        theta = [self.exponent, self.progress_power, self.noise_power, np.log(self.lag)]
        form = EmaForm(self.reference, self.length)
        c = np.array([self.floor, self.amount, self.noise])
        return form.columns(grid, np.array(theta)) @ c

    def last(self, run: RateSegments) -> tuple[float, Floats, Floats]:
        level = np.maximum(run.rates / self.reference, 1e-12)
        power = level**self.progress_power
        progress = power @ run.sizes / self.length
        counts = run.recent(self.lag)
        mean = max(float(counts @ level), 1e-12)
        fall = self.amount * progress**-self.exponent
        noise = self.noise * mean**self.noise_power
        by_progress = -self.exponent * fall / progress / self.length
        slope = by_progress * self.progress_power * power / level * run.sizes
        slope += self.noise_power * noise / mean * counts
        loss = float(self.floor + fall + noise)
        return loss, slope / self.reference, np.zeros(len(level))


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

    @classmethod
    def around(cls, grids: Sequence[RateGrid], tie: float) -> EmaForm:
        return cls(highest_rate(grids), longest_run(grids), False, tie)

    @classmethod
    def momentum(cls, grids: Sequence[RateGrid], tie: float) -> EmaForm:
        """Return the form of the momentum law for some runs."""
        return cls(highest_rate(grids), longest_run(grids), True, tie)

    def starts(self) -> list[Floats]:
        lags, powers = (30.0, 150.0, 700.0), self.centre[1:3]
        return [np.array([a, *powers, np.log(lag)]) for a in (0.2, 0.5) for lag in lags]

    def penalty(self) -> Floats:
        return tied(self.tie)

    def _parts(self, grid: RateGrid, theta: Floats) -> tuple[Floats, ...]:
        level = grid.mean / self.reference
        logs = np.log(np.maximum(level, 1e-30))
        each = np.where(level > 0, np.exp(theta[1] * logs), 0.0)
        progress = np.maximum(grid.sums(each), 1e-9) / self.length
        mean, by_lag = grid.lagged(level, float(np.exp(theta[3])))
        return logs, each, progress, np.maximum(mean, 1e-12), by_lag

    def columns(self, grid: RateGrid, theta: Floats) -> Floats:
        _, _, progress, mean, _ = self.remembered(grid, theta, self._parts)
        return np.stack([np.ones_like(mean), progress ** -theta[0], mean ** theta[2]], axis=1)

    def slopes(self, grid: RateGrid, theta: Floats, c: Floats) -> Floats:
        logs, each, progress, mean, by_lag = self.remembered(grid, theta, self._parts)
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
        exponent, by_progress, by_noise, log_lag = theta.tolist()
        known = exponent, noise, by_progress, by_noise, float(np.exp(log_lag))
        return EmaLaw(floor, amount, *known, self.reference, self.length)
