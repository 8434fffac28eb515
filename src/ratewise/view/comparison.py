"""Candidates beside each other: their schedules and metrics, and over tasks their profiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ratewise._arrays import Floats
from ratewise.view.style import (
    BAND,
    COLOURS,
    DASHES,
    INK,
    better,
    new_figure,
    plain_text,
    thinned,
    tidy,
    written,
)

RANKED = (*COLOURS[:4], COLOURS[5], COLOURS[4])
RANKED_DASHES = (*DASHES, (0, (1, 1)), (0, (9, 3)))
"""Colours and dashes by rank; no two are alike."""
REST = "#B8B8B8"
KEY_POINTS = 40
"""Room for the key between a name and the axis, in points."""


class Ranked(NamedTuple):
    """A candidate at its own best peak: the metric of every seed, none if it did not finish."""

    name: str
    peak: float
    values: Sequence[float]
    mean: float


@plain_text
def draw(
    candidates: Sequence[Ranked],
    levels: Sequence[Floats],
    margin: float,
    metric: str,
    higher_is_better: bool,
    title: str,
) -> Any:
    """Return the schedules above, and below each candidate's metric at its own best peak.

    The best few have colours, all others are grey; the key to the lines stands beside the names.
    Dots are seeds, bars are means, and a mean in the band cannot be told from the best.

    Args:
        candidates: From best to worst.
        levels: For each, the level of every update, float64[total].
        margin: Half-width of the band, or NaN.
        metric: Name of the metric.
        higher_is_better: Whether more of it is better.
        title: What stands above.
    """
    rows = max(1.2, 0.25 * len(candidates))
    figure = new_figure(7.5, 3.2 + rows, dpi=120)
    above, below = figure.subplots(2, 1, height_ratios=(2.3, rows))
    for place, level in reversed(list(enumerate(levels))):
        t = thinned(len(level))
        above.plot(t, level[t], **_style(place))
    above.set_ylim(bottom=0)
    above.margins(x=0.01)
    _name_axes(above, "update", "learning rate / peak")
    tidy(above)
    draw_noise(below, candidates, margin, zorder=0)
    for row, one in enumerate(candidates):
        _row(below, row, one)
    below.set_yticks(range(len(candidates)), [_label(one) for one in candidates])
    below.set_ylim(len(candidates) - 0.5, -0.5)
    _name_axes(below, f"{written(metric)} ({better(higher_is_better)})", "")
    tidy(below)
    below.tick_params(axis="y", length=0, pad=KEY_POINTS)
    figure.suptitle(written(title), fontsize=10, color=INK, wrap=True)
    return figure


def draw_noise(axes: Any, candidates: Sequence[Ranked], margin: float, **options: Any) -> None:
    """Draw the band around the best mean in which others cannot be told from it."""
    if candidates and candidates[0].values and margin == margin:
        mean = candidates[0].mean
        axes.axvspan(mean - margin, mean + margin, **BAND, **options)


@plain_text
def draw_profile(names: Sequence[str], ratios: Floats, up_to: float) -> Any:
    """Return ρ(τ) of each candidate, a staircase from 1 to `up_to`.

    Args:
        names: The candidates, the best first.
        ratios: Cost over the least cost on that task, float64[candidates, tasks].
        up_to: Where τ ends.
    """
    figure = new_figure(7.5, 4, dpi=120)
    axes = figure.subplots()
    for place, (name, row) in enumerate(zip(names, ratios, strict=True)):
        taus = np.unique([1.0, *row[row <= up_to], up_to])
        shares = [float((row <= tau).mean()) for tau in taus]
        axes.step(taus, shares, where="post", label=written(name), **_style(place))
    axes.set_xlim(1, up_to)
    axes.set_ylim(0, 1.03)
    _name_axes(axes, "cost / the least on that task", "share of the tasks")
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    tidy(axes)
    return figure


def _style(place: int) -> dict[str, Any]:
    if place >= len(RANKED):
        return {"color": REST, "linestyle": "-", "linewidth": 0.9, "zorder": 1}
    colour, dash = RANKED[place], RANKED_DASHES[place]
    return {"color": colour, "linestyle": dash, "linewidth": 1.8, "zorder": 3}


def _name_axes(axes: Any, across: str, up: str) -> None:
    axes.set_xlabel(across, fontsize=9, color=INK)
    axes.set_ylabel(up, fontsize=9, color=INK)


def _row(axes: Any, row: int, one: Ranked) -> None:
    """Draw a candidate's seeds and mean, and between its name and the axis the key to its line."""
    style = _style(row)
    key = axes.annotate("", (0, row), (-KEY_POINTS + 4, 0), xycoords=axes.get_yaxis_transform(),
                        textcoords="offset points", annotation_clip=False,
                        arrowprops={"arrowstyle": "-", "shrinkA": 0, "shrinkB": 4})  # fmt: skip
    key.arrow_patch.set(**style)
    colour = style["color"]
    axes.plot(one.values, [row] * len(one.values), "o", color=colour, markersize=5, alpha=0.75)
    if one.values:
        axes.plot(one.mean, row, "|", color=INK, markersize=13, markeredgewidth=1.6)


def _label(one: Ranked) -> str:
    return written(f"{one.name}, " + (f"peak {one.peak:.3g}" if one.values else "did not finish"))
