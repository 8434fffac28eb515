"""The look of every picture: colours, dashes, frames, and where the ticks of an axis are."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np

from ratewise._extras import require
from ratewise._printable import printable

# Okabe & Ito 2008: told apart with every kind of colour vision. Yellow is left out, it fades on
# white. The dashes say it a second time.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DARK_COLOURS = ("#5CB3F0", "#FF8A47", "#34C79B", "#E79AC6", "#9AD7F7", "#F5BC4D", "#EDEDED")
"""The same on a dark page, where the first would be too dim."""
DASH_LENGTHS: tuple[tuple[float, ...], ...] = ((), (6, 2), (2, 1.5), (6, 2, 1.5, 2))
DASHES: tuple[Any, ...] = tuple((0, one) if one else "-" for one in DASH_LENGTHS)
GREY = "#666666"
INK = "#303030"
BAND = {"color": "#000000", "alpha": 0.07, "linewidth": 0}
"""What lies in it is within noise."""

TERMINAL_COLOURS = (32, 208, 36, 175, 74, 220, 160, 245)
"""The same of the 256 that terminals have."""

POINTS = 2_000
"""Points of a curve at most: more cannot be seen."""


P = ParamSpec("P")


def new_figure(width: float, height: float, **options: Any) -> Any:
    """Return an empty `matplotlib.figure.Figure`, of so many inches.

    Raises:
        ImportError: matplotlib is not installed.
    """
    require("matplotlib", extra="plot")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", **options)


def plain_text(draw: Callable[P, Any]) -> Callable[P, Any]:
    """Return a function that makes a figure, whose texts are no TeX, whatever the user has set.

    With `text.usetex` every text is run by TeX, names of others too, and TeX reads files.
    """

    @functools.wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Any:
        require("matplotlib", extra="plot")
        import matplotlib
        from matplotlib.text import Text

        with matplotlib.rc_context({"text.usetex": False}):
            figure = draw(*args, **kwargs)
            for text in figure.findobj(Text):
                text.set_usetex(False)
        return figure

    return drawn


def to_bytes(figure: Any, dpi: int, ending: str = "png") -> bytes:
    """Return a figure as the content of a file; one that fails leaves no half of a file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=ending, dpi=dpi)
    return buffer.getvalue()


def thinned(n: int, most: int = POINTS) -> Any:
    """Return which points to draw: the first, the last, and evenly many between."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(np.int64))


def written(text: str) -> str:
    r"""Return a text of others as it is drawn: no mathematics, and left out of no legend.

    >>> print(written("5$ and 6$"), written("_mine"))
    5\$ and 6\$  _mine
    """
    text = printable(text, keep="\n").replace("$", "\\$")
    return f" {text}" if text.startswith("_") else text


def open_frame(axes: Any) -> None:
    """Leave two of the four sides of a frame."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def tidy(axes: Any) -> None:
    """Leave two of the four sides of a frame, in grey, with small numbers and thin lines."""
    open_frame(axes)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#909090")
    axes.tick_params(which="both", labelsize=8, color="#909090", labelcolor=INK)
    axes.grid(axis="x", color="#E4E4E4", linewidth=0.6)
    axes.set_axisbelow(True)


def better(higher_is_better: bool) -> str:
    """Return which way a metric is better, for its axis."""
    return "more is better" if higher_is_better else "less is better"


def spaced(high: float, count: int, *, whole: bool = False) -> list[float]:
    """Return round numbers from 0 up to at most `high`, about `count` of them, evenly spaced.

    >>> spaced(1000, 5), spaced(1.0, 4)
    ([0.0, 200.0, 400.0, 600.0, 800.0, 1000.0], [0.0, 0.25, 0.5, 0.75, 1.0])
    """
    if not high > 0:
        return [0.0]
    least = high / max(count, 1)
    power = 10.0 ** math.floor(math.log10(least))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= least * (1 - 1e-9))
    if whole:
        step = max(math.ceil(step), 1)
    return [i * step for i in range(math.floor(high / step * (1 + 1e-9)) + 1)]


def decades(low: float, high: float) -> list[float]:
    """Return the powers of ten in [low, high]; with fewer than two, the ends.

    >>> decades(0.01, 1.0)
    [0.01, 0.1, 1.0]
    """
    first = math.ceil(math.log10(low) - 1e-9)
    last = math.floor(math.log10(high) + 1e-9)
    powers = [float(f"1e{i}") for i in range(first, last + 1)]
    return powers if len(powers) > 1 else [low, high]
