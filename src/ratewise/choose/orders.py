"""What a search asks for, what it expects, and why it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from ratewise.runs.specs import RunSpec


@dataclass(frozen=True)
class Order:
    """A list of runs that is to be trained.

    Args:
        runs: The runs.
        before: Updates that were trained before them.
        expected: Updates that they ought to take.
        cuts: Updates of each behind which its state is kept.
    """

    runs: Sequence[RunSpec]
    before: int
    expected: int
    cuts: Sequence[Sequence[int]]


@dataclass(frozen=True)
class Expected:
    """What is expected of a schedule at a peak, trained or not.

    Args:
        name: Name of the schedule.
        peak: Peak learning rate.
        metric: Final metric, expected or measured with the seed of the search.
        spread: Standard deviation of it; 0 where it was measured.
        trained: Whether it was measured.
    """

    name: str
    peak: float
    metric: float
    spread: float
    trained: bool


class Ending(Enum):
    """Why a search ended, in words that follow "as"."""

    EVERYTHING = "everything was trained"
    BUDGET = "the budget is spent"
    NOISE = "no other run promises more than retrain noise"
    BY_HAND = "it was stopped by hand"
