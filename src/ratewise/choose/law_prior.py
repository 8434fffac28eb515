"""What a loss-curve law, fitted to the first runs, says of all others before they are trained."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ratewise._arrays import Floats
from ratewise.logs.curve import FEWEST, Curve
from ratewise.predict.api import fit_one
from ratewise.runs.records import Record
from ratewise.schedule import ScheduleError
from ratewise.tasks.protocols import Rates

POINTS = 50
"""Windows that the training losses of a run are averaged over."""


def law_prior(records: Sequence[Record], runs: Sequence[Rates]) -> Floats | None:
    """Return the last training loss that a law predicts for each run, float64[runs], or None.

    The law without a form, fitted to the training losses, which every run has: the metric that
    decides may be measured at the end alone, and need not be a loss.

    Args:
        records: Finished runs; those that broke are left out.
        runs: Rates of the runs that are asked about.
    """
    curves = [curve for record in records if (curve := _curve(record)) is not None]
    if len(curves) < 2:
        return None
    law = fit_one("nonparametric", curves).law
    predicted = np.array([law.losses(rates)[-1] for rates in runs])
    return predicted if np.isfinite(predicted).all() else None


def _curve(record: Record) -> Curve | None:
    """Return a run's training losses averaged over windows, or None if it says nothing."""
    losses, total = record.losses, len(record.rates)
    if record.diverged is not None or not np.isfinite(losses).all():
        return None
    pieces = np.array_split(np.arange(total), min(POINTS, total))
    if len(pieces) < FEWEST:
        return None
    # The loss of update t was measured after t updates.
    steps = [max(1, round(float(piece.mean()))) for piece in pieces]
    means = [float(losses[piece].mean()) for piece in pieces]
    unique = np.unique(steps, return_index=True)[1]
    try:
        curve = Curve.trained(record.rates, np.array(steps)[unique], np.array(means)[unique])
    except ScheduleError:
        return None
    return None if curve.diverged else curve
