"""Charts with matplotlib: for files, papers and print."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ratewise.view.figures import (
    Axis,
    Chart,
    ChartMark,
    ChartSeries,
    colour,
    dashes,
    ends_of,
    ticks,
    written_number,
)
from ratewise.view.style import BAND, GREY, INK, new_figure, plain_text, thinned, tidy, written

KEY_ROW = 13.0
"""Points that an entry of a key takes."""


@plain_text
def paper_figure(
    charts: Sequence[Chart], *, width: float = 8.0, height: float = 0.0, shared: bool = True
) -> Any:
    """Return a `matplotlib.figure.Figure` with charts one below the other.

    Args:
        charts: What is drawn.
        width: Inches.
        height: Inches; left out, what the charts ask for.
        shared: Whether they have the axis across in common.
    """
    keys = sum(_keyed(chart) > 1 for chart in charts)
    tall = height or sum(max(1.0 + width * chart.height, 2.2) for chart in charts) + 0.3 * keys
    figure = new_figure(width, tall)
    ratios = [chart.height for chart in charts]
    found = figure.subplots(
        len(charts), 1, squeeze=False, sharex=shared and len(charts) > 1, height_ratios=ratios
    )
    for place, (axes, chart) in enumerate(zip(found[:, 0], charts, strict=True)):
        draw(axes, chart, last=not shared or place == len(charts) - 1)
    return figure


def draw(axes: Any, chart: Chart, *, last: bool = True, key: bool = True) -> None:
    """Draw a chart on axes of matplotlib."""
    for one in chart.series:
        _series(axes, one)
    for mark in chart.marks:
        _mark(axes, mark, chart)
    _axes(axes, chart, last)
    tidy(axes)
    keyed = _keyed(chart) if key and _keyed(chart) > 1 else 0
    if chart.title:
        above = 6.0 if chart.x.others else 6.0 + KEY_ROW * keyed
        axes.set_title(written(chart.title), loc="left", fontsize=10, color=INK, pad=above)
    if keyed:
        _key(axes, chart)


def _keyed(chart: Chart) -> int:
    named = {one.group or one.name for one in chart.series if one.keyed}
    return len(named) + sum(bool(mark.text) for mark in chart.marks if mark.kind == "line")


def _key(axes: Any, chart: Chart) -> None:
    where = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.0)}  # over the chart, below its title
    if chart.x.others:
        where = {"loc": "best"}
    axes.legend(frameon=False, fontsize=8, labelcolor=INK, **where)


def _series(axes: Any, one: ChartSeries) -> None:
    own = colour(one.place)
    order = 2 if one.place is None else 4
    x, y = np.asarray(one.x), np.asarray(one.y)
    called = written(one.name) if one.keyed else "_nokey"
    if one.kind == "dots":
        if one.low is not None and one.high is not None:
            ends = np.array([y - one.low, one.high - y])
            axes.errorbar(x, y, yerr=ends, fmt="none", ecolor=own, elinewidth=1.2, capsize=2.5,
                          alpha=0.7, zorder=order)  # fmt: skip
        big = {"o": 4.5, "x": 6.0, "|": 14.0, "v": 6.0}[one.marker]
        edge = {"markeredgewidth": 2.0} if one.marker == "|" else {}
        axes.plot(x, y, one.marker, color=own, markersize=big * (0.7 if one.thin else 1.0),
                  label=called, zorder=order, alpha=0.8, **edge)  # fmt: skip
        return
    if one.low is not None and one.high is not None:
        axes.fill_between(x, one.low, one.high, color=own, alpha=0.12, linewidth=0, zorder=1)
    dash = dashes(one.place)
    style: dict[str, Any] = {"color": own, "linestyle": (0, dash) if dash else "-"}
    style |= {"linewidth": 0.9 if one.thin else 1.8, "label": called, "zorder": order}
    if len(x) == 1:
        style |= {"marker": "o", "markersize": 4}
    if one.kind == "step":
        axes.step(x, y, where="post", **style)
        return
    at = thinned(len(x), 4000)
    axes.plot(x[at], y[at], **style)


def _mark(axes: Any, mark: ChartMark, chart: Chart) -> None:
    own = colour(mark.place)
    line, stretch = (axes.axhline, axes.axhspan) if mark.up else (axes.axvline, axes.axvspan)
    if mark.kind == "diagonal":
        ends = [max(ends_of(chart, up=up)[0] for up in (True, False)),
                min(ends_of(chart, up=up)[1] for up in (True, False))]  # fmt: skip
        axes.plot(ends, ends, color=GREY, linewidth=0.8, linestyle=":", zorder=1)
        return
    if math.isfinite(mark.low) and math.isfinite(mark.high):
        faint = BAND if mark.place is None else {"color": own, "alpha": 0.12, "linewidth": 0}
        stretch(mark.low, mark.high, zorder=0, **faint)
    if mark.kind == "band":
        return
    named = written(mark.text) if mark.kind == "line" and mark.text else "_nokey"
    dash = "-" if mark.kind == "line" and mark.place is not None else (0, (1, 2))
    line(mark.at, color=own, linewidth=1.0, linestyle=dash, zorder=1, label=named)
    if mark.text and mark.kind == "dots" and not mark.up:
        axes.annotate(written(mark.text), (mark.at, 0.985), xycoords=("data", "axes fraction"),
                      xytext=(-2, 0), textcoords="offset points",
                      fontsize=7, color=GREY, rotation=90, ha="right", va="top")  # fmt: skip


def _axes(axes: Any, chart: Chart, last: bool) -> None:
    for axis, up in ((chart.x, False), (chart.y, True)):
        ends = ends_of(chart, up=up)
        name, limits = ("y", axes.set_ylim) if up else ("x", axes.set_xlim)
        if axis.log:
            nonpositive = {"nonpositive": "mask"}
            (axes.set_yscale if up else axes.set_xscale)("log", **nonpositive)
        ruler = axes.yaxis if up else axes.xaxis
        if axis.names:
            ruler.set_ticks(range(len(axis.names)), [written(one) for one in axis.names])
            limits(*(ends[::-1] if up else ends))
        else:
            limits(*ends)
            if axis.log:  # matplotlib's own name neighbours in two ways, 0.1 beside 2 × 10⁻¹
                ruler.set_ticks(*zip(*ticks(axis, ends, 9), strict=True))
                ruler.set_minor_formatter("")
            elif axis.form != "number":
                ruler.set_major_formatter(_formatter(axis))
        if up or last:
            getattr(axes, f"set_{name}label")(written(axis.label), fontsize=9, color=INK)
    for place, other in enumerate(chart.x.others):
        _second(axes, other, "count", 1.0 + 0.16 * place)
    for other in chart.y.others[:1]:
        _second(axes, other, "rate", None)


def _formatter(axis: Axis) -> Any:
    return lambda value, _: written_number(value, axis.form)


def _second(axes: Any, other: tuple[str, float], form: str, where: float | None) -> None:
    """Draw a second axis: above, at a height, or to the right."""
    label, factor = other
    both = (lambda value: value * factor), (lambda value: value / factor)
    if where is None:
        second = axes.secondary_yaxis("right", functions=both)
        ruler = second.yaxis
        second.set_ylabel(written(label), fontsize=9, color=INK)
    else:
        second = axes.secondary_xaxis(where if where > 1 else "top", functions=both)
        ruler = second.xaxis
        second.set_xlabel(written(label), fontsize=9, color=INK)
    second.tick_params(labelsize=8, color="#909090", labelcolor=INK)
    ruler.set_major_formatter(lambda value, _: written_number(value, form))
