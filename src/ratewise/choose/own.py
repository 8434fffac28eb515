"""What a task does of its own accord: the settings that a choice has to be better than."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.choose.handover import TaskOptimizer
from ratewise.convert import read
from ratewise.runs.specs import RunSpec
from ratewise.schedule import Hold, Plan, Schedule, ScheduleError
from ratewise.schedule.given import read_plan
from ratewise.schedule.meant import groups_meant
from ratewise.tasks.calls import peak_of
from ratewise.tasks.failures import name_of, users_code
from ratewise.tasks.protocols import OwnSchedule

OWN = "your own settings"
"""What they are called, beside the names of the candidates."""

ALIKE = 1e-9
"""Relative difference up to which two groups follow one schedule."""


@dataclass(frozen=True)
class OwnSettings:
    """The task's own schedule at its own rate, over the run that is asked for.

    Args:
        schedule: The schedule.
        peak: The rate at its level 1, of the group where the task's rate is largest.
        name: What to call them.
        note: What to know of how they were found, a sentence, or "".
    """

    schedule: Schedule
    peak: float
    name: str = OWN
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return them as JSON types."""
        told = {"name": self.name, "schedule": str(self.schedule), "peak": self.peak}
        return {**told, "note": self.note}

    def run(self, total: int, seed: int) -> RunSpec:
        """Return the run of so many updates with a seed."""
        levels = self.schedule.resolve(total).values()
        return RunSpec(self.name, repr(self.schedule), self.peak, seed, self.peak * levels)


def own_settings(
    task: Any,
    total: int,
    optimizer: TaskOptimizer,
    told: Schedule | Plan | str | None,
    names: Any = (),
    **units: float | None,
) -> tuple[OwnSettings | None, str]:
    """Return what a task does if nothing is chosen, and a note where there is nothing or less.

    Args:
        task: The task.
        total: Updates in a run.
        optimizer: Its optimizer.
        told: What the user says it is, or None: then the task is asked.
        names: Names of the candidates, which are others.
        **units: Horizon of lengths in epochs, samples or tokens.

    Raises:
        ScheduleError: what the user says cannot be followed.
    """
    name = OWN if OWN not in names else f"{OWN} (of the task)"
    peak = peak_of(task)
    if told is not None:
        plan = read_plan("choose(own=…)", told, 'write own="Warmup(100) >> Linear(to=0)"')
        schedule, rate = _one(plan, optimizer, total, units)
        return _made(schedule, rate or peak, name, "")
    try:
        given = _asked(task, total)
        if given is None:
            return _made(Hold(), peak, name, "")
        if given.every is None:
            rule = "is stepped once per epoch, and the data do not say how long that is"
            raise ScheduleError("The task's own schedule", rule, "give {epoch}")
        more: dict[str, Any] = {} if given.lr is None else {"lr": given.lr}
        if given.every != 1:
            more |= {"interval": "epoch", "epoch": given.every}
        with users_code(name_of(task)):
            plan = read(given.source, total=total, **more)
        schedule, rate = _one(plan, optimizer, total, units)
    except ScheduleError as error:
        why = f"{error.who} {error.broken}"
        note = f"Your own schedule could not be read ({why}): a constant rate stands for it."
        return _made(Hold(), peak, name, note)
    others = sorted({*plan.schedules()} - {"lr"})
    note = f"Your own schedule moves {', '.join(others)} too, which it does not here."
    return _made(schedule, rate or peak, name, note if others else "")


def _asked(task: Any, total: int) -> OwnSchedule | None:
    """Return what the task says of its own schedule, if it can.

    Raises:
        TaskError: its code raised.
    """
    ask = getattr(task, "own_schedule", None)
    if not callable(ask):
        return None
    with users_code(name_of(task)):
        found: Any = ask(total)
    return None if found is None else OwnSchedule(*found)


def _made(
    schedule: Schedule, peak: float | None, name: str, note: str
) -> tuple[OwnSettings | None, str]:
    if not peak:
        return None, "The task has no rate of its own, so there is nothing to be better than."
    return OwnSettings(schedule, float(peak), name, note), note


def _one(
    plan: Plan, optimizer: TaskOptimizer, total: int, units: Mapping[str, float | None]
) -> tuple[Schedule, float | None]:
    """Return the schedule of the group whose rate is largest, and its peak if the plan has one.

    Raises:
        ScheduleError: it depends on metrics, is 0 throughout, or other groups follow others.
    """
    who = "The schedule"
    groups = optimizer.groups
    first = max(range(len(groups)), key=lambda i: groups[i].share) if groups else 0
    schedule, peak = _of_group(plan, first, optimizer)
    if not isinstance(schedule, Schedule):
        raise ScheduleError(who, "moves no learning rate", "give one that does")
    resolved = schedule.resolve(total, **units)
    levels = resolved.values()
    if not levels.any():
        raise ScheduleError(who, "is 0 throughout", "give one that is not")
    for i, group in enumerate(groups if plan.groups else ()):  # without, all keep their ratios
        other, rate = _of_group(plan, i, optimizer)
        wanted = (peak or 1.0) * group.share / groups[first].share * levels
        if not _follows(other, rate or (peak or 1.0) * group.share, wanted, total, units):
            rule = "gives groups schedules of their own, which one factor on all rates is not"
            raise ScheduleError(who, rule, "give all groups one")
    return _as_written(schedule, resolved, total), peak


def _as_written(schedule: Schedule, resolved: Schedule, total: int) -> Schedule:
    """Return a schedule as it is written, where the total alone says how long its moves are."""
    try:
        return schedule if schedule.resolve(total) == resolved else resolved
    except ScheduleError:  # an epoch, or how big an update is, has to be known
        return resolved


def _of_group(plan: Plan, index: int, optimizer: TaskOptimizer) -> tuple[Any, float | None]:
    """Return what a plan says of the rate of one group."""
    names = [group.name for group in optimizer.groups]
    for key, own in plan.groups.items():
        if index in groups_meant(key, names) and own.lr is not None:
            return own.lr, own.peak.get("lr")
    return plan.lr, plan.peak.get("lr")


def _follows(
    schedule: Any,
    peak: float,
    wanted: Floats,
    total: int,
    units: Mapping[str, float | None],
) -> bool:
    if not isinstance(schedule, Schedule):
        return False
    rates = peak * schedule.resolve(total, **units).values()
    close = ALIKE * max(float(np.abs(wanted).max()), 1e-300)
    return bool(np.allclose(rates, wanted, rtol=ALIKE, atol=close))
