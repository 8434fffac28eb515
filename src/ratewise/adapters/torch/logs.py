"""What is logged of an optimizer's groups."""

from __future__ import annotations

from typing import Any

from ratewise.adapters.torch.clock import Clock
from ratewise.adapters.torch.groups import Member
from ratewise.adapters.torch.scheduler import Scheduler, synced_clock_of


def rates_of_groups(scheduler: Scheduler) -> dict[str, float]:
    """Return the rate that each group used last by its name, or its place where it has none.

    All are called by their places where a name is that of two. Empty where one rate is that
    of all groups, whatever the update.
    """
    clock = synced_clock_of(scheduler)
    groups = scheduler.optimizer.param_groups
    if len({_followed(clock, member, "lr") for member in clock.members}) < 2:
        return {}
    places = [str(i) for i in range(len(groups))]
    given = [group.get("name") for group in groups]
    names = [at if name is None else str(name) for at, name in zip(places, given, strict=True)]
    keys = names if len(set(names)) == len(names) else places
    return dict(zip(keys, map(float, scheduler.get_last_lr()), strict=True))


def _followed(clock: Clock, member: Member, key: str) -> tuple[Any, float]:
    """Return what makes the values of a group's key: those of equal ones are always equal."""
    if key not in member.places:
        return None, float((member.group or {})[key])
    return id(clock.used.parts(member.entry)[key][0]), member.peak[key]
