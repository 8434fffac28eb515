"""What a scheduler was given, resolved, together with how to write it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ratewise.schedule import Plan, Schedule, ScheduleError, from_dict, parse
from ratewise.schedule.compose import span

Primitive = int | float | str | None


@dataclass(frozen=True)
class Source:
    """A resolved plan and where it came from.

    Attributes:
        plan: The plan, every length in updates.
        text: The schedule as the user wrote it, for messages.
        horizon: What was given to `resolve`, primitives only.
        form: Dict form of `plan`; None if it contains a `Function`, which cannot be written down.
        total: Updates in the run; None if the schedule has no end.
    """

    plan: Plan
    text: str
    horizon: Mapping[str, Primitive] = field(default_factory=dict[str, Primitive])
    form: dict[str, Any] | None = None
    total: int | None = None

    @staticmethod
    def of(given: Schedule | Plan | str, horizon: Mapping[str, Any]) -> Source:
        """Resolve a schedule, plan or text over a horizon."""
        value: Any = parse(given) if isinstance(given, str) else given
        if isinstance(value, Schedule):
            value = Plan(lr=value)
        if not isinstance(value, Plan):
            rule = "needs a schedule, a plan or a text"
            raise ScheduleError(
                "Scheduler", rule, "write Scheduler(optimizer, Cosine(to=0), …)", given=given
            )
        plan = value.resolve(**horizon)
        text = given if isinstance(given, str) else repr(given)
        return Source(plan, text, _primitives(horizon), _form(plan), _longest(plan))

    def written(self) -> dict[str, Any]:
        """Return the part of a state that speaks of the schedule, primitives only."""
        return {
            "schedule": self.form,
            "text": self.text,
            "horizon": dict(self.horizon),
            "total": self.total,
        }

    @staticmethod
    def read(form: dict[str, Any], text: str, horizon: Mapping[str, Any]) -> Source:
        """Return the source that a state's dict form stands for."""
        plan = from_dict(form)
        if not isinstance(plan, Plan):
            plan = Plan(lr=plan)
        return Source(plan, text, _primitives(horizon), form, _longest(plan))

    def parts(self, name: str | None) -> dict[str, tuple[Schedule, float | None]]:
        """Return (schedule, peak or None) by key for a group; its own come first."""
        outer = self.plan
        own = outer.groups.get(name) if name is not None else None
        schedules = {**outer.schedules(), **(own.schedules() if own else {})}
        peaks = {**outer.peak, **(own.peak if own else {})}
        return {key: (schedule, peaks.get(key)) for key, schedule in schedules.items()}


def _primitives(horizon: Mapping[str, Any]) -> dict[str, Primitive]:
    return {key: _primitive(value) for key, value in horizon.items() if value is not None}


def _primitive(value: Any) -> Primitive:
    if isinstance(value, str):
        return value
    return int(value) if value == int(value) else float(value)


def _form(plan: Plan) -> dict[str, Any] | None:
    try:
        return plan.to_dict()
    except ScheduleError:
        return None


def _longest(plan: Plan) -> int | None:
    schedules = [*plan.schedules().values()]
    for part in plan.groups.values():
        schedules += part.schedules().values()
    lengths = [span(schedule) for schedule in schedules]
    return max((n for n in lengths if n is not None), default=None) if None not in lengths else None
