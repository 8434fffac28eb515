"""A range test: as a figure, and as a curve for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ratewise._arrays import Floats
from ratewise.view.figures import INKED, Axis, Chart, ChartMark, ChartSeries
from ratewise.view.format import format_rate
from ratewise.view.on_paper import paper_figure
from ratewise.view.terminal import Canvas

MARKS = {"steepest": 2, "minimum": 0, "onset": 1}
"""Place of each mark in the palette."""

SWEEPS = "measured, a line for each seed"

HEIGHT = 15
FEWEST_COLUMNS = 10
"""Columns that a tick with its number needs."""


class LossCurve(NamedTuple):
    """Losses by rate: float64[k] each."""

    rates: Floats
    losses: Any


def chart(
    sweeps: Sequence[LossCurve],
    curve: LossCurve | None,
    marks: Mapping[str, tuple[float, float, float]],
    use: float | None,
    title: str,
) -> Chart:
    """Return the losses of every sweep in grey, the curve, its marks and their intervals.

    Args:
        sweeps: Measured losses, one sweep per seed.
        curve: The smooth curve through them, if there is one.
        marks: Rate of "steepest", "minimum" and "onset", and the ends of its interval.
        use: The suggested peak, if there is one.
        title: What stands above.
    """
    drawn = [
        ChartSeries(SWEEPS, one.rates, np.asarray(one.losses), place=None, thin=True, keyed=not i)
        for i, one in enumerate(sweeps)
    ]
    low = high = None
    if curve is not None:
        drawn.append(
            ChartSeries("smoothed loss", curve.rates, np.asarray(curve.losses), place=INKED)
        )
        low, high = float(curve.losses.min()), float(curve.losses.max())
        room = 0.15 * (high - low) or 1.0  # around the curve: single losses may be far above it
        low, high = low - room, high + room
    if use is not None and curve is not None:
        at = np.array([use]), np.array([_loss_at(curve, use)])
        drawn.append(ChartSeries(f"use {format_rate(use)}", *at, "dots", 3))
    named = [
        ChartMark(rate, f"{name} {format_rate(rate, 2)}", False, start, end, MARKS[name])
        for name, (rate, start, end) in marks.items()
    ]
    across = Axis("learning rate", True, form="rate")
    up = Axis("training loss", False, low, high)
    return Chart(title, across, up, drawn, named, "Shaded: intervals of 90 %.", 0.46)


def paper(made: Chart) -> Any:
    """Return `chart(…)` as a `matplotlib.figure.Figure`."""
    return paper_figure([replace(made, title="\n".join(textwrap.wrap(made.title, 84)))])


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
