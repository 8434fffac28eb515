"""A range test as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ratewise._extras import require
from ratewise.view.terminal import COLOURS
from ratewise.view.ticks import rate as spell

if TYPE_CHECKING:
    from ratewise.range_test.result import RangeTestResult

HEIGHT = 15
FEWEST_COLUMNS = 10
"""Columns that a tick with its number needs."""


def draw(found: RangeTestResult, width: int, colour: bool) -> str:
    """Return the curve with a letter at each mark: s steepest, m minimum, o onset, * the peak."""
    plotext = require("plotext", extra="plot")
    # A figure of our own: the one that plotext keeps for its users is theirs.
    figure = type(plotext.figure)(type(plotext.terminal)().limit(False, False))
    figure.plot_size(width, HEIGHT)
    figure.theme("colorless")
    at, curve = np.log10(found.rates), found.curve
    every = max(len(at) // (4 * width), 1)
    marker = plotext.marker("braille", COLOURS[0]) if colour else plotext.marker("braille")
    line = figure.signal(at[::every].tolist(), curve[::every].tolist(), marker=marker)
    figure.draw(line.lines())
    for letter, rate in _marked(found).items():
        place = float(np.log10(rate))
        height = float(np.interp(place, at, curve))
        figure.draw(figure.signal([place], [height], marker=plotext.marker(letter)))
    _axes(figure, at, curve, width)
    text = figure.build().string(not colour)
    key = ["s steepest  m minimum  o onset  * to use"] if found.rate is not None else []
    return "\n".join([*(line.rstrip() for line in text.splitlines()), *key])


def _marked(found: RangeTestResult) -> dict[str, float]:
    named = {"s": found.steepest, "m": found.minimum, "o": found.onset}
    marks = {letter: mark.rate for letter, mark in named.items() if mark is not None}
    return marks if found.rate is None else {**marks, "*": found.rate}


def _axes(figure: Any, at: Any, curve: Any, width: int) -> None:
    first, last = float(at[0]), float(at[-1])
    figure.ruler("x").lim(first, last)
    powers = list(range(int(np.ceil(first - 1e-9)), int(np.floor(last + 1e-9)) + 1))
    every = -(-len(powers) * FEWEST_COLUMNS // width) or 1
    ticks = powers[::every]
    figure.ruler("x").ticks([float(power) for power in ticks], [spell(10.0**p) for p in ticks])
    low, high = float(curve.min()), float(curve.max())
    figure.ruler("y").lim(low, high if high > low else low + 1)
    heights = np.linspace(low, high, 4).tolist()
    figure.ruler("y").ticks(heights, [f"{height:.4g}" for height in heights])
    figure.label("learning rate", "x")
    figure.label("loss", "y")
