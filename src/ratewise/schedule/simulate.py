"""What a listening schedule would have done to metrics that were recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratewise.schedule.base import Schedule
from ratewise.schedule.errors import ScheduleError, paired, shorten, whole
from ratewise.schedule.feedback import State
from ratewise.schedule.machine import Machine, offset


@dataclass(frozen=True)
class Decision:
    """One decision of a listening move.

    Attributes:
        update: Update from which it holds.
        move: The move, as text.
        scale: The multiplier from there on.
    """

    update: int
    move: str
    scale: float


@dataclass(frozen=True)
class Simulation:
    """A run of a listening schedule on recorded metrics.

    Attributes:
        schedule: The open-loop schedule that the run followed.
        decisions: What was decided, in order.
        log: The record of the run, for `replay`.
        stops: Update at which the run may end, or None.
    """

    schedule: Schedule
    decisions: tuple[Decision, ...]
    log: State
    stops: int | None

    def values(self, n: int | None = None) -> NDArray[np.float64]:
        """Return the levels of the run, float64[n]."""
        return self.schedule.values(n)


def simulate(schedule: Schedule, metrics: Any) -> Simulation:
    """Return what a schedule, resolved, would have done to `metrics`."""
    machine = schedule.machine()
    state, stops = machine.init(), None
    for t, values in _ordered(metrics):
        state = machine.observe(state, t, values)
        if stops is None and machine.stops(state, t):
            stops = t
    return Simulation(
        schedule=machine.replay(machine.log(state)),
        decisions=tuple(sorted(_decisions(machine, state), key=lambda d: d.update)),
        log=machine.log(state),
        stops=stops,
    )


def _ordered(metrics: Any) -> list[tuple[int, Mapping[str, Any]]]:
    pairs = paired(metrics)
    if pairs is None:
        fix = 'write [(100, {"val_loss": 1.2}), …]'
        raise ScheduleError(f"simulate({shorten(metrics)})", "needs updates with metrics", fix)
    last = -1
    for t, values in pairs:
        who = f"simulate(… {shorten((t, values))} …)"
        if not isinstance(values, Mapping):
            raise ScheduleError(who, "needs metrics by name", 'write (100, {"val_loss": 1.2})')
        if whole(who, "the update", t) < last:
            raise ScheduleError(who, f"comes behind update {last}", "sort them by update")
        last = t
    return pairs


def _decisions(machine: Machine, state: State) -> list[Decision]:
    found: list[Decision] = []
    for path, move in machine.moves.items():
        first = offset(machine.schedule, path)
        for t, scale in state["moves"][path]["decisions"]:
            found.append(Decision(first + t, repr(move), scale))
    return found
