"""What was chosen, why, and what it cost."""

from __future__ import annotations

import json
import math
import textwrap
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

import numpy as np

from ratewise._arrays import Floats
from ratewise._json import plain
from ratewise._printable import printable
from ratewise.advise import Advice
from ratewise.choose import report
from ratewise.choose.handover import TaskOptimizer
from ratewise.choose.search import Expected, Trial
from ratewise.compare.comparison import Comparison
from ratewise.compare.verdict import Verdict, judge
from ratewise.range_test import RangeTestResult
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.show.files import write_folder
from ratewise.view.format import format_rate

if TYPE_CHECKING:
    from os import PathLike

    from ratewise.view.choice import ChoicePanels


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
        expected: What is expected of every schedule at every peak, the best first.
        spent: Updates by stage: "find", "probe", "search", "prove".
        budget: Updates that might have been trained.
        exhaustive: Updates that training everything with every seed would take.
        advice: The advice that it began with.
        found: The range test, or None if peaks were given.
        stopped: Why the search ended.
        notes: What else there is to know, each a sentence.
        next_steps: What would be worth trying next, each a sentence.
        optimizer: The task's own optimizer, with which it was measured.
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
    optimizer: TaskOptimizer = field(default_factory=TaskOptimizer, repr=False)

    @property
    def plan(self) -> Plan:
        """The schedule with its peak, and that of each group that has another.

        It is for the optimizer that the task makes: on that, every group has the rates that were
        measured. Of what is no rate it changes nothing.
        """
        return self.optimizer.plan(self.schedule, self.peak)

    @cached_property
    def verdict(self) -> Verdict:
        """What the repeats allow to say: the winner with its margin, or who is within noise."""
        proof = self.proof
        told = proof.standings, proof.metric, proof.higher_is_better
        return judge(*told, searched=True, context=proof.context)

    @property
    def metric(self) -> float:
        """Mean final metric over the seeds; NaN if nothing finished."""
        return next((one.mean for one in self.proof.standings if one.name == self.name), math.nan)

    @property
    def trained(self) -> int:
        """Updates that were trained, range test and repeats included."""
        return sum(self.spent.values())

    def rates(self) -> Floats:
        """Return the learning rate of every update, of the group where it is largest.

        Returns float64[total].
        """
        return self.peak * self.schedule.resolve(self.total).values()

    def code(self, target: str = "torch") -> str:
        """Return the plan as source code of a framework, to be pasted.

        It is for the optimizer that the task makes, and says which that is.

        Args:
            target: "torch", "transformers", "keras", "optax", "lightning" or "deepspeed".

        Raises:
            ScheduleError: no such target, or it cannot express the plan: groups at rates
                of their own are for "torch", "transformers" and "lightning".
        """
        from ratewise.convert import write

        return write(self.plan, target, total=self.total)

    def report(self, width: int | None = None, colour: bool | None = None) -> str:
        """Return the whole story as text, with pictures for the terminal.

        Args:
            width: Columns; left out, as wide as the terminal, at most 120.
            colour: Whether to use colours; left out, if standard output is a terminal.
        """
        from ratewise.show import show
        from ratewise.view.terminal import read_screen

        width, colour = read_screen(width, colour)
        pictures = {report.PICK: show(self.plan, self.total).text(width, colour)}
        if self.found is not None and self.found.rate is not None:
            pictures[report.WHERE] = self.found.text(width, colour)
        parts: list[str] = []
        for title, told in self.chapters().items():
            lines = map(printable, told)
            as_is = [line if line[:1] == " " else textwrap.fill(line, width) for line in lines]
            picture = [pictures[title], ""] if title in pictures else []
            parts += [title, "=" * len(title), *as_is, "", *picture]
        return "\n".join(parts).rstrip() + "\n"

    def chapters(self) -> dict[str, list[str]]:
        """Return the story as paragraphs by title; those that begin with a blank are set as is."""
        proof, verdict = self.proof, self.verdict
        first = report.headline(self.name, self.peak, self.total)
        tried = report.searched(self.trials, proof.metric, proof.higher_is_better)
        return {
            report.PICK: report.pick(first, self.schedule, proof, self.metric, verdict.text),
            report.WHERE: report.where(self.expected, self.found, self.notes),
            report.SEARCH: [*tried, *report.ending(self.stopped), self._cost],
            report.PROOF: report.proved(proof, verdict),
            report.REST: report.rest(self.expected, self.next_steps),
            report.USE: self.optimizer.use(self.schedule, self.peak, self.total),
        }

    def figure(self) -> Any:
        """Return a `matplotlib.figure.Figure`: the range test, the search, the proof, the pick.

        Raises:
            ImportError: matplotlib is not installed.
        """
        from ratewise.view.choice import draw

        return draw(self._panels())

    def html(self) -> str:
        """Return the report as one page with its figure, to be kept or sent."""
        return self._page(self._png())

    def save(self, folder: str | PathLike[str]) -> None:
        """Write report.html, choice.json and figure.png into a folder that is made for it.

        Raises:
            ScheduleError: it is there already and is not empty, or cannot be written.
        """
        picture = self._png()
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        files = {"choice.json": f"{text}\n".encode(), "report.html": self._page(picture).encode()}
        if picture is not None:
            files["figure.png"] = picture
        write_folder(f"Choice.save({str(folder)!r})", folder, files)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types; numbers that are not finite become None."""
        fields = {
            "name": self.name,
            "schedule": str(self.schedule),
            "peak": self.peak,
            "total": self.total,
            "plan": self.plan.to_dict(),
            "metric": self.proof.metric,
            "value": self.metric,
            "verdict": self.verdict.text,
            "within": self.verdict.within,
            "trials": self.trials,
            "expected": self.expected,
            "spent": self.spent,
            "budget": self.budget,
            "exhaustive": self.exhaustive,
            "stopped": self.stopped,
            "notes": self.notes,
            "next_steps": self.next_steps,
            "find": None if self.found is None else self.found.to_dict(),
            "proof": self.proof.to_dict(),
        }
        return plain(fields)

    def __str__(self) -> str:
        lines = [
            printable(f"Use {report.headline(self.name, self.peak, self.total)}"),
            f"  {self.schedule}",
            "",
            self.proof.table(),
            "",
            str(self.verdict),
            *map(printable, self.notes),
            *(report.ending(self.stopped) or [""]),
            self._cost,
        ]
        if self.next_steps:
            lines += ["Worth trying next:", *(f"  {printable(step)}" for step in self.next_steps)]
        return printable("\n".join(lines), keep="\n")

    @property
    def _cost(self) -> str:
        return report.cost(self.spent, self.budget, self.exhaustive)

    def _page(self, picture: bytes | None) -> str:
        from ratewise.view.page import page

        try:
            code = self.code("torch")
        except ScheduleError as error:
            code = f"# {error}"
        heading, legend = f"{self.name} at {self.peak:g}", "Range test, search, proof and schedule"
        source = ("As PyTorch code", code)
        return page(self.name, heading, picture, legend, self.chapters().items(), source)

    def _png(self) -> bytes | None:
        """Return the figure as a file, or None without matplotlib."""
        from ratewise.view.style import to_bytes

        try:
            return to_bytes(self.figure(), 110)
        except ImportError:
            return None

    def _panels(self) -> ChoicePanels:
        from ratewise.view.choice import ChoicePanels, ExpectedCurve, TrialPoint
        from ratewise.view.comparison import Ranked

        curves: list[ExpectedCurve] = []
        names = dict.fromkeys([self.name, *(one.name for one in self.expected)])
        for name in names:
            mine = sorted((o for o in self.expected if o.name == name), key=lambda o: o.peak)
            rows = np.array([(one.peak, one.metric, one.spread) for one in mine])
            curves.append(ExpectedCurve(name, *rows.T))
        spent = accumulate((one.updates for one in self.trials), initial=self.spent.get("find", 0))
        trials = [
            TrialPoint(one.name, one.peak, after, one.metric, one.expected, one.spread)
            for one, after in zip(self.trials, list(spent)[1:], strict=True)
        ]
        proof, verdict = self.proof, self.verdict
        return ChoicePanels(
            title=f"“{self.name}” at {format_rate(self.peak)}.  {verdict.text}",
            metric=proof.metric,
            higher_is_better=proof.higher_is_better,
            curves=curves,
            trials=trials,
            suggested=None if self.found is None else self.found.rate,
            finalists=[Ranked(o.name, o.peak, o.values, o.mean) for o in proof.standings],
            margin=verdict.margin,
            rates=self.rates(),
            schedule=str(self.schedule),
        )


class ChoiceInterrupted(KeyboardInterrupt):
    """A choice stopped by hand; `choice` holds what is known so far."""

    def __init__(self, choice: Choice) -> None:
        super().__init__(f"stopped after {choice.trained:,} updates; see this exception's .choice")
        self.choice = choice
