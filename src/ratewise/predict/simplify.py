"""A curve of levels, written down as a short schedule."""

from __future__ import annotations

import numpy as np

from ratewise._arrays import Floats
from ratewise.schedule import Piecewise, ScheduleError

DIGITS = 4
"""Digits that positions and levels are written with."""

LOW = 0.25
"""Level below which errors no longer count by the level itself."""


def written(x: Floats, y: Floats, within: float) -> Piecewise:
    """Return straight lines through as few of the points as keep all the others within an error.

    The point that is furthest off is added until none is, and what is not needed for that in the
    end is taken out again; the ends and the peak are always there. Positions become shares of the
    move, so that the schedule fits a run of any length.

    Args:
        x: Positions in [0, 1], float[n], strictly rising from 0 to 1.
        y: Levels in [0, inf), float[n].
        within: How far a level may be off, as a share of itself, or of 0.25 if it is below;
            in [0.001, inf).

    >>> x = np.linspace(0, 1, 101)
    >>> written(x, np.minimum(1, 2 - 2 * x), 0.01)
    Piecewise({0: 1, "50%": 1, "100%": 0}, shape="linear")
    """
    if within < 1e-3:
        rule = f"needs within in [0.001, inf), got {within}"
        raise ScheduleError("written", rule, f"levels are written with {DIGITS} digits")
    x = np.round(x, DIGITS)
    y = np.round(y, DIGITS)
    allowed = within * np.maximum(y, LOW)

    def excess(kept: list[int]) -> Floats:
        return np.abs(np.interp(x, x[kept], y[kept]) - y) / allowed

    needed = {0, int(y.argmax()), len(x) - 1}
    kept = sorted(needed)
    while (off := excess(kept)).max() > 1:
        kept = sorted({*kept, int(off.argmax())})
    for i in [i for i in kept if i not in needed]:
        fewer = [j for j in kept if j != i]
        kept = fewer if excess(fewer).max() <= 1 else kept
    points = {f"{100 * x[i]:.2f}%": float(y[i]) for i in kept}
    return Piecewise(points, shape="linear")
