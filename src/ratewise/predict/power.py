"""The power law in the number of updates: the baseline, blind to the rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ratewise._arrays import Floats
from ratewise.predict.grid import RateGrid, RateSegments, longest_run
from ratewise.predict.law import Law, LawForm


@dataclass(frozen=True)
class PowerLaw(Law):
    """A power of the number of updates, blind to the rates: the baseline.

    L(t) = floor + amount·(t / length)^-exponent

    Source: Hoffmann et al. 2022, arXiv 2203.15556 (the form, in data).
    """

    floor: float
    amount: float
    exponent: float
    length: float

    sees_rates: ClassVar[bool] = False

    def losses(self, rates: Floats) -> Floats:
        return self._after(np.arange(1.0, len(rates) + 1))

    def last(self, run: RateSegments) -> tuple[float, Floats, Floats]:
        blind = np.zeros(len(run.rates))
        return float(self._after(run.sizes.sum(keepdims=True))[0]), blind, blind

    def _after(self, t: Floats) -> Floats:
        return self.floor + self.amount * (t / self.length) ** -self.exponent


class PowerForm(LawForm):
    """The form of a `PowerLaw`: θ = exponent."""

    def __init__(self, length: float) -> None:
        self.length = length
        self.centre, self.spread = np.array([0.4]), np.array([0.4])
        self.low, self.high = np.array([0.02]), np.array([3.0])

    @classmethod
    def around(cls, grids: Sequence[RateGrid], tie: float) -> PowerForm:
        return cls(longest_run(grids))

    def columns(self, grid: RateGrid, theta: Floats) -> Floats:
        t = np.maximum(grid.steps, 1) / self.length
        return np.stack([np.ones_like(t), t ** -theta[0]], axis=1)

    def slopes(self, grid: RateGrid, theta: Floats, c: Floats) -> Floats:
        t = np.maximum(grid.steps, 1) / self.length
        return (-c[1] * np.log(t) * t ** -theta[0])[:, None]

    def law(self, theta: Floats, c: Floats) -> PowerLaw:
        return PowerLaw(float(c[0]), float(c[1]), float(theta[0]), self.length)
