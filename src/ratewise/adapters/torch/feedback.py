"""Schedules that listen, at work in a run: the machine, and the state it has come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratewise.adapters.torch.source import Source
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import shorten

States = dict[str, dict[str, Any]]


class Listener:
    """A listening schedule and what it has heard; it has `values` like any schedule."""

    def __init__(self, schedule: Schedule) -> None:
        self.machine = schedule.machine()
        self.state = self.machine.init()

    def values(self, n: int, start: int = 0) -> NDArray[np.float64]:
        """Return the levels of updates start … start+n-1, as far as is known now."""
        return np.array([self.machine.level(self.state, t) for t in range(start, start + n)])


class Listeners:
    """The listening schedules of a plan, by where they stand in it: "lr", "head/lr"."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.by_place: dict[str, Listener] = {}
        self._by_schedule: dict[int, Listener] = {}
        for place, schedule in _schedules(source.plan).items():
            if schedule.listens:
                self._by_schedule[id(schedule)] = self.by_place[place] = Listener(schedule)

    def __bool__(self) -> bool:
        return bool(self.by_place)

    def view(self, schedule: Schedule) -> Schedule | Listener:
        """Return what gives the levels of a schedule."""
        return self._by_schedule.get(id(schedule), schedule)

    def metrics(self) -> list[str]:
        """Return the names of the metrics that are listened to."""
        moves = [m for one in self.by_place.values() for m in one.machine.moves.values()]
        return sorted({move.metric for move in moves})

    def observe(self, t: int, metrics: Mapping[str, Any]) -> None:
        """Show all of them what was measured when `t` updates had been made; all or none."""
        new = {p: o.machine.observe(o.state, t, metrics) for p, o in self.by_place.items()}
        for place, state in new.items():
            self.by_place[place].state = state

    def finished(self, t: int) -> bool:
        """Whether one of them has come to the end of the run."""
        return any(one.machine.stops(one.state, t) for one in self.by_place.values())

    def states(self) -> States:
        """Return their states, primitives only."""
        return {place: one.state for place, one in self.by_place.items()}

    def restore(self, states: States) -> None:
        """Take up saved states.

        Raises:
            ScheduleError: they are of other schedules; nothing is changed.
        """
        for place, one in self.by_place.items():
            saved = states.get(place, {})
            if not isinstance(saved.get("moves"), dict) or set(saved["moves"]) != set(
                one.machine.moves
            ):
                rule = f"got a state that is damaged: 'listening' holds {shorten(saved)}"
                raise ScheduleError("Scheduler.load_state_dict", rule, "load another checkpoint")
        for place, one in self.by_place.items():
            one.state = states[place]

    def replayed(self) -> Plan:
        """Return the open-loop plan that the run has followed."""
        import dataclasses

        plan = self.source.plan
        done = {p: o.machine.replay(o.machine.log(o.state)) for p, o in self.by_place.items()}

        def change(part: Plan, prefix: str) -> dict[str, Any]:
            own = {k: done.get(prefix + k, s) for k, s in part.schedules().items()}
            keys = {k: own.pop(k) for k in part.keys}
            return {**own, "keys": keys}

        groups = {
            name: dataclasses.replace(part, **change(part, f"{name}/"))
            for name, part in plan.groups.items()
        }
        return dataclasses.replace(plan, **change(plan, ""), groups=groups)


def _schedules(plan: Plan) -> dict[str, Schedule]:
    found = dict(plan.schedules())
    for name, part in plan.groups.items():
        found.update({f"{name}/{key}": schedule for key, schedule in part.schedules().items()})
    return found
