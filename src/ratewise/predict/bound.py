"""How far from the best a convex problem may end under a schedule, at worst."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ratewise._arrays import Floats
from ratewise.logs.curve import one_row
from ratewise.runs.specs import Written
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import number, shorten, whole
from ratewise.schedule.given import read_plan
from ratewise.schedule.strict import strict

Levels = Written | Sequence[float] | NDArray[Any]
"""A schedule, a plan, the text of one, or the level of every update."""

NOTHING = 1e-12
"""A level below this share of the highest is taken to be 0."""


@dataclass(frozen=True, eq=False)
class Bound:
    """What convex theory promises of a schedule: start/γ + noise·γ at the peak γ.

    A bound of a convex problem, not a prediction of a loss. What carries over to networks is
    how the best peak depends on the schedule, and only roughly; see `transfer`.

    Args:
        total: Updates of the run.
        start: What is left of the distance at the beginning, D²/(2 Σ level), times the peak.
        noise: What the gradients cost, per peak.
        levels: The levels, float64[total].
        norms: The norms of the gradients, float64[total].
        distance: D.
    """

    total: int
    start: float
    noise: float
    levels: Floats = field(repr=False)
    norms: Floats = field(repr=False)
    distance: float = field(repr=False)

    @property
    def best_peak(self) -> float:
        """The peak γ* = √(start / noise), at which the bound is lowest."""
        return math.sqrt(self.start) / math.sqrt(self.noise)

    @property
    def best(self) -> float:
        """The bound at the best peak, 2·√(start · noise)."""
        return 2 * math.sqrt(self.start) * math.sqrt(self.noise)

    def at(self, lr: float) -> float:
        """Return the bound at a peak in (0, inf)."""
        peak = number("Bound.at", "lr", lr, above=True)
        return self.start / peak + self.noise * peak

    def curve(self, steps: ArrayLike, lr: float | None = None) -> Floats:
        """Return the bound after some updates, float64[n]: of the run as if it ended there.

        Infinite as long as no rate was above 0. Costs O(total) for each of the steps.

        Args:
            steps: Updates made, int[n], in [1, total].
            lr: Peak, in (0, inf); left out, the best one of the whole run.
        """
        peak = self.best_peak if lr is None else number("Bound.curve", "lr", lr, above=True)
        at = np.atleast_1d(np.asarray(steps))
        if not np.issubdtype(at.dtype, np.integer) or at.min() < 1 or at.max() > self.total:
            rule = f"needs steps as whole numbers in [1, {self.total}]"
            raise ScheduleError(
                "Bound.curve", rule, "give the updates after which it is wanted", given=steps
            )
        terms = [_terms(self.levels[:n], self.norms[:n], self.distance) for n in at.tolist()]
        return np.array([start / peak + noise * peak for start, noise in terms])


@strict
def bound(
    schedule: Levels, total: int | None = None, *, norms: ArrayLike = 1.0, distance: float = 1.0
) -> Bound:
    """Return the refined last-iterate bound of subgradient descent under a schedule.

    With η_k = γ·level_k, k = 1 … T, gradient norms G_k and D = |x_1 − x*|, f(x_T) − f* is at most

        Ω = D²/(2 H_1) + Q_1/(2 H_1) + ½ Σ_{k<T} (η_k / H_{k+1})·(Q_k / H_k)
        H_k = Σ_{t≥k} η_t,  Q_k = Σ_{t≥k} η_t² G_t²

    It is evaluated summed by parts, ½ (D²/H_1 + η_T G_T² + Σ_{k<T} η_k² G_k² / H_{k+1}): the same
    number, in O(T), with no term below 0 and hence nothing that cancels.

    Updates without a rate at the end change nothing and are left out. A rate that drops all at
    once to nearly nothing makes the bound large: that is the bound, not the training.

    Args:
        schedule: A schedule, a plan, the text of one, or the level of every update, float[T].
        total: Updates of the run; may be left out where the schedule says it.
        norms: Norms of the gradients, in (0, inf): one for all, or float[T].
        distance: D, in (0, inf).

    Raises:
        ScheduleError: the schedule does not fit, has no rate above 0, or an argument is outside
            its interval.

    Source: Schaipp et al. 2025, arXiv 2501.18965, after Defazio et al. 2023, arXiv 2310.07831.

    >>> import ratewise as rw
    >>> round(bound(rw.Linear(to=0), 100).best, 8)
    0.20360842
    >>> told = bound("Hold() >> Linear(to=0, over='20%')", 100)
    >>> round(told.best_peak, 4), round(told.at(0.1), 4)
    (0.0495, 0.2803)
    """
    levels = _levels(schedule, total)
    each = _norms(norms, len(levels))
    far = number("bound", "distance", distance, above=True)
    start, noise = _terms(levels, each, far)
    return Bound(len(levels), start, noise, levels, each, far)


def _levels(given: Levels, total: int | None) -> Floats:
    """Return the level of every update, float64[total], of whatever says them."""
    if isinstance(given, str | Schedule | Plan):
        levels = _values(given, total)
    else:
        levels = one_row("bound", "levels", given, "give one for every update", least=1)
        if total is not None and whole("bound", "total", total, low=1) != len(levels):
            rule = f"got {len(levels)} levels and total={total}"
            raise ScheduleError("bound", rule, "give one level per update, and leave total out")
    if not np.isfinite(levels).all() or (levels < 0).any():
        raise ScheduleError("bound", "needs levels in [0, inf)", "give 0 or more for every update")
    if not (levels > 0).any():
        fix = "give a schedule that trains at some point"
        raise ScheduleError("bound", "got a schedule without a level above 0", fix)
    return levels


def _values(given: Written, total: int | None) -> Floats:
    schedule = read_plan("bound", given, "give a schedule").lr
    if schedule is None:
        raise ScheduleError("bound", "got a plan without learning rates", "give Plan(lr=…)")
    resolved = schedule.resolve(None if total is None else whole("bound", "total", total, low=1))
    if not resolved.length:
        raise ScheduleError("bound", f"got {shorten(resolved)}, which has no end", "give total=…")
    return resolved.values()


def _norms(norms: Any, total: int) -> Floats:
    if np.ndim(norms) == 0:
        return np.full(total, number("bound", "norms", norms, above=True))
    each = one_row("bound", "norms", norms, "give one for every update")
    if len(each) != total:
        rule = f"got {len(each)} norms for {total} updates"
        raise ScheduleError("bound", rule, "give one for every update, or a single one")
    if not (np.isfinite(each) & (each > 0)).all():
        raise ScheduleError("bound", "needs norms in (0, inf)", "give the norms of the gradients")
    return each


def _terms(levels: Floats, norms: Floats, distance: float) -> tuple[float, float]:
    """Return the two terms of the bound at peak 1, up to the last level above 0."""
    highest, steepest = float(levels.max()), float(norms.max())
    last = np.flatnonzero(levels > NOTHING * highest)
    if not len(last):
        return math.inf, math.inf
    shape = levels[: last[-1] + 1] / highest
    paid = (shape * norms[: len(shape)] / steepest) ** 2
    # Summed from the end: a difference of sums from the beginning would cancel there.
    left = np.cumsum(shape[::-1])[::-1]
    cost = float(paid[-1] / shape[-1] + (paid[:-1] / left[1:]).sum())
    return distance**2 / (2 * float(left[0]) * highest), cost * highest * steepest**2 / 2
