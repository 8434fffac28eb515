"""Curves as a matplotlib figure."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Any

from ratewise._extras import require
from ratewise.show.curves import Curve
from ratewise.view.ticks import rate, short

# Okabe and Ito's colours, apart for every kind of eyesight; yellow is left out, it fades on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES: tuple[Any, ...] = ("-", (0, (6, 2)), (0, (2, 1.5)), (0, (6, 2, 1.5, 2)))
GREY = "#666666"
MARKED = 12
"""Boundaries up to which each gets its line."""


def plot(curves: Sequence[Curve], *, log: bool = False) -> Any:
    """Return a `matplotlib.figure.Figure` of curves, each row of theirs with axes of its own."""
    require("matplotlib", extra="plot")
    from matplotlib.figure import Figure

    rows = list(dict.fromkeys(curve.row for curve in curves))
    height = 1.2 + 2.8 * len(rows) + 0.2 * len(curves)
    figure = Figure(figsize=(8.0, height), layout="constrained")
    axes = figure.subplots(len(rows), 1, squeeze=False, sharex=True)[:, 0]
    for ax, row in zip(axes, rows, strict=True):
        _draw_row(ax, [curve for curve in curves if curve.row == row], log)
    axes[-1].set_xlabel("update")
    return figure


def _draw_row(ax: Any, curves: Sequence[Curve], log: bool) -> None:
    for i, curve in enumerate(curves):
        x, y = curve.survey.updates, curve.survey.levels
        dash = DASHES[(i // len(COLOURS) + i) % len(DASHES)] if len(curves) > 1 else "-"
        style = {"color": COLOURS[i % len(COLOURS)], "linestyle": dash, "linewidth": 1.8}
        marker = {"marker": "o", "markersize": 4} if len(x) == 1 else {}
        ax.plot(x, y, label=_label(curve), **style, **marker)
        decided = [d.update for d in curve.decisions if d.update < curve.length]
        if decided:
            levels = [curve.schedule(t) for t in decided]
            ax.plot(decided, levels, "v", color=style["color"], markersize=6)
    if len(curves) == 1:
        _draw_boundaries(ax, curves[0])
        ax.set_title(_label(curves[0]), loc="left", fontsize=10)
    else:
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False, fontsize=9)
    _scale_axes(ax, curves, log)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    ax.grid(axis="y", color=GREY, alpha=0.2, linewidth=0.6)


def _label(curve: Curve) -> str:
    row = f"{curve.row}:  " if curve.row else ""
    return "\n".join(textwrap.wrap(row + curve.name, 80))


def _draw_boundaries(ax: Any, curve: Curve) -> None:
    for update in curve.boundaries[:MARKED]:
        ax.axvline(update, color=GREY, linewidth=0.8, linestyle=(0, (1, 3)), zorder=0)


def _scale_axes(ax: Any, curves: Sequence[Curve], log: bool) -> None:
    ax.set_xlim(0, max(curve.length for curve in curves))
    ax.xaxis.set_major_formatter(lambda update, _: short(update))
    ax.set_ylabel("level")
    if log and any(curve.survey.levels.any() for curve in curves):
        ax.set_yscale("log", nonpositive="mask")
    else:
        high = max(float(curve.survey.levels.max()) for curve in curves)
        ax.set_ylim(0, 1.06 * (high or 1.0))
    peaks = {curve.peak for curve in curves}
    peak = peaks.pop() if len(peaks) == 1 else None
    if peak:  # one value at level 1 for all: a second scale on the right
        right = ax.secondary_yaxis(
            "right", functions=(lambda level: level * peak, lambda value: value / peak)
        )
        key = curves[0].row.rpartition(": ")[2]
        right.set_ylabel("learning rate" if key in ("", "lr") else key)
        right.yaxis.set_major_formatter(lambda value, _: rate(value))
