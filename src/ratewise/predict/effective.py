"""The law of effective rates: a rate counts by how far it turns weights that grow and decay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg import lapack

from ratewise._arrays import Floats
from ratewise.predict.grid import RateGrid, RateSegments, highest_rate, longest_run
from ratewise.predict.law import Law, LawForm

MODES = (1e-3, 4e-3, 1.5e-2, 6e-2, 0.25, 1.0)
"""Progress after which each mode of the noise has relaxed, in rates times lengths."""

FADES = (0.0, 1.3)
"""Powers by which noise fades as progress is made: of fast modes hardly, of slow ones it does."""

EARLY = 1.5e-3
"""Progress before which no noise has faded."""

COARSE = 400
"""Blocks of a run while the law is fitted."""

SKIP = 0.04
"""Share of a run that is not fitted: what the first updates are like no power law knows."""


@dataclass(frozen=True)
class EffectiveLaw(Law):
    """Progress and noise by the rate over the size of the weights, which it makes itself.

    u = rate / reference, time in lengths of the longest run, W the square of the weights' size:

    dW/dt = 2·decay·u·(level·u - W), W = 1 at first;    r = u / √W    the effective rate
    dS/dt = r^p / (1 + e^bend·r^p)                      progress, p = progress_power
    dE_j/dt = r / τ_j·(r·(r + small)^(q - 1) - E_j)     noise of mode j, q = noise_power
    L = floor + amount·S^-exponent + Σ_jk noise[j, k]·E_j·(S + .0015)^-z_k

    An update of a normalised optimizer has the size of its rate, so that weights grow; weight decay
    shrinks them, and between the two they come to W = level·u within 1 / (2·decay·u) of a run. So
    a high rate is worth less once it has lasted, and a low one is worth less behind a high one.
    Noise relaxes by progress and not by updates, fast modes and slow ones, all of which share the
    coefficients noise ≥ 0: τ_j = stretch·MODES[j], z_k = FADES[k].

    Source: the sizes are those of van Laarhoven 2017, arXiv 1706.05350, and Kosson et al. 2024,
    arXiv 2305.17212; put together here, see docs/design/010-laws-for-real-runs.md.
    """

    floor: float
    amount: float
    noise: tuple[float, ...]
    exponent: float
    progress_power: float
    noise_power: float
    decay: float
    level: float
    bend: float
    stretch: float
    small: float
    reference: float
    length: float

    def losses(self, rates: Floats) -> Floats:
        grid = RateGrid.of(rates, np.arange(1, len(rates) + 1), len(rates))
        return self._form.columns(grid, self._theta) @ self._c

    def last(self, run: RateSegments) -> tuple[float, Floats, Floats]:
        form, theta = self._form, self._theta
        course = RunCourse.of(run.rates / self.reference, run.sizes / self.length, theta)
        progress = np.maximum(course.progress[-1:], TINY)
        loss = float((form.stacked(progress, course.noise[-1:], theta) @ self._c)[0])
        fades = (progress + EARLY) ** -np.array(FADES)
        noise = np.reshape(self.noise, (len(MODES), len(FADES)))
        by_progress = -self.exponent * self.amount * progress[0] ** (-self.exponent - 1)
        by_progress -= course.noise[-1] @ noise @ (fades * FADES) / (progress[0] + EARLY)
        slope = course.slope(float(by_progress), noise @ fades)
        return loss, slope / self.reference, np.zeros(len(slope))

    @property
    def _form(self) -> EffectiveForm:
        return EffectiveForm(self.reference, self.length)

    @property
    def _c(self) -> Floats:
        return np.array([self.floor, self.amount, *self.noise])

    @property
    def _theta(self) -> Floats:
        powers = self.exponent, self.progress_power, self.noise_power
        sizes = np.log([self.decay, self.level])
        return np.array([*powers, *sizes, self.bend, *np.log([self.stretch, self.small])])


TINY = 1e-9
"""Least progress."""


@dataclass(frozen=True, eq=False)
class RunCourse:
    """What the law's quantities are after each block of a run.

    Every block counts as if its rate were constant: W and E_j are then exact, and r is that of the
    mean of W before and after it.

    Args:
        theta: The exponents and sizes, as `EffectiveForm` has them.
        u: Rate of each block in units of the reference, float64[n].
        h: Length of each in units of the longest run, float64[n].
        kept: Share of W that a block leaves, float64[n].
        weights: W after each block, float64[n].
        logs: log r of each block, float64[n].
        phi: Progress per length, float64[n].
        progress: S, float64[n].
        left: Share of each mode that a block leaves, float64[n, modes].
        noise: E, float64[n, modes].
    """

    theta: Floats
    u: Floats
    h: Floats
    kept: Floats
    weights: Floats
    logs: Floats
    phi: Floats
    progress: Floats
    left: Floats
    noise: Floats

    @classmethod
    def of(cls, u: Floats, h: Floats, theta: Floats) -> RunCourse:
        """Return the course of a run."""
        _, p, _, log_decay, log_level, bend, _, _ = theta.tolist()
        decays = 2 * np.exp(log_decay) * u * h
        kept = np.exp(-decays)
        added = -np.expm1(-decays) * np.exp(log_level) * u
        added[0] += kept[0]
        weights = recurred(kept, added)
        size = np.log(np.maximum((weights + before(weights, 1.0)) / 2, 1e-30))
        logs = np.log(np.maximum(u, 1e-30)) - size / 2
        power = np.exp(np.minimum(p * logs, 300.0))
        phi = np.where(u > 0, power / (1 + np.exp(bend) * power), 0.0)
        waits = np.exp(theta[6]) * np.array(MODES)
        gone = (np.exp(np.minimum(logs, 300.0)) * h)[:, None] / waits
        left = np.exp(-gone)
        fed = -np.expm1(-gone) * noise_at(logs, theta)[0][:, None]
        noise = np.stack([recurred(*two) for two in zip(left.T, fed.T, strict=True)], axis=1)
        return cls(theta, u, h, kept, weights, logs, phi, np.cumsum(phi * h), left, noise)

    def _by_log(self) -> tuple[Floats, Floats]:
        """Return dφ / d log r, and what is added to each mode by d log r, float64[n, modes]."""
        slope = self.theta[1] * self.phi * (1 - np.exp(self.theta[5]) * self.phi)
        level, steep, _, _ = (one[:, None] for one in noise_at(self.logs, self.theta))
        gone = -np.log(np.maximum(self.left, 1e-300))
        fed = (1 - self.left) * level * steep
        return slope, fed + self.left * gone * (level - before(self.noise, 0.0))

    def tangents(self, modes: list[int]) -> tuple[Floats, list[Floats]]:
        """Return the derivatives of S, float64[n, 8], and of the noise of each mode, by θ."""
        decay, grows = np.exp(self.theta[3:5])
        u, h, phi, logs = self.u, self.h, self.phi, self.logs
        bent = np.exp(self.theta[5]) * phi
        grown = -2 * u * h * decay * self.kept * (before(self.weights, 1.0) - grows * u)
        raised = -np.expm1(-2 * decay * u * h) * grows * u
        by_size = recurred(self.kept, np.stack([grown, raised], axis=1))
        mean = (self.weights + before(self.weights, 1.0))[:, None]
        by_logs = -(by_size + before(by_size, 0.0)) / 2 / np.maximum(mean, 1e-30)
        slope, added = self._by_log()
        nothing = np.zeros_like(phi)
        by_phi = np.stack(
            [
                nothing,
                phi * (1 - bent) * logs,
                nothing,
                *(slope[:, None] * by_logs).T,
                -bent * phi,
                nothing,
                nothing,
            ],
            axis=1,
        )
        found: list[Floats] = []
        lagging = before(self.noise, 0.0)
        level, _, by_power, by_small = noise_at(logs, self.theta)
        for j in modes:
            left, fed = self.left[:, j], (1 - self.left[:, j]) * level
            gone = -np.log(np.maximum(left, 1e-300))
            stretched = left * gone * (lagging[:, j] - level)
            sized = added[:, j, None] * by_logs
            rows = [nothing, nothing, fed * by_power, *sized.T, nothing, stretched, fed * by_small]
            found.append(recurred(left, np.stack(rows, axis=1)))
        return np.cumsum(by_phi * h[:, None], axis=0), found

    def slope(self, by_progress: float, by_noise: Floats) -> Floats:
        """Return the derivatives by u of what depends on S and the noise at the end, float64[n]."""
        decay, level = np.exp(self.theta[3:5])
        slope, added = self._by_log()
        by_logs = by_progress * slope * self.h
        for j, weight in enumerate(by_noise.tolist()):
            end = np.zeros(len(self.u))
            end[-1] = weight
            by_logs += recurred(self.left[:, j], end, back=True) * added[:, j]
        u, earlier = self.u, before(self.weights, 1.0)
        half = -by_logs / 2 / np.maximum(self.weights + earlier, 1e-30)
        by_weights = recurred(self.kept, half + np.append(half[1:], 0.0), back=True)
        grown = -2 * self.h * decay * self.kept * (earlier - level * u)
        grown -= np.expm1(-2 * decay * u * self.h) * level
        return by_logs / np.maximum(u, 1e-12) + by_weights * grown


class EffectiveForm(LawForm):
    """The form of an `EffectiveLaw`.

    θ = exponent, progress and noise powers, log decay, log level, bend, log stretch, log small.
    """

    skip = SKIP
    once = True

    def __init__(self, reference: float, length: float) -> None:
        self.reference, self.length = reference, length
        self.centre = np.array([0.7, 1.4, 0.8, np.log(3.0), np.log(15.0), -0.8, 0.0, np.log(0.03)])
        self.spread = np.array([0.3, 0.2, 0.25, 0.7, 1.0, 1.0, 0.7, 1.0])
        self.low = np.array([0.05, 0.3, 0.2, np.log(1e-3), np.log(0.1), -7.0, -4.0, np.log(1e-5)])
        self.high = np.array([2.0, 2.5, 2.5, np.log(1e3), np.log(1e4), 5.0, 4.0, np.log(10.0)])
        self._coarse: dict[int, tuple[RateGrid, RateGrid]] = {}

    @classmethod
    def around(cls, grids: Sequence[RateGrid], tie: float) -> EffectiveForm:
        form = cls(highest_rate(grids), longest_run(grids))
        form._coarse = {id(grid): (grid, grid.coarser(COARSE)) for grid in grids}
        return form

    def _grid(self, grid: RateGrid) -> RateGrid:
        kept = self._coarse.get(id(grid))
        return grid if kept is None or kept[0] is not grid else kept[1]

    def _course(self, grid: RateGrid, theta: Floats) -> RunCourse:
        size = np.full(len(grid.mean), grid.size / self.length)
        return RunCourse.of(grid.mean / self.reference, size, np.array(theta))

    def stacked(self, progress: Floats, noise: Floats, theta: Floats) -> Floats:
        """Return the columns for S, float64[n], and E, float64[n, modes]."""
        fades = (progress[:, None] + EARLY) ** -np.array(FADES)
        each = (noise[:, :, None] * fades[:, None, :]).reshape(len(progress), -1)
        first = np.stack([np.ones_like(progress), progress ** -theta[0]], axis=1)
        return np.concatenate([first, each], axis=1)

    def _points(self, grid: RateGrid, theta: Floats) -> tuple[RunCourse, Floats, Floats]:
        course = self.remembered(grid, theta, self._course)
        both = grid.rows_at_points(np.column_stack([course.progress, course.noise]))
        return course, np.maximum(both[:, 0], TINY), both[:, 1:]

    def columns(self, grid: RateGrid, theta: Floats) -> Floats:
        _, progress, noise = self._points(self._grid(grid), theta)
        return self.stacked(progress, noise, theta)

    def slopes(self, grid: RateGrid, theta: Floats, c: Floats) -> Floats:
        grid = self._grid(grid)
        course, progress, noise = self._points(grid, theta)
        weights = c[2:].reshape(len(MODES), len(FADES))
        used = np.flatnonzero(weights.sum(1)).tolist()
        by_progress, by_noise = course.tangents(used)
        fades = (progress[:, None] + EARLY) ** -np.array(FADES)
        fall = c[1] * progress ** -theta[0]
        rate = -theta[0] * fall / progress
        rate -= ((noise @ weights) * fades * FADES).sum(1) / (progress + EARLY)
        found = rate[:, None] * grid.rows_at_points(by_progress)
        found[:, 0] -= fall * np.log(progress)
        for j, slopes in zip(used, by_noise, strict=True):
            found += (fades @ weights[j])[:, None] * grid.rows_at_points(slopes)
        return found

    def law(self, theta: Floats, c: Floats) -> EffectiveLaw:
        exponent, by_progress, by_noise, *sizes, bend, stretch, small = theta.tolist()
        decay, level, stretch, small = map(float, np.exp([*sizes, stretch, small]))
        floor, amount, *noise = c.tolist()
        powers = exponent, by_progress, by_noise
        return EffectiveLaw(
            floor, amount, tuple(noise), *powers, decay, level, bend, stretch, small,
            self.reference, self.length,
        )  # fmt: skip


def noise_at(logs: Floats, theta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return what the noise comes to at log r, its log's slopes by log r, by q and by log small.

    Proportional to the rate where it is small, and a power of it where it is not.
    """
    q, small = theta[2], np.exp(theta[7])
    rate = np.exp(np.minimum(logs, 300.0))
    both = np.log(rate + small)
    level = np.exp(np.clip(logs + (q - 1) * both, -700.0, 300.0))
    share = rate / (rate + small)
    return level, 1 + (q - 1) * share, both, (q - 1) * (1 - share)


def before(values: Floats, first: float) -> Floats:
    """Return what was there one block earlier."""
    return np.concatenate([np.full_like(values[:1], first), values[:-1]])


def recurred(kept: Floats, added: Floats, back: bool = False) -> Floats:
    """Return x with x[i] = kept[i]·x[i-1] + added[i], or the transpose of that, from the end back.

    A triangular system with two diagonals, so that no loop is needed.
    """
    bands = np.ones((2, len(kept)), order="F")
    bands[1, :-1], bands[1, -1] = -kept[1:], 0.0
    solver: Any = lapack
    found, _ = solver.dtbtrs(bands, added, uplo="L", trans="T" if back else "N", diag="U")
    return found
