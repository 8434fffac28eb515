"""What a picture holds, said once: four files draw it, as SVG, as a page, with matplotlib, plotly.

A thing that is drawn turns its numbers into a `Chart`. `svg` draws that in notebooks and reports,
`on_paper` for files, `on_page` for plotly; `assets/page.js` draws it again where it is moved.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ratewise._arrays import Floats
from ratewise.view.format import format_count, format_rate
from ratewise.view.style import COLOURS, DARK_COLOURS, DASH_LENGTHS, decades, spaced

INKED = len(COLOURS) - 1
"""Place of the colour of ink, whose lines are solid."""

NOTHING: Floats = np.empty(0)

CORNER = 0.02
"""Share of the range of a curve from which a change between neighbours is a step."""

TINY, DEEPEST = 1e-290, 1e15
"""The highest number of a logarithmic axis is at least the first, and the lowest this far below."""

UNSEEN = 1e-3
"""Share of a run below which nobody sees how long something is."""


@dataclass(frozen=True, eq=False)
class ChartSeries:
    """Something that has a name, a colour and points.

    Args:
        name: What it is called, in the key and where it is pointed at.
        x: Its points, float64[k].
        y: The same; NaN where there is none.
        kind: "line"; "step", which holds from a point to the next; or "dots".
        place: Its place in the palette, or None: grey, and behind the others.
        low: Lower ends of a band (of lines) or of bars (of dots), or None.
        high: Upper ends.
        texts: What is said of each point where it is pointed at; one for all, or none.
        marker: Of dots: "o", "x", "|" or "v".
        keyed: Whether it is in the key.
        thin: Whether it is one of very many, or less than the others.
        group: Name of what is switched on and off with it; its own if "".
        off: Whether it is switched off at first, where it can be switched on.
    """

    name: str
    x: Floats
    y: Floats
    kind: str = "line"
    place: int | None = 0
    low: Floats | None = None
    high: Floats | None = None
    texts: Sequence[str] = ()
    marker: str = "o"
    keyed: bool = True
    thin: bool = False
    group: str = ""
    off: bool = False

    @property
    def bars(self) -> bool:
        """Whether it has a band, or bars."""
        return self.low is not None and self.high is not None


class Axis(NamedTuple):
    """An axis.

    Args:
        label: What stands beside it.
        log: Whether it is logarithmic.
        low: Where it begins, or None: where the numbers do.
        high: Where it ends.
        form: How numbers are written: "count", "rate" or "number".
        names: Names at 0, 1, …, in place of numbers; for an axis up the first is at the top.
        others: Second axes: label, and what 1 of this is of that.
        free: Whether whoever looks on may make it logarithmic.
    """

    label: str
    log: bool = False
    low: float | None = None
    high: float | None = None
    form: str = "number"
    names: Sequence[str] = ()
    others: Sequence[tuple[str, float]] = ()
    free: bool = False


class ChartMark(NamedTuple):
    """A place on an axis that has a name.

    Args:
        at: Where.
        text: Its name; "" for a mark without one.
        up: Whether it is on the axis up; else on that across.
        low: Beginning of a stretch around it, NaN for none.
        high: End of it.
        place: Place in the palette, or None: grey.
        kind: "line", "dots" (dotted), "band" (a stretch without a line) or "diagonal" (x = y).
    """

    at: float
    text: str = ""
    up: bool = False
    low: float = math.nan
    high: float = math.nan
    place: int | None = None
    kind: str = "dots"


@dataclass(frozen=True, eq=False)
class Chart:
    """A picture with one pair of axes.

    Args:
        title: What stands above it.
        x: The axis across.
        y: The axis up.
        series: What is drawn, in the order of the key.
        marks: Places that have names.
        note: What there is to know of it, below.
        height: Height over width.
        smooth: Whether whoever looks on may smooth its lines.
    """

    title: str
    x: Axis
    y: Axis
    series: Sequence[ChartSeries]
    marks: Sequence[ChartMark] = field(default=())
    note: str = ""
    height: float = 0.45
    smooth: bool = False


def colour(place: int | None, *, dark: bool = False) -> str:
    """Return the colour of a place in the palette, "#rrggbb"."""
    if place is None:
        return "#9A9A9A" if dark else "#777777"
    palette = DARK_COLOURS if dark else COLOURS
    return palette[place % len(palette)]


def dashes(place: int | None) -> tuple[float, ...]:
    """Return how a line of a place is dashed, in points; empty for a solid one.

    It says a second time what the colour says, and tells colours that come again from the first.
    """
    if place is None or place == INKED:
        return ()
    return DASH_LENGTHS[place % len(DASH_LENGTHS)]  # seven colours, four dashes: 28 are unlike


def with_corners(x: Any, y: Any, length: float) -> tuple[Floats, Floats]:
    """Return a curve with a corner wherever it steps from an update to the next.

    Between neighbours that nobody could see apart, a change that is more than a fiftieth of the
    range, and more than four times what is around it, is drawn upright.

    >>> x, y = with_corners([0, 1, 2, 3], [1.0, 1.0, 0.1, 0.1], 4)
    >>> x.tolist(), y.tolist()
    ([0.0, 1.0, 2.0, 2.0, 3.0], [1.0, 1.0, 1.0, 0.1, 0.1])
    """
    across, up = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if len(across) < 3:
        return across, up
    gaps, jumps = np.diff(across), np.abs(np.diff(up))
    around = np.maximum(np.append(0.0, jumps[:-1]), np.append(jumps[1:], 0.0))
    near = gaps <= max(1.0, UNSEEN * length)
    steps = near & (jumps > CORNER * float(np.ptp(up))) & (jumps > 4 * around)
    at = np.flatnonzero(steps) + 1
    return np.insert(across, at, across[at]), np.insert(up, at, up[at - 1])


def outline(y: Any, most: int = 400) -> tuple[Floats, Floats]:
    """Return places and values of a long curve: the mean of so many neighbours, `most` at most.

    >>> outline(np.arange(6.0), 3)
    (array([1., 3., 5.]), array([0.5, 2.5, 4.5]))
    """
    values = np.asarray(y, dtype=np.float64)
    wide = width_of(len(values), most)
    if wide == 1:
        return np.arange(1.0, len(values) + 1), values
    starts = np.arange(0, len(values), wide)
    sizes = np.diff(np.append(starts, len(values)))
    means = np.add.reduceat(values, starts) / sizes
    return starts + (sizes + 0.0) / 2, means


def width_of(n: int, most: int = 400) -> int:
    """Return how many neighbours of `n` values are one point of an outline."""
    return max(-(-n // most), 1)


def written_number(value: float, form: str, digits: int = 4) -> str:
    """Return a number as an axis says it.

    >>> written_number(2500, "count"), written_number(3e-4, "rate"), written_number(0.5, "number")
    ('2.5k', '3e-4', '0.5')
    """
    if digits <= 4 and form == "count":
        return format_count(value)
    if digits <= 4 and form == "rate":
        return format_rate(value)
    return f"{value:.{digits}g}"


def ends_of(chart: Chart, up: bool) -> tuple[float, float]:
    """Return the ends of an axis: those given, or those of the numbers with room around them."""
    axis = chart.y if up else chart.x
    if axis.names:
        return -0.5, len(axis.names) - 0.5
    parts: list[Any] = [one.y if up else one.x for one in chart.series]
    if up:
        parts += [end for one in chart.series if one.bars for end in (one.low, one.high)]
    values = np.concatenate([np.asarray(part, dtype=np.float64) for part in parts] or [NOTHING])
    values = values[np.isfinite(values) & ((values > 0) | (not axis.log))]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    low = low if axis.low is None else axis.low
    high = high if axis.high is None else axis.high
    if axis.log:
        high = max(high, TINY)
        low = max(low, high / DEEPEST) if low > 0 or axis.low is not None else high / 10
        room = (high / low) ** 0.04 if high > low else 2.0
        return (low / room if axis.low is None else low), (high * room if axis.high is None
                                                           else high)  # fmt: skip
    room = 0.04 * (high - low) or 0.5 * abs(high) or 1.0
    return (low - room if axis.low is None else low), (high + room if axis.high is None else high)


def ticks(axis: Axis, ends: tuple[float, float], count: int = 6) -> list[tuple[float, str]]:
    """Return where the numbers of an axis are, and what they are."""
    low, high = ends
    if axis.names:
        return [(float(i), name) for i, name in enumerate(axis.names)]
    if axis.log:
        at = _log_ticks(low, high, count)
    else:
        step = spaced(high - low, count, whole=axis.form == "count")
        wide = step[1] - step[0] if len(step) > 1 else (high - low) or 1.0
        first = math.ceil(low / wide - 1e-9)
        at = [i * wide for i in range(first, math.floor(high / wide + 1e-9) + 1)]
        at = [0.0 if abs(value) < 1e-12 * max(abs(low), abs(high)) else value for value in at]
    digits = 4 if axis.log else _digits(at)
    return [(value, written_number(value, axis.form, digits)) for value in at]


def _digits(at: Sequence[float]) -> int:
    """Return in how many figures neighbours are told apart, at least four."""
    if len(at) < 2:
        return 4
    near = min(abs(b - a) for a, b in itertools.pairwise(at))
    return max(4, math.ceil(math.log10(max(map(abs, at)) / near)) + 2) if near else 4


def _log_ticks(low: float, high: float, count: int) -> list[float]:
    powers = [power for power in decades(low, high) if low <= power <= high * (1 + 1e-9)]
    if math.log10(high / low) < 2:  # one decade or two: 2 and 5 are named too
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        each = [m * 10.0**i for i in range(first, last + 1) for m in (1, 2, 3, 5)]
        powers = [one for one in each if low <= one <= high] or [low, high]
    every = -(-len(powers) // max(count, 1)) or 1
    return powers[::every]
