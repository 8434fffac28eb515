"""What every written file says at its top, and what a target is told."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ratewise._printable import printable
from ratewise.convert.targets._quote import comment
from ratewise.schedule import Plan, Schedule
from ratewise.schedule.errors import Fix, ScheduleError

WIDTH = 98
LONGEST = 10_000
"""Characters of the text of a plan, or of a note, that are told at the top of a file."""


@dataclass(frozen=True)
class WritingJob:
    """A plan to be written.

    Attributes:
        plan: The plan, every length in updates.
        text: The schedule or plan as the user wrote it.
        total: Updates in the run, where it has an end.
        approximate: Whether the nearest that the target can say will do.
    """

    plan: Plan
    text: str
    total: int | None
    approximate: bool


@dataclass(frozen=True)
class Target:
    """What a plan can be written as.

    Attributes:
        name: What `target=` calls it.
        what: What it is, in a few words.
        write: Returns the text.
    """

    name: str
    what: str
    write: Callable[[WritingJob], str]


def levels_of(plan: Plan, group: str | None = None) -> dict[str, tuple[Schedule, float | None]]:
    """Return (schedule, peak or None) by key, for a group or for all others."""
    own = plan.groups[group] if group is not None else None
    schedules = {**plan.schedules(), **(own.schedules() if own else {})}
    peaks = {**plan.peak, **(own.peak if own else {})}
    return {key: (schedule, peaks.get(key)) for key, schedule in schedules.items()}


def about(job: WritingJob) -> list[str]:
    """Return what a reader should know of the schedule: its text, its length, its notes."""
    lines = textwrap.wrap(_cut(job.text), WIDTH - 6, break_on_hyphens=False)
    out = ["", *("    " + line for line in lines), ""]
    if job.total is not None:
        out += [f"The run has {job.total:,} update{'s' * (job.total != 1)}.", ""]
    for note in job.plan.notes:
        first, *rest = textwrap.wrap(_cut(note), WIDTH - 10) or [""]
        out += [f"Note: {first}", *(f"      {line}" for line in rest)]
    return [*out, ""] if job.plan.notes else out


def _cut(text: str) -> str:
    text = printable(" ".join(text.split()))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def header(title: str, job: WritingJob, use: Iterable[str]) -> str:
    return comment([title, *about(job), *use])


def file(*parts: str) -> str:
    """Return parts of a file with two empty lines between them."""
    return "\n\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def only_rate(job: WritingJob, target: str, group_fix: str) -> tuple[Schedule | None, list[str]]:
    """Return the schedule of the rate and what was left out."""
    others = [key for key in job.plan.schedules() if key != "lr"]
    others += [f"groups[{name!r}]" for name in job.plan.groups]
    if others and not job.approximate:
        rule = f"schedules {', '.join(others)}, which {target} cannot"
        fix = Fix(f"{group_fix}, or {{approximate}} to leave it out", approximate="True")
        raise ScheduleError("The plan", rule, fix)
    if job.plan.lr is None:
        fix = "give it lr=…, or write it for torch"
        raise ScheduleError("The plan", f"has no schedule of the rate, for {target}", fix)
    return job.plan.lr, [f"Left out: {', '.join(others)}."] if others else []
