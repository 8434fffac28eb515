"""The groups of an optimizer, when a schedule takes it on."""

from __future__ import annotations

from torch.optim import Optimizer

from ratewise.adapters.torch.groups import Member, check_levels_matter, check_names, join_member
from ratewise.adapters.torch.source import Source
from ratewise.schedule import ScheduleError


def read_members(optimizer: Optimizer, source: Source, bound: bool) -> list[Member]:
    """Return a member for each group of an optimizer that a schedule takes on.

    Raises:
        ScheduleError: it has a schedule or no groups; an unknown group, a key that is always 0.
    """
    groups, defaults = optimizer.param_groups, optimizer.defaults
    if bound:
        rule = f"found a schedule on this {type(optimizer).__name__}"
        fix = "call detach() on its scheduler, Scheduler.of(optimizer), first"
        raise ScheduleError("Scheduler", rule, fix)
    if not groups:
        rule = f"found no groups in this {type(optimizer).__name__}"
        raise ScheduleError("Scheduler", rule, "add the parameters first")
    check_names(source.plan, groups)
    fresh = not optimizer.state
    members = [join_member(source, group, i, fresh, defaults) for i, group in enumerate(groups)]
    if fresh:
        check_levels_matter(members, defaults)
    return members
