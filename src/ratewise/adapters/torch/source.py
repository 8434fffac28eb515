"""What a scheduler was given, resolved, together with how to write it down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ratewise.adapters.arguments import HorizonOf, given
from ratewise.adapters.feedback import FeedbackStore, Listener, schedules_by_place
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.compose import span
from ratewise.schedule.errors import speaking
from ratewise.schedule.given import read_plan

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
    def of(schedule: Schedule | Plan | str, horizon: Mapping[str, Any]) -> Source:
        """Resolve a schedule, plan or text over a horizon."""
        plan = read_plan("Scheduler", schedule, "write Scheduler(optimizer, Cosine(to=0), …)")
        with speaking(HorizonOf(adapter="Scheduler")):
            plan = plan.resolve(**horizon)
        text = schedule if isinstance(schedule, str) else repr(schedule)
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
        plan = read_plan("Scheduler", form, "give the form of a schedule")
        return Source(plan, text, _primitives(horizon), form, _longest(plan))

    def parts(self, entry: str | None) -> dict[str, tuple[Schedule, float | None]]:
        """Return (schedule, peak or None) by key for a group with this entry; its own come first.

        `entry` is the key of `Plan.groups` that the group is meant by; None if there is none.
        """
        outer = self.plan
        own = outer.groups.get(entry) if entry is not None else None
        schedules = {**outer.schedules(), **(own.schedules() if own else {})}
        peaks = {**outer.peak, **(own.peak if own else {})}
        return {key: (schedule, peaks.get(key)) for key, schedule in schedules.items()}


class SourceFeedback(FeedbackStore):
    """The feedback schedules of a source, each found by the schedule itself as well."""

    def __init__(self, source: Source) -> None:
        found = {place: s for place, s in schedules_by_place(source.plan).items() if s.listens}
        super().__init__({place: Listener(s.machine()) for place, s in found.items()})
        self.source = source
        self._by_schedule = {id(s): self.listeners[place] for place, s in found.items()}

    def view(self, schedule: Schedule) -> Schedule | Listener:
        """Return what gives the levels of a schedule."""
        return self._by_schedule.get(id(schedule), schedule)


def _primitives(horizon: Mapping[str, Any]) -> dict[str, Primitive]:
    return {key: _primitive(value) for key, value in given(**horizon).items()}


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
    lengths = [span(schedule) for schedule in schedules_by_place(plan).values()]
    return max((n for n in lengths if n is not None), default=None) if None not in lengths else None
