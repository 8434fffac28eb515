"""Measured and predicted curves as one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ratewise._arrays import Floats
from ratewise._extras import require
from ratewise.logs.curve import Curve
from ratewise.view.comparison import thinned
from ratewise.view.plots import COLOURS, DASHES, GREY
from ratewise.view.ticks import rate as spell

if TYPE_CHECKING:
    from ratewise.predict.result import Fit, Prediction

MOST = 6
"""Predictions that are drawn, the best."""

EARLY = 0.2
"""Share of the longest run whose losses may be above the frame."""


def draw(fit: Fit, predictions: Sequence[Prediction]) -> Any:
    """Return the rates above; below what was measured in grey, what is predicted in colours.

    A bar at the end of a prediction is its interval; a thin line is what the law says of a run
    that it was fitted to.
    """
    require("matplotlib", extra="plot")
    from matplotlib.figure import Figure

    shown = list(predictions[:MOST])
    figure = Figure(figsize=(8.0, 6.4), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.0, 2.0))
    for curve in fit.curves:
        _measured(above, below, fit, curve)
    for place, one in reversed(list(enumerate(shown))):
        _predicted(above, below, one, place)
    below.set_ylim(*frame(fit.curves, shown))
    above.set_ylabel("learning rate")
    below.set_ylabel("loss")
    below.set_xlabel("update")
    for axes in (above, below):
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    handles, labels = below.get_legend_handles_labels()
    key: Any = {"frameon": False, "fontsize": 9, "loc": "outside lower center", "ncols": 2}
    figure.legend(handles[::-1], labels[::-1], **key)
    return figure


def frame(curves: Sequence[Curve], predictions: Sequence[Prediction]) -> tuple[float, float]:
    """Return the lowest and the highest loss to show: the first fifth may be above."""
    lengths = [len(one.every_rate) for one in curves] + [len(one.rates) for one in predictions]
    early = EARLY * max(lengths)
    parts = [np.asarray(one.losses)[np.asarray(one.steps) > early] for one in curves]
    parts += [one.losses[int(early) :] for one in predictions]
    parts += [np.array([one.low, one.high]) for one in predictions]
    seen: Floats = np.concatenate(parts)
    room = 0.03 * float(np.ptp(seen)) or 1.0
    return float(seen.min()) - room, float(seen.max()) + room


def _measured(above: Any, below: Any, fit: Fit, curve: Curve) -> None:
    steps, losses, rates = np.asarray(curve.steps), np.asarray(curve.losses), curve.every_rate
    t = thinned(len(rates))
    above.plot(t + 1, rates[t], color=GREY, linewidth=0.9, alpha=0.7)
    at = thinned(len(steps))
    below.plot(steps[at], losses[at], ".", color=GREY, markersize=2.5, alpha=0.5)
    below.plot(t + 1, fit.law.losses(rates)[t], color=GREY, linewidth=0.8)


def _predicted(above: Any, below: Any, one: Prediction, place: int) -> None:
    style: Any = {"color": COLOURS[place % len(COLOURS)], "linestyle": DASHES[place % len(DASHES)]}
    t = thinned(len(one.rates))
    above.plot(t + 1, one.rates[t], linewidth=1.6, **style)
    label = f"{one.name}, peak {spell(float(f'{one.peak:.3g}'))}: {one.loss:#.5g}"
    below.plot(t + 1, one.losses[t], linewidth=1.6, label=label, **style)
    ends = [[one.loss - one.low], [one.high - one.loss]]
    below.errorbar(len(one.rates), one.loss, yerr=ends, color=style["color"], capsize=3)
