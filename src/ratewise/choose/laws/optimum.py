"""The schedule that a law likes best: the form is free, the rate may only fall."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize

from ratewise.choose.laws.curve import Array
from ratewise.choose.laws.formless import FormlessForm, FormlessLaw
from ratewise.choose.laws.grid import Grid
from ratewise.choose.laws.mixed import Law, MixedLaw
from ratewise.choose.laws.multipower import MultiPowerLaw
from ratewise.choose.laws.power import EmaLaw
from ratewise.schedule import Piecewise, Schedule, ScheduleError, Warmup

LEVELS = 256
"""Levels of the free form."""

STARTS = (0.05, 0.1, 0.2, 0.22, 0.4, 1.0)
"""Shares of the run over which the rate falls in a straight line: where the search
begins, and what the free form has to beat once it is written down."""

POINTS = 24
"""Points at most that a schedule is written down with."""


def optimal(law: Law, peak: float, total: int, warmup: int, within: float) -> Schedule:
    """Return the falling schedule with the lowest predicted final loss.

    The level of block j is exp(-Σ_{i ≤ j} u_i), u ≥ 0; L-BFGS with the exact derivative.
    """
    laws = law.laws if isinstance(law, MixedLaw) else (law,)
    for one in laws:
        if not isinstance(one, EmaLaw | MultiPowerLaw | FormlessLaw):
            who = f"Fit.best({type(one).__name__})"
            raise ScheduleError(who, "does not depend on the rates", 'fit(…, law="auto")')
    blocks = min(LEVELS, total - warmup)
    edges = np.linspace(0, total - warmup, blocks + 1)
    # Rates are evaluated on equal blocks of the whole run, the warm-up included.
    size = max(1, round((total - warmup) / blocks))
    before = peak * np.arange(1, warmup // size + 1) / (warmup // size + 1) if warmup else []
    head = np.asarray(before, dtype=np.float64)

    def objective(u: Array) -> tuple[float, Array]:
        levels = np.exp(-np.cumsum(u))
        grid = Grid(np.append(head, peak * levels), size, np.array([0.0]))
        value, slope = 0.0, np.zeros(blocks)
        for one in laws:
            loss, pull = _final(one, grid)
            value += loss / len(laws)
            slope += pull[len(head) :] / len(laws)
        by_level = slope * peak * levels
        return value * 1e3, -1e3 * np.cumsum(by_level[::-1])[::-1]

    bounds = [(0.0, 5.0)] * blocks
    options = {"maxiter": 200, "ftol": 1e-10, "gtol": 1e-6, "maxcor": 20}
    starts = sorted(
        (_linear_fall(blocks, share) for share in STARTS), key=lambda u: objective(u)[0]
    )
    ends = [
        minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
        for start in starts[:2]
    ]
    found = min(ends, key=lambda end: end.fun)
    levels = np.exp(-np.cumsum(found.x))
    free = _written(law, levels, edges, peak, total, warmup, within)
    known = [_cooldown(total, warmup, share) for share in STARTS]
    return min([free, *known], key=lambda one: _loss(law, one, peak, total))


def _linear_fall(blocks: int, share: float) -> Array:
    """Return u for a rate that stays, and falls in a straight line over the last share."""
    n = max(1, round(share * blocks))
    levels = np.append(np.ones(blocks - n), 1 - np.arange(1, n + 1) / (n + 1))
    return -np.diff(np.log(levels), prepend=0.0)


def _cooldown(total: int, warmup: int, share: float) -> Schedule:
    """Return a rate that stays, and falls in a straight line to 0 over the last share."""
    n = max(1, round(share * (total - warmup)))
    first = total - warmup - n
    points = {0: 1.0, first: 1.0, total - warmup: 0.0} if first else {0: 1.0, n: 0.0}
    fall = Piecewise(points, shape="linear", over=total - warmup)
    return Warmup(warmup) >> fall if warmup else fall


def _written(
    law: Law, levels: Array, edges: Array, peak: float, total: int, warmup: int, within: float
) -> Schedule:
    """Return the schedule with as few points as keep the loss; the ends are always there."""
    at = (edges[:-1] + edges[1:]) / 2
    at[0], at[-1] = 0, total - warmup - 1
    x, first = np.unique(np.round(at).astype(int), return_index=True)
    y = levels[first]

    def made(kept: list[int]) -> Schedule:
        points = {int(x[i]): float(f"{y[i]:.4g}") for i in kept}
        fall = Piecewise(points, shape="linear", over=total - warmup)
        return Warmup(warmup) >> fall if warmup else fall

    whole = _loss(law, made(list(range(len(x)))), peak, total)
    kept = [0, len(x) - 1]
    while len(kept) < min(POINTS, len(x)):
        if _loss(law, made(kept), peak, total) <= whole * (1 + within):
            break
        gaps = np.abs(np.interp(x, x[kept], y[kept]) - y)
        worst = int(gaps.argmax())
        if worst in kept:
            break
        kept = sorted({*kept, worst})
    return made(kept)


def _loss(law: Law, schedule: Schedule, peak: float, total: int) -> float:
    return float(law.losses(peak * schedule.resolve(total).values())[-1])


def _final(law: Any, grid: Grid) -> tuple[float, Array]:
    """Return the loss behind the last block, and its derivatives by the rate of each block."""
    if isinstance(law, EmaLaw):
        return _final_ema(law, grid)
    if isinstance(law, MultiPowerLaw):
        return _final_multipower(law, grid)
    return _final_formless(law, grid)


def _recent(grid: Grid, lag: float) -> Array:
    """Return how much each block counts in the moving average at the end."""
    left = np.exp(-grid.size / lag)
    return (1 - left) * left ** np.arange(len(grid.mean) - 1, -1, -1, dtype=np.float64)


def _final_ema(law: EmaLaw, grid: Grid) -> tuple[float, Array]:
    level = np.maximum(grid.mean / law.reference, 1e-12)
    power = level**law.progress_power
    progress = power.sum() * grid.size / law.length
    recent = _recent(grid, law.lag)
    mean = max(float(recent @ level), 1e-12)
    fall = law.amount * progress**-law.exponent
    noise = law.noise * mean**law.noise_power
    by_progress = -law.exponent * fall / progress * grid.size / law.length
    slope = by_progress * law.progress_power * power / level
    slope += law.noise_power * noise / mean * recent
    return float(law.floor + fall + noise), slope / law.reference


def _final_multipower(law: MultiPowerLaw, grid: Grid) -> tuple[float, Array]:
    level = np.maximum(grid.mean / law.reference, 1e-9)
    left = np.cumsum(level[::-1])[::-1] * grid.size  # from each block to the end
    progress = left[0] / law.length
    fall = law.amount * progress**-law.exponent
    first = int(np.argmax(level >= level.max() * (1 - 1e-9)))
    drops = np.append(0.0, level[:-1] - level[1:])
    drops[: first + 1] = 0.0
    height = law.scale * level**-law.gamma
    x = height * left
    gain = 1 - (1 + x) ** -law.beta
    gain[: first + 1] = 0.0
    by_x = drops * law.beta * (1 + x) ** (-law.beta - 1)
    slope = np.full(len(level), -law.exponent * fall / progress * grid.size / law.length)
    # a level ends the drop into it and begins the one out of it
    slope -= law.drop * (np.append(gain[1:], 0.0) - gain)
    slope -= law.drop * (np.cumsum(by_x * height) * grid.size - law.gamma * by_x * x / level)
    return float(law.floor + fall - law.drop * (drops @ gain)), slope / law.reference


def _final_formless(law: FormlessLaw, grid: Grid) -> tuple[float, Array]:
    form = FormlessForm(law.reference, law.knots, law.hinges, law.bends)
    return form.final(grid, law)
