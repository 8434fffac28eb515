"""From the state to what is drawn: traces, axes and handles as plain numbers.

Levels are those of `schedule.values`, the function that training uses. Runs of up to 20,000
updates are drawn whole; of longer ones an outline is drawn that keeps every lowest and highest
level, and of very long ones a sample. Colours are told by their place in the palette: the page
knows whether it is light or dark.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratewise._arrays import Floats
from ratewise.show.curves import ScheduleCurve
from ratewise.studio.handles import handles
from ratewise.studio.state import StudioState, drawn

WHOLE = 20_000
"""Updates up to which every level is drawn."""
OUTLINED = 4_000
"""The same for the curves of another run, which are looked at and not read off."""
COLUMNS = 1_000
"""Columns of an outline: about as many as a screen has for it."""
SURVEYED = 1 << 20
"""Updates up to which every level is looked at."""
FEW = 300
"""Updates up to which the steps from one to the next are seen, and drawn as steps."""
MAIN = 0.64
"""Share of the height that the rate has, where there are other rows."""
RATE, LOSS = "lr", "loss"
MARGIN = {"l": 60, "r": 18, "t": 28, "b": 42}
"""Pixels around the axes; the page puts the handles by them."""


@dataclass(frozen=True, eq=False)
class Beside:
    """One more thing to draw, that is no schedule of the page.

    Args:
        name: What it is called.
        x: Updates, rising.
        y: Values.
        row: Which axis it is of: "lr", "loss", or another key.
        slot: Place of its colour; -1 for grey.
        points: Whether it is drawn as points, as what was measured is.
        listed: Whether it stands in the legend.
        levels: Whether the values are levels, to be multiplied by a peak.
    """

    name: str
    x: NDArray[Any] = field(repr=False)
    y: Floats = field(repr=False)
    row: str = RATE
    slot: int = -1
    points: bool = False
    listed: bool = True
    levels: bool = False


def figure(state: StudioState, beside: Sequence[Beside] = ()) -> dict[str, Any]:
    """Return what is drawn, in JSON types: `data`, `layout`, `handles`, and what they say.

    >>> made = figure(StudioState())
    >>> len(made["data"]), made["layout"]["xaxis"]["range"], made["handles"][0]["x"]
    (1, [0, 10000], 500)
    """
    known = [c for one in zip(state.drawings, drawn(state), strict=True) for c in _shown(*one)]
    in_rates = in_rates_of(state)
    rows = list(dict.fromkeys([RATE, *(c.row for c in known), *(one.row for one in beside)]))
    data: list[dict[str, Any]] = []
    for place, (one, what) in enumerate(zip(state.drawings, drawn(state), strict=True)):
        for curve in _shown(one, what):
            data.append(_trace(curve, one.title, place, rows, in_rates))
    if state.what_if is not None and state.what_if != state.updates:
        for place, (one, what) in enumerate(
            zip(state.drawings, drawn(state, state.what_if), strict=True)
        ):
            for curve in _shown(one, what):
                title = f"{one.title}, {state.what_if:,} updates"
                data.append(_trace(curve, title, place, rows, in_rates, outlined=True)
                            | {"meta": _what_if(place)})  # fmt: skip
    data += [_beside(one, rows, state, in_rates) for one in beside]
    end = max(state.updates, state.what_if or 0)
    return {
        "data": data,
        "layout": _layout(state, rows, end, in_rates),
        "handles": _handles(state, in_rates),
        "label": label(state),
    }


def in_rates_of(state: StudioState) -> bool:
    """Tell whether rates are drawn: every curve's peak is known; else levels are."""
    curves = [c for one in zip(state.drawings, drawn(state), strict=True) for c in _shown(*one)]
    main = [one for one in curves if one.row == RATE]
    return bool(main) and all(one.peak is not None for one in main)


def label(state: StudioState) -> str:
    """Return what is told of the picture to whoever does not see it."""
    shown = [one.title for one in state.drawings if one.shown]
    told = "; ".join(shown) or "no schedule"
    return f"Learning-rate curves over {state.updates:,} updates: {told}"


def _shown(one: Any, what: Any) -> tuple[ScheduleCurve, ...]:
    return what.curves if one.shown else ()


def _trace(
    curve: ScheduleCurve,
    title: str,
    place: int,
    rows: list[str],
    in_rates: bool,
    outlined: bool = False,
) -> dict[str, Any]:
    """Return one curve as a trace of plotly; outlined, by no more points than can be seen."""
    scale = curve.peak if curve.peak is not None and (in_rates or curve.row != RATE) else 1.0
    name = title if curve.row == RATE else f"{title} · {curve.row}"
    return {
        **_packed_points(curve, scale, outlined),
        "type": "scatter",
        "mode": "lines",
        "name": escaped(name),
        "line": {"shape": "hv" if curve.length <= FEW else "linear", "width": 2},
        "meta": {"slot": place, "dash": place},
        "yaxis": _axis(rows.index(curve.row)),
        "hovertemplate": "%{y:.4g}",
    }


@lru_cache(maxsize=64)
def _packed_points(curve: ScheduleCurve, scale: float, outlined: bool) -> dict[str, Any]:
    where, levels = points(curve, outlined)
    return _arrays(where, levels * scale)


def _arrays(x: NDArray[Any] | None, y: Floats) -> dict[str, Any]:
    """Return the points of a trace, and the name under which the page keeps them."""
    told = {} if x is None else {"x": packed(x)}
    told["y"] = packed(y)
    seal = hashlib.blake2b("".join(one["bdata"] for one in told.values()).encode(), digest_size=12)
    where: dict[str, Any] = {"x0": 0, "dx": 1} if x is None else {}
    return {**where, "arrays": told, "key": seal.hexdigest()}


def thinned_of(made: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """Return a figure without the points that the page knows already."""
    data = [
        {name: one for name, one in trace.items() if name != "arrays" or trace["key"] not in known}
        for trace in made["data"]
    ]
    return {**made, "data": data}


def points(curve: ScheduleCurve, outlined: bool = False) -> tuple[NDArray[np.int64] | None, Floats]:
    """Return the updates that are drawn of a curve, None for all of them, and their levels."""
    if curve.length <= (OUTLINED if outlined else WHOLE):
        return None, curve.schedule.values(curve.length)
    if curve.length <= SURVEYED:
        levels = curve.schedule.values(curve.length)
        at = outline(levels)
        return at, levels[at]
    marks = [at for mark in curve.boundaries for at in (mark - 1, mark)]
    grid = np.linspace(0, curve.length - 1, WHOLE).round().astype(np.int64)
    at = np.unique(np.concatenate([grid, np.array(marks, dtype=np.int64)]))
    return at, curve.schedule(at)


def outline(levels: Floats) -> NDArray[np.int64]:
    """Return the updates that a curve is seen by: of every column its first, last and extremes.

    >>> outline(np.array([0.0, 1.0, 0.0, 0.5])).tolist()
    [0, 1, 2, 3]
    """
    width = -(-len(levels) // COLUMNS)
    cells = levels[: len(levels) // width * width].reshape(-1, width)
    begins = np.arange(len(cells), dtype=np.int64) * width
    inside = [begins + cells.argmin(axis=1), begins + cells.argmax(axis=1)]
    rest = np.arange(len(cells) * width, len(levels), dtype=np.int64)
    return np.unique(np.concatenate([begins, begins + width - 1, *inside, rest]))


def packed(values: NDArray[Any]) -> dict[str, str]:
    """Return an array as plotly reads it fastest: its bytes.

    >>> packed(np.array([1.0]))
    {'dtype': 'f8', 'bdata': 'AAAAAAAA8D8='}
    """
    # Whole numbers beyond 2**31 are no type of plotly's; as float64 they are exact up to 2**53.
    small = values.dtype.kind == "i" and (not values.size or int(values.max()) < 2**31)
    kind = "i4" if small else "f8"
    return {
        "dtype": kind,
        "bdata": base64.b64encode(values.astype(f"<{kind}").tobytes()).decode("ascii"),
    }


def escaped(text: str) -> str:
    """Return a text of others as plotly draws it, which reads tags in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _what_if(place: int) -> dict[str, Any]:
    return {"slot": place, "dash": place, "faint": True, "unlisted": True}


def _beside(one: Beside, rows: list[str], state: StudioState, in_rates: bool) -> dict[str, Any]:
    peak = state.lr or peak_of(state) or 1.0
    scale = peak if one.levels and in_rates else 1.0
    if one.row == RATE and not one.levels and not in_rates:
        scale = 1.0 / peak
    return {
        **_arrays(one.x, np.asarray(one.y, dtype=np.float64) * scale),
        "type": "scatter",
        "mode": "markers" if one.points else "lines",
        "name": escaped(one.name),
        "marker": {"size": 5, "symbol": "circle-open"},
        "line": {"width": 2},
        "meta": {"slot": one.slot, "dash": 0, "faint": not one.points, "unlisted": not one.listed},
        "yaxis": _axis(rows.index(one.row)),
        "hovertemplate": "%{y:.4g}",
    }


def peak_of(state: StudioState) -> float | None:
    """Return the peak of what is worked on, where it is known."""
    curves = drawn(state)[state.active].curves
    return next((one.peak for one in curves if one.row == RATE), None)


def _axis(index: int) -> str:
    return "y" if not index else f"y{index + 1}"


def _layout(state: StudioState, rows: list[str], end: int, in_rates: bool) -> dict[str, Any]:
    """Return the axes: the rate above, what else is drawn in rows below it."""
    layout: dict[str, Any] = {
        "margin": MARGIN,
        "showlegend": False,
        "hovermode": "x unified",
        "uirevision": f"{end}",
        "xaxis": {"range": [0, end], "title": {"text": "update"}, "zeroline": False,
                  "anchor": _axis(len(rows) - 1)},
        "shapes": [_cursor_line(min(state.cursor, state.updates - 1))],
        "annotations": [],
    }  # fmt: skip
    height = (1.0 - MAIN) / max(len(rows) - 1, 1)
    for index, row in enumerate(rows):
        main = index == 0
        low = (1.0 - MAIN if len(rows) > 1 else 0.0) if main else 1.0 - MAIN - index * height
        top = 1.0 if main else low + height - 0.09
        title = ("rate" if in_rates else "level") if main else row
        layout[f"yaxis{index + 1}" if index else "yaxis"] = {
            "domain": [max(low, 0.0), top],
            "type": "log" if state.log and (main or row == LOSS) else "linear",
            "rangemode": "tozero" if row != LOSS else "normal",
            "zeroline": False,
            "exponentformat": "e",
        }
        # Above the axis, where it takes no width from a phone.
        layout["annotations"].append({
            "text": escaped(title), "xref": "paper", "yref": "paper", "x": 0, "y": top,
            "xanchor": "left", "yanchor": "bottom", "showarrow": False, "xshift": 2, "yshift": 2,
        })  # fmt: skip
    return layout


def _cursor_line(at: int) -> dict[str, Any]:
    return {"type": "line", "xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1,
            "line": {"width": 1, "dash": "dot"}, "name": "cursor"}  # fmt: skip


def _handles(state: StudioState, in_rates: bool) -> list[dict[str, Any]]:
    scale = (peak_of(state) or 1.0) if in_rates else 1.0
    return [
        {
            "place": one.place,
            "x": one.update,
            "y": one.level * scale,
            "scale": scale,
            "sideways": one.sideways is not None,
            "upwards": bool(one.upwards),
            "slot": state.active,
            "step": max(state.updates // 100, 1),
            "label": f"{one.what}: update {one.update:,}, level {one.level:.3g}",
        }
        for one in handles(state)
    ]
