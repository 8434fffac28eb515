"""Charts with plotly: for pages that are looked at while they change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ratewise._extras import require
from ratewise.view.figures import (
    Axis,
    Chart,
    ChartMark,
    ChartSeries,
    colour,
    dashes,
    ends_of,
    ticks,
)
from ratewise.view.svg import escaped

HEIGHT = 300
"""Height of a chart, in pixels."""

SECOND = 52
"""Height of a second axis across, in pixels."""

FIRST_SECOND = 20
"""Number of the first of them, which no chart has."""

_SYMBOLS = {"o": "circle", "x": "x", "|": "line-ns-open", "v": "triangle-down"}


def plotly_figure(charts: Chart | Sequence[Chart], *, dark: bool = False) -> Any:
    """Return a `plotly.graph_objects.Figure`, one chart below the other.

    Args:
        charts: A chart, or several that share the axis across.
        dark: Whether it is for a dark page.

    Raises:
        ImportError: plotly is not installed.
    """
    require("plotly", extra="report")
    from plotly.subplots import make_subplots

    several = [charts] if isinstance(charts, Chart) else list(charts)
    titles = [escaped(one.title) for one in several]
    figure: Any = make_subplots(
        rows=len(several), cols=1, shared_xaxes=True, vertical_spacing=0.28 / max(len(several), 2),
        subplot_titles=titles, specs=[[{"secondary_y": bool(one.y.others)}] for one in several],
    )  # fmt: skip
    known: set[str] = set()
    for row, chart in enumerate(several, start=1):
        for one in sorted(chart.series, key=lambda series: series.place is not None):
            for trace in _traces(one, dark, known):
                figure.add_trace(trace, row=row, col=1)
        for mark in chart.marks:
            _mark(figure, mark, row, dark, chart)
        _axes(figure, chart, row, last=row == len(several))
        if chart.y.others:
            _second_up(figure, chart, row)
    figure.update_layout(**_layout(len(several), dark), showlegend=any(map(_several, several)))
    _seconds_across(figure, several[0])
    return figure


def _several(chart: Chart) -> bool:
    return len({one.group or one.name for one in chart.series if one.keyed}) > 1


def _seconds_across(figure: Any, chart: Chart) -> None:
    """Draw the second axes of the first chart above it, for which it makes room."""
    others = chart.x.others
    if not others:
        return
    low, high = figure.layout.yaxis.domain or (0.0, 1.0)
    tall = figure.layout.height + SECOND * len(others)
    room = SECOND / (tall - figure.layout.margin.t - figure.layout.margin.b)
    figure.update_layout(height=tall, yaxis_domain=[low, high - room * len(others)])
    ends = np.array(ends_of(chart, up=False))
    unseen = {"mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
    for place, (label, factor) in enumerate(others):
        name = f"{FIRST_SECOND + place}"
        at = high - room * (len(others) - place)
        axis = {"overlaying": "x", "side": "top", "anchor": "free", "position": at,
                "range": (ends * factor).tolist(), "showgrid": False,
                "title": {"text": escaped(label), "standoff": 2},
                **_numbers(label, ends * factor)}  # fmt: skip
        figure.add_scatter(x=ends * factor, y=[None, None], xaxis=f"x{name}", yaxis="y", **unseen)
        figure.update_layout(**{f"xaxis{name}": axis})


def _numbers(label: str, ends: Any, log: bool = False, form: str = "") -> dict[str, Any]:
    """Return the numbers of a second axis: plotly would put them beside those of the first."""
    low, high = (float(end) for end in ends)
    form = form or ("count" if high > 20 else "number")
    at = ticks(Axis(label, log=log, form=form), (low, high))
    return {"tickmode": "array", "tickvals": [value for value, _ in at],
            "ticktext": [text for _, text in at], "fixedrange": True}  # fmt: skip


def _layout(rows: int, dark: bool) -> dict[str, Any]:
    ink, paper, grid = ("#E4E4E4", "#17191C", "#33373D") if dark else (
        "#303030", "#FFFFFF", "#E4E4E4")  # fmt: skip
    axis = {"gridcolor": grid, "zerolinecolor": grid, "linecolor": "#909090", "automargin": True}
    every = {f"{name}{row or ''}": axis for name in ("xaxis", "yaxis") for row in (0, *range(2, 9))}
    return {
        "template": "none", "height": 60 + HEIGHT * rows, "paper_bgcolor": paper,
        "plot_bgcolor": paper, "font": {"color": ink, "family": "system-ui, sans-serif"},
        "margin": {"l": 60, "r": 20, "t": 40, "b": 50}, "hovermode": "closest",
        "legend": {"orientation": "h", "y": -0.15 / rows, "yanchor": "top"},
        **(every if rows > 1 else {"xaxis": axis, "yaxis": axis}),
    }  # fmt: skip


def _traces(one: ChartSeries, dark: bool, known: set[str]) -> list[Any]:
    from plotly import graph_objects as go

    own, name = colour(one.place, dark=dark), escaped(one.name)
    group = escaped(one.group or one.name)
    both = {"legendgroup": group, "x": np.asarray(one.x), "name": name}
    shown = one.keyed and group not in known
    known.add(group)
    said = [escaped(text) for text in one.texts]
    traces: list[Any] = []
    if one.kind != "dots" and one.low is not None and one.high is not None:
        edge = {**both, "mode": "lines", "showlegend": False, "hoverinfo": "skip"}
        traces += [
            go.Scatter(y=np.asarray(one.high), line={"width": 0}, **edge),
            go.Scatter(y=np.asarray(one.low), line={"width": 0}, fill="tonexty",
                       fillcolor=_faint(own), **edge),
        ]  # fmt: skip
    style: dict[str, Any] = {"y": np.asarray(one.y), "showlegend": shown, **both}
    style |= {"visible": "legendonly"} if one.off else {}
    if said:
        style |= {"text": said if len(said) > 1 else said[0], "hoverinfo": "text+x+y"}
    if one.kind == "dots":
        size = {"size": 8, "symbol": _SYMBOLS[one.marker], "color": own}
        bars = {}
        if one.low is not None and one.high is not None:
            middle = np.asarray(one.y)
            bars = {"error_y": {"array": one.high - middle, "arrayminus": middle - one.low,
                                "type": "data", "symmetric": False, "color": own}}  # fmt: skip
        return [*traces, go.Scatter(mode="markers", marker=size, **bars, **style)]
    dash = ",".join(f"{part:g}px" for part in dashes(one.place)) or "solid"
    line = {"color": own, "width": 1 if one.thin else 2, "dash": dash,
            "shape": "hv" if one.kind == "step" else "linear"}  # fmt: skip
    return [*traces, go.Scatter(mode="lines", line=line, **style)]


def _faint(own: str) -> str:
    red, green, blue = (int(own[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.14)"


def _mark(figure: Any, mark: ChartMark, row: int, dark: bool, chart: Chart) -> None:
    own = colour(mark.place, dark=dark)
    if mark.kind == "diagonal":
        across, up = ends_of(chart, up=False), ends_of(chart, up=True)
        both = [max(across[0], up[0]), min(across[1], up[1])]
        figure.add_scatter(x=both, y=both, mode="lines", line={"color": own, "dash": "dot"},
                           showlegend=False, hoverinfo="skip", row=row, col=1)  # fmt: skip
        return
    add = figure.add_hrect if mark.up else figure.add_vrect
    if mark.low == mark.low and mark.high == mark.high:
        ends = {"y0": mark.low, "y1": mark.high} if mark.up else {"x0": mark.low, "x1": mark.high}
        add(**ends, fillcolor=_faint(own), line_width=0, layer="below", row=row, col=1)
    if mark.kind == "band":
        return
    line = {"line_color": own, "line_width": 1, "row": row, "col": 1,
            "line_dash": "solid" if mark.kind == "line" else "dot"}  # fmt: skip
    if mark.text:
        line |= {"annotation_text": escaped(mark.text), "annotation_font_size": 10}
    if mark.up:
        figure.add_hline(y=mark.at, **line)
    else:
        figure.add_vline(x=mark.at, **line)


def _axes(figure: Any, chart: Chart, row: int, *, last: bool) -> None:
    across = _axis(chart.x, ends_of(chart, up=False), last)
    up = _axis(chart.y, ends_of(chart, up=True), True)
    # A second axis would not move with the first one.
    across |= {"fixedrange": True} if chart.x.others else {}
    up |= {"fixedrange": True} if chart.y.others else {}
    figure.update_xaxes(**across, row=row, col=1)
    second = {"secondary_y": False} if chart.y.others else {}
    figure.update_yaxes(**up, row=row, col=1, **second)


def _axis(axis: Axis, ends: tuple[float, float], named: bool) -> dict[str, Any]:
    told: dict[str, Any] = {"title": {"text": escaped(axis.label) if named else ""}}
    if axis.names:
        names = [escaped(name) for name in axis.names]
        return {**told, "tickvals": list(range(len(names))), "ticktext": names,
                "range": [len(names) - 0.5, -0.5]}  # fmt: skip
    limits = np.log10(ends) if axis.log else np.array(ends)
    return {**told, "type": "log" if axis.log else "linear", "range": limits.tolist(),
            "exponentformat": "power" if axis.form == "rate" else "SI"}  # fmt: skip


def _second_up(figure: Any, chart: Chart, row: int) -> None:
    label, factor = chart.y.others[0]
    low, high = ends_of(chart, up=True)
    across = np.array(ends_of(chart, up=False))
    unseen = {"mode": "lines", "line": {"width": 0}, "showlegend": False, "hoverinfo": "skip"}
    figure.add_scatter(x=across, y=np.array([low, high]) * factor, **unseen, row=row, col=1,
                       secondary_y=True)  # fmt: skip
    ends = low * factor, high * factor
    axis = _axis(Axis(label, log=chart.y.log, form="rate"), ends, True)
    axis |= _numbers(label, ends, chart.y.log, "rate")
    figure.update_yaxes(**axis, showgrid=False, row=row, col=1, secondary_y=True)
