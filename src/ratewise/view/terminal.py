"""The terminal: how wide it is, whether it has colours, and a canvas to draw curves on."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any, TextIO

import numpy as np

from ratewise._extras import require
from ratewise.view.format import format_count
from ratewise.view.style import TERMINAL_COLOURS, spaced

NARROWEST, WIDEST = 40, 120


def is_coloured(stream: TextIO | None) -> bool:
    """Return whether to write colours: to a terminal that can, unless NO_COLOR is set."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream is not None and stream.isatty()  # it is None where it was closed


def read_screen(width: int | None, colour: bool | None) -> tuple[int, bool]:
    """Return the columns to draw in, and whether in colours.

    Args:
        width: Columns, at least 40; left out, those of the terminal (or COLUMNS), at most 120, and
            80 without one.
        colour: Left out, whether standard output shows colours.
    """
    if width is None:
        width = min(shutil.get_terminal_size((80, 24)).columns, WIDEST)
    return max(width, NARROWEST), is_coloured(sys.stdout) if colour is None else colour


class Canvas:
    """A plot made of characters."""

    def __init__(self, width: int, height: int, colour: bool) -> None:
        self.library: Any = require("plotext", extra="plot")
        # A figure of our own: the one that plotext keeps for its users is theirs.
        terminal = type(self.library.terminal)().limit(False, False)
        self.figure: Any = type(self.library.figure)(terminal)
        self.figure.plot_size(width, height)
        self.figure.theme("colorless")
        self.width, self.colour = width, colour

    def draw(self, x: Any, y: Any, marker: str = "braille", place: int | None = None) -> None:
        """Draw points with a marker; `place` gives them a colour, if there are colours."""
        self.figure.draw(self._signal(x, y, marker, place))

    def line(self, x: Any, y: Any, marker: str = "braille", place: int | None = None) -> None:
        """Draw a line through points with a marker."""
        self.figure.draw(self._signal(x, y, marker, place).lines())

    def _signal(self, x: Any, y: Any, marker: str, place: int | None) -> Any:
        colours = () if place is None or not self.colour else (terminal_colour(place),)
        made = self.library.marker(marker, *colours)
        return self.figure.signal(np.asarray(x).tolist(), np.asarray(y).tolist(), marker=made)

    def updates_across(self, length: int) -> None:
        """Let the axis across be the updates of a run."""
        across = spaced(length, max(self.width // 16, 2), whole=True)
        self.figure.ruler("x").lim(0, length)
        self.figure.ruler("x").ticks(across, [format_count(update) for update in across])
        self.figure.label("update", "x")

    def losses_up(self, low: float, high: float) -> None:
        """Let the axis up be losses, with four numbers."""
        heights = np.linspace(low, high, 4).tolist()
        self.figure.ruler("y").lim(low, high if high > low else low + 1)
        self.figure.ruler("y").ticks(heights, [f"{height:.4g}" for height in heights])
        self.figure.label("loss", "y")

    def lines(self) -> list[str]:
        """Return what was drawn, a text for each row of characters."""
        text = self.figure.build().string(not self.colour)
        return [line.rstrip() for line in text.splitlines()]


def terminal_colour(place: int) -> int:
    """Return the colour of a curve, of the 256 of a terminal."""
    return TERMINAL_COLOURS[place % len(TERMINAL_COLOURS)]
