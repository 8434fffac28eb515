"""A range test as a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ratewise._extras import require
from ratewise.view.plots import COLOURS, GREY
from ratewise.view.ticks import rate as spell

if TYPE_CHECKING:
    from ratewise.range_test.result import RangeTestResult

MARKS = {"steepest": (COLOURS[2], "--"), "minimum": (COLOURS[0], "-"), "onset": (COLOURS[1], ":")}
"""Colour and line of each mark: told apart in grey, too."""


def draw(found: RangeTestResult) -> Any:
    """Return the losses of every sweep in grey, the curve, its marks and their intervals."""
    require("matplotlib", extra="plot")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    axes = figure.subplots()
    for sweep in found.sweeps:
        seen = sweep.rungs[: sweep.broke]
        axes.plot(found.ladder.rates[: len(seen)], seen, color=GREY, alpha=0.35, linewidth=0.9)
    if found.reading is not None:
        axes.plot(found.rates, found.curve, color="#000000", linewidth=2.0, label="smoothed loss")
        _frame(axes, found)
    _draw_marks(axes, found)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss")
    axes.set_title(_title(found), loc="left", fontsize=10, wrap=True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(frameon=False, fontsize=9, loc="outside lower center", ncols=5)
    return figure


def _draw_marks(axes: Any, found: RangeTestResult) -> None:
    for name, (colour, line) in MARKS.items():
        mark = getattr(found, name)
        if mark is not None:
            axes.axvspan(mark.low, mark.high, color=colour, alpha=0.12, linewidth=0)
            label = f"{name} {spell(float(f'{mark.rate:.2g}'))}"
            axes.axvline(mark.rate, color=colour, linestyle=line, linewidth=1.4, label=label)
    if found.rate is not None:
        height = np.interp(np.log10(found.rate), np.log10(found.rates), found.curve)
        axes.plot(found.rate, height, "o", color=COLOURS[3], label=f"use {spell(found.rate)}")


def _frame(axes: Any, found: RangeTestResult) -> None:
    """Leave room around the curve; single losses may be far above it."""
    low, high = float(found.curve.min()), float(found.curve.max())
    room = 0.15 * (high - low) or 1.0
    axes.set_ylim(low - room, high + room)


def _title(found: RangeTestResult) -> str:
    if found.rate is None:
        return f"No answer, because {found.reason}"
    return f"Range test: use a peak of about {spell(found.rate)}"
