"""What an audit has found."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ratewise._arrays import Floats
from ratewise._json import plain
from ratewise._printable import printable
from ratewise.audit.recorded import Recorded
from ratewise.schedule import ScheduleError
from ratewise.view.format import format_rate

if TYPE_CHECKING:
    from ratewise.audit.health import Finding
    from ratewise.audit.inference import Inferred

EXPLAINED = 0.985
"""Share that a cause explains behind which no other schedule is looked for."""

CONVENTIONS = {
    "this": "the rate that the last update used",
    "next": "the rate of the update to come",
    "later": "the rate after the update to come, as a counter from 0 has it",
    "": "either the rate used or the next one; they are equal here",
}
"""What stands beside a step of the log."""


@dataclass(frozen=True)
class Departure:
    """One recorded rate that is not the one meant.

    Args:
        update: The update, counted from 0.
        step: What the log counts there.
        recorded: The rate in the log.
        intended: The rate that was meant.
        group: Name of the group, "" for the only one.
    """

    update: int
    step: int
    recorded: float
    intended: float
    group: str = ""

    def __str__(self) -> str:
        where = f" of {self.group}" if self.group else ""
        return (
            f"update {self.update:,}{where} has {format_rate(self.recorded)} "
            f"in place of {format_rate(self.intended)}"
        )


@dataclass(frozen=True)
class Cause:
    """A mistake that explains a log.

    Args:
        kind: Its word, see the page of audits; two at once are joined by "+".
        parameters: What it says, by name: `{"k": 2}`.
        share: Share of the recorded rates that it explains, in [0, 1].
        assumed: What it had to assume; 1 is about one free choice.
        evidence: Some rows of the log that the plan does not explain, and what the cause expects.
        fix: What to do, in the user's framework.
    """

    kind: str
    parameters: Mapping[str, Any]
    share: float
    assumed: float
    evidence: tuple[tuple[int, float, float], ...] = ()
    fix: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """The words of the mistakes, one or two."""
        return tuple(self.kind.split("+"))

    @property
    def score(self) -> float:
        """What it is ranked by: the share explained, less a hundredth for each assumption."""
        return self.share - 0.01 * self.assumed

    def __str__(self) -> str:
        told = ", ".join(f"{name} {_shown(value)}" for name, value in self.parameters.items())
        words = self.kind.replace("_", " ").replace("+", " and ")
        told = f" ({told})" if told else ""
        return f"{words}{told}: explains {self.share:.1%} of the log"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


@dataclass(frozen=True, eq=False)
class Audit:
    """What a run did, held against what it was meant to do; `print(audit)` tells it.

    Args:
        agrees: Whether the log shows the rates that were meant; None where it cannot tell, or
            where there is no plan.
        undecided: What cannot be told from the log, and what to log; "" if nothing is open.
        causes: The mistakes that explain it, the best first; none where it agrees.
        first: The first recorded rate that departs from the plan, or None.
        largest: The one farthest from it, or None.
        share: Share of the recorded rates that are as meant; NaN without a plan.
        convention: What stands beside a step of the log: "this", "next", "later", or "" where
            that makes no difference.
        notes: What was assumed, and what is right but worth knowing.
        recorded: The log as it was read.
        intended: The rates that were meant beside its rows, float64[rows, groups], or None.
        expected: The rates that the first cause expects there, or None.
        departs: Which rows depart, bool[rows].
        total: Updates of the run that the plan was held against, or None.
    """

    agrees: bool | None
    undecided: str
    causes: tuple[Cause, ...]
    first: Departure | None
    largest: Departure | None
    share: float
    convention: str
    notes: tuple[str, ...]
    recorded: Recorded = field(repr=False)
    intended: Floats | None = field(default=None, repr=False)
    expected: Floats | None = field(default=None, repr=False)
    departs: Any = field(default=None, repr=False)
    total: int | None = None

    @cached_property
    def inferred(self) -> Inferred | None:
        """The schedule that reproduces the log; None where the plan, or a cause, does."""
        if self.agrees or (self.causes and self.causes[0].share >= EXPLAINED):
            return None
        from ratewise.audit.inference import infer

        try:
            return infer(self.recorded)
        except ScheduleError:  # too few rates to tell
            return None

    @cached_property
    def health(self) -> tuple[Finding, ...]:
        """What else the log shows of the run, each by a rule with its source."""
        from ratewise.audit.health import health

        meant = None if self.intended is None else self.intended[:, 0]
        return tuple(health(self.recorded, meant))

    @property
    def cause(self) -> Cause | None:
        """The mistake that explains the log best, or None."""
        return self.causes[0] if self.causes else None

    def __str__(self) -> str:
        return printable("\n".join(self.lines()), keep="\n")

    def lines(self) -> list[str]:
        """Return what was found, in a few plain sentences."""
        said: list[str] = []
        if self.agrees:
            said.append("The run used the rates that were meant.")
        elif self.agrees is False:
            said.append(f"The run departs from the plan: {self.first}.")
            if self.largest is not None and self.largest != self.first:
                said.append(f"Farthest off, {self.largest}; {self.share:.1%} are as meant.")
            said += self._of_causes()
        if self.undecided:
            said.append(f"Undecided: {self.undecided}")
        if self.inferred is not None:
            seen = self.inferred
            how = "to the digit" if seen.exact else f"but for {seen.misfit:.2g} of the peak"
            said.append(f"What it did: {seen.spec}, {how}.")
            from ratewise.audit.inference import STOPS

            told = any(one.kind == "stopped_short" for one in self.health)
            notes = (one for one in seen.notes if not (told and one.startswith(STOPS)))
            said += map(_sentence, notes)
        said += [_sentence(one.sentence) for one in self.health]
        said += self.notes
        return said

    def _of_causes(self) -> list[str]:
        if not self.causes:
            return ["None of the known mistakes explains it."]
        best, *others = self.causes
        said = [f"Cause: {best}.", f"To mend it, {best.fix}."]
        if others:
            said.append("Or: " + "; ".join(str(one) for one in others[:2]) + ".")
        return said

    def to_dict(self) -> dict[str, Any]:
        """Return what was found as JSON types, without the rows of the log."""
        told = {
            "agrees": self.agrees,
            "undecided": self.undecided,
            "causes": self.causes,
            "first": self.first,
            "largest": self.largest,
            "share": self.share,
            "convention": self.convention,
            "total": self.total,
            "inferred": self.inferred,
            "health": self.health,
            "notes": self.notes,
            "log": {
                "rows": len(self.recorded.steps),
                "groups": self.recorded.groups,
                "digits": self.recorded.digits,
                "resumed": self.recorded.resumed,
                "kind": self.recorded.facts.get("kind", ""),
            },
        }
        return plain(told)

    def to_json(self) -> str:
        """Return the same as one line of JSON."""
        return json.dumps(self.to_dict(), allow_nan=False)

    def text(self, width: int | None = None, colour: bool | None = None) -> str:
        """Return the picture for a terminal, and the sentences.

        Args:
            width: Columns, at least 40; left out, as wide as the terminal, at most 120.
            colour: Whether to use colours; left out, if standard output is a terminal.
        """
        from ratewise.view.audit import draw_text
        from ratewise.view.terminal import read_screen

        width, colour = read_screen(width, colour)
        lines = [textwrap.fill(line, width) for line in str(self).splitlines()]
        return "\n".join([draw_text(self._series(), width, colour), *lines])

    def figure(self) -> Any:
        """Return a `matplotlib.figure.Figure`: recorded and intended rates, and the cause.

        Raises:
            ImportError: matplotlib is not installed.
        """
        from ratewise.view.audit import draw

        return draw(self._series(), self._title(), self._beside())

    def _repr_html_(self) -> str:
        from ratewise.view.audit import chart
        from ratewise.view.blocks import Prose, inline

        return inline([Prose(self.lines()), chart(self._series(), self._title())])

    def _series(self) -> Any:
        from ratewise.view.audit import RateSeries

        read = self.recorded
        return RateSeries(read.steps, read.rates, self.intended, self.departs, read.groups)

    def _title(self) -> str:
        if self.agrees:
            return "The run used the rates that were meant"
        if self.agrees is None:
            return "The rates of the run" if self.intended is None else "The log cannot tell"
        return (
            f"The run departs from the plan at update {self.first.update:,}" if self.first else ""
        )

    def _beside(self) -> str:
        if self.agrees is False and self.cause is not None:
            return f"{self.cause}\n{self.cause.fix}"
        return self.undecided


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."
