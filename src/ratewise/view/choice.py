"""A choice: the peaks, the search, the proof and what comes of it; and every run behind it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from ratewise._arrays import Floats
from ratewise.view.comparison import Ranked, seeds
from ratewise.view.figures import (
    INKED,
    Axis,
    Chart,
    ChartMark,
    ChartSeries,
    outline,
    width_of,
    with_corners,
)
from ratewise.view.format import format_rate
from ratewise.view.on_paper import draw as draw_on
from ratewise.view.style import INK, better, new_figure, plain_text, thinned, written

SHOWN = 5
"""Schedules that are drawn with a colour at first, the best."""

LETTERS = 92
"""Letters in a line of a title on paper."""

FAR = 3.0
"""A metric further from the best than so many times the middle distance is outside the frame."""

POINTS_IN_ALL = 120_000
"""Points of all curves of losses together."""


class ExpectedCurve(NamedTuple):
    """What a schedule is expected to end at over its peaks, ascending: float64[peaks] each."""

    name: str
    peaks: Floats
    metrics: Floats
    spreads: Floats


class TrialPoint(NamedTuple):
    """A run of the search, and what was spent when it ended; NaN where nothing is known."""

    name: str
    peak: float
    spent: int
    metric: float
    expected: float
    spread: float


class LossRun(NamedTuple):
    """The training losses of a run, float64[updates], NaN where there was none."""

    name: str
    peak: float
    seed: int
    losses: Floats


class Branch(NamedTuple):
    """Updates that were trained once for all runs that have them in common.

    `row` is its place among the ends, from the top; `above` that of what it goes on from.
    """

    start: int
    stop: int
    row: int
    above: int
    text: str
    name: str
    shared: bool


class Branches(NamedTuple):
    """The tree of runs: its branches, and the ends, from the top."""

    branches: Sequence[Branch]
    ends: Sequence[str]
    note: str


class ChoicePanels(NamedTuple):
    """What is drawn of a choice.

    The chosen schedule's curve comes first, then the best; trials are in their order, finalists
    from best to worst. `suggested` is the peak of the range test, `margin` that of noise or NaN.
    """

    title: str
    metric: str
    higher_is_better: bool
    curves: Sequence[ExpectedCurve]
    trials: Sequence[TrialPoint]
    suggested: float | None
    finalists: Sequence[Ranked]
    margin: float
    rates: Floats
    schedule: str

    @property
    def places(self) -> dict[str, int]:
        """The place in the palette of every schedule."""
        names = [*(one.name for one in self.curves), *(one.name for one in self.finalists)]
        return {name: place for place, name in enumerate(dict.fromkeys(names))}

    @property
    def metric_axis(self) -> Axis:
        """The axis of the metric, without what is far off."""
        low, high = _frame(self)
        return Axis(f"{self.metric} ({better(self.higher_is_better)})", False, low, high)


@plain_text
def draw(panels: ChoicePanels) -> Any:
    """Return the `matplotlib.figure.Figure`: peaks, search, proof and schedule."""
    drawn = peaks(panels), search(panels), proof(panels), rates(panels)
    figure = new_figure(8.0, 12.0)
    axes = figure.subplots(len(drawn), 1, height_ratios=[1.2, 1.0, 1.0, 0.8])
    for one, made in zip(axes, drawn, strict=True):
        shown = [series for series in made.series if not series.off]
        title = "\n".join(textwrap.wrap(made.title or made.note, LETTERS))
        draw_on(one, replace(made, series=shown, title=title))
    title = "\n".join(textwrap.wrap(panels.title, LETTERS))
    figure.suptitle(written(title), fontsize=10, color=INK)
    return figure


def peaks(panels: ChoicePanels) -> Chart:
    """Return what is expected of every schedule over the peak, and what was measured."""
    drawn: list[ChartSeries] = []
    places = panels.places
    for order, one in enumerate(panels.curves):
        drawn.append(ChartSeries(one.name, one.peaks, one.metrics, place=places[one.name],
                            low=one.metrics - one.spreads, high=one.metrics + one.spreads,
                            off=order >= SHOWN))  # fmt: skip
    for name in dict.fromkeys(one.name for one in panels.trials):
        mine = [t for t in panels.trials if t.name == name and math.isfinite(t.metric)]
        at = np.array([t.peak for t in mine]), np.array([t.metric for t in mine])
        told = [f"{name} at {format_rate(t.peak)}: {t.metric:.5g}" for t in mine]
        place = places.get(name)
        shown = place is not None and place < SHOWN
        drawn.append(ChartSeries(name, *at, "dots", place, texts=told, keyed=False, off=not shown))
    marks = () if panels.suggested is None else (ChartMark(panels.suggested, "range test"),)
    across = Axis("peak learning rate", True, form="rate")
    note = "Dots are measured, bands one standard deviation."
    return Chart("", across, panels.metric_axis, drawn, marks, note)


def search(panels: ChoicePanels) -> Chart:
    """Return the search: what was measured and what was expected, over what was spent."""
    finished = [one for one in panels.trials if math.isfinite(one.metric)]
    spent = np.array([float(one.spent) for one in finished])
    known = [one for one in finished if math.isfinite(one.expected)]
    foreseen = np.array([one.expected for one in known])
    doubt = np.array([one.spread for one in known])
    best = np.array([*accumulate((one.metric for one in finished), _better(panels))])
    told = [f"{one.name} at {format_rate(one.peak)}: {one.metric:.5g}" for one in finished]
    drawn = [
        ChartSeries("expected", np.array([float(one.spent) for one in known]), foreseen, "dots",
                    None, foreseen - doubt, foreseen + doubt, marker="|"),
        ChartSeries("best so far", spent, best, "step", 0),
        ChartSeries("measured", spent, np.array([one.metric for one in finished]), "dots", 0,
               texts=told),
    ]  # fmt: skip
    broken = [float(one.spent) for one in panels.trials if not math.isfinite(one.metric)]
    axis = _with_expected(panels)
    if broken:
        edge = axis.low if panels.higher_is_better else axis.high
        at = np.full(len(broken), edge)
        drawn.append(ChartSeries("broke", np.array(broken), at, "dots", 1, marker="x"))
    note = "The search, one seed each: measured, and in grey what was expected of it."
    return Chart("", Axis("updates spent", form="count"), axis, drawn, (), note)


def _better(panels: ChoicePanels) -> Any:
    return max if panels.higher_is_better else min


def expectation(panels: ChoicePanels) -> Chart:
    """Return what was expected of the runs that were asked for, against what came."""
    known = [one for one in panels.trials if math.isfinite(one.metric + one.expected)]
    drawn: list[ChartSeries] = []
    for name in dict.fromkeys(one.name for one in known):
        mine = [one for one in known if one.name == name]
        x, y, doubt = np.array([(t.metric, t.expected, t.spread) for t in mine]).T
        told = [f"{name} at {format_rate(t.peak)}: expected {t.expected:.4g} ± {t.spread:.2g}, "
                f"measured {t.metric:.5g}" for t in mine]  # fmt: skip
        drawn.append(ChartSeries(name, x, y, "dots", panels.places.get(name), y - doubt, y + doubt,
                            told))  # fmt: skip
    axis = _with_expected(panels)
    within = sum(abs(one.metric - one.expected) <= one.spread for one in known)
    note = f"{within} of {len(known)} are within one standard deviation; on the line, as expected."
    across, up = (axis._replace(label=f"{panels.metric}, {word}") for word in _WORDS)
    return Chart("", across, up, drawn, (ChartMark(0.0, kind="diagonal"),), note)


def _with_expected(panels: ChoicePanels) -> Axis:
    """Return the axis of the metric, wide enough for what was expected of the runs on it."""
    axis = panels.metric_axis
    assert axis.low is not None
    assert axis.high is not None
    ends = [axis.low, axis.high]
    for one in panels.trials:
        if axis.low <= one.metric <= axis.high and math.isfinite(one.expected):
            ends += [one.expected - one.spread, one.expected + one.spread]
    far = FAR * (axis.high - axis.low)
    return axis._replace(low=max(min(ends), axis.low - far), high=min(max(ends), axis.high + far))


_WORDS = ("measured", "expected")


def proof(panels: ChoicePanels) -> Chart:
    """Return every seed of the finalists, in the colours of their schedules."""
    made = seeds(panels.finalists, panels.margin, panels.metric, panels.higher_is_better)
    places = panels.places
    coloured = [
        one if one.place == INKED else replace(one, place=places.get(one.name))
        for one in made.series
    ]
    return replace(made, series=coloured)


def rates(panels: ChoicePanels) -> Chart:
    """Return the learning rate of every update."""
    at = thinned(len(panels.rates))
    x, y = with_corners(at, panels.rates[at], len(panels.rates))
    across = Axis("update", low=0, high=float(len(panels.rates)), form="count")
    up = Axis("learning rate", low=0.0, form="rate", free=True)
    return Chart(panels.schedule, across, up, [ChartSeries("learning rate", x, y)], height=0.34)


def losses(runs: Sequence[LossRun], places: Mapping[str, int]) -> Chart:
    """Return the training losses of all runs, each the mean of so many neighbours."""
    longest = max((len(one.losses) for one in runs), default=1)
    most = max(POINTS_IN_ALL // max(len(runs), 1), 40)
    wide = width_of(longest, min(most, 400))
    drawn: list[ChartSeries] = []
    keyed: set[str] = set()
    several = len({one.seed for one in runs}) > 1
    for one in runs:
        x, y = outline(one.losses, -(-len(one.losses) // wide))
        told = f"{one.name} at {format_rate(one.peak)}" + several * f", seed {one.seed}"
        drawn.append(ChartSeries(told, x, y, place=places.get(one.name), thin=len(runs) > SHOWN,
                            keyed=one.name not in keyed, group=one.name))  # fmt: skip
        keyed.add(one.name)
    each = f"Each point is the mean of {wide} updates." if wide > 1 else "One point per update."
    each += " “Smooth” takes the mean over a twentieth of the run around each."
    across = Axis("update", low=0, high=float(longest), form="count")
    low, high = _seen([one.y for one in drawn])
    up = Axis("training loss", False, low, high, free=True)
    return Chart("", across, up, drawn, (), each, 0.5, smooth=True)


def _seen(curves: Sequence[Floats]) -> tuple[float | None, float | None]:
    """Return the losses to show: all but the very first, which may be far above the rest."""
    later = [one[max(len(one) // 20, 1) :] for one in curves]
    values = np.concatenate(later) if later else np.empty(0)
    values = values[np.isfinite(values)]
    if not len(values):
        return None, None
    low, high = float(values.min()), float(np.quantile(values, 0.98))
    room = 0.05 * (high - low) or 0.5 * abs(high) or 1.0
    return low - room, high + room


def tree(told: Branches, places: Mapping[str, int]) -> Chart:
    """Return the tree of runs: what they share is drawn once, in grey."""
    drawn: list[ChartSeries] = []
    for one in told.branches:
        x = np.array([one.start, one.start, one.stop], dtype=np.float64)
        y = np.array([one.above, one.row, one.row], dtype=np.float64)
        place = None if one.shared else places.get(one.name)
        drawn.append(ChartSeries(one.name, x, y, place=place, texts=[one.text], keyed=False))
    across = Axis("update", low=0, form="count")
    return Chart("", across, Axis("", names=told.ends), drawn, (), told.note, 0.5)


def _frame(panels: ChoicePanels) -> tuple[float, float]:
    """Return the range of metrics to show, without those that are far off."""
    sign = -1.0 if panels.higher_is_better else 1.0
    values = sign * np.array([one.metric for one in panels.trials if math.isfinite(one.metric)])
    if not len(values):  # nothing but what the task does of its own accord has finished
        values = sign * np.array([one.mean for one in panels.finalists if one.values] or [0.0])
    best = float(values.min())
    middle = max(float(np.median(values)) - best, 1e-3 * abs(best), 1e-12)
    ends = sign * (best - 0.5 * middle), sign * (best + FAR * middle)
    return min(ends), max(ends)
