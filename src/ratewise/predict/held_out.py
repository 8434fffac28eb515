"""What laws say of runs that they were not fitted to: each left out in turn, or its later part."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ratewise.logs.curve import FEWEST, Curve
from ratewise.predict.final_loss import exact
from ratewise.predict.fitting import FEW, LONG, FittedLaw, fit_one, longest_of, mean_of
from ratewise.predict.grid import distinct_peaks
from ratewise.predict.law import Law
from ratewise.predict.solve import Observations, coefficients
from ratewise.predict.spread import error_held, mean_error
from ratewise.schedule import ScheduleError

MANY = 8
"""Runs from which on the exponents stay where they are when one run is held out: over recorded
grids of fifteen runs the errors so found are 0 to 10 % smaller than with a search each time."""

BACK, AHEAD = (0.36, 0.48, 0.6), 0.6
"""Shares of a single run's points that are fitted, each to foresee 1 / .6 times as many."""

FURTHER = 1.25
"""By how much the error of another schedule is larger than that of a run's own later part."""

OF_THREE = 0.5
"""Error of what three long runs tell, over that of two of them of the third: about a half on
published runs of two sizes, see benchmarks/coverage.py."""

LATER = (0.5, 1.0, 1.5)
"""What each of them counts for."""


def held_out(name: str, curves: Sequence[Curve], full: FittedLaw) -> list[float]:
    """Return the relative errors of the final losses, each run held out once.

    Of a single run nothing can be held out but its own later part: see `back_tested`. Of three long
    ones each is foreseen by two, with other laws: half of their misses is returned.

    Args:
        name: What law is fitted.
        curves: The runs.
        full: The fit to all of them.
    """
    if len(curves) < 2:
        return back_tested(name, curves[0])
    if len(curves) >= MANY:
        rest = _without_each(full)
        found = [final_error(law, one) for law, one in zip(rest, curves, strict=True)]
        return _inner_peaks_too(curves, full, found) if name == "effective" else found
    alike = name != "mixed" or len(curves) != FEW  # else the rest is fitted by other laws
    before = full if alike else None
    laws = (fit_one(name, [*curves[:i], *curves[i + 1 :]], before).law for i in range(len(curves)))
    share = 1.0 if alike or longest_of(curves) < LONG else OF_THREE
    return [share * final_error(law, one) for law, one in zip(laws, curves, strict=True)]


def _inner_peaks_too(curves: Sequence[Curve], full: FittedLaw, found: list[float]) -> list[float]:
    """Return the errors with those of each peak between others, all its runs held out at once.

    With siblings at its peak and the exponents of all, a run is foreseen better than those that
    nobody trained.
    """
    found = list(found)
    for peak in distinct_peaks(one.peak for one in curves)[1:-1]:
        at = [i for i, one in enumerate(curves) if abs(one.peak / peak - 1) < 1e-5]
        rest = [one for i, one in enumerate(curves) if i not in at]
        law = fit_one("effective", rest, full).law
        for i in at:
            found[i] = final_error(law, curves[i])
    return found


def _without_each(full: FittedLaw) -> list[Law]:
    """Return the law without each of its runs in turn, the exponents as all of them have them."""
    laws: list[list[Law]] = []
    for form, seen, solved in zip(full.forms, full.seen, full.solved, strict=True):
        columns = [form.columns(grid, solved.theta) for grid in seen.grids]
        ends = np.cumsum([0, *map(len, columns)])
        found: list[Law] = []
        for i in range(len(columns)):
            kept = np.ones(ends[-1], dtype=bool)
            kept[ends[i] : ends[i + 1]] = False
            rest = Observations((), seen.losses[kept], seen.scale[kept], seen.weight[kept])
            others = np.concatenate([*columns[:i], *columns[i + 1 :]])
            c, _ = coefficients(others, rest, form.penalty())
            found.append(form.law(solved.theta, c))
        laws.append(found)
    return [mean_of(list(each)) for each in zip(*laws, strict=True)]


def back_tested(name: str, curve: Curve) -> list[float]:
    """Return by how much a law misses later losses of a run, fitted to its earlier points alone.

    Fitted to 36, 48 and 60 % of the points it foresees the mean of the last tenth of the points up
    to 60, 80 and 100 %. A part that shows no law is left out.
    """
    found: list[float] = []
    for share in BACK:
        seen, whole = first_points(curve, share), first_points(curve, share / AHEAD)
        if seen is None or whole is None:
            continue
        law = fit_one(name, [seen]).law
        at = np.asarray(whole.steps, dtype=np.int64)
        last = max(len(at) // 10, 1)
        foreseen = law.losses(whole.every_rate)[at[-last:] - 1]
        miss = float(foreseen.mean() / np.asarray(whole.losses)[-last:].mean()) - 1
        found.append(FURTHER * miss if np.isfinite(miss) else 1.0)
    return found


def first_points(curve: Curve, share: float) -> Curve | None:
    """Return the first points of a run as a curve, None where they are too few or no curve."""
    count = round(share * len(np.asarray(curve.steps)))
    return first_updates(curve, int(np.asarray(curve.steps)[count - 1])) if count else None


def first_updates(curve: Curve, last: int) -> Curve | None:
    """Return a run until some update as a curve, None where there are too few points or none.

    It is what the log would have been until then, with what it says of the run besides.
    """
    steps = np.asarray(curve.steps)
    steps = steps[steps <= last]
    if len(steps) < FEWEST:
        return None
    rates = curve.every_rate[: int(steps[-1])]
    try:
        found = Curve.trained(rates, steps.astype(int), np.asarray(curve.losses)[: len(steps)])
    except ScheduleError:
        return None
    return found.beside(
        validation=curve.validation,
        evaluations=tuple(one for one in curve.evaluations if one[0] <= steps[-1]),
        planned=curve.planned,
        epoch=curve.epoch,
    )


def final_error(law: Law, curve: Curve) -> float:
    """Return by how much a law misses the last loss of a run, as a share of it."""
    rates = curve.every_rate[: int(np.asarray(curve.steps)[-1])]
    return exact(law, rates) / float(np.asarray(curve.losses)[-1]) - 1


def looked_ahead(name: str, curves: Sequence[Curve]) -> float:
    """Return the relative error of the ends of the longest runs, told by what was before.

    The law is fitted to all that was logged in the first .6 of the longest run, and foresees the
    last losses of the runs that went on; NaN without any.
    """
    cut = int(AHEAD * max(np.asarray(one.steps)[-1] for one in curves))
    seen = [first_updates(one, cut) for one in curves]
    known = [one for one in seen if one is not None]
    longer = [one for one in curves if np.asarray(one.steps)[-1] > cut]
    if len(known) < 2:
        return float("nan")
    law = fit_one(name, known).law
    misses = [final_error(law, one) for one in longer]
    return error_held(misses) or mean_error(misses)
