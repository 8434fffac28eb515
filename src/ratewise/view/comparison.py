"""The comparison as one picture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ratewise._extras import require

if TYPE_CHECKING:
    from ratewise.compare.comparison import Comparison
    from ratewise.compare.profiles import Profile
    from ratewise.compare.verdict import Standing

# Okabe & Ito 2008: told apart with every kind of colour vision. The dashes say it a second time.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)), (0, (1, 1)), (0, (9, 3)))
REST = "#B8B8B8"
INK = "#303030"
KEY_POINTS = 40
"""Room for the key between a name and the axis, in points."""
POINTS = 2_000
"""Points of a curve at most: more cannot be seen."""


def draw(comparison: Comparison) -> Any:
    """Return the schedules above, and below each candidate's metric at its own best peak.

    The best few have colours, all others are grey; the key to the lines stands beside the names.
    Dots are seeds, bars are means, and a mean in the band cannot be told from the best.
    """
    figure_module = require("matplotlib.figure", extra="plot")
    standings = comparison.standings
    rows = max(1.2, 0.25 * len(standings))
    figure = figure_module.Figure(figsize=(7.5, 3.2 + rows), dpi=120, layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(2.3, rows))
    styles = {one.name: _style(place) for place, one in enumerate(standings)}
    _schedules(above, comparison, styles)
    _metrics(below, comparison, styles)
    figure.suptitle(comparison.verdict.text, fontsize=10, color=INK, wrap=True)
    return figure


def draw_profile(profile: Profile, up_to: float = 4.0) -> Any:
    """Return ρ(τ) of each candidate, a staircase from 1 to `up_to`; the best score comes first."""
    figure_module = require("matplotlib.figure", extra="plot")
    figure = figure_module.Figure(figsize=(7.5, 4), dpi=120, layout="constrained")
    axes = figure.subplots()
    for place, i in enumerate(np.argsort(-profile.score(up_to), kind="stable")):
        ratios = profile.ratios[i]
        taus = np.unique([1.0, *ratios[ratios <= up_to], up_to])
        shares = [float((ratios <= tau).mean()) for tau in taus]
        axes.step(taus, shares, where="post", label=profile.names[i], **_style(place))
    axes.set_xlim(1, up_to)
    axes.set_ylim(0, 1.03)
    axes.set_xlabel("cost / the least on that task", fontsize=9, color=INK)
    axes.set_ylabel("share of the tasks", fontsize=9, color=INK)
    axes.legend(fontsize=8, frameon=False, loc="lower right")
    tidy(axes)
    return figure


def _style(place: int) -> dict[str, Any]:
    if place >= len(COLOURS):
        return {"color": REST, "linestyle": "-", "linewidth": 0.9, "zorder": 1}
    colour, dash = COLOURS[place], DASHES[place]
    return {"color": colour, "linestyle": dash, "linewidth": 1.8, "zorder": 3}


def _schedules(axes: Any, comparison: Comparison, styles: dict[str, dict[str, Any]]) -> None:
    for one in reversed(comparison.standings):
        record = comparison.best(one.name)[0]
        t = thinned(len(record.rates))
        axes.plot(t, record.rates[t] / record.peak, **styles[one.name])
    axes.set_ylim(bottom=0)
    axes.margins(x=0.01)
    axes.set_xlabel("update", fontsize=9, color=INK)
    axes.set_ylabel("learning rate / peak", fontsize=9, color=INK)
    tidy(axes)


def _metrics(axes: Any, comparison: Comparison, styles: dict[str, dict[str, Any]]) -> None:
    verdict = comparison.verdict
    best = comparison.standings[0]
    if best.values and verdict.margin == verdict.margin:
        band = (best.mean - verdict.margin, best.mean + verdict.margin)
        axes.axvspan(*band, color="#000000", alpha=0.07, linewidth=0, zorder=0)
    for row, one in enumerate(comparison.standings):
        _row(axes, row, one, styles[one.name])
    names = [_label(one) for one in comparison.standings]
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    better = "more is better" if comparison.higher_is_better else "less is better"
    axes.set_xlabel(f"{comparison.metric} ({better})", fontsize=9, color=INK)
    tidy(axes)
    axes.tick_params(axis="y", length=0, pad=KEY_POINTS)


def _row(axes: Any, row: int, one: Standing, style: dict[str, Any]) -> None:
    """Draw a candidate's seeds and mean, and between its name and the axis the key to its line."""
    key = axes.annotate("", (0, row), (-KEY_POINTS + 4, 0), xycoords=axes.get_yaxis_transform(),
                        textcoords="offset points", annotation_clip=False,
                        arrowprops={"arrowstyle": "-", "shrinkA": 0, "shrinkB": 4})  # fmt: skip
    key.arrow_patch.set(**style)
    colour = style["color"]
    axes.plot(one.values, [row] * len(one.values), "o", color=colour, markersize=5, alpha=0.75)
    if one.values:
        axes.plot(one.mean, row, "|", color=INK, markersize=13, markeredgewidth=1.6)


def _label(one: Standing) -> str:
    return f"{one.name}, peak {one.peak:.3g}" if one.values else f"{one.name}, did not finish"


def thinned(n: int, most: int = POINTS) -> Any:
    """Return which points to draw: the first, the last, and evenly many between."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def tidy(axes: Any) -> None:
    """Leave two of the four sides of a frame, in grey."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#909090")
    axes.tick_params(labelsize=8, color="#909090", labelcolor=INK)
    axes.grid(axis="x", color="#E4E4E4", linewidth=0.6)
    axes.set_axisbelow(True)
