"""Measured and predicted curves: as a figure, and as a plot for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ratewise._arrays import Floats
from ratewise._printable import printable
from ratewise.view.format import format_rate
from ratewise.view.style import (
    COLOURS,
    DASHES,
    GREY,
    new_figure,
    open_frame,
    plain_text,
    thinned,
    written,
)
from ratewise.view.terminal import Canvas

MOST = 6
"""Predictions that are drawn, the best."""

EARLY = 0.2
"""Share of the longest run whose losses may be above the frame."""

HEIGHT = 16
LETTERS = "abc"
"""Predictions that are drawn in the terminal, the best three."""


class MeasuredRun(NamedTuple):
    """A run that a law was fitted to: `losses` at `steps`; `rates` and `fitted` of all updates."""

    rates: Floats
    steps: Any
    losses: Floats
    fitted: Floats


class PredictedRun(NamedTuple):
    """A run that nobody has trained; `loss` is its last, in an interval from `low` to `high`."""

    name: str
    peak: float
    rates: Floats
    losses: Floats
    loss: float
    low: float
    high: float


@plain_text
def draw(measured: Sequence[MeasuredRun], predicted: Sequence[PredictedRun]) -> Any:
    """Return the rates above; below what was measured in grey, what is predicted in colours.

    A bar at the end of a prediction is its interval; a thin line is what the law says of a run
    that it was fitted to.
    """
    shown = predicted[:MOST]
    figure = new_figure(8.0, 6.4)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(1.0, 2.0))
    for run in measured:
        t, at = thinned(len(run.rates)), thinned(len(run.steps))
        above.plot(t + 1, run.rates[t], color=GREY, linewidth=0.9, alpha=0.7)
        below.plot(run.steps[at], run.losses[at], ".", color=GREY, markersize=2.5, alpha=0.5)
        below.plot(t + 1, run.fitted[t], color=GREY, linewidth=0.8)
    for place, one in reversed(list(enumerate(shown))):
        _draw_predicted(above, below, one, COLOURS[place], DASHES[place % len(DASHES)])
    below.set_ylim(*_frame(measured, shown))
    above.set_ylabel("learning rate")
    below.set_ylabel("loss")
    below.set_xlabel("update")
    open_frame(above)
    open_frame(below)
    handles, labels = below.get_legend_handles_labels()
    key: Any = {"frameon": False, "fontsize": 9, "loc": "outside lower center", "ncols": 2}
    figure.legend(handles[::-1], labels[::-1], **key)
    return figure


def _draw_predicted(above: Any, below: Any, one: PredictedRun, colour: str, dash: Any) -> None:
    style: Any = {"color": colour, "linestyle": dash, "linewidth": 1.6}
    t = thinned(len(one.rates))
    above.plot(t + 1, one.rates[t], **style)
    label = f"{written(one.name)}, peak {format_rate(one.peak, 3)}: {one.loss:#.5g}"
    below.plot(t + 1, one.losses[t], label=label, **style)
    ends = [[one.loss - one.low], [one.high - one.loss]]
    below.errorbar(len(one.rates), one.loss, yerr=ends, color=colour, capsize=3)


def _frame(
    measured: Sequence[MeasuredRun], predicted: Sequence[PredictedRun]
) -> tuple[float, float]:
    """Return the lowest and the highest loss to show: the first fifth may be above."""
    early = EARLY * _longest(measured, predicted)
    parts = [run.losses[run.steps > early] for run in measured]
    parts += [one.losses[int(early) :] for one in predicted]
    parts += [np.array([one.low, one.high]) for one in predicted]
    seen: Floats = np.concatenate(parts)
    room = 0.03 * float(np.ptp(seen)) or 1.0
    return float(seen.min()) - room, float(seen.max()) + room


def _longest(measured: Sequence[MeasuredRun], predicted: Sequence[PredictedRun]) -> int:
    return max(len(run.rates) for run in [*measured, *predicted])


def draw_text(
    measured: Sequence[MeasuredRun], predicted: Sequence[PredictedRun], width: int, colour: bool
) -> str:
    """Return the losses of the runs as dots, and the best predictions with a letter at the end."""
    shown = predicted[: len(LETTERS)]
    low, high = _frame(measured, shown)
    canvas = Canvas(width, HEIGHT, colour)
    for run in measured:
        at = thinned(len(run.steps), 2 * width)
        at = at[run.losses[at] <= high]
        if len(at):
            canvas.draw(run.steps[at], run.losses[at])
    for place, one in reversed(list(enumerate(shown))):
        at = thinned(len(one.losses), 2 * width)
        at = at[one.losses[at] <= high]
        if len(at):
            canvas.line(at + 1.0, one.losses[at], place=place)
        canvas.draw([len(one.losses)], [one.loss], LETTERS[place])
    canvas.updates_across(_longest(measured, shown))
    canvas.losses_up(low, high)
    named = zip(LETTERS, (printable(one.name) for one in shown), strict=False)
    keys = "  ".join(f"{letter} {name}" for letter, name in named)
    return "\n".join([*canvas.lines(), f"dots: measured  {keys}"])
