"""Feedback schedules in a run: what they were shown, and where that has brought them.

One store for all frameworks. An adapter says when something was measured and where states are
kept; which metrics are wanted, whether one is misspelt and what was decided is settled here.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.schedule import Machine, Plan, Schedule
from ratewise.schedule.feedback import State
from ratewise.schedule.machine import never_measured
from ratewise.schedule.schema import a_dict, read_state

_TYPO = 0.8  # likeness from which a name is taken for another one, misspelt


def schedules_by_place(plan: Plan) -> dict[str, Schedule]:
    """Return the schedules of a plan by where they stand in it, "lr" or "head/lr"."""
    parts = {"": plan, **{f"{name}/": part for name, part in plan.groups.items()}}
    return {at + key: s for at, part in parts.items() for key, s in part.schedules().items()}


class Listener:
    """A feedback schedule and the state it has come to; it has `values` like any schedule."""

    def __init__(self, machine: Machine, state: State | None = None) -> None:
        self.machine = machine
        self.state = machine.init() if state is None else state

    def values(self, n: int, start: int = 0) -> Floats:
        """Return the levels of updates start … start+n-1, as far as is known now."""
        return np.array([self.machine.level(self.state, t) for t in range(start, start + n)])

    def ahead(self, n: int, start: int) -> Floats:
        """Return the same, all at once, for many updates."""
        return self.machine.ahead(self.state, start, n)

    def replayed(self) -> Schedule:
        """Return the open-loop schedule that was followed."""
        return self.machine.replay(self.machine.log(self.state))


class FeedbackStore:
    """The feedback schedules of a run, by where they stand in its plan."""

    def __init__(self, listeners: Mapping[str, Listener]) -> None:
        self.listeners = dict(listeners)

    def __bool__(self) -> bool:
        return bool(self.listeners)

    def metrics(self) -> list[str]:
        """Return the names of the metrics that are waited for."""
        return sorted({move.metric for move in self._moves()})

    def _moves(self) -> list[Any]:
        return [move for one in self.listeners.values() for move in one.machine.moves.values()]

    def observe(self, t: int, metrics: Mapping[str, Any]) -> None:
        """Show all of them what was measured when `t` updates had been made; all or none.

        Raises:
            ScheduleError: a name that is waited for has not come when others come again; a
                metric is no number.
        """
        new = {p: o.machine.observe(o.state, t, metrics) for p, o in self.listeners.items()}
        for place, state in new.items():
            self.listeners[place].state = state

    def expect_parts(self) -> None:
        """Take no metric that is missing for a misspelt one: the others come at other times.

        Whether all of them come is then for `check` to say.
        """
        names = self.metrics()
        for one in self.listeners.values():
            one.state = {**one.state, "seen": sorted({*one.state["seen"], *names})}

    def check(
        self, seen: Collection[str], *, typos: Collection[str] = (), sure: bool = True
    ) -> None:
        """Refuse a metric that nothing measures.

        Args:
            seen: Names of everything measured so far.
            typos: Names that a misspelt one may have meant; such a one is refused in any case.
            sure: Whether everything has been measured once, so that what is missing never comes.
        """
        for move in self._moves():
            if move.metric in seen:
                continue
            if sure or difflib.get_close_matches(move.metric, typos, n=1, cutoff=_TYPO):
                raise never_measured(move, seen)

    def stops(self, t: int) -> bool:
        """Whether a schedule that finds its own length has ended before update `t`."""
        return any(one.machine.stops(one.state, t) for one in self.listeners.values())

    def states(self) -> dict[str, State]:
        """Return their states by place, primitives only."""
        return {place: one.state for place, one in self.listeners.items()}

    def restore(self, who: str, states: Mapping[str, State]) -> None:
        """Take up saved states.

        Raises:
            ScheduleError: they are of other schedules, or damaged; nothing is changed.
        """
        new = read_state(who, self.read_states, states, "load another checkpoint")
        for place, one in self.listeners.items():
            one.state = new[place]

    def read_states(self, value: Any, place: str) -> dict[str, State]:
        """Return the states of these schedules that a value is; a reader of `schema`."""
        return a_dict({at: o.machine.read_state for at, o in self.listeners.items()})(value, place)

    def replayed(self, plan: Plan) -> Plan:
        """Return the open-loop plan that a run of `plan` has followed."""

        def follow(part: Plan, prefix: str) -> dict[str, Any]:
            own = {
                key: one.replayed() if (one := self.listeners.get(prefix + key)) else schedule
                for key, schedule in part.schedules().items()
            }
            keys = {key: own.pop(key) for key in part.keys}
            return {**own, "keys": keys}

        groups = {
            name: dataclasses.replace(part, **follow(part, f"{name}/"))
            for name, part in plan.groups.items()
        }
        return dataclasses.replace(plan, **follow(plan, ""), groups=groups)
