"""Schedules over a run: as a figure, and as a plot for the terminal with what there is to say."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ratewise._arrays import Floats
from ratewise._printable import printable
from ratewise.view.figures import Axis, Chart, ChartMark, ChartSeries, with_corners
from ratewise.view.format import format_rate
from ratewise.view.on_paper import paper_figure
from ratewise.view.style import decades, spaced
from ratewise.view.terminal import Canvas, terminal_colour

MARKED = 12
"""Boundaries up to which each gets its line."""
LETTERS = "abcdefghijklmnopqrstuvwxyz"
DECADES = 6
"""Powers of ten that a logarithmic axis goes down from the highest level, at most."""
STAIRS = 60
"""Updates up to which a run is drawn as what it is: a rate for each update."""
SHOWN = 4
"""Curves up to which every one gets its table of landmarks."""


class Line(NamedTuple):
    """The levels of one schedule, and what they come to.

    Args:
        name: What it is called.
        row: Axes it is drawn on, "" or such as "lr" or "head: lr".
        peak: The value at level 1, where it is known.
        length: Updates in the run.
        updates: Updates of its outline, int64[k].
        levels: The levels there, float64[k].
        boundaries: Updates at which something changes.
        decided: Updates and levels at which metrics decided something.
        landmarks: Update, level and words of what happens where.
        mean: Mean level.
        zeros: Updates at level 0.
        jump: Update and size of the largest change between neighbours, if there is one.
        exact: Whether `mean`, `zeros` and `jump` come from every update.
        units: What else a run is counted in, and how much of it an update is.
    """

    name: str
    row: str
    peak: float | None
    length: int
    updates: Any
    levels: Floats
    boundaries: Sequence[int]
    decided: Sequence[tuple[int, float]]
    landmarks: Sequence[tuple[int, float, str]]
    mean: float
    zeros: int
    jump: tuple[int, float] | None
    exact: bool
    units: Sequence[tuple[str, float]] = ()

    @property
    def unit(self) -> str:
        """The key that is scheduled; "lr" for a schedule by itself."""
        return self.row.rpartition(": ")[2] or "lr"


def _rows(lines: Sequence[Line]) -> dict[str, list[Line]]:
    rows: dict[str, list[Line]] = {}
    for line in lines:
        rows.setdefault(line.row, []).append(line)
    return rows


def _common_peak(lines: Sequence[Line]) -> float | None:
    """Return the value at level 1 if it is the same for all: there can be a scale of values."""
    peaks = {line.peak for line in lines}
    return peaks.pop() if len(peaks) == 1 else None


# The charts ---------------------------------------------------------------------------------


def charts(lines: Sequence[Line], *, log: bool = False) -> list[Chart]:
    """Return what is drawn of schedules: a chart for each key and group, all over one run.

    Landmarks and restarts are dots on the curves; of a single curve they have their names. Second
    axes are those of the rate, where the peak is known, and of epochs, samples and tokens.
    """
    rows = _rows(lines)
    length = max(line.length for line in lines)
    units = {label: factor for line in lines for label, factor in line.units}
    made: list[Chart] = []
    for place, (row, members) in enumerate(rows.items()):
        across = Axis("update", low=0, high=length, form="count",
                      others=() if place else tuple(units.items()))  # fmt: skip
        curves = [one for i, line in enumerate(members) for one in _curves(line, i)]
        marks = _marks(members[0]) if len(members) == 1 else ()
        title = _label(members[0]) if len(members) == 1 else row
        made.append(Chart(title, across, _level_axis(members, log), curves, marks, height=0.36))
    return made


def _curves(line: Line, place: int) -> Iterator[ChartSeries]:
    name = line.name
    x, y = with_corners(line.updates, line.levels, line.length)
    if line.length <= STAIRS:
        yield ChartSeries(name, np.append(line.updates, line.length).astype(float),
                     np.append(line.levels, line.levels[-1]), "step", place)  # fmt: skip
    else:
        yield ChartSeries(name, x, y, "line", place)
    told = [one for one in line.landmarks if 0 < one[0] < line.length - 1][:MARKED]
    if told:
        at, levels, words = zip(*told, strict=True)
        yield ChartSeries(name, np.array(at, float), np.array(levels), "dots", place, texts=words,
                     keyed=False, thin=True, group=name)  # fmt: skip
    if line.decided:
        at, levels = zip(*line.decided, strict=True)
        yield ChartSeries(name, np.array(at, float), np.array(levels), "dots", place, marker="v",
                     texts=["decided by a metric"], keyed=False, group=name)  # fmt: skip


def _marks(line: Line) -> tuple[ChartMark, ...]:
    named = {at: words for at, _, words in line.landmarks}
    return tuple(ChartMark(at, _short(named.get(at, ""))) for at in line.boundaries[:MARKED])


def _short(words: str) -> str:
    """Return what begins where something happens: the name of a move, or the number of a cycle.

    >>> _short("Warmup ends, Cosine begins; peak"), _short("cycle 2 begins"), _short("peak")
    ('Cosine', 'cycle 2', '')
    """
    for part in words.replace(",", ";").split(";"):
        if part.endswith(" begins"):
            return part.removesuffix(" begins").strip()
        if part.startswith("Step multiplies by "):
            return part.replace("Step multiplies by ", "× ").strip()
    return ""


def _level_axis(lines: Sequence[Line], log: bool) -> Axis:
    peak = _common_peak(lines)
    name = "learning rate" if lines[0].unit == "lr" else lines[0].unit
    others = ((name, peak),) if peak else ()
    if log and any(line.levels.any() for line in lines):
        return Axis("level", True, *_range(lines, log), form="rate", others=others)
    high = max(float(line.levels.max()) for line in lines)
    return Axis("level", False, 0.0, 1.06 * (high or 1.0), form="rate", others=others, free=True)


def _label(line: Line) -> str:
    row = f"{line.row}:  " if line.row else ""
    return row + line.name


def draw(lines: Sequence[Line], *, log: bool = False) -> Any:
    """Return a `matplotlib.figure.Figure`, each row with axes of its own."""
    made = charts(lines, log=log)
    wrapped = [replace(one, title="\n".join(textwrap.wrap(one.title, 80))) for one in made]
    return paper_figure(wrapped)


# The plot for the terminal ------------------------------------------------------------------


def draw_text(
    lines: Sequence[Line], notes: Sequence[str], *, width: int, colour: bool, log: bool
) -> str:
    """Return the lines as text: for each row of axes a plot, then what there is to say."""
    rows = _rows([_printable(line) for line in lines])
    parts: list[str] = []
    for row, members in rows.items():
        canvas = Canvas(width, 16 if len(rows) == 1 else 11, colour)
        parts += _plot(canvas, members, row, log)
        for i, line in enumerate(members):
            parts += _about(line, _key(i, len(members), colour), width, len(members) <= SHOWN)
    parts += [
        textwrap.fill(f"note: {printable(note)}", width, subsequent_indent="  ") for note in notes
    ]
    return "\n".join(parts)


def _printable(line: Line) -> Line:
    return line._replace(name=printable(line.name), row=printable(line.row))


def _plot(canvas: Canvas, lines: Sequence[Line], row: str, log: bool) -> list[str]:
    if row:
        canvas.figure.title(row)
    low, high = _range(lines, log)
    for i, line in enumerate(lines):
        there = line.levels >= low
        marker = "braille" if canvas.colour or len(lines) == 1 else LETTERS[i % len(LETTERS)]
        canvas.line(line.updates[there], _scaled(line.levels[there], log), marker, i)
    canvas.updates_across(max(line.length for line in lines))
    ticks = decades(low, high) if log else spaced(high, 4)
    _ruler_up(canvas, "left", (low, high), ticks, 1.0, log)
    canvas.figure.label("level", "y")
    peak = _common_peak(lines)
    if peak is not None:
        _ruler_up(canvas, "right", (low, high), ticks, peak, log)
        canvas.figure.label(_value_name(lines[0]), "y", "right")
    return canvas.lines()


def _ruler_up(
    canvas: Canvas, side: str, ends: tuple[float, float], ticks: list[float], unit: float, log: bool
) -> None:
    bottom, top = (float(v) for v in _scaled(np.array(ends), log))
    ruler = canvas.figure.ruler("y", side)
    ruler.lim(bottom, top if top > bottom else bottom + 1)
    at = _scaled(np.array(ticks), log).tolist()
    ruler.ticks(at, [format_rate(tick * unit) for tick in ticks])


def _range(lines: Sequence[Line], log: bool) -> tuple[float, float]:
    high = max(float(line.levels.max()) for line in lines) or 1.0
    if not log:
        return 0.0, high
    levels = np.concatenate([line.levels for line in lines])
    above = levels[levels > 0]
    least = float(above.min()) if above.size else high / 10
    return max(min(least, high / 10), high / 10**DECADES), high


def _scaled(levels: Any, log: bool) -> Any:
    return np.log10(levels) if log else levels


def _key(index: int, count: int, colour: bool) -> str:
    """Return what stands for a line in the text: its colour, or its letter."""
    if count == 1:
        return ""
    if colour:
        return f"\033[38;5;{terminal_colour(index)}m━━\033[0m "
    return f"{LETTERS[index % len(LETTERS)]} "


def _value_name(line: Line) -> str:
    return "rate" if line.unit == "lr" else line.unit


def _about(line: Line, key: str, width: int, table: bool) -> list[str]:
    """Return the name of a line, its landmarks, what it adds up to, and what looks wrong."""
    name = textwrap.fill(line.name, width - 3, subsequent_indent="   ")
    parts = [f"{key}{name}", *(_table(line, width) if table else [])]
    parts.append(textwrap.fill(_sums(line), width, initial_indent="  ", subsequent_indent="  "))
    if line.zeros:
        runs = (
            "1 update runs" if line.zeros == 1 else f"{_about_sign(line)}{line.zeros:,} updates run"
        )
        parts.append(f"  {runs} at {_value_name(line)} 0")
    return parts


def _table(line: Line, width: int) -> list[str]:
    """Return the landmarks, a row each; their words go on below each other."""
    peak = line.peak
    rows = [["update", "level", *([_value_name(line)] if peak is not None else [])]]
    for update, level, _ in line.landmarks:
        value = [] if peak is None else [format_rate(level * peak)]
        rows.append([f"{update:,}", format_rate(level), *value])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    head, *numbers = [
        "  " + "  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True))
        for row in rows
    ]
    indent = " " * (len(head) + 2 if width >= len(head) + 22 else 4)
    parts = [head]
    for start, (_, _, words) in zip(numbers, line.landmarks, strict=True):
        parts += textwrap.wrap(f"{start}  {words}", width, subsequent_indent=indent)
    return parts


def _sums(line: Line) -> str:
    value = (
        "" if line.peak is None else f" ({_value_name(line)} {format_rate(line.mean * line.peak)})"
    )
    count = f"{line.length:,} update{'s' if line.length > 1 else ''}"
    parts = [count, f"mean level {_about_sign(line)}{format_rate(line.mean)}{value}"]
    if line.jump is not None and line.jump[1]:
        update, change = line.jump
        size = format_rate(abs(change), 2)
        parts.append(f"largest step {'+' if change > 0 else '−'}{size}, to update {update:,}")
    return " · ".join(parts)


def _about_sign(line: Line) -> str:
    return "" if line.exact else "≈ "
