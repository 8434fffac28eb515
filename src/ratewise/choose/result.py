"""What was chosen, why, and what it cost."""

from __future__ import annotations

import json
import math
import textwrap
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ratewise._arrays import Floats
from ratewise._json import plain
from ratewise._printable import printable
from ratewise.advise import Advice
from ratewise.choose import report
from ratewise.choose.gain import Gain, gain_over
from ratewise.choose.handover import TaskOptimizer
from ratewise.choose.orders import Ending, Expected
from ratewise.choose.own import OwnSettings
from ratewise.choose.provenance import Provenance
from ratewise.choose.refusal import ChoiceRefusal
from ratewise.choose.search import SURE, Trial
from ratewise.compare.comparison import Comparison
from ratewise.compare.verdict import Verdict
from ratewise.range_test import RangeTestResult
from ratewise.runs.records import Record
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
        spent: Updates by stage: "find", "own", "probe", "search", "prove".
        budget: Updates that might have been trained.
        exhaustive: Updates that training everything with every seed would take.
        advice: The advice that it began with.
        found: The range test, or None if peaks were given.
        stopped: Why the search ended.
        notes: What else there is to know, each a sentence.
        next_steps: What would be worth trying next, each a sentence.
        optimizer: The task's own optimizer, with which it was measured.
        own: What the task does of its own accord, which took part in the proof; None if it has no
            rate of its own.
        runs: Every run that was trained to its end, or broke on its way, with its losses.
        made: Where it comes from: the call, the versions, when and how long.
        refusal: Why nothing is recommended, or None: where something was learned, or it is not
            known. The best of what was tried is `schedule` all the same.
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
    own: OwnSettings | None = field(default=None, repr=False)
    refusal: ChoiceRefusal | None = None
    runs: tuple[Record, ...] = field(default=(), repr=False)
    made: Provenance | None = field(default=None, repr=False)

    @property
    def plan(self) -> Plan:
        """The schedule with its peak, and that of each group that has another.

        It is for the optimizer that the task makes: on that, every group has the rates that were
        measured. Of what is no rate it changes nothing.
        """
        plan = self.optimizer.plan(self.schedule, self.peak)
        if self.refusal is None:
            return plan
        return replace(plan, notes=(f"No recommendation. {self.refusal.text}", *plan.notes))

    @cached_property
    def gain(self) -> Gain | None:
        """How much better the best finalist is than the task's own settings; None without any."""
        proof = self.proof
        if self.own is None or self.own.name not in {run.name for run in proof.runs}:
            return None
        told = proof.standings, proof.metric, proof.higher_is_better
        return gain_over(self.own.name, *told, level=SURE, look=proof.level)

    @cached_property
    def verdict(self) -> Verdict:
        """What the repeats allow to say: the gain, and the winner or who is within noise."""
        verdict, gain = self.proof.verdict, self.gain
        if gain is None:
            return verdict
        why = " ".join(filter(None, (verdict.text, verdict.why)))
        advice = dict.fromkeys(filter(None, (gain.advice, *verdict.advice)))
        return replace(verdict, text=gain.text, why=why, advice=tuple(advice))

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

    def scheduler(self, optimizer: Any, **options: Any) -> Any:
        """Return a `ratewise.torch.Scheduler` that gives an optimizer what was measured.

        Args:
            optimizer: An optimizer of PyTorch, made as in the task.
            **options: Of `Scheduler`; the total is that of the choice if not given.
        """
        options = {"total": self.total, **options}
        return self.optimizer.scheduler(optimizer, self.schedule, self.peak, **options)

    def attach(self, target: Any, **options: Any) -> Any:
        """Make a Trainer of Transformers, or a module of Lightning, follow what was measured.

        Args:
            target: A Trainer or a module, made as in the task, before it is trained.
            **options: Of `ratewise.transformers.attach` or `ratewise.lightning.attach`; the total
                is that of the choice if not given.

        Returns what that returns.

        Raises:
            ScheduleError: it is neither of the two.
        """
        options = {"total": self.total, **options}
        return self.optimizer.attach(target, self.schedule, self.peak, **options)

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
        pick = report.pick(self._headline, self.schedule, proof, self.metric, verdict.text)
        own = next(iter(self._own_runs), None)
        tried = report.searched(self.trials, proof.metric, proof.higher_is_better, own)
        return {
            report.PICK: [*self._refused, *pick],
            report.WHERE: report.where(self.expected, self.found, self.notes),
            report.SEARCH: [*tried, *report.ending(self.stopped), self._cost],
            report.PROOF: report.proved(proof, verdict),
            report.REST: report.rest(self.expected, self.next_steps),
            report.USE: self.optimizer.use(self.schedule, self.peak, self.total),
        }

    @property
    def _headline(self) -> str:
        """What to use, or what was best where nothing is recommended."""
        own = self.own is not None and self.name == self.own.name
        sure = self.gain is None or math.isnan(self.gain.low) or self.gain.sure
        told = self.name, self.peak, self.total
        line = report.headline(*told, own=own, sure=sure, refused=self.refusal is not None)
        return report.so_far(line) if self.stopped == Ending.BY_HAND.value else line

    @property
    def _refused(self) -> list[str]:
        """Why nothing is recommended and what to try, or nothing."""
        if self.refusal is None:
            return []
        return report.refused(self.refusal.text, self.refusal.lines(self.proof.context))

    @property
    def _own_runs(self) -> list[Record]:
        """The runs of the task's own settings, with the seed of the search first."""
        name = None if self.own is None else self.own.name
        return [run for run in self.proof.runs if run.name == name]

    @property
    def _own_values(self) -> list[float]:
        return [run.metrics[self.proof.metric] for run in self._own_runs]

    def figure(self) -> Any:
        """Return a `matplotlib.figure.Figure`: the range test, the search, the proof, the pick.

        Raises:
            ImportError: matplotlib is not installed.
        """
        from ratewise.view.choice import draw

        return draw(self._panels())

    def html(self) -> str:
        """Return the report as one page, to be kept or sent: nothing in it needs a server."""
        from ratewise.choose.page import chapters, foot
        from ratewise.view.page import page

        told = chapters(self, self._headline, self._panels())
        return page(self._title, self._title, told, foot(self.made))

    def _repr_html_(self) -> str:
        from ratewise.choose.page import inline
        from ratewise.view import blocks

        return blocks.inline(inline(self, self._headline, self._panels()))

    def save(self, folder: str | PathLike[str]) -> None:
        """Write report.html, choice.json and figure.png into a folder that is made for it.

        Raises:
            ScheduleError: it is there already and is not empty, or cannot be written.
        """
        picture = self._png()
        text = json.dumps(self.to_dict(), indent=1, allow_nan=False)
        files = {"choice.json": f"{text}\n".encode(), "report.html": self.html().encode()}
        if picture is not None:
            files["figure.png"] = picture
        write_folder(f"Choice.save({str(folder)!r})", folder, files)

    def asked_by(self, command: str) -> Choice:
        """Return the same, made by a command that its report names."""
        if self.made is None:
            return self
        return replace(self, made=replace(self.made, command=command))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON types; numbers that are not finite become None."""
        proof = self.proof
        fields = {
            "name": self.name,
            "schedule": str(self.schedule),
            "peak": self.peak,
            "total": self.total,
            "plan": self._plan_as_dict(),
            "optimizer": self.optimizer,
            "use": self.optimizer.snippet(self.schedule, self.peak, self.total),
            "own": None if self.own is None else {**self.own.to_dict(), "values": self._own_values},
            "gain": self.gain,
            "refusal": None if self.refusal is None else self.refusal.to_dict(proof.context),
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
        refused = self._refused
        lines = [
            *refused,
            *([""] if refused else []),
            printable(self._headline),
            f"  {self.schedule}",
            "",
            self.proof.table(),
            "",
            str(self.verdict),
            *map(printable, self.notes),
            *(report.ending(self.stopped) or [""]),
            self._cost,
        ]
        if self.next_steps and self.refusal is None:
            lines += ["Worth trying next:", *(f"  {printable(step)}" for step in self.next_steps)]
        return printable("\n".join(lines), keep="\n")

    def _plan_as_dict(self) -> dict[str, Any] | None:
        """Return the plan as JSON types; None if a function of Python is in it."""
        try:
            return self.plan.to_dict()
        except ScheduleError:
            return None

    @property
    def _cost(self) -> str:
        return report.cost(self.spent, self.budget, self.exhaustive)

    @property
    def _title(self) -> str:
        """What stands above the page and the figure."""
        if self.refusal is not None:
            return f"No recommendation. {self.refusal.text}"
        return f"“{self.name}” at {format_rate(self.peak)}.  {self.verdict.text}"

    def _png(self) -> bytes | None:
        """Return the figure as a file, or None without matplotlib."""
        from ratewise.view.style import to_bytes

        try:
            return to_bytes(self.figure(), 110)
        except ImportError:
            return None

    def _panels(self) -> ChoicePanels:
        from ratewise.choose.pictures import curves, points
        from ratewise.view.choice import ChoicePanels
        from ratewise.view.comparison import Ranked

        proof, verdict = self.proof, self.verdict
        begun = self.spent.get("find", 0) + self.spent.get("own", 0)
        return ChoicePanels(
            title=self._title,
            metric=proof.metric,
            higher_is_better=proof.higher_is_better,
            curves=curves(self.name, self.expected),
            trials=points(self.trials, begun),
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
