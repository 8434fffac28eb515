"""The multi-power law: what a drop of the rate gives, and how long it takes to give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ratewise._arrays import Floats
from ratewise.predict.grid import RateGrid, RateSegments, highest_rate, longest_run
from ratewise.predict.law import Law, LawForm, tied

BINS = 192
"""Drops of the rate that are told apart while the law is fitted."""


@dataclass(frozen=True)
class MultiPowerLaw(Law):
    """A power of the summed rates, less what each drop of the rate has given so far.

    L(t) = floor + amount·(S(t) / length)^-exponent - drop·Σ_k (η_{k-1} - η_k)/reference·G_k(t)
    G_k(t) = 1 - (1 + scale·(η_k / reference)^-gamma·S_k(t))^-beta,  S_k(t) = Σ_{k ≤ i ≤ t} η_i

    S is the sum of the rates over `reference`. Drops count from the first update at the highest
    rate before any drop, so that a warm-up is progress and nothing else; a later rise is a
    negative drop.

    Source: Luo et al. 2025, arXiv 2503.12811.
    """

    floor: float
    amount: float
    exponent: float
    drop: float
    scale: float
    beta: float
    gamma: float
    reference: float
    length: float

    def losses(self, rates: Floats) -> Floats:
        steps = np.unique(np.linspace(1, len(rates), min(len(rates), 400)).astype(np.int64))
        theta = np.array([self.exponent, np.log(self.scale), self.beta, self.gamma])
        form = MultiPowerForm(self.reference, self.length, bins=4 * BINS)
        c = np.array([self.floor - self.drop, self.amount, self.drop])
        grid = RateGrid.of(rates, steps, len(rates))
        sums = np.cumsum(rates) / self.reference / self.length
        moved = sums[sums > 0]
        sums = np.maximum(sums, moved[0] if len(moved) else 1.0)  # before, nothing was learned
        smooth = self.amount * sums**-self.exponent
        least = form.columns(grid, theta) @ c - smooth[steps - 1]
        return smooth + np.interp(np.arange(1, len(rates) + 1), steps, least)

    def last(self, run: RateSegments) -> tuple[float, Floats, Floats]:
        level = np.maximum(run.rates / self.reference, 1e-9)
        drops = run.falls / self.reference
        summed = level * run.sizes
        left = np.cumsum(summed[::-1])[::-1] - summed + level * run.own
        progress = summed.sum() / self.length
        fall = self.amount * progress**-self.exponent
        height = self.scale * level**-self.gamma
        x = height * left
        kept = (1 + x) ** -self.beta
        by_x = self.drop * drops * self.beta * kept / (1 + x)
        slope = -self.exponent * fall / progress * run.sizes / self.length
        pull = by_x * height
        before = np.append(0.0, np.cumsum(pull)[:-1])
        slope -= before * run.sizes + pull * run.own - self.gamma * by_x * x / level
        gain = 1 - kept
        loss = float(self.floor + fall - self.drop * (drops @ gain))
        return loss, slope / self.reference, -self.drop * gain / self.reference


class MultiPowerForm(LawForm):
    """The form of a `MultiPowerLaw`: θ = exponent, log scale, beta, gamma.

    Three curves do not tell scale, beta and gamma apart. So they are drawn to where fits of three
    model sizes lie that were published with the law.
    """

    def __init__(self, reference: float, length: float, bins: int = BINS, tie: float = 0.0) -> None:
        self.reference, self.length, self.bins, self.tie = reference, length, bins, tie
        # published: 2 per unit of (η^-γ·η·updates), with η itself; here η is in units of reference
        shift = float(np.log(2.0) + (1 - 0.64) * np.log(reference))
        self.centre = np.array([0.4, shift, 0.6, 0.64])
        self.spread = np.array([0.4, 0.5, 0.1, 0.1])
        self.low = np.array([0.02, shift - 6, 0.05, 0.0])
        self.high = np.array([3.0, shift + 6, 2.0, 1.5])

    @classmethod
    def around(cls, grids: Sequence[RateGrid], tie: float) -> MultiPowerForm:
        return cls(highest_rate(grids), longest_run(grids), tie=tie)

    def penalty(self) -> Floats:
        return tied(self.tie)

    def _drops(self, grid: RateGrid) -> tuple[Floats, Floats, Floats]:
        """Return the drops merged into bins: their height, the level after, the sum before."""
        level = grid.mean / self.reference
        sums = np.cumsum(level) * grid.size
        first = int(np.argmax(level >= level.max() * (1 - 1e-9)))
        falls = np.append(0.0, level[:-1] - level[1:])
        falls[: first + 1] = 0.0
        at = np.flatnonzero(falls)
        if not len(at):
            return np.zeros(1), np.ones(1), np.zeros(1)
        before = sums[at] - level[at] * grid.size
        if len(at) > self.bins:
            size = np.abs(falls[at])
            edges = np.searchsorted(np.cumsum(size), size.sum() * np.arange(self.bins) / self.bins)
            edges = np.unique(edges)
            total = np.maximum(np.add.reduceat(size, edges), 1e-300)
            mean = [np.add.reduceat(size * x, edges) / total for x in (level[at], before)]
            return np.add.reduceat(falls[at], edges), mean[0], mean[1]
        return falls[at], level[at], before

    def _parts(self, grid: RateGrid, theta: Floats) -> tuple[Floats, ...]:
        falls, after, before = self._drops(grid)
        summed = grid.sums(grid.mean / self.reference)
        since = np.maximum(summed[:, None] - before, 0.0)
        logs = np.log(np.maximum(after, 1e-6))
        x = np.exp(theta[1] - theta[3] * logs) * since
        left = (1 + x) ** -theta[2]
        return falls, logs, np.maximum(summed, 1e-9) / self.length, x, left

    def columns(self, grid: RateGrid, theta: Floats) -> Floats:
        falls, _, progress, _, left = self.remembered(grid, theta, self._parts)
        ones = np.ones_like(progress)
        # floor + drop·(highest - Σ falls·G): the same law, and no coefficient is negative
        gained = (1 - left) @ falls
        return np.stack([ones, progress ** -theta[0], 1.0 - gained], axis=1)

    def slopes(self, grid: RateGrid, theta: Floats, c: Floats) -> Floats:
        falls, logs, progress, x, left = self.remembered(grid, theta, self._parts)
        fall = c[1] * progress ** -theta[0]
        inner = -c[2] * theta[2] * left / (1 + x) * x * falls
        return np.stack(
            [
                -fall * np.log(progress),
                inner.sum(1),
                -c[2] * (left * np.log1p(x)) @ falls,
                -inner @ logs,
            ],
            axis=1,
        )

    def law(self, theta: Floats, c: Floats) -> MultiPowerLaw:
        floor, amount, drop = c.tolist()
        exponent, log_scale, beta, gamma = theta.tolist()
        known = exponent, drop, float(np.exp(log_scale)), beta, gamma
        return MultiPowerLaw(floor + drop, amount, *known, self.reference, self.length)
