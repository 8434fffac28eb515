"""A choice as one figure: the range test, the search, the proof and what comes of it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ratewise._extras import require
from ratewise.view.comparison import thinned, tidy
from ratewise.view.plots import COLOURS, DASHES, GREY
from ratewise.view.ticks import rate as spell

if TYPE_CHECKING:
    from ratewise.choose.result import Choice

SHOWN = 5
"""Schedules that are drawn with a colour, the best."""

FAR = 3.0
"""A metric further from the best than so many times the middle distance is outside the frame."""


def draw(choice: Choice) -> Any:
    """Return the figure."""
    require("matplotlib", extra="plot")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11.0, 8.0), layout="constrained")
    axes = figure.subplots(2, 2)
    _peaks(axes[0, 0], choice)
    _search(axes[0, 1], choice)
    _proof(axes[1, 0], choice)
    _rates(axes[1, 1], choice)
    for one in axes.flat:
        tidy(one)
    title = f"“{choice.name}” at {spell(choice.peak)}.  {choice.verdict.text}"
    figure.suptitle(title, fontsize=10, wrap=True)
    return figure


def _styles(choice: Choice) -> dict[str, dict[str, Any]]:
    names = list(dict.fromkeys(one.name for one in choice.expected))
    names.sort(key=lambda name: name != choice.name)
    return {
        name: {"color": COLOURS[i], "linestyle": DASHES[i % len(DASHES)]}
        for i, name in enumerate(names[:SHOWN])
    }


def _peaks(axes: Any, choice: Choice) -> None:
    """Draw what is expected of the best schedules over the peak, and what was measured."""
    for name, style in _styles(choice).items():
        mine = sorted((one for one in choice.expected if one.name == name), key=lambda o: o.peak)
        x = [one.peak for one in mine]
        y = np.array([one.metric for one in mine])
        spread = np.array([one.spread for one in mine])
        axes.plot(x, y, label=name, linewidth=1.6, **style)
        axes.fill_between(x, y - spread, y + spread, color=style["color"], alpha=0.1, linewidth=0)
    for trial in choice.trials:
        colour = _styles(choice).get(trial.name, {"color": GREY})["color"]
        if math.isfinite(trial.metric):
            axes.plot([trial.peak], [trial.metric], "o", color=colour, markersize=5)
    found = choice.found
    if found is not None and found.rate is not None:
        axes.axvline(found.rate, color=GREY, linewidth=0.8, linestyle=":")
        axes.annotate("range test", (found.rate, 0.98), xycoords=("data", "axes fraction"),
                      fontsize=8, color=GREY, ha="right", va="top", rotation=90)  # fmt: skip
    axes.set_xscale("log")
    axes.set_ylim(*_frame(choice))
    axes.set_xlabel("peak learning rate")
    axes.set_ylabel(choice.proof.metric)
    axes.set_title("Dots are measured, bands one standard deviation", loc="left", fontsize=9)
    axes.legend(frameon=False, fontsize=8)


def _search(axes: Any, choice: Choice) -> None:
    """Draw the runs of the search in their order, and the best so far."""
    sign = -1.0 if choice.proof.higher_is_better else 1.0
    spent, best, at, lead = choice.spent.get("find", 0), math.inf, list[int](), list[float]()
    for trial in choice.trials:
        spent += trial.updates
        if not math.isfinite(trial.metric):
            axes.plot([spent], [_frame(choice)[sign > 0]], "x", color=COLOURS[1], clip_on=False)
            continue
        best = min(best, sign * trial.metric)
        at.append(spent)
        lead.append(sign * best)
        axes.plot([spent], [trial.metric], "o", color=COLOURS[0], markersize=4)
        if trial.expected == trial.expected:
            axes.errorbar([spent], [trial.expected], [trial.spread], color=GREY, alpha=0.6,
                          capsize=2, linewidth=1, fmt="_")  # fmt: skip
    axes.step(at, lead, where="post", color=COLOURS[0], linewidth=1.6)
    axes.set_ylim(*_frame(choice))
    axes.set_xlabel("updates spent")
    axes.set_ylabel(choice.proof.metric)
    axes.set_title("The search: measured, and in grey what was expected", loc="left", fontsize=9)


def _proof(axes: Any, choice: Choice) -> None:
    """Draw the finalists: a dot for each seed, a bar for the mean."""
    standings = choice.proof.standings
    styles = _styles(choice)
    for row, one in enumerate(standings):
        colour = styles.get(one.name, {"color": GREY})["color"]
        axes.plot(one.values, [row] * len(one.values), "o", color=colour, alpha=0.7)
        if one.values:
            axes.plot([one.mean], [row], "|", color="#303030", markersize=16, markeredgewidth=2)
    margin = choice.verdict.margin
    if standings and standings[0].values and margin == margin:
        mean = standings[0].mean
        axes.axvspan(mean - margin, mean + margin, color="#000000", alpha=0.07, linewidth=0)
    axes.set_yticks(range(len(standings)), [f"{o.name}\n{spell(o.peak)}" for o in standings])
    axes.set_ylim(len(standings) - 0.5, -0.5)
    better = "more is better" if choice.proof.higher_is_better else "less is better"
    axes.set_xlabel(f"{choice.proof.metric} ({better})")
    axes.set_title("The proof: every seed, in the band within noise", loc="left", fontsize=9)


def _rates(axes: Any, choice: Choice) -> None:
    rates = choice.rates()
    at = thinned(len(rates))
    axes.plot(at, rates[at], color=COLOURS[0], linewidth=1.8)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("update")
    axes.set_ylabel("learning rate")
    axes.set_title(str(choice.schedule), loc="left", fontsize=9)


def _frame(choice: Choice) -> tuple[float, float]:
    """Return the range of metrics to show, without those that are far off."""
    values = np.array([one.metric for one in choice.trials if math.isfinite(one.metric)])
    sign = -1.0 if choice.proof.higher_is_better else 1.0
    best = float((sign * values).min())
    middle = max(float(np.median(sign * values)) - best, 1e-3 * abs(best), 1e-12)
    ends = sign * (best - 0.5 * middle), sign * (best + FAR * middle)
    return min(ends), max(ends)
