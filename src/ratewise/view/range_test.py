"""A range test: as a figure, and as a curve for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ratewise._arrays import Floats
from ratewise.view.format import format_rate
from ratewise.view.style import COLOURS, GREY, new_figure, open_frame, plain_text, written
from ratewise.view.terminal import Canvas

MARKS = {"steepest": (COLOURS[2], "--"), "minimum": (COLOURS[0], "-"), "onset": (COLOURS[1], ":")}
"""Colour and line of each mark: told apart in grey, too."""

HEIGHT = 15
FEWEST_COLUMNS = 10
"""Columns that a tick with its number needs."""


class LossCurve(NamedTuple):
    """Losses by rate: float64[k] each."""

    rates: Floats
    losses: Any


@plain_text
def draw(
    sweeps: Sequence[LossCurve],
    curve: LossCurve | None,
    marks: Mapping[str, tuple[float, float, float]],
    use: float | None,
    title: str,
) -> Any:
    """Return the losses of every sweep in grey, the curve, its marks and their intervals.

    Args:
        sweeps: Measured losses, one sweep per seed.
        curve: The smooth curve through them, if there is one.
        marks: Rate of "steepest", "minimum" and "onset", and the ends of its interval.
        use: The suggested peak, if there is one.
        title: What stands above.
    """
    figure = new_figure(8.0, 4.2)
    axes = figure.subplots()
    for sweep in sweeps:
        axes.plot(*sweep, color=GREY, alpha=0.35, linewidth=0.9)
    if curve is not None:
        axes.plot(*curve, color="#000000", linewidth=2.0, label="smoothed loss")
        low, high = float(curve.losses.min()), float(curve.losses.max())
        room = 0.15 * (high - low) or 1.0  # around the curve: single losses may be far above it
        axes.set_ylim(low - room, high + room)
    for name, (rate, low, high) in marks.items():
        colour, line = MARKS[name]
        axes.axvspan(low, high, color=colour, alpha=0.12, linewidth=0)
        label = f"{name} {format_rate(rate, 2)}"
        axes.axvline(rate, color=colour, linestyle=line, linewidth=1.4, label=label)
    if use is not None and curve is not None:
        label = f"use {format_rate(use)}"
        axes.plot(use, _loss_at(curve, use), "o", color=COLOURS[3], label=label)
    axes.set_xscale("log")
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss")
    axes.set_title(written(title), loc="left", fontsize=10, wrap=True)
    open_frame(axes)
    if axes.get_legend_handles_labels()[0]:
        figure.legend(frameon=False, fontsize=9, loc="outside lower center", ncols=5)
    return figure


def draw_text(
    curve: LossCurve, marks: Mapping[str, float], key: str, width: int, colour: bool
) -> str:
    """Return the curve with a letter at each mark, and the key to the letters below."""
    canvas = Canvas(width, HEIGHT, colour)
    at = np.log10(curve.rates)
    every = max(len(at) // (4 * width), 1)
    canvas.line(at[::every], curve.losses[::every], place=0)
    for letter, rate in marks.items():
        canvas.draw([float(np.log10(rate))], [_loss_at(curve, rate)], letter)
    _rates_across(canvas, float(at[0]), float(at[-1]))
    canvas.losses_up(float(curve.losses.min()), float(curve.losses.max()))
    return "\n".join([*canvas.lines(), *([key] if key else [])])


def _rates_across(canvas: Canvas, first: float, last: float) -> None:
    powers = list(range(int(np.ceil(first - 1e-9)), int(np.floor(last + 1e-9)) + 1))
    every = -(-len(powers) * FEWEST_COLUMNS // canvas.width) or 1
    ticks = powers[::every]
    across = canvas.figure.ruler("x")
    across.lim(first, last)
    across.ticks([float(power) for power in ticks], [format_rate(10.0**power) for power in ticks])
    canvas.figure.label("learning rate", "x")


def _loss_at(curve: LossCurve, rate: float) -> float:
    return float(np.interp(np.log10(rate), np.log10(curve.rates), curve.losses))
