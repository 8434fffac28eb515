"""A schedule refined by the gradient norms of a finished run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import median_filter

from ratewise._arrays import Floats
from ratewise.logs.curve import FEWEST, check_steps, one_row
from ratewise.schedule import Piecewise, Schedule, ScheduleError, Warmup
from ratewise.schedule.errors import nearest, number, shorten, whole
from ratewise.schedule.strict import strict

POINTS = 10_000
"""Points that the norms are resampled to."""

POWERS = {"adam": 1, "sgd": 2}
"""Powers of the norm by which a gradient counts less, for each kind of optimizer."""

DIGITS = 4
"""Digits that positions and levels are written with."""

LOW = 0.25
"""Level below which errors no longer count by the level itself."""


@strict
def refine(
    norms: ArrayLike,
    *,
    steps: ArrayLike | None = None,
    total: int | None = None,
    optimizer: str = "adam",
    warmup: int = 0,
    smooth: float = 0.1,
    within: float = 0.05,
) -> Schedule:
    """Return the schedule that suits the gradient norms which a finished run has logged.

    level(t) ∝ w_t · Σ_{p ≥ t} w_p,  t = 0 … total − 1

    w = 1 / ‖g‖₁ for optimizers like Adam, 1 / ‖g‖₂² for SGD. Constant norms give a straight line
    to zero; norms that are high early on give a warm-up, norms that rise a steeper fall at the end.
    Of the formula's `total` + 1 updates the last, which is zero, is left out, as in `bound`.

    Norms are noisy: they are resampled to 10,000 points and replaced by their running median,
    mirrored at the end of the run, held at its beginning. The width of the median decides how
    long a warm-up comes out.

    What comes out depends on the schedule of the run that logged the norms, and it says nothing
    of the peak: its highest level is 1.

    Args:
        norms: Norms of the gradients, in (0, inf), float[n], 8 or more: the sum of absolute
            values for "adam", the Euclidean norm for "sgd". The factor does not matter.
        steps: Updates that the norms belong to, int[n], rising from 0 or more; left out, they
            are spread evenly over the run.
        total: Updates of that run; left out, n, or one more than the last of the steps.
        optimizer: "adam" or "sgd".
        warmup: Updates of a linear warm-up that is put in front, in [0, total); norms from
            before its end are not used.
        smooth: Share of the run that the running median is taken over, in [0, 0.5].
        within: How far a level may be off by writing the schedule down with few points, as a
            share of itself, or of a quarter of the peak if it is below that; in [0.001, 1].

    Returns:
        Straight lines between shares of the run, behind a warm-up if one was asked for.

    Raises:
        ScheduleError: a norm is missing, zero or negative, there are fewer than 8, they are out
            of order, or an argument is outside its interval.

    Source: Defazio et al. 2023, arXiv 2310.07831. The weight for Adam was not checked against the
    paper's text.

    >>> refine(np.full(100, 3.0))
    Piecewise({0: 1, "100%": 0}, shape="linear")
    """
    if optimizer not in POWERS:
        rule = f"does not know optimizer={shorten(optimizer)}"
        raise ScheduleError("refine", rule, nearest(optimizer, POWERS))
    share = number("refine", "smooth", smooth, high=0.5)
    error = number("refine", "within", within, low=1e-3, high=1.0)
    each = _logged("norms", norms)
    at, length = _steps(steps, total, len(each))
    before = whole("refine", "warmup", warmup, high=length - 1)
    _check(at, each, length)
    kept = at >= before
    if kept.sum() < FEWEST:
        rule = f"has {kept.sum()} norms from update {before} on, too few to say anything"
        raise ScheduleError("refine", rule, f"give {FEWEST} or more")
    x = np.linspace(0, 1, POINTS + 1)
    smoothed = _smooth(np.interp(before + x * (length - before), at[kept], each[kept]), share)
    refined = simplified(x, _levels(smoothed, POWERS[optimizer]), error)
    return Warmup(before) >> refined if before else refined


def _levels(norms: Floats, power: int) -> Floats:
    """Return w(x)·∫ w from x to 1, over its highest value."""
    weights = (norms / norms.min()) ** -power
    pieces = (weights[1:] + weights[:-1]) / 2
    left = np.append(np.cumsum(pieces[::-1])[::-1], 0.0)
    levels = weights * left
    return levels / levels.max()


def _smooth(norms: Floats, share: float) -> Floats:
    """Return the running median: held at the beginning, mirrored at the end."""
    width = 2 * (int(share * len(norms)) // 2) + 1
    longer = np.pad(norms, (0, min(2 * width, len(norms) - 1)), mode="reflect")
    return median_filter(longer, size=width, mode="nearest")[: len(norms)]


def _logged(name: str, value: Any) -> Floats:
    found = one_row("refine", name, value, "give one number per logged norm")
    if len(found) < FEWEST:
        rule = f"has {len(found)} {name}, too few to say anything"
        raise ScheduleError("refine", rule, f"give {FEWEST} or more")
    return found


def _steps(steps: Any, total: Any, n: int) -> tuple[Floats, int]:
    """Return the update of every norm, and the length of the run."""
    if steps is None:
        length = whole("refine", "total", n if total is None else total, low=2)
        return (np.arange(n) + 0.5) * length / n, length
    at = _logged("steps", steps)
    if len(at) != n:
        rule = f"got {len(at)} steps and {n} norms"
        raise ScheduleError("refine", rule, "give one of each per logged norm")
    check_steps("refine", at)
    last = int(at.max())
    return at, whole("refine", "total", last + 1 if total is None else total, low=2)


def _check(at: Floats, norms: Floats, length: int) -> None:
    if at[-1] > length:
        rule = f"has a norm at update {at[-1]:.0f} of a run of {length}"
        raise ScheduleError("refine", rule, "give the total of the run that was logged")
    wrong = np.flatnonzero(~(np.isfinite(norms) & (norms > 0)))
    if len(wrong):
        rule = f"needs norms in (0, inf), got {norms[wrong[0]]:g} at number {wrong[0]}"
        raise ScheduleError("refine", rule, "leave out what is no norm of a gradient")


def simplified(x: Floats, y: Floats, within: float) -> Piecewise:
    """Return straight lines through as few of the points as keep all the others within an error.

    The point that is furthest off is added until none is, and what is not needed for that in the
    end is taken out again; the ends and the peak are always there. Positions become shares of the
    move, so that the schedule fits a run of any length.

    Args:
        x: Positions in [0, 1], float[n], strictly rising from 0 to 1.
        y: Levels in [0, inf), float[n].
        within: How far a level may be off, as a share of itself, or of 0.25 if it is below;
            in [0.001, inf).

    >>> x = np.linspace(0, 1, 101)
    >>> simplified(x, np.minimum(1, 2 - 2 * x), 0.01)
    Piecewise({0: 1, "50%": 1, "100%": 0}, shape="linear")
    """
    if within < 1e-3:
        rule = f"needs within in [0.001, inf), got {within}"
        raise ScheduleError("simplified", rule, f"levels are written with {DIGITS} digits")
    x = np.round(x, DIGITS)
    y = np.round(y, DIGITS)
    allowed = within * np.maximum(y, LOW)

    def excess(kept: list[int]) -> Floats:
        return np.abs(np.interp(x, x[kept], y[kept]) - y) / allowed

    needed = {0, int(y.argmax()), len(x) - 1}
    kept = sorted(needed)
    while (off := excess(kept)).max() > 1:
        kept = sorted({*kept, int(off.argmax())})
    for i in [i for i in kept if i not in needed]:
        fewer = [j for j in kept if j != i]
        kept = fewer if excess(fewer).max() <= 1 else kept
    points = {f"{100 * x[i]:.2f}%": float(y[i]) for i in kept}
    return Piecewise(points, shape="linear")
