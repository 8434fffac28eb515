"""How a law is fitted: a few exponents searched, everything linear solved for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize, nnls

from ratewise._arrays import Floats
from ratewise.predict.grid import RateGrid
from ratewise.predict.law import LawForm

WEIGHT = 40.0
"""Points that a curve counts for at most: neighbours on a curve say nearly the same."""

ROUNDS = 40
"""Rounds of reweighting for the robust loss."""

TRIES = 3
"""Starts from which the search goes on to the end."""


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
        misfit: Sum of the weighted robust residuals there.
    """

    theta: Floats
    c: Floats
    misfit: float


def solve(form: LawForm, data: Observations, near: Floats | None = None) -> Solution:
    """Fit a form: minimise Σ w·huber((y - ŷ)/scale) + ½ Σ ((θ - centre)/spread)².

    It begins near some θ, or at the best few of the form's own starts. The linear coefficients are
    those that are best for θ, so that the derivative by θ is the one with the coefficients held
    (envelope theorem).
    """
    starts = form.starts()
    if near is not None and len(near) == len(form.centre):
        starts = [near]
    if len(starts) > TRIES:
        ranked = sorted(starts, key=lambda theta: _value(theta, form, data)[0])
        starts = ranked[:TRIES]
    low, high = ((end - form.centre) / form.spread for end in (form.low, form.high))
    best: Any = None
    warm = np.ones(len(data.losses))
    for start in starts:
        found = minimize(
            objective,
            (start - form.centre) / form.spread,
            args=(form, data, warm),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(low, high, strict=True)),
            options={"maxiter": 60, "ftol": 1e-7, "gtol": 1e-4},
        )
        if best is None or found.fun < best.fun:
            best = found
    return _at(form.centre + form.spread * best.x, form, data)


def _at(theta: Floats, form: LawForm, data: Observations) -> Solution:
    c, residual = _linear(form, data, theta)
    return Solution(theta, c, float(np.sum(data.weight * _huber(residual))))


def objective(
    x: Floats, form: LawForm, data: Observations, warm: Floats | None = None
) -> tuple[float, Floats]:
    """Return the robust objective at θ = centre + spread·x, and its derivatives by x.

    The reweighting begins with `warm`, float64[n], and leaves there what it ended with.
    """
    theta = form.centre + form.spread * x
    value, c, residual = _value(theta, form, data, warm)
    pull = -data.weight * np.clip(residual, -1, 1) / data.scale
    slopes = np.concatenate([form.slopes(grid, theta, c) for grid in data.grids])
    return value, (pull @ slopes) * form.spread + (theta - form.centre) / form.spread


def _value(
    theta: Floats, form: LawForm, data: Observations, warm: Floats | None = None
) -> tuple[float, Floats, Floats]:
    """Return the objective with the best coefficients for θ, these, and the residuals."""
    z = (theta - form.centre) / form.spread
    c, residual = _linear(form, data, theta, warm)
    tied = form.penalty() @ c if len(form.penalty()) else np.zeros(1)
    value = np.sum(data.weight * _huber(residual)) + 0.5 * (z @ z + tied @ tied)
    return float(value), c, residual


def _linear(
    form: LawForm, data: Observations, theta: Floats, warm: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return the best coefficients for θ, and the residuals in units of their scale."""
    columns = np.concatenate([form.columns(grid, theta) for grid in data.grids])
    return coefficients(columns, data, form.penalty(), warm)


def coefficients(
    columns: Floats, data: Observations, penalty: Floats, warm: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return the coefficients ≥ 0 of columns that fit best, and the residuals in their scale."""
    columns = columns / data.scale[:, None]
    wanted = data.losses / data.scale
    size = np.abs(columns).max(0)
    size[size == 0] = 1.0
    columns = columns / size
    more = (penalty / size).T @ (penalty / size) if len(penalty) else 0.0
    robust = np.ones(len(wanted)) if warm is None else warm
    c = np.zeros(columns.shape[1])
    residual = wanted
    for _ in range(ROUNDS):
        weighted = columns * (data.weight * robust)[:, None]
        gram = weighted.T @ columns + more
        gram[np.diag_indices_from(gram)] += 1e-10 * np.trace(gram) / len(gram)
        lower = np.linalg.cholesky(gram)
        new, _ = nnls(lower.T, np.linalg.solve(lower, weighted.T @ wanted), maxiter=1000)
        residual = wanted - columns @ new
        robust = 1.0 / np.maximum(np.abs(residual), 1.0)
        moved, c = np.abs(new - c), new
        if (moved <= 1e-9 * np.abs(new).max() + 1e-6 * np.abs(new)).all():
            break
    if warm is not None:
        warm[:] = robust
    return c / size, residual


def _huber(residual: Floats) -> Floats:
    size = np.abs(residual)
    return np.where(size <= 1, 0.5 * size**2, size - 0.5)
