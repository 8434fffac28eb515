"""Candidates beside each other: their schedules and metrics, and over tasks their profiles."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ratewise._arrays import Floats
from ratewise.view.figures import INKED, Axis, Chart, ChartMark, ChartSeries, with_corners
from ratewise.view.format import format_rate
from ratewise.view.on_paper import paper_figure
from ratewise.view.style import INK, better, plain_text, thinned, written

SHOWN = 6
"""Candidates that have colours, the best; the others are grey."""


class Ranked(NamedTuple):
    """A candidate at its own best peak: the metric of every seed, none if it did not finish."""

    name: str
    peak: float
    values: Sequence[float]
    mean: float


def charts(
    candidates: Sequence[Ranked],
    levels: Sequence[Floats],
    margin: float,
    metric: str,
    higher_is_better: bool,
) -> list[Chart]:
    """Return the schedules, and each candidate's metric at its own best peak.

    The best few have colours, all others are grey. Dots are seeds, bars are means, and a mean in
    the band cannot be told from the best.

    Args:
        candidates: From best to worst.
        levels: For each, the level of every update, float64[total].
        margin: Half-width of the band, or NaN.
        metric: Name of the metric.
        higher_is_better: Whether more of it is better.
    """
    drawn: list[ChartSeries] = []
    for place, (one, level) in enumerate(zip(candidates, levels, strict=True)):
        t = thinned(len(level))
        x, y = with_corners(t, np.asarray(level)[t], len(level))
        drawn.append(ChartSeries(one.name, x, y, place=placed(place), keyed=place < SHOWN,
                            thin=place >= SHOWN))  # fmt: skip
    across = Axis("update", low=0, form="count")
    above = Chart("", across, Axis("learning rate / peak", low=0.0), drawn, height=0.32)
    return [above, seeds(candidates, margin, metric, higher_is_better)]


def placed(place: int) -> int | None:
    """Return the place of a rank in the palette."""
    return place if place < SHOWN else None


def seeds(
    candidates: Sequence[Ranked], margin: float, metric: str, higher_is_better: bool
) -> Chart:
    """Return the metric of every seed of some candidates, a row each, from best to worst."""
    drawn: list[ChartSeries] = []
    for row, one in enumerate(candidates):
        values = np.array(one.values, dtype=np.float64)
        at = np.full(len(values), float(row))
        drawn.append(ChartSeries(one.name, values, at, "dots", placed(row), keyed=False,
                            texts=[f"{one.name}: {value:.5g}" for value in values]))  # fmt: skip
        if len(values):
            told = [f"{one.name}: mean {one.mean:.5g}"]
            mean = np.array([one.mean])
            drawn.append(ChartSeries("mean", mean, at[:1], "dots", INKED, texts=told, marker="|",
                                     keyed=False, group=one.name))  # fmt: skip
    names = [_label(one) for one in candidates]
    across = Axis(f"{metric} ({better(higher_is_better)})")
    marks = noise_band(candidates, margin)
    note = "Dots are seeds, bars their means." + (" In the band: within noise." if marks else "")
    return Chart("", across, Axis("", names=names), drawn, marks, note, 0.04 * len(names) + 0.12)


def noise_band(candidates: Sequence[Ranked], margin: float) -> tuple[ChartMark, ...]:
    """Return the band around the best mean in which others cannot be told from it."""
    if not candidates or not candidates[0].values or margin != margin:
        return ()
    mean = candidates[0].mean
    return (ChartMark(mean, "", False, mean - margin, mean + margin, kind="band"),)


@plain_text
def paper(made: Sequence[Chart], title: str) -> Any:
    """Return `charts(…)` as a `matplotlib.figure.Figure`, with a title above."""
    rows = len(made[-1].y.names)
    figure = paper_figure(made, width=7.5, height=3.6 + max(1.2, 0.25 * rows), shared=False)
    figure.suptitle(written("\n".join(textwrap.wrap(title, 90))), fontsize=10, color=INK)
    return figure


def profile_chart(names: Sequence[str], ratios: Floats, up_to: float) -> Chart:
    """Return ρ(τ) of each candidate, a staircase from 1 to `up_to`.

    Args:
        names: The candidates, the best first.
        ratios: Cost over the least cost on that task, float64[candidates, tasks].
        up_to: Where τ ends.
    """
    drawn: list[ChartSeries] = []
    for place, (name, row) in enumerate(zip(names, ratios, strict=True)):
        taus = np.unique([1.0, *row[row <= up_to], up_to])
        shares = np.array([float((row <= tau).mean()) for tau in taus])
        drawn.append(ChartSeries(name, taus, shares, "step", placed(place)))
    across = Axis("cost / the least on that task", low=1.0, high=up_to)
    return Chart("", across, Axis("share of the tasks", low=0.0, high=1.03), drawn, height=0.5)


def draw_profile(names: Sequence[str], ratios: Floats, up_to: float) -> Any:
    """Return `profile_chart(…)` as a `matplotlib.figure.Figure`."""
    return paper_figure([profile_chart(names, ratios, up_to)], width=7.5)


def _label(one: Ranked) -> str:
    """Return the name of a candidate with its peak."""
    return f"{one.name}, " + (
        f"peak {format_rate(one.peak, 3)}" if one.values else "did not finish"
    )
