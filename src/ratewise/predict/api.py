"""Fit laws to curves; leave out what no law describes, take what held-out runs favour."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ratewise.logs.curve import Curve
from ratewise.predict.effective import EffectiveForm
from ratewise.predict.fitting import FEW, FORMS, LONG, FittedLaw, fit_one, longest_of
from ratewise.predict.grid import distinct_peaks
from ratewise.predict.held_out import LATER, final_error, held_out, looked_ahead
from ratewise.predict.law import Law
from ratewise.predict.result import Fit
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, listed, nearest
from ratewise.schedule.strict import strict

FORMER = {"formless": "nonparametric"}
"""Names that laws had before, still taken."""

BETTER = 0.8
"""A law with more freedom has to have at most this share of the other's error."""

GOOD = 0.008
"""Mean relative error on runs held out below which the laws with a form are kept unasked:
among three published runs the freer law looked better by chance, wrongly in 27 cases of 34."""

NEARLY = 1.5
"""A law with at most this multiple of the best one's error is another opinion."""

EDGE = 3.0
"""Runs at the highest peak are left out if, without them, the rest fits so much better."""

PEAKS = 2
"""Peaks from which on the law of effective rates is tried: at one, nothing tells what a weight's
size is worth."""


@strict
def fit(curves: Curve | Iterable[Curve], law: str = "auto") -> Fit:
    """Fit a loss-curve law to one run or several of one task.

    The exponents are searched by L-BFGS with analytic derivatives from several starts, everything
    linear is solved for with coefficients ≥ 0; residuals are relative and robust (Huber). Each
    curve counts for as much as 40 points at most. Parameters that the curves do not identify are
    drawn to where published fits lie.

    "auto" takes the mean of two simple laws (momentum and multi-power) for one or two runs. With
    more it puts the EMA law in the place of the first, and if the longest has 2,000 updates the law
    of effective rates in the place of the second; and compares the mean with others on runs that
    are held out, one after another: in runs so long with the law of effective rates alone, where
    there are four or more at two peaks or more, and where none so far misses less than .8 %, with
    the law without a form. It takes the best of them where its error is a fifth smaller than the
    mean's.

    Args:
        curves: The runs, all measured by the same kind of loss. Those that diverged are left out,
            and if three peaks or more are there, those at the highest where it is beyond the edge
            of what a law can say; `Fit.notes` says so.
        law: "auto", "mixed" (the mean of two), "power", "momentum", "multipower", "ema",
            "effective" or "nonparametric".

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
    name, rivals = law, ()
    if law == "auto":
        name, found, held, rivals = _favoured(left)
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
    ahead = looked_ahead(name, kept) if name == "effective" else 0.0
    return Fit(
        inside.law, tuple(kept), name, tuple(notes), tuple(held), peaks, weights, ahead, rivals
    )


def _favoured(
    curves: Sequence[Curve],
) -> tuple[str, FittedLaw, list[float], tuple[Law, ...]]:
    """Return the law with the smallest error on runs held out, its fit, the errors, and rivals.

    Rivals are laws that were tried beside it and are nearly as good.
    """
    found = fit_one("mixed", curves)
    held = held_out("mixed", curves, found)
    missed = _missed(held)
    freer: list[tuple[str, FittedLaw, list[float]]] = []
    several = len(distinct_peaks(one.peak for one in curves)) >= PEAKS
    if len(curves) > FEW and several and longest_of(curves) >= LONG:
        free = found.part(EffectiveForm) or fit_one("effective", curves)
        freer.append(("effective", free, held_out("effective", curves, free)))
    if len(curves) >= FEW and min([missed, *(_missed(one[2]) for one in freer)]) >= GOOD:
        free = fit_one("nonparametric", curves)
        freer.append(("nonparametric", free, held_out("nonparametric", curves, free)))
    best = min(freer, key=lambda one: _missed(one[2]), default=("mixed", found, held))
    if _missed(best[2]) >= BETTER * missed:
        return "mixed", found, held, ()
    near = [one for one in freer if one is not best and _missed(one[2]) < NEARLY * _missed(best[2])]
    return best[0], best[1], best[2], tuple(free.law for _, free, _ in near)


def _missed(held: list[float]) -> float:
    return float(np.mean(np.abs(held))) if held else np.inf


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
