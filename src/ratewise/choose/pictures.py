"""What a search has seen and expects, as the numbers that its figure draws."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from ratewise.choose.search import Expected, Trial
from ratewise.view.choice import ExpectedCurve, TrialPoint


def curves(first: str, expected: Sequence[Expected]) -> list[ExpectedCurve]:
    """Return what each schedule is expected to end at over its peaks, one of them first.

    What the task does of its own accord has one peak, and no curve.
    """
    found: list[ExpectedCurve] = []
    for name in dict.fromkeys([first, *(one.name for one in expected)]):
        mine = sorted((one for one in expected if one.name == name), key=lambda one: one.peak)
        if mine:
            rows = np.array([(one.peak, one.metric, one.spread) for one in mine])
            found.append(ExpectedCurve(name, *rows.T))
    return found


def points(trials: Sequence[Trial], begun: int) -> list[TrialPoint]:
    """Return the runs of a search, with what was spent when each ended, from so much on."""
    spent = list(accumulate((one.updates for one in trials), initial=begun))
    return [
        TrialPoint(one.name, one.peak, after, one.metric, one.expected, one.spread)
        for one, after in zip(trials, spent[1:], strict=True)
    ]
