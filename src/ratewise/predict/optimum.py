"""The schedule that a law likes best: the form is free, the rate may only fall."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

from ratewise._arrays import Floats
from ratewise.predict.final_loss import RatePath, exact
from ratewise.predict.law import Law
from ratewise.schedule import Piecewise, Schedule, ScheduleError, Warmup

KNOTS = 64
"""Straight lines or stairs of the free form; the closer to the end, the shorter."""

STARTS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.7, 1.0)
"""Shares of the run over which the rate falls in a straight line: the search begins at the best of
them, and what it finds has to beat them all once it is written down."""

TRIES = 2
"""Of them the search goes on from."""

POINTS = 24
"""Points at most that a schedule is written down with."""

STEEPEST = 4.0
"""Largest fall between two neighbours of the knots, in logarithms."""


def optimal(
    law: Law, peak: float, total: int, warmup: int, within: float, stairs: bool = True
) -> Schedule:
    """Return the falling schedule with the lowest predicted final loss.

    It falls in straight lines or in stairs, as a `Piecewise` does, and the loss is that of all its
    updates: what the search finds is what is written down. The level at knot j is
    exp(-Σ_{i ≤ j} u_i), u ≥ 0; L-BFGS with the exact derivative. Knots that the loss does not need
    are left out, and the levels at the others are searched again. Stairs are taken only where they
    are better by more than `within`: the multi-power law likes them more than runs have shown.
    """
    for one in law.parts:
        if not one.sees_rates:
            who = f"Fit.best({type(one).__name__})"
            raise ScheduleError(who, "does not depend on the rates", 'fit(…, law="auto")')
    n = total - warmup
    rising = Warmup(warmup).resolve(total).values(warmup) if warmup else np.zeros(0)

    def loss(fall: Piecewise) -> float:
        levels = fall.resolve(n).values()
        return exact(law, peak * np.append(rising, levels))

    knots = _knots(n, KNOTS)
    lines = _written(law, RatePath.lines(knots, rising), peak, n, within, "linear")
    best = min([lines, *(_cooldown(n, share) for share in STARTS)], key=loss)
    if stairs:
        steps = _written(law, RatePath.stairs(knots, rising, n), peak, n, within, "constant")
        best = steps if loss(steps) < loss(best) * (1 - within) else best
    return Warmup(warmup) >> best if warmup else best


def _knots(n: int, count: int) -> Floats:
    """Return places from the first to the last update, the closer to the end, the denser."""
    shares = np.linspace(0, 1, min(count, n - 1) + 1)
    return np.unique(np.round((n - 1) * (1 - (1 - shares) ** 2)))


def _search(law: Law, path: RatePath, peak: float, levels: Floats) -> tuple[float, Floats]:
    """Return the lowest loss from these levels on, and the levels there."""

    def objective(u: Floats) -> tuple[float, Floats]:
        levels = np.append(1.0, np.exp(-np.cumsum(u)))
        value, slope = path.loss(law, peak, levels)
        return value * 1e3, -1e3 * np.cumsum((slope * levels)[:0:-1])[::-1]

    if len(levels) == 1:
        return path.loss(law, peak, levels)[0], levels
    start = -np.diff(np.log(levels))
    bounds = [(0.0, max(STEEPEST, one)) for one in start.tolist()]
    options = {"maxiter": 100, "ftol": 3e-9, "gtol": 1e-5, "maxcor": 20}
    found: Any = minimize(
        objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
    )
    return float(found.fun) / 1e3, np.append(1.0, np.exp(-np.cumsum(found.x)))


def _written(law: Law, path: RatePath, peak: float, n: int, within: float, shape: str) -> Piecewise:
    """Return the best schedule with as few points as keep its loss; the first is always there."""
    x = path.knots
    starts = [np.maximum(np.minimum(1, (n - x) / (share * n)), 1 / n) for share in STARTS]
    starts.sort(key=lambda levels: path.loss(law, peak, levels)[0])
    ends = [_search(law, path, peak, levels) for levels in starts[:TRIES]]
    whole, levels = min(ends, key=lambda end: end[0])
    kept = [0, len(x) - 1] if shape == "linear" else [0]
    while True:
        thin = path.through(kept)
        loss = thin.loss(law, peak, levels[kept])[0]
        if loss <= whole * (1 + within) or len(kept) >= min(POINTS, len(x)):
            break
        if shape == "linear":
            there = np.interp(x, x[kept], levels[kept])
        else:
            there = levels[kept][np.searchsorted(kept, np.arange(len(x)), side="right") - 1]
        gaps = np.abs(np.sqrt(there) - np.sqrt(levels))
        gaps[kept] = -1.0
        kept = sorted({*kept, int(gaps.argmax())})
    levels = _search(law, thin, peak, levels[kept])[1]
    told = (float(f"{round(level, 6):.4g}") for level in levels.tolist())
    points = dict(zip(x[kept].astype(int).tolist(), told, strict=True))
    if shape == "constant":  # a stair that is no lower than the one before is none
        lowest: dict[float, int] = {}
        for at, level in points.items():
            lowest.setdefault(level, at)
        points = {at: level for level, at in lowest.items()}
    return Piecewise(points, shape=shape, over=n)


def _cooldown(n: int, share: float) -> Piecewise:
    """Return a rate that stays, and falls in a straight line to 0 over the last share."""
    first = n - max(1, round(share * n))
    points = {0: 1.0, first: 1.0, n: 0.0} if first else {0: 1.0, n: 0.0}
    return Piecewise(points, shape="linear", over=n)
