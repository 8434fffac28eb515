"""An audit: recorded and intended rates in one picture, and where they part."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.view.style import COLOURS, DASHES, GREY, INK, new_figure, thinned, tidy, written
from ratewise.view.terminal import Canvas

SHADE = {"color": "#D55E00", "alpha": 0.10, "linewidth": 0}
"""What lies in it departs from the plan."""
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


def draw(series: RateSeries, title: str, beside: str = "") -> Any:
    """Return a `matplotlib.figure.Figure`; recorded rates are dots, intended ones lines.

    Args:
        series: What is drawn.
        title: One line above it.
        beside: The cause, written to the right.
    """
    figure = new_figure(8.4 if beside else 6.4, 3.6)
    axes = figure.subplots()
    stretch = series.stretch
    if stretch is not None:
        axes.axvspan(*stretch, **SHADE)
    rows = thinned(len(series.steps))
    steps = np.asarray(series.steps)[rows]
    for group, name in enumerate(series.groups):
        colour = COLOURS[group % len(COLOURS)]
        called = f" ({written(name)})" if name else ""
        if series.intended is not None:
            line = {"color": GREY if len(series.groups) == 1 else colour, "linewidth": 1.4}
            axes.plot(steps, series.intended[rows, group], linestyle=DASHES[1], **line,
                      label=f"intended{called}")  # fmt: skip
        axes.plot(steps, series.recorded[rows, group], linestyle="", marker=".", markersize=3.2,
                  color=colour, label=f"recorded{called}")  # fmt: skip
    axes.set_xlabel("update", fontsize=9, color=INK)
    axes.set_ylabel("learning rate", fontsize=9, color=INK)
    axes.set_title(written(title), fontsize=10, color=INK, loc="left", pad=14)
    axes.set_ylim(bottom=0)
    axes.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=False)
    axes.legend(fontsize=8, frameon=False)
    tidy(axes)
    if beside:
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
    canvas.figure.label("rate", "y")
    key = "x recorded" if series.intended is None else "x recorded  — intended"
    stretch = series.stretch
    if stretch is not None:
        key += f"  (they part from {stretch[0]:,.0f} to {stretch[1]:,.0f})"
    return "\n".join([*canvas.lines(), key])
