"""Rates that are of no family: straight lines from point to point, as few as will do."""

from __future__ import annotations

import numpy as np

from ratewise.audit import families as of
from ratewise.audit._shapes_candidate import Candidate
from ratewise.audit._shapes_fit import Points
from ratewise.audit.families import tidy
from ratewise.schedule import Piecewise

CLOSE = 2e-3
"""How far the lines may be from the points, as a share of the peak."""
MOST_LINES = 200


def phases(points: Points, firsts: tuple[int, ...]) -> list[Candidate]:
    """Return straight lines through a log, each as long as the points allow."""
    first = firsts[0]
    peak = tidy(float(points.rates.max()))
    slack = np.maximum(points.tolerance, CLOSE * peak)
    knots = _knots(points, slack)
    while len(knots) > MOST_LINES:
        slack = slack * 2
        knots = _knots(points, slack)
    t = np.maximum(points.steps[knots] - first, 0).astype(int)
    levels = {int(x): tidy(float(r) / peak) for x, r in zip(t, points.rates[knots], strict=True)}
    if 0 not in levels:
        levels = {0: levels[int(t[0])], **levels}
    shape = Piecewise(levels, shape="linear")
    note = "no family of schedules explains it; straight lines between its points are given"
    floor = tidy(float(points.rates[-1]))
    return [
        Candidate(of.PHASES, shape, peak, first, 100.0, 0, floor, notes=(note,)).measured(points)
    ]


def _knots(points: Points, slack: np.ndarray) -> list[int]:
    """Return the points between which the log is straight."""
    steps, rates = points.steps, points.rates
    knots, i, n = [0], 0, len(steps)
    while i < n - 1:
        low, high, last = -np.inf, np.inf, i + 1
        for j in range(i + 1, n):
            width = steps[j] - steps[i]
            slope = (rates[j] - rates[i]) / width
            if low <= slope <= high:
                last = j
            low = max(low, (rates[j] - slack[j] - rates[i]) / width)
            high = min(high, (rates[j] + slack[j] - rates[i]) / width)
            if low > high:
                break
        knots.append(last)
        i = last
    return knots
