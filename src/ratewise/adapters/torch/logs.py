"""What is logged of an optimizer's groups."""

from __future__ import annotations

from ratewise.adapters.torch.scheduler import Scheduler, synced_clock_of


def rates_of_groups(scheduler: Scheduler) -> dict[str, float]:
    """Return the rate that each group used last by its name, or its place where that is none.

    Empty where one rate is that of all groups, whatever the update.
    """
    clock = synced_clock_of(scheduler)
    groups = scheduler.optimizer.param_groups
    if len({clock.follows(member, "lr") for member in clock.members}) < 2:
        return {}
    names = [group.get("name") for group in groups]
    rates = map(float, scheduler.get_last_lr())
    return {
        str(i) if name is None or names.count(name) > 1 else str(name): rate
        for i, (name, rate) in enumerate(zip(names, rates, strict=True))
    }
