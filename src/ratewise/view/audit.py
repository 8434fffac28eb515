"""An audit: recorded and intended rates in one picture, and where they part."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.view.figures import INKED, Axis, Chart, ChartMark, ChartSeries, with_corners
from ratewise.view.on_paper import paper_figure
from ratewise.view.style import INK, plain_text, thinned, written
from ratewise.view.terminal import Canvas

DEPARTS = 1
"""Place of the colour of what departs from the plan."""
BESIDE = 34
"""Characters in a line of what is written beside the picture."""


@dataclass(frozen=True, eq=False)
class RateSeries:
    """What is drawn.

    Args:
        steps: Updates made, int[n].
        recorded: Rates in the log, float64[n, groups].
        intended: Rates that were meant, the same shape, or None.
        departs: Which rows depart, bool[n], or None.
        groups: Names of the groups.
    """

    steps: Any
    recorded: Floats
    intended: Floats | None = None
    departs: Any = None
    groups: Sequence[str] = ("",)

    @property
    def stretch(self) -> tuple[float, float] | None:
        """From the first row that departs to the last, or None."""
        if self.departs is None or not np.any(self.departs):
            return None
        rows = np.flatnonzero(self.departs)
        return float(self.steps[rows[0]]), float(self.steps[rows[-1]])


def chart(series: RateSeries, title: str) -> Chart:
    """Return what is drawn of an audit: recorded rates are dots, intended ones lines.

    Args:
        series: What is drawn.
        title: One line above it.
    """
    rows = thinned(len(series.steps))
    steps = np.asarray(series.steps, dtype=np.float64)[rows]
    drawn: list[ChartSeries] = []
    for group, name in enumerate(series.groups):
        called = f" ({name})" if name else ""
        if series.intended is not None:
            place = INKED if len(series.groups) == 1 else group
            meant = with_corners(steps, series.intended[rows, group], float(np.ptp(steps)))
            drawn.append(ChartSeries(f"intended{called}", *meant, place=place, thin=True))
        seen = series.recorded[rows, group]
        drawn.append(ChartSeries(f"recorded{called}", steps, seen, "dots", group, thin=True))
    stretch = series.stretch
    marks: tuple[ChartMark, ...] = ()
    if stretch is not None:
        marks = (ChartMark(stretch[0], "", False, *stretch, DEPARTS, "band"),)
    up = Axis("learning rate", low=0.0, form="rate", free=True)
    note = "Shaded: the log departs from the plan." if marks else ""
    return Chart(title, Axis("update", form="count"), up, drawn, marks, note, 0.42)


@plain_text
def draw(series: RateSeries, title: str, beside: str = "") -> Any:
    """Return `chart(…)` as a `matplotlib.figure.Figure`.

    Args:
        series: What is drawn.
        title: One line above it.
        beside: The cause, written to the right.
    """
    figure = paper_figure([chart(series, title)], width=8.4 if beside else 6.4, height=3.6)
    if beside:
        axes = figure.axes[0]
        lines = [textwrap.fill(line, BESIDE) for line in written(beside).splitlines()]
        axes.text(1.02, 0.98, "\n\n".join(lines), transform=axes.transAxes, fontsize=8, color=INK,
                  va="top", ha="left")  # fmt: skip
    return figure


def draw_text(series: RateSeries, width: int, colour: bool) -> str:
    """Return the same as characters: the log in points, the plan as a line, and a rule below.

    Args:
        series: What is drawn.
        width: Columns.
        colour: Whether to use colours.
    """
    canvas = Canvas(width, 14, colour)
    steps = np.asarray(series.steps)
    rows = thinned(len(steps), 400)
    for group in range(series.recorded.shape[1]):
        if series.intended is not None:
            canvas.line(steps[rows], series.intended[rows, group], place=2 * group)
        good = rows[np.isfinite(series.recorded[rows, group])]
        canvas.draw(steps[good], series.recorded[good, group], "x", place=2 * group + 1)
    canvas.updates_across(int(steps[-1]))
    drawn = series.recorded if series.intended is None else [series.recorded, series.intended]
    top = float(np.nanmax(drawn))
    if float(np.nanmin(drawn)) > 0.99 * top > 0:  # a flat line has no height of its own
        canvas.figure.ruler("y").lim(0, 1.25 * top)
    canvas.figure.label("rate", "y")
    key = "x recorded" if series.intended is None else "x recorded  — intended"
    stretch = series.stretch
    if stretch is not None:
        key += f"  (they part from {stretch[0]:,.0f} to {stretch[1]:,.0f})"
    return "\n".join([*canvas.lines(), key])
