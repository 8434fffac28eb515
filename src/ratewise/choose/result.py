"""What was chosen, why, and what it cost."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ratewise.advise import Advice
from ratewise.choose.search import ScheduleSearch, Trial
from ratewise.compare.comparison import Comparison
from ratewise.compare.verdict import ONE_PEAK, Verdict
from ratewise.range_test import RangeTestResult
from ratewise.schedule import Plan, Schedule

if TYPE_CHECKING:
    from os import PathLike


@dataclass(frozen=True)
class Expected:
    """What is believed of a schedule at a peak, trained or not.

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


@dataclass(frozen=True, eq=False)
class Choice:
    """The schedule to use, at which peak, and the evidence; `print(choice)` tells it.

    Args:
        name: Name of the schedule.
        schedule: The schedule.
        peak: Its peak learning rate.
        total: Updates in a run.
        proof: The finalists, each at its own best peak, over the seeds.
        trials: What was trained to find them, in order.
        expected: What is believed of every schedule at every peak, the best first.
        spent: Updates by stage: "find", "probe", "search", "prove".
        budget: Updates that might have been trained.
        exhaustive: Updates that training everything with every seed would take.
        advice: The advice that it began with.
        found: The range test, or None if peaks were given.
        stopped: Why the search ended.
        notes: What else there is to know, each a sentence.
        next_steps: What would be worth trying next, each a sentence.
    """

    name: str
    schedule: Schedule
    peak: float
    total: int
    proof: Comparison = field(repr=False)
    trials: tuple[Trial, ...] = field(repr=False)
    expected: tuple[Expected, ...] = field(repr=False)
    spent: dict[str, int]
    budget: int
    exhaustive: int
    advice: Advice = field(repr=False)
    found: RangeTestResult | None = field(repr=False)
    stopped: str
    notes: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        campaign: ScheduleSearch,
        advice: Advice,
        found: RangeTestResult | None,
        interrupted: bool = False,
    ) -> Choice:
        """Return what a campaign comes to, or has come to so far."""
        from ratewise.choose.summary import conclude

        return cls(**conclude(campaign, interrupted), advice=advice, found=found)

    @property
    def plan(self) -> Plan:
        """The schedule with its peak."""
        return Plan(lr=self.schedule, peak={"lr": self.peak})

    @property
    def verdict(self) -> Verdict:
        """What the repeats allow to say: the winner with its margin, or who is within noise."""
        told = self.proof.verdict
        return replace(told, advice=tuple(one for one in told.advice if one != ONE_PEAK))

    @property
    def metric(self) -> float:
        """Mean final metric over the seeds; NaN if nothing finished."""
        return next((one.mean for one in self.proof.standings if one.name == self.name), math.nan)

    @property
    def trained(self) -> int:
        """Updates that were trained, range test and repeats included."""
        return sum(self.spent.values())

    def rates(self) -> NDArray[np.float64]:
        """Return the learning rate of every update, float64[total]."""
        return self.peak * self.schedule.resolve(self.total).values()

    def code(self, target: str = "torch") -> str:
        """Return the schedule as source code of a framework, to be pasted.

        Args:
            target: "torch", "transformers", "keras", "optax", "lightning" or "deepspeed".

        Raises:
            ScheduleError: no such target, or it cannot express the schedule.
        """
        from ratewise.convert import write

        return write(self.plan, target, total=self.total)

    def report(self, width: int | None = None, colour: bool | None = None) -> str:
        """Return the whole story as text, with pictures for the terminal.

        Args:
            width: Columns; left out, as wide as the terminal, at most 120.
            colour: Whether to use colours; left out, if standard output is a terminal.
        """
        from ratewise.choose.report import told

        return told(self, width, colour)

    def figure(self) -> Any:
        """Return a `matplotlib.figure.Figure`: the range test, the search, the proof, the pick.

        Raises:
            ImportError: matplotlib is not installed.
        """
        from ratewise.view.choice import draw

        return draw(self)

    def html(self) -> str:
        """Return the report as one page with its figure, to be kept or sent."""
        from ratewise.view.page import page

        return page(self)

    def save(self, folder: str | PathLike[str]) -> None:
        """Write report.html, choice.json and figure.png into a folder that is made for it.

        Raises:
            ScheduleError: it is there already and is not empty, or cannot be written.
        """
        from ratewise.view.page import save

        save(self, folder)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types; numbers that are not finite become None."""
        from ratewise.choose.summary import as_dict

        return as_dict(self)

    def __str__(self) -> str:
        from ratewise.choose.summary import summary

        return summary(self)


class ChoiceInterrupted(KeyboardInterrupt):
    """A choice stopped by hand; `choice` holds what is known so far."""

    def __init__(self, choice: Choice) -> None:
        super().__init__(f"stopped after {choice.trained:,} updates; see this exception's .choice")
        self.choice = choice
