"""How a law is fitted: a few exponents searched, everything linear solved for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize, nnls

from ratewise._arrays import Floats
from ratewise.predict.grid import RateGrid

WEIGHT = 40.0
"""Points that a curve counts for at most: neighbours on a curve say nearly the same."""

ROUNDS = 40
"""Rounds of reweighting for the robust loss."""


TRIES = 3
"""Starts from which the search goes on to the end."""


class LawForm(ABC):
    """A law before it is fitted: L(t) = Σ c_j·X_j(t; θ), with all c_j ≥ 0 and few θ.

    Attributes:
        centre: Where θ lies before any curve was seen, float64[k].
        spread: How far from there it may well be, float64[k].
        low: Smallest θ.
        high: Largest θ.
    """

    centre: Floats
    spread: Floats
    low: Floats
    high: Floats

    @abstractmethod
    def columns(self, grid: RateGrid, theta: Floats) -> Floats:
        """Return X at the points of a grid, float64[n, m]."""

    @abstractmethod
    def slopes(self, grid: RateGrid, theta: Floats, c: Floats) -> Floats:
        """Return the derivatives of the loss by θ at the points, float64[n, k]."""

    @abstractmethod
    def law(self, theta: Floats, c: Floats) -> Any:
        """Return the law with these parameters."""

    def starts(self) -> list[Floats]:
        """Return where the search begins."""
        return [self.centre]

    def penalty(self) -> Floats:
        """Return rows that are added to the linear problem, float64[r, m]; each is wanted 0."""
        return np.empty((0, 0))


@dataclass(frozen=True, eq=False)
class Observations:
    """What a law is fitted to: points of some curves, with weights.

    Args:
        grids: One for each curve.
        losses: Losses at the points of all grids, float64[n].
        scale: Size of an ordinary residual of each point, in units of the loss, float64[n].
        weight: How much each point counts, float64[n].
    """

    grids: Sequence[RateGrid]
    losses: Floats
    scale: Floats
    weight: Floats


@dataclass(frozen=True, eq=False)
class Solution:
    """A fitted form.

    Args:
        theta: The exponents.
        c: The linear coefficients.
        objective: Value of the robust objective there, prior included.
        misfit: The same without the prior.
    """

    theta: Floats
    c: Floats
    objective: float
    misfit: float


def solve(
    form: LawForm, data: Observations, near: Floats | None = None, search: bool = True
) -> Solution:
    """Fit a form: minimise Σ w·huber((y - ŷ)/scale) + ½ Σ ((θ - centre)/spread)².

    It begins near some θ, or at the best few of the form's own starts. The linear coefficients are
    those that are best for θ, so that the derivative by θ is the one with the coefficients held
    (envelope theorem). Without a search θ is taken as it is, and only they are solved for.
    """
    starts = form.starts()
    if near is not None and len(near) == len(form.centre):
        if not search:
            c, residual = _linear(form, data, near)
            misfit = float(np.sum(data.weight * _huber(residual)))
            return Solution(near, c, misfit, misfit)
        starts = [near]
    if len(starts) > TRIES:
        ranked = sorted(starts, key=lambda theta: _objective(theta, form, data)[0])
        starts = ranked[:TRIES]
    best: Any = None
    for start in starts:
        found = minimize(
            _objective,
            (start - form.centre) / form.spread,
            args=(form, data, True),
            jac=True,
            method="L-BFGS-B",
            bounds=list(
                zip(
                    (form.low - form.centre) / form.spread,
                    (form.high - form.centre) / form.spread,
                    strict=True,
                )
            ),
            options={"maxiter": 60, "ftol": 1e-7, "gtol": 1e-4},
        )
        if best is None or found.fun < best.fun:
            best = found
    theta = form.centre + form.spread * best.x
    c, residual = _linear(form, data, theta)
    misfit = float(np.sum(data.weight * _huber(residual)))
    return Solution(theta, c, float(best.fun), misfit)


def _objective(
    x: Floats, form: LawForm, data: Observations, scaled: bool = False
) -> tuple[float, Floats]:
    theta = form.centre + form.spread * x if scaled else x
    z = (theta - form.centre) / form.spread
    c, residual = _linear(form, data, theta)
    tied = form.penalty() @ c if len(form.penalty()) else np.zeros(1)
    value = float(np.sum(data.weight * _huber(residual)) + 0.5 * (z @ z + tied @ tied))
    if not scaled:
        return value, z
    pull = -data.weight * np.clip(residual, -1, 1) / data.scale
    slopes = np.concatenate([form.slopes(grid, theta, c) for grid in data.grids])
    return value, (pull @ slopes) * form.spread + z


def _linear(form: LawForm, data: Observations, theta: Floats) -> tuple[Floats, Floats]:
    """Return the best coefficients for θ, and the residuals in units of their scale."""
    columns = np.concatenate([form.columns(grid, theta) for grid in data.grids])
    columns = columns / data.scale[:, None]
    wanted = data.losses / data.scale
    size = np.abs(columns).max(0)
    size[size == 0] = 1.0
    columns = columns / size
    penalty = form.penalty()
    more = (penalty / size).T @ (penalty / size) if len(penalty) else 0.0
    robust = np.ones(len(wanted))
    c = np.zeros(columns.shape[1])
    residual = wanted
    for _ in range(ROUNDS):
        weighted = columns * (data.weight * robust)[:, None]
        gram = weighted.T @ columns + more
        gram[np.diag_indices_from(gram)] += 1e-10 * np.trace(gram) / len(gram)
        lower = np.linalg.cholesky(gram)
        new, _ = nnls(lower.T, np.linalg.solve(lower, weighted.T @ wanted), maxiter=1000)
        residual = wanted - columns @ new
        if np.allclose(new, c, rtol=1e-6, atol=1e-9 * float(np.abs(new).max())):
            c = new
            break
        c = new
        robust = 1.0 / np.maximum(np.abs(residual), 1.0)
    return c / size, residual


def _huber(residual: Floats) -> Floats:
    size = np.abs(residual)
    return np.where(size <= 1, 0.5 * size**2, size - 0.5)
