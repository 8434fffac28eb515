"""Curves as text: a plot for the terminal, with a table of landmarks below."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any, TextIO

import numpy as np

from ratewise._extras import require
from ratewise.show.curves import Curve
from ratewise.show.landmarks import Landmark
from ratewise.view.ticks import decades, rate, short, spaced

NARROWEST, WIDEST = 40, 120
COLOURS = (32, 208, 36, 175, 74, 220, 160, 245)  # of the 256: apart for every kind of eyesight
LETTERS = "abcdefghijklmnopqrstuvwxyz"
DECADES = 6
"""Powers of ten that a logarithmic axis goes down from the highest level, at most."""
SHOWN = 4
"""Curves up to which every one gets its table of landmarks."""


def is_coloured(stream: TextIO) -> bool:
    """Return whether to write colours: to a terminal that can, unless NO_COLOR is set."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def screen_width() -> int:
    """Return the columns to draw in: those of the terminal (or COLUMNS), 80 without one."""
    return min(max(shutil.get_terminal_size((80, 24)).columns, NARROWEST), WIDEST)


def draw(
    curves: Sequence[Curve], notes: Sequence[str], *, width: int, colour: bool, log: bool
) -> str:
    """Return curves as text: for each row of axes a plot, then what there is to say."""
    rows = list(dict.fromkeys(curve.row for curve in curves))
    parts: list[str] = []
    for row in rows:
        members = [curve for curve in curves if curve.row == row]
        height = 16 if len(rows) == 1 else 11
        parts.append(_plot(members, row, width, height, colour, log))
        tables = len(members) <= SHOWN
        parts += [
            _about(curve, _mark(i, len(members), colour), width, tables)
            for i, curve in enumerate(members)
        ]
    parts += [textwrap.fill(f"note: {note}", width, subsequent_indent="  ") for note in notes]
    return "\n".join(parts)


# The plot -----------------------------------------------------------------------------------


def _plot(
    curves: Sequence[Curve], row: str, width: int, height: int, colour: bool, log: bool
) -> str:
    plotext = require("plotext", extra="plot")
    # A figure of our own: the one that plotext keeps for its users is theirs.
    figure = type(plotext.figure)(type(plotext.terminal)().limit(False, False))
    figure.plot_size(width, height)
    figure.theme("colorless")
    if row:
        figure.title(row)
    length = max(curve.length for curve in curves)
    low, high = _range(curves, log)
    for i, curve in enumerate(curves):
        there = curve.survey.levels >= low
        x, y = curve.survey.updates[there], _scaled(curve.survey.levels[there], log)
        marker = _marker(plotext, i, len(curves), colour)
        figure.draw(figure.signal(x.tolist(), y.tolist(), marker=marker).lines())
    across = spaced(length, max(width // 16, 2), whole=True)
    figure.ruler("x").lim(0, length)
    figure.ruler("x").ticks(across, [short(update) for update in across])
    ticks = decades(low, high) if log else spaced(high, 4)
    _level_axis(figure, "left", low, high, ticks, 1.0, log)
    figure.label("update", "x")
    figure.label("level", "y")
    peaks = {curve.peak for curve in curves}
    peak = peaks.pop() if len(peaks) == 1 else None
    if peak is not None:  # the same rate at level 1 for all: a second scale on the right
        _level_axis(figure, "right", low, high, ticks, peak, log)
        figure.label(_unit(row), "y", "right")
    text = figure.build().string(not colour)
    return "\n".join(line.rstrip() for line in text.splitlines())


def _level_axis(
    figure: Any, side: str, low: float, high: float, ticks: list[float], unit: float, log: bool
) -> None:
    bottom, top = (float(v) for v in _scaled(np.array([low, high]), log))
    ruler = figure.ruler("y", side)
    ruler.lim(bottom, top if top > bottom else bottom + 1)
    at = _scaled(np.array(ticks), log).tolist()
    ruler.ticks(at, [rate(tick * unit) for tick in ticks])


def _range(curves: Sequence[Curve], log: bool) -> tuple[float, float]:
    """Return the lowest and the highest level drawn."""
    high = max(float(curve.survey.levels.max()) for curve in curves) or 1.0
    if not log:
        return 0.0, high
    levels = np.concatenate([curve.survey.levels for curve in curves])
    above = levels[levels > 0]
    least = float(above.min()) if above.size else high / 10
    return max(min(least, high / 10), high / 10**DECADES), high


def _scaled(levels: Any, log: bool) -> Any:
    return np.log10(levels) if log else levels


def _marker(plotext: Any, index: int, count: int, colour: bool) -> Any:
    if colour:
        return plotext.marker("braille", COLOURS[index % len(COLOURS)])
    return plotext.marker("braille" if count == 1 else LETTERS[index % len(LETTERS)])


def _mark(index: int, count: int, colour: bool) -> str:
    """Return what stands for a curve in the text: its colour, or its letter."""
    if count == 1:
        return ""
    if colour:
        return f"\033[38;5;{COLOURS[index % len(COLOURS)]}m━━\033[0m "
    return f"{LETTERS[index % len(LETTERS)]} "


def _unit(row: str) -> str:
    key = row.rpartition(": ")[2]
    return "rate" if key in ("", "lr") else key


# What there is to say -----------------------------------------------------------------------


def _about(curve: Curve, mark: str, width: int, table: bool) -> str:
    """Return the name of a curve, its landmarks, what it adds up to, and what looks wrong."""
    name = textwrap.fill(curve.name, width - 3, subsequent_indent="   ")
    lines = [f"{mark}{name}"]
    if table:
        lines += _table(curve, width)
    lines.append(textwrap.fill(_sums(curve), width, initial_indent="  ", subsequent_indent="  "))
    zeros = curve.survey.zeros
    if zeros:
        runs = "1 update runs" if zeros == 1 else f"{_about_mark(curve)}{zeros:,} updates run"
        lines.append(f"  {runs} at {_unit(curve.row)} 0")
    return "\n".join(lines)


def _table(curve: Curve, width: int) -> list[str]:
    head = ["update", "level", *([_unit(curve.row)] if curve.peak is not None else [])]
    cells = [_cells(mark, curve.peak) for mark in curve.landmarks]
    widths = [max(len(row[i]) for row in [head, *cells]) for i in range(len(head))]
    lines = ["  " + "  ".join(f"{c:>{w}}" for c, w in zip(head, widths, strict=True))]
    indent = " " * (len(lines[0]) + 2 if width >= len(lines[0]) + 22 else 4)
    for row, mark in zip(cells, curve.landmarks, strict=True):
        numbers = "  ".join(f"{c:>{w}}" for c, w in zip(row, widths, strict=True))
        lines += textwrap.wrap(f"  {numbers}  {mark.what}", width, subsequent_indent=indent)
    return lines


def _cells(mark: Landmark, peak: float | None) -> list[str]:
    absolute = [] if peak is None else [rate(mark.level * peak)]
    return [f"{mark.update:,}", rate(mark.level), *absolute]


def _sums(curve: Curve) -> str:
    """Return what a curve adds up to, in one sentence."""
    survey, about = curve.survey, _about_mark(curve)
    absolute = (
        "" if curve.peak is None else f" ({_unit(curve.row)} {rate(survey.mean * curve.peak)})"
    )
    count = f"{survey.length:,} update{'s' if survey.length > 1 else ''}"
    parts = [count, f"mean level {about}{rate(survey.mean)}{absolute}"]
    if survey.jump is not None and survey.jump.change:
        sign = "+" if survey.jump.change > 0 else "−"
        change = sign + rate(float(f"{abs(survey.jump.change):.2g}"))
        parts.append(f"largest step {change}, to update {survey.jump.update:,}")
    return " · ".join(parts)


def _about_mark(curve: Curve) -> str:
    return "" if curve.survey.exact else "≈ "
