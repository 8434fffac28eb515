"""Measured and predicted curves as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ratewise._extras import require
from ratewise.view.comparison import thinned
from ratewise.view.prediction import frame
from ratewise.view.terminal import COLOURS
from ratewise.view.ticks import short, spaced

if TYPE_CHECKING:
    from ratewise.predict.result import Fit, Prediction

HEIGHT = 16
LETTERS = "abc"
"""Predictions that are drawn, the best three."""


def draw(fit: Fit, predictions: Sequence[Prediction], width: int, colour: bool) -> str:
    """Return the losses of the runs as dots, and the best predictions with a letter at the end."""
    plotext = require("plotext", extra="plot")
    # A figure of our own: the one that plotext keeps for its users is theirs.
    figure = type(plotext.figure)(type(plotext.terminal)().limit(False, False))
    figure.plot_size(width, HEIGHT)
    figure.theme("colorless")
    shown = predictions[: len(LETTERS)]
    low, high = frame(fit.curves, shown)
    for curve in fit.curves:
        at = thinned(len(np.asarray(curve.steps)), 2 * width)
        steps, losses = np.asarray(curve.steps)[at], np.asarray(curve.losses)[at]
        _add(figure, steps, losses, high, plotext.marker("braille"))
    for place, one in reversed(list(enumerate(shown))):
        at = thinned(len(one.losses), 2 * width)
        marker = plotext.marker("braille", COLOURS[place]) if colour else plotext.marker("braille")
        _add(figure, at + 1.0, one.losses[at], high, marker, lines=True)
        end = figure.signal([len(one.losses)], [one.loss], marker=plotext.marker(LETTERS[place]))
        figure.draw(end)
    length = max(len(part) for part in [*(c.every_rate for c in fit.curves),
                                        *(one.rates for one in shown)])  # fmt: skip
    _axes(figure, length, low, high, width)
    text = figure.build().string(not colour)
    keys = "  ".join(f"{letter} {one.name}" for letter, one in zip(LETTERS, shown, strict=False))
    return "\n".join([*(line.rstrip() for line in text.splitlines()), f"dots: measured  {keys}"])


def _add(figure: Any, x: Any, y: Any, high: float, marker: Any, lines: bool = False) -> None:
    seen = y <= high
    if seen.any():
        signal = figure.signal(x[seen].tolist(), y[seen].tolist(), marker=marker)
        figure.draw(signal.lines() if lines else signal)


def _axes(figure: Any, length: int, low: float, high: float, width: int) -> None:
    across = spaced(length, max(width // 16, 2), whole=True)
    figure.ruler("x").lim(0, length)
    figure.ruler("x").ticks(across, [short(update) for update in across])
    heights = np.linspace(low, high, 4).tolist()
    figure.ruler("y").lim(low, high)
    figure.ruler("y").ticks(heights, [f"{height:.4g}" for height in heights])
    figure.label("update", "x")
    figure.label("loss", "y")
