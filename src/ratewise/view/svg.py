"""A chart as SVG inside a page: what notebooks show, and a report where scripts do not run."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator

import numpy as np

from ratewise._arrays import Floats
from ratewise._printable import printable
from ratewise.view.figures import Axis, Chart, ChartMark, ChartSeries, dashes, ends_of, ticks

WIDTH = 720.0
LEFT, RIGHT, TOP, BOTTOM = 66.0, 16.0, 12.0, 46.0
SECOND = 40.0
"""Room for a second axis."""
FEW, ROW, THIN_ROW = 10, 34.0, 20.0
"""Names beside an axis up to which each has a wide row; widths of rows."""
LETTER = 6.6
"""Width of a letter, in points."""
MOST_NAME = 34
"""Letters of a name beside an axis."""


class Paper:
    """The place of a chart's numbers on its paper."""

    def __init__(self, chart: Chart) -> None:
        self.chart = chart
        self.across, self.up = ends_of(chart, up=False), ends_of(chart, up=True)
        names = max((min(len(name), MOST_NAME) for name in chart.y.names), default=0)
        self.left = max(LEFT, 24 + LETTER * names)
        self.right = RIGHT + (SECOND + 16 if chart.y.others else 0)
        self.top = TOP + SECOND * len(chart.x.others)
        rows = (ROW if len(chart.y.names) <= FEW else THIN_ROW) * len(chart.y.names)
        self.height = self.top + BOTTOM + (rows or max(chart.height * WIDTH - TOP - BOTTOM, 120))

    def x(self, values: Floats) -> Floats:
        """Return places across, of numbers."""
        wide = WIDTH - self.left - self.right
        return self.left + wide * _share(values, self.across, self.chart.x.log)

    def y(self, values: Floats) -> Floats:
        """Return places down, of numbers."""
        tall = self.height - self.top - BOTTOM
        share = _share(values, self.up, self.chart.y.log)
        return self.top + tall * (share if self.chart.y.names else 1 - share)


def _share(values: Floats, ends: tuple[float, float], log: bool) -> Floats:
    given = np.asarray(values, dtype=np.float64)
    low, high = ends
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            given = np.where(given > 0, np.log10(np.where(given > 0, given, 1.0)), np.nan)
        low, high = math.log10(low), math.log10(high)
    return np.clip((given - low) / ((high - low) or 1.0), -3.0, 4.0)


def draw(chart: Chart) -> str:
    """Return a chart as an `<svg>` element, which takes its colours from the style of its page."""
    frame = Paper(chart)
    number = f"{WIDTH:g} {frame.height:g}"
    said = escaped(f"{chart.title}. {chart.note}".strip())
    parts = [f'<svg class="rw-svg" viewBox="0 0 {number}" role="img" aria-label="{said}">']
    parts += _grid(frame)
    inside = f'x="{frame.left:g}" y="{frame.top:g}"'
    tall, wide = frame.height - frame.top - BOTTOM, WIDTH - frame.left - frame.right
    parts.append(f'<svg {inside} width="{wide:g}" height="{tall:g}" '
                 f'viewBox="{frame.left:g} {frame.top:g} {wide:g} {tall:g}" '
                 'preserveAspectRatio="none">')  # fmt: skip
    parts += [_mark(frame, one) for one in chart.marks]
    behind = sorted(
        (one for one in chart.series if not one.off), key=lambda one: one.place is not None
    )
    for one in behind:
        parts += _series(frame, one)
    parts.append("</svg>")
    parts += _names_of_marks(frame)
    return "".join([*parts, "</svg>"])


def escaped(text: str) -> str:
    """Return a text of others as it is written into a page."""
    return html.escape(printable(text, keep="\n"))


def place_class(place: int | None) -> str:
    """Return the class that gives something the colour of its place."""
    return "rw-grey" if place is None else f"rw-c{place % 7}"


# Axes ---------------------------------------------------------------------------------------


def _grid(frame: Paper) -> Iterator[str]:
    chart = frame.chart
    right, low = WIDTH - frame.right, frame.height - BOTTOM
    for value, text in ticks(chart.x, frame.across):
        x = float(frame.x(np.array([value]))[0])
        yield f'<path class="rw-grid" d="M{x:.1f} {frame.top:.1f}V{low:.1f}"/>'
        yield _text(x, low + 16, text, "middle")
    for value, text in ticks(chart.y, frame.up, 5):
        y = float(frame.y(np.array([value]))[0])
        yield f'<path class="rw-grid" d="M{frame.left:.1f} {y:.1f}H{right:.1f}"/>'
        short = text if len(text) <= MOST_NAME else f"{text[: MOST_NAME - 1]}…"
        yield _text(frame.left - 8, y + 4, short, "end")
    yield f'<path class="rw-axis" d="M{frame.left:.1f} {frame.top:.1f}V{low:.1f}H{right:.1f}"/>'
    middle = (frame.left + right) / 2
    yield _text(middle, low + 36, chart.x.label, "middle", "rw-label")
    if chart.y.label:
        centre = (frame.top + low) / 2
        turned = f' transform="rotate(-90 14 {centre:.1f})"'
        yield _text(14, centre, chart.y.label, "middle", "rw-label", turned)
    for place, other in enumerate(chart.x.others):
        yield from _second_across(frame, place, other)
    for other in chart.y.others[:1]:
        yield from _second_up(frame, other)


def _second_across(frame: Paper, place: int, other: tuple[str, float]) -> Iterator[str]:
    label, factor = other
    y = frame.top - SECOND * place - 4
    ends = frame.across[0] * factor, frame.across[1] * factor
    yield f'<path class="rw-axis" d="M{frame.left:.1f} {y + 4:.1f}H{WIDTH - frame.right:.1f}"/>'
    for value, text in ticks(Axis(label, form="count" if ends[1] > 20 else "number"), ends):
        x = float(frame.x(np.array([value / factor]))[0])
        yield _text(x, y - 2, text, "middle")
    yield _text(WIDTH - frame.right, y - 17, label, "end", "rw-label")


def _second_up(frame: Paper, other: tuple[str, float]) -> Iterator[str]:
    label, factor = other
    ends = frame.up[0] * factor, frame.up[1] * factor
    x = WIDTH - frame.right
    for value, text in ticks(Axis(label, log=frame.chart.y.log, form="rate"), ends, 5):
        y = float(frame.y(np.array([value / factor]))[0])
        yield _text(x + 6, y + 4, text, "start")
    centre = (frame.top + frame.height - BOTTOM) / 2
    turned = f' transform="rotate(90 {WIDTH - 8:.1f} {centre:.1f})"'
    yield _text(WIDTH - 8, centre, label, "middle", "rw-label", turned)


def _text(x: float, y: float, text: str, anchor: str, kind: str = "rw-tick", more: str = "") -> str:
    return (f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>'
            f"{escaped(text)}</text>")  # fmt: skip


# What is drawn --------------------------------------------------------------------------------


def _series(frame: Paper, one: ChartSeries) -> Iterator[str]:
    colour = place_class(one.place)
    said = f"<title>{escaped(one.name)}</title>"
    thin = " rw-thin" if one.thin else ""
    x, y = frame.x(one.x), frame.y(one.y)
    yield f'<g class="{colour}{thin}">{said}'
    if one.low is not None and one.high is not None:
        low, high = frame.y(one.low), frame.y(one.high)
        yield _bars(x, low, high) if one.kind == "dots" else _band(x, low, high)
    if one.kind == "dots":
        yield f'<path class="rw-dots rw-{MARKERS[one.marker]}" d="{_dots(x, y, one.marker)}"/>'
    else:
        dash = " ".join(f"{part:g}" for part in dashes(one.place))
        style = f' stroke-dasharray="{dash}"' if dash else ""
        yield f'<path class="rw-line" d="{_line(x, y, one.kind == "step")}"{style}/>'
    yield "</g>"


MARKERS = {"o": "round", "x": "cross", "|": "bar", "v": "down"}


def _line(x: Floats, y: Floats, step: bool) -> str:
    parts: list[str] = []
    pen = False
    for across, up in zip(x.tolist(), y.tolist(), strict=True):
        if not (math.isfinite(across) and math.isfinite(up)):
            pen = False
            continue
        if pen and step:
            parts.append(f"H{across:.1f}V{up:.1f}")
        else:
            parts.append(f"{'L' if pen else 'M'}{across:.1f} {up:.1f}")
        pen = True
    if len(parts) == 1:
        parts.append("h0.1")
    return "".join(parts)


def _dots(x: Floats, y: Floats, marker: str) -> str:
    shape = {
        "o": "h0",
        "x": "m-3.5-3.5l7 7m0-7l-7 7",
        "|": "m0-10v20",
        "v": "m-4-3l4 6l4-6z",
    }[marker]
    return "".join(
        f"M{across:.1f} {up:.1f}{shape}"
        for across, up in zip(x.tolist(), y.tolist(), strict=True)
        if math.isfinite(across) and math.isfinite(up)
    )


def _band(x: Floats, low: Floats, high: Floats) -> str:
    there = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
    upper = _line(x[there], high[there], False)
    lower = _line(x[there][::-1], low[there][::-1], False).replace("M", "L", 1)
    return f'<path class="rw-band" d="{upper}{lower}Z"/>' if there.any() else ""


def _bars(x: Floats, low: Floats, high: Floats) -> str:
    rows = zip(x.tolist(), low.tolist(), high.tolist(), strict=True)
    drawn = "".join(f"M{a:.1f} {b:.1f}V{c:.1f}" for a, b, c in rows if math.isfinite(a + b + c))
    return f'<path class="rw-bars" d="{drawn}"/>'


def _mark(frame: Paper, mark: ChartMark) -> str:
    ends = frame.up if mark.up else frame.across
    low, high = frame.height - BOTTOM, frame.top
    first, last = frame.left, WIDTH - frame.right
    parts: list[str] = []
    to = frame.y if mark.up else frame.x
    if mark.kind == "diagonal":
        both = np.array([max(frame.across[0], frame.up[0]), min(frame.across[1], frame.up[1])])
        return f'<path class="rw-mark rw-grey" d="{_line(frame.x(both), frame.y(both), False)}"/>'
    if math.isfinite(mark.low) and math.isfinite(mark.high):
        a, b = to(np.clip([mark.low, mark.high], *ends)).tolist()
        box = f"M{first} {a:.1f}H{last}V{b:.1f}H{first}Z" if mark.up else (
            f"M{a:.1f} {low}V{high}H{b:.1f}V{low}Z")  # fmt: skip
        parts.append(f'<path class="rw-stretch {place_class(mark.place)}" d="{box}"/>')
    if mark.kind != "band" and ends[0] <= mark.at <= ends[1]:
        at = float(to(np.array([mark.at]))[0])
        line = f"M{first} {at:.1f}H{last}" if mark.up else f"M{at:.1f} {low}V{high}"
        solid = " rw-solid" if mark.kind == "line" else ""
        parts.append(f'<path class="rw-mark{solid} {place_class(mark.place)}" d="{line}"/>')
    return "".join(parts)


def _names_of_marks(frame: Paper) -> Iterator[str]:
    """Write the names of marks across, beside their lines, none over another."""
    taken: list[tuple[float, float]] = []
    for mark in frame.chart.marks:
        if mark.up or not mark.text or not frame.across[0] <= mark.at <= frame.across[1]:
            continue
        x = float(frame.x(np.array([mark.at]))[0])
        wide = LETTER * len(mark.text)
        left = x + wide + 4 > WIDTH - frame.right
        span = (x - wide - 8, x) if left else (x, x + wide + 8)
        if any(span[0] < end and start < span[1] for start, end in taken):
            continue
        taken.append(span)
        at, anchor = (x - 4, "end") if left else (x + 4, "start")
        yield _text(at, frame.top + 12, mark.text, anchor, "rw-tick rw-name")
