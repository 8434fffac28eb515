"""A law fitted to dropped logs, and what it says of the schedules that are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ratewise._extras import require
from ratewise.predict import Fit, Prediction, fit
from ratewise.schedule import ScheduleError
from ratewise.studio.figure import LOSS, RATE, Beside
from ratewise.studio.sources import Log
from ratewise.studio.state import StudioState, drawn
from ratewise.view.style import thinned

LONGEST = 2_000_000
"""Updates of a run whose losses are predicted."""

UNSEEN = 0.01
"""Share at the beginning whose losses are not drawn: they fall so far that nothing else is seen."""


@dataclass(frozen=True)
class Predicted:
    """What a law says of one drawing.

    Attributes:
        place: Its place among the drawings.
        name: What it is called.
        prediction: The prediction, or None.
        error: Why there is none, "" if there is one.
    """

    place: int
    name: str
    prediction: Prediction | None
    error: str = ""

    def drawn(self) -> Beside | None:
        """Return the predicted losses."""
        if self.prediction is None:
            return None
        losses = self.prediction.losses
        at = thinned(len(losses))
        at = at[at >= len(losses) * UNSEEN]
        name = f"{self.name}: predicted loss"
        return Beside(name, at + 1, losses[at], LOSS, slot=self.place, listed=False)


def fitted(logs: Sequence[Log]) -> Fit:
    """Return a law fitted to all curves of some logs.

    Raises:
        ScheduleError: they hold none.
        MissingExtra: scipy is not there.
    """
    require("scipy", extra="search")
    curves = [one for log in logs for one in log.curves]
    if not curves:
        fix = "drop a log with steps, learning rates and losses"
        raise ScheduleError("The logs", "hold no loss curve with its rates", fix)
    return fit(curves)


def predicted(state: StudioState, law: Fit) -> tuple[Predicted, ...]:
    """Return what a law says of every drawing on the screen, the lowest loss first.

    Where no peak is given the schedules are taken at that of the logs.
    """
    peak = max(one.peak for one in law.curves)
    found: list[Predicted] = []
    for one, what in zip(state.drawings, drawn(state), strict=True):
        curve = next((c for c in what.curves if c.row == RATE), None)
        if not one.shown or curve is None:
            continue
        try:
            if curve.length > LONGEST:
                rule = f"has {curve.length:,} updates"
                raise ScheduleError(one.title, rule, f"predict at most {LONGEST:,}")
            lr = curve.peak if curve.peak is not None else peak
            told = law.predict(curve.schedule, lr=lr, total=curve.length)
            found.append(Predicted(what.place, one.title, told))
        except ScheduleError as error:
            found.append(Predicted(what.place, one.title, None, str(error)))
    return tuple(sorted(found, key=_loss))


def _loss(one: Predicted) -> float:
    return np.inf if one.prediction is None else one.prediction.loss
