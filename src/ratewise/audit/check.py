"""Before training: the plan that a config will really be followed by, and the traps in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ratewise.audit._scripts import arguments_in
from ratewise.audit._traps import PeakRange, Situation, Trap, traps_in
from ratewise.convert.reading import read_source
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.lengths import Horizon
from ratewise.schedule.strict import strict


@dataclass(frozen=True)
class Check:
    """What will happen in a run.

    Args:
        source: What was checked.
        format: What it was read as.
        plan: The plan that will be followed.
        total: Updates in the run, None if nothing says it.
        traps: What is seldom meant.
        notes: What the reader of the config says, what it left out among it.
    """

    source: str
    format: str
    plan: Plan
    total: int | None
    traps: tuple[Trap, ...]
    notes: tuple[str, ...]

    @property
    def clean(self) -> bool:
        """Whether there is no trap but minor ones."""
        return all(trap.minor for trap in self.traps)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types."""
        traps = [{"kind": trap.kind, "sentence": trap.sentence, "fix": trap.fix,
                  "minor": trap.minor} for trap in self.traps]  # fmt: skip
        return {"source": self.source, "format": self.format, "plan": repr(_plain(self.plan)),
                "total": self.total, "clean": self.clean, "traps": traps,
                "notes": list(self.notes)}  # fmt: skip

    def __str__(self) -> str:
        total = "an unknown number of" if self.total is None else f"{self.total:,}"
        lines = [f"{self.source}: read as {self.format}", f"  plan: {_plain(self.plan)!r}",
                 f"  run: {total} updates"]  # fmt: skip
        for trap in self.traps:
            lines.append(f"  {'note' if trap.minor else 'TRAP'} {trap.kind}: {trap.sentence}")
            lines.append(f"    {trap.fix}")
        lines += [f"  reader: {note}" for note in self.notes]
        lines.append("  no trap found" if self.clean else f"  {_count(self.traps)} found")
        return "\n".join(lines)


def _count(traps: tuple[Trap, ...]) -> str:
    n = sum(not trap.minor for trap in traps)
    return "1 trap" if n == 1 else f"{n} traps"


def _plain(plan: Plan) -> Plan:
    return replace(plan, notes=())


@strict
def check(
    source: Any,
    *,
    peaks: PeakRange | None = None,
    **told: Any,
) -> Check:
    """Return the plan that a config will be followed by, and the traps in it.

    Nothing is run. Of a Python script that is no config, the arguments of a Trainer are read where
    they are written out.

    Args:
        source: The path of a config or script; or whatever else `ratewise.convert.read` takes.
        peaks: What is published for this task.
        **told: The run's facts, as of `ratewise.convert.read`: `total`, `epochs`, `batch_size`,
            `accumulation`, `processes`, `examples`, `lr`, …

    Raises:
        ScheduleError: it cannot be read.

    >>> found = check({"lr_scheduler_type": "linear", "warmup_steps": 900, "max_steps": 600})
    >>> [trap.kind for trap in found.traps if not trap.minor]
    ['peak_not_reached']
    """
    content, more = _content(source)
    given = {name: value for name, value in told.items() if value is not None}
    stated = _own_total(content, given)
    try:
        reading = read_source(content, **given)
        total = reading.total
    except ScheduleError as error:
        told_total = Horizon.of(given.get("total"), None, None, None).total
        if stated is None or told_total in (None, stated):
            raise _unreadable(content, error) from None
        reading, total = read_source(content, **_without_total(given)), told_total
    if reading.epoch is not None:
        given["epoch"] = reading.epoch
    facts = Situation(content, given, reading, stated, total)
    traps = list(traps_in(facts, peaks))
    name = str(source) if isinstance(source, str | Path) else "the config"
    notes = (*reading.plan.notes, *more)
    return Check(name, reading.format.what, reading.plan, total, tuple(traps), notes)


def _content(source: Any) -> tuple[Any, tuple[str, ...]]:
    """Return what is read: a config as it is, a script by the arguments that it gives a Trainer."""
    if not isinstance(source, Path):
        return source, ()
    if source.suffix != ".py":
        return source, ()
    found = arguments_in(source)
    if found is None:
        return source, ()
    arguments, note = found
    return arguments, (note,)


def _unreadable(source: Any, error: ScheduleError) -> ScheduleError:
    """Return the error, of a script with what can be done about it."""
    if not isinstance(source, Path) or source.suffix != ".py":
        return error
    rule = f"is a script in which no schedule is written out, and nothing of it is run ({error})"
    return ScheduleError(
        f"File {str(source)!r}", rule.replace(".)", ")"),
        "give the config that it reads, or the schedule as text",
    )  # fmt: skip


def _without_total(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in ("total", "epochs")}


def _own_total(content: Any, given: Mapping[str, Any]) -> int | None:
    """Return the length of the run that the config has in mind, if nobody tells another."""
    if "total" not in given:
        return None
    try:
        return read_source(content, **_without_total(given)).total
    except ScheduleError:
        return None
