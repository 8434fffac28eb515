"""Fit the law of a name to some curves; the table of all laws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ratewise._arrays import Floats
from ratewise.logs.curve import Curve, jitter
from ratewise.predict.effective import EffectiveForm
from ratewise.predict.ema import EmaForm
from ratewise.predict.grid import RateGrid
from ratewise.predict.law import Law, LawForm, MixedLaw
from ratewise.predict.multipower import MultiPowerForm
from ratewise.predict.nonparametric import NonparametricForm
from ratewise.predict.power import PowerForm
from ratewise.predict.solve import WEIGHT, Observations, Solution, solve

FORMS: dict[str, Callable[[Sequence[RateGrid], float], LawForm]] = {
    "power": PowerForm.around,
    "momentum": EmaForm.momentum,
    "multipower": MultiPowerForm.around,
    "ema": EmaForm.around,
    "effective": EffectiveForm.around,
    "nonparametric": NonparametricForm.around,
}
"""The laws by name: what makes the form of each for some runs."""

FINEST = 1e-3
"""Smallest size of an ordinary residual, as a share of the loss."""

TIE = 0.02
"""How strictly the noise is tied to the fall that is left, as a share of the whole fall."""

MIX = ("ema", "multipower")
"""Laws whose mean is taken: their errors are of opposite sign more often than not."""

SIMPLE = ("momentum", "multipower")
"""The same where there are too few runs for the two powers of the first."""

MIX_LONG = ("ema", "effective")
"""The same for long runs: on published ones it misses by a third less."""

FEW = 3
"""Runs below which the laws with a form are taken unasked."""

LONG = 2000
"""Updates of the longest run from which on the law of effective rates is asked: on short runs it is
better on four recorded tasks of five by its ranking, and far worse on the fifth, which no run held
out shows."""


@dataclass(frozen=True, eq=False)
class FittedLaw:
    """A law fitted to some curves.

    Args:
        law: The law.
        solved: The search's results, one for each form.
        misfit: Mean of the robust residuals of all points.
        forms: What was fitted.
        seen: To what, one for each form.
    """

    law: Law
    solved: tuple[Solution, ...]
    misfit: float
    forms: tuple[LawForm, ...]
    seen: tuple[Observations, ...]

    def part(self, kind: type[LawForm]) -> FittedLaw | None:
        """Return the fit of one of the laws whose mean it is, None if it is not among them."""
        for i, form in enumerate(self.forms):
            if isinstance(form, kind):
                solved, seen = self.solved[i], self.seen[i]
                misfit = float(solved.misfit / seen.weight.sum())
                return FittedLaw(self.law.parts[i], (solved,), misfit, (form,), (seen,))
        return None


def fit_one(name: str, curves: Sequence[Curve], before: FittedLaw | None = None) -> FittedLaw:
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
    asked = mixture(curves) if name == "mixed" else (name,)
    forms = [FORMS[one](grids, tie) for one in asked]
    starts = [None] * len(forms) if before is None else [one.theta for one in before.solved]
    once = counted / _sharers(curves)
    weights = [(once if form.once else counted) * (done >= form.skip) for form in forms]
    seen = [Observations(grids, y, scale, each) for each in weights]
    solved = [solve(*each) for each in zip(forms, seen, starts, strict=True)]
    law = mean_of([form.law(one.theta, one.c) for form, one in zip(forms, solved, strict=True)])
    misfits = [one.misfit / data.weight.sum() for one, data in zip(solved, seen, strict=True)]
    misfit = float(np.mean(misfits))
    return FittedLaw(law, tuple(solved), misfit, tuple(forms), tuple(seen))


def mixture(curves: Sequence[Curve]) -> tuple[str, str]:
    """Return the names of the two laws whose mean "mixed" is."""
    if len(curves) < FEW:
        return SIMPLE
    return MIX_LONG if longest_of(curves) >= LONG else MIX


def longest_of(curves: Sequence[Curve]) -> int:
    """Return the updates of the longest run."""
    return max(int(np.asarray(one.steps)[-1]) for one in curves)


def _sharers(curves: Sequence[Curve]) -> Floats:
    """Return of each point of all runs how many have it, the same loss at the same update.

    Runs that were forked from one trunk bring its points along, each time the same measurement.
    """
    points = np.concatenate([np.column_stack([one.steps, one.losses]) for one in curves])
    _, place, count = np.unique(points, axis=0, return_inverse=True, return_counts=True)
    return count[place.reshape(-1)].astype(np.float64)


def mean_of(laws: list[Law]) -> Law:
    """Return the mean of laws, or the only one."""
    return laws[0] if len(laws) == 1 else MixedLaw(tuple(laws))
