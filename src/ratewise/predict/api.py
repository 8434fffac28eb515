"""Fit laws to curves; leave out what no law describes, take what held-out runs favour."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ratewise.logs.curve import FEWEST, Curve, jitter
from ratewise.predict.effective import EffectiveForm
from ratewise.predict.ema import EmaForm
from ratewise.predict.final_loss import exact
from ratewise.predict.grid import RateGrid, distinct_peaks
from ratewise.predict.law import Law, LawForm, MixedLaw
from ratewise.predict.multipower import MultiPowerForm
from ratewise.predict.nonparametric import NonparametricForm
from ratewise.predict.power import PowerForm
from ratewise.predict.result import Fit
from ratewise.predict.solve import WEIGHT, Observations, Solution, solve
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, listed, nearest
from ratewise.schedule.strict import strict

FORMS: dict[str, Callable[[Sequence[RateGrid], float], LawForm]] = {
    "power": PowerForm.around,
    "momentum": EmaForm.momentum,
    "multipower": MultiPowerForm.around,
    "ema": EmaForm.around,
    "effective": EffectiveForm.around,
    "nonparametric": NonparametricForm.around,
}
"""The laws by name: what makes the form of each for some runs."""

FORMER = {"formless": "nonparametric"}
"""Names that laws had before, still taken."""

FINEST = 1e-3
"""Smallest size of an ordinary residual, as a share of the loss."""

TIE = 0.02
"""How strictly the noise is tied to the fall that is left, as a share of the whole fall."""

MIX = ("ema", "multipower")
"""Laws whose mean is taken: their errors are of opposite sign more often than not."""

SIMPLE = ("momentum", "multipower")
"""The same where there are too few runs for the two powers of the first."""

MANY = 8
"""Runs from which on the exponents stay where they are when one run is held out: over recorded
grids of fifteen runs the errors so found are 0 to 10 % smaller than with a search each time."""

BETTER = 0.8
"""A law with more freedom has to have at most this share of the other's error."""

GOOD = 0.008
"""Mean relative error on runs held out below which the laws with a form are kept unasked:
among three published runs the freer law looked better by chance, wrongly in 27 cases of 34."""

EDGE = 3.0
"""Runs at the highest peak are left out if, without them, the rest fits so much better."""

BACK, AHEAD = (0.36, 0.48, 0.6), 0.6
"""Shares of a single run's points that are fitted, each to foresee 1 / .6 times as many."""

FURTHER = 1.25
"""By how much the error of a longer look ahead is larger than that of a back-test."""

LATER = (0.5, 1.0, 1.5)
"""What each of them counts for."""

FEW = 3
"""Runs below which the laws with a form are taken unasked."""

PEAKS = 2
"""Peaks from which on the law of effective rates is tried: at one, nothing tells what a weight's
size is worth."""


@dataclass(frozen=True, eq=False)
class FittedLaw:
    """A law fitted to some curves.

    Args:
        law: The law.
        solved: The search's results, one for each form.
        misfit: Mean of the robust residuals of all points.
    """

    law: Law
    solved: tuple[Solution, ...]
    misfit: float


@strict
def fit(curves: Curve | Iterable[Curve], law: str = "auto") -> Fit:
    """Fit a loss-curve law to one run or several of one task.

    The exponents are searched by L-BFGS with analytic derivatives from several starts, everything
    linear is solved for with coefficients ≥ 0; residuals are relative and robust (Huber). Each
    curve counts for as much as 40 points at most. Parameters that the curves do not identify are
    drawn to where published fits lie.

    "auto" takes the mean of two simple laws (momentum and multi-power) for one or two runs. With
    more it puts the EMA law in the place of the first, compares that with the law without a form on
    runs that are held out, one after another, and takes the freer only where its error is a fifth
    smaller and the other's is above .8 %.

    Args:
        curves: The runs, all measured by the same kind of loss. Those that diverged are left out,
            and if three peaks or more are there, those at the highest where it is beyond the edge
            of what a law can say; `Fit.notes` says so.
        law: "auto", "mixed" (the mean of two), "power", "momentum", "multipower", "ema" or
            "nonparametric".

    Raises:
        ScheduleError: no curve is left, or no such law.

    Source: Luo et al. 2025, arXiv 2503.12811; Tissue et al. 2024, arXiv 2408.11029.
    """
    law = FORMER.get(law, law)
    given = [curves] if isinstance(curves, Curve) else listed(curves)
    for one in [curves] if given is None else given:
        if not isinstance(one, Curve):
            raise ScheduleError("fit", "needs curves", "write fit([Curve(…)])", given=one)
    assert given is not None
    known = ("auto", "mixed", *FORMS)
    if law not in known:
        raise ScheduleError(Call("fit", "law", law), "is no law", nearest(law, known))
    notes = [f"{one.name or 'a run'} is left out: {one.diverged}." for one in given if one.diverged]
    notes += [f"{one.name or 'a run'}: left out {what}." for one in given for what in one.excluded]
    left = [one for one in given if not one.diverged]
    if not left:
        rule = f"has no curve left of {len(given)}"
        raise ScheduleError(Call("fit"), rule, "give at least one run that did not diverge")
    name = law
    if law == "auto":
        name, found, held = _favoured(left)
    else:
        found = fit_one(law, left)
        held = held_out(law, left, found)
    inside, kept = _within_edge(name, left, found, notes)
    beyond = [one for one in left if one not in kept]
    if beyond:
        held = held_out(name, kept, inside)
        held += [final_error(inside.law, one) for one in beyond]
    peaks = tuple(one.peak for one in (*kept, *beyond)) if held else ()
    weights: tuple[float, ...] = ()
    if len(kept) == 1 and not beyond:  # later back-tests say more: they look further ahead
        peaks, weights = tuple(kept[0].peak for _ in held), LATER[len(LATER) - len(held) :]
    return Fit(inside.law, tuple(kept), name, tuple(notes), tuple(held), peaks, weights)


def fit_one(
    name: str, curves: Sequence[Curve], before: FittedLaw | None = None, search: bool = True
) -> FittedLaw:
    """Fit the law of a name, from where a fit to nearly the same curves ended if there is one."""
    grids = [RateGrid.of(one.every_rate, np.asarray(one.steps)) for one in curves]
    losses = [np.asarray(one.losses) for one in curves]
    counts = [min(1.0, WEIGHT / len(one)) for one in losses]
    y = np.concatenate(losses)
    scale = np.concatenate([max(FINEST, jitter(one)) * one for one in losses])
    counted = np.repeat(counts, [len(one) for one in losses])
    done = np.concatenate([grid.steps / grid.steps[-1] for grid in grids])
    falls = float(np.mean([one[len(one) // 10] - one[-1] for one in losses]))
    tie = 1.0 / (TIE * falls) if falls > 0 else 0.0
    mix = MIX if len(curves) >= FEW else SIMPLE
    forms = [FORMS[one](grids, tie) for one in (mix if name == "mixed" else (name,))]
    starts = [None] * len(forms) if before is None else [one.theta for one in before.solved]
    seen = [Observations(grids, y, scale, counted * (done >= form.skip)) for form in forms]
    solved = [solve(*each, search) for each in zip(forms, seen, starts, strict=True)]
    laws = [form.law(one.theta, one.c) for form, one in zip(forms, solved, strict=True)]
    misfits = [one.misfit / data.weight.sum() for one, data in zip(solved, seen, strict=True)]
    misfit = float(np.mean(misfits))
    return FittedLaw(laws[0] if len(laws) == 1 else MixedLaw(tuple(laws)), tuple(solved), misfit)


def held_out(name: str, curves: Sequence[Curve], full: FittedLaw) -> list[float]:
    """Return the relative errors of the final losses, each run held out once.

    Of a single run nothing can be held out but its own later part: see `back_tested`.

    Args:
        name: What law is fitted.
        curves: The runs.
        full: The fit to all of them.
    """
    if len(curves) < 2:
        return back_tested(name, curves[0])
    alike = name != "mixed" or len(curves) != FEW  # else the rest is fitted by other laws
    before, search = full if alike else None, len(curves) < MANY
    found: list[float] = []
    for i, one in enumerate(curves):
        rest = fit_one(name, [*curves[:i], *curves[i + 1 :]], before, search)
        found.append(final_error(rest.law, one))
    return found


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
    steps = np.asarray(curve.steps)[:count]
    if count < FEWEST:
        return None
    rates = curve.every_rate[: int(steps[-1])]
    try:
        return Curve.trained(rates, steps.astype(int), np.asarray(curve.losses)[:count])
    except ScheduleError:
        return None


def final_error(law: Law, curve: Curve) -> float:
    """Return by how much a law misses the last loss of a run, as a share of it."""
    rates = curve.every_rate[: int(np.asarray(curve.steps)[-1])]
    return exact(law, rates) / float(np.asarray(curve.losses)[-1]) - 1


def _favoured(curves: Sequence[Curve]) -> tuple[str, FittedLaw, list[float]]:
    """Return the law with the smallest error on runs that are held out, its fit and the errors."""
    found = fit_one("mixed", curves)
    held = held_out("mixed", curves, found)
    missed = np.mean(np.abs(held))
    asked: list[str] = []
    if len(curves) > FEW and len(distinct_peaks(one.peak for one in curves)) >= PEAKS:
        asked.append("effective")
    if len(curves) >= FEW and missed >= GOOD:
        asked.append("nonparametric")
    best = "mixed", found, held
    least = BETTER * missed
    for name in asked:
        free = fit_one(name, curves)
        freely = held_out(name, curves, free)
        if np.mean(np.abs(freely)) < least:
            best, least = (name, free, freely), np.mean(np.abs(freely))
    return best


def _within_edge(
    name: str, curves: list[Curve], found: FittedLaw, notes: list[str]
) -> tuple[FittedLaw, list[Curve]]:
    """Leave the runs at the highest peaks out as long as the rest fits far better without them."""
    peaks = distinct_peaks(one.peak for one in curves)
    while len(peaks) >= FEW:
        rest = [one for one in curves if one.peak < 0.999 * peaks[-1]]
        tried = fit_one(name, rest)
        if tried.misfit * EDGE > found.misfit:
            break
        notes.append(
            f"{len(curves) - len(rest)} runs at the peak {peaks[-1]:g} are left out: no law that "
            "fits the others describes them, so it says nothing of such rates."
        )
        found, curves = tried, rest
        del peaks[-1]
    return found, curves
