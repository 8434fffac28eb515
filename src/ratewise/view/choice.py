"""A choice as one figure: the range test, the search, the proof and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from ratewise._arrays import Floats
from ratewise.view.comparison import Ranked, draw_noise
from ratewise.view.format import format_rate
from ratewise.view.style import (
    COLOURS,
    DASHES,
    GREY,
    INK,
    better,
    new_figure,
    plain_text,
    thinned,
    tidy,
    written,
)

SHOWN = 5
"""Schedules that are drawn with a colour, the best."""

FAR = 3.0
"""A metric further from the best than so many times the middle distance is outside the frame."""


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


class ChoicePanels(NamedTuple):
    """What the four panels show.

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


@plain_text
def draw(panels: ChoicePanels) -> Any:
    """Return the figure."""
    figure = new_figure(11.0, 8.0)
    axes = figure.subplots(2, 2)
    colours = {one.name: COLOURS[i] for i, one in enumerate(panels.curves[:SHOWN])}
    frame = _frame(panels)
    _draw_peaks(axes[0, 0], panels, colours, frame)
    _draw_search(axes[0, 1], panels, frame)
    _draw_proof(axes[1, 0], panels, colours)
    _draw_rates(axes[1, 1], panels)
    for one in axes.flat:
        tidy(one)
    figure.suptitle(written(panels.title), fontsize=10, wrap=True)
    return figure


def _draw_peaks(
    axes: Any, panels: ChoicePanels, colours: dict[str, str], frame: tuple[float, float]
) -> None:
    """Draw what is expected of the best schedules over the peak, and what was measured."""
    for i, (name, x, y, spread) in enumerate(panels.curves[:SHOWN]):
        dash = DASHES[i % len(DASHES)]
        axes.plot(x, y, label=written(name), linewidth=1.6, color=colours[name], linestyle=dash)
        axes.fill_between(x, y - spread, y + spread, color=colours[name], alpha=0.1, linewidth=0)
    for trial in panels.trials:
        if math.isfinite(trial.metric):
            colour = colours.get(trial.name, GREY)
            axes.plot([trial.peak], [trial.metric], "o", color=colour, markersize=5)
    if panels.suggested is not None:
        axes.axvline(panels.suggested, color=GREY, linewidth=0.8, linestyle=":")
        axes.annotate("range test", (panels.suggested, 0.98), xycoords=("data", "axes fraction"),
                      fontsize=8, color=GREY, ha="right", va="top", rotation=90)  # fmt: skip
    axes.set_xscale("log")
    axes.set_ylim(*frame)
    axes.set_xlabel("peak learning rate")
    axes.set_ylabel(written(panels.metric))
    axes.set_title("Dots are measured, bands one standard deviation", loc="left", fontsize=9)
    axes.legend(frameon=False, fontsize=8)


def _draw_search(axes: Any, panels: ChoicePanels, frame: tuple[float, float]) -> None:
    for one in panels.trials:
        if not math.isfinite(one.metric):
            worst = frame[0 if panels.higher_is_better else 1]
            axes.plot([one.spent], [worst], "x", color=COLOURS[1], clip_on=False)
            continue
        axes.plot([one.spent], [one.metric], "o", color=COLOURS[0], markersize=4)
        if one.expected == one.expected:
            axes.errorbar([one.spent], [one.expected], [one.spread], color=GREY, alpha=0.6,
                          capsize=2, linewidth=1, fmt="_")  # fmt: skip
    finished = [one for one in panels.trials if math.isfinite(one.metric)]
    best = accumulate((one.metric for one in finished), max if panels.higher_is_better else min)
    axes.step(
        [one.spent for one in finished], list(best), where="post", color=COLOURS[0], linewidth=1.6
    )
    axes.set_ylim(*frame)
    axes.set_xlabel("updates spent")
    axes.set_ylabel(written(panels.metric))
    axes.set_title("The search: measured, and in grey what was expected", loc="left", fontsize=9)


def _draw_proof(axes: Any, panels: ChoicePanels, colours: dict[str, str]) -> None:
    finalists = panels.finalists
    for row, one in enumerate(finalists):
        colour = colours.get(one.name, GREY)
        axes.plot(one.values, [row] * len(one.values), "o", color=colour, alpha=0.7)
        if one.values:
            axes.plot([one.mean], [row], "|", color=INK, markersize=16, markeredgewidth=2)
    draw_noise(axes, finalists, panels.margin)
    names = [written(f"{one.name}\n{format_rate(one.peak)}") for one in finalists]
    axes.set_yticks(range(len(finalists)), names)
    axes.set_ylim(len(finalists) - 0.5, -0.5)
    axes.set_xlabel(f"{written(panels.metric)} ({better(panels.higher_is_better)})")
    axes.set_title("The proof: every seed, in the band within noise", loc="left", fontsize=9)


def _draw_rates(axes: Any, panels: ChoicePanels) -> None:
    at = thinned(len(panels.rates))
    axes.plot(at, panels.rates[at], color=COLOURS[0], linewidth=1.8)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("update")
    axes.set_ylabel("learning rate")
    axes.set_title(written(panels.schedule), loc="left", fontsize=9)


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
