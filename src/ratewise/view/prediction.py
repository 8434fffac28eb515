"""Measured and predicted curves: as a figure, and as a plot for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ratewise._arrays import Floats
from ratewise._printable import printable
from ratewise.view.figures import Axis, Chart, ChartSeries, with_corners
from ratewise.view.format import format_rate
from ratewise.view.on_paper import paper_figure
from ratewise.view.style import thinned
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


def charts(measured: Sequence[MeasuredRun], predicted: Sequence[PredictedRun]) -> list[Chart]:
    """Return the rates; and what was measured, in grey, with what is predicted, in colours.

    A bar at the end of a prediction is its interval; a thin line is what the law says of a run
    that it was fitted to.
    """
    rates: list[ChartSeries] = []
    losses: list[ChartSeries] = []
    for place, run in enumerate(measured):
        t, at = thinned(len(run.rates)), thinned(len(run.steps))
        first, group = not place, "measured"
        rates.append(ChartSeries("measured", *with_corners(t + 1, run.rates[t], len(run.rates)),
                            place=None, thin=True, keyed=False, group=group))  # fmt: skip
        losses += [
            ChartSeries("measured", np.asarray(run.steps)[at].astype(float), run.losses[at], "dots",
                   None, keyed=first, thin=True, group=group),
            ChartSeries("the law on these runs", (t + 1).astype(float), run.fitted[t], place=None,
                   thin=True, keyed=first, group="the law on these runs"),
        ]  # fmt: skip
    for place, one in enumerate(predicted[:MOST]):
        t = thinned(len(one.rates))
        label = f"{one.name}, peak {format_rate(one.peak, 3)}: {one.loss:#.5g}"
        rates.append(ChartSeries(label, *with_corners(t + 1, one.rates[t], len(one.rates)),
                            place=place, keyed=False))  # fmt: skip
        losses.append(ChartSeries(label, (t + 1).astype(float), one.losses[t], place=place))
        end = np.array([float(len(one.rates))]), np.array([one.loss])
        ends = np.array([one.low]), np.array([one.high])
        told = [f"{label} ({one.low:#.5g} to {one.high:#.5g})"]
        losses.append(ChartSeries(label, *end, "dots", place, *ends, told, keyed=False, thin=True))
    # Room behind the last update, where the bars of the intervals stand.
    across = Axis("update", low=0, high=1.01 * _longest(measured, predicted), form="count")
    low, high = _frame(measured, predicted[:MOST])
    above = Chart("", across, Axis("learning rate", low=0.0, form="rate"), rates, height=0.26)
    below = Chart("", across, Axis("loss", False, low, high), losses, (),
                  "Grey is measured; a bar is an interval of 90 %.", 0.5)  # fmt: skip
    return [above, below]


def draw(measured: Sequence[MeasuredRun], predicted: Sequence[PredictedRun]) -> Any:
    """Return `charts(…)` as a `matplotlib.figure.Figure`."""
    return paper_figure(charts(measured, predicted))


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
