"""What a framework measures, passed on to schedulers that listen; and a run begun again."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from ratewise.adapters.torch.clock import Clock
from ratewise.adapters.torch.groups import put
from ratewise.adapters.torch.scheduler import Scheduler
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import nearest

_TYPO = 0.8  # likeness from which a name is taken for another one, misspelt


def clock_of(scheduler: Scheduler) -> Clock:
    """Return the clock of a scheduler."""
    return scheduler._clock  # pyright: ignore[reportPrivateUsage]


def wanted(scheduler: Scheduler) -> set[str]:
    """Return the names of the metrics that a scheduler listens to."""
    return set(clock_of(scheduler).listeners.metrics())


def show(scheduler: Scheduler, metrics: Mapping[str, Any]) -> None:
    """Show a scheduler those metrics that it listens to.

    A framework measures in several places, each at its own time, so that a name may be missing
    here and come from elsewhere. Whether it comes at all is for `check` to say.
    """
    names = wanted(scheduler)
    known = {name: value for name, value in metrics.items() if name in names}
    if known:
        for one in clock_of(scheduler).listeners.by_place.values():
            one.state = {**one.state, "seen": sorted({*one.state["seen"], *names})}
        scheduler.observe(known)


def check(
    scheduler: Scheduler, seen: Collection[str], *, typos: Collection[str] = (), sure: bool = False
) -> None:
    """Refuse a metric that nothing measures.

    Args:
        scheduler: The scheduler that listens.
        seen: Names of everything measured so far.
        typos: Names that a misspelt one may have meant; such a one is refused at once.
        sure: Whether everything has been measured once, so that what is missing never comes.
    """
    for move in _moves(scheduler):
        if move.metric in seen:
            continue
        if sure or difflib.get_close_matches(move.metric, typos, n=1, cutoff=_TYPO):
            rule = f"waits for {move.metric}, but measured were {', '.join(sorted(seen))}"
            raise ScheduleError(repr(move), rule, nearest(move.metric, seen))


def _moves(scheduler: Scheduler) -> list[Any]:
    listeners = clock_of(scheduler).listeners.by_place.values()
    return [move for one in listeners for move in one.machine.moves.values()]


def rewind(scheduler: Scheduler) -> None:
    """Take a schedule off its optimizer and put back the values that it found there."""
    clock = clock_of(scheduler)
    for member in clock.snapshot():
        for key, place in member.places.items():
            if member.group is not None and key in member.read:
                put(member.group, *place, member.read[key])
    scheduler.detach()
