"""What a schedule for Optax was given."""

from __future__ import annotations

from typing import Any

from ratewise.schedule import Plan, Schedule, ScheduleError, parse


def read_plan(who: str, given: Any) -> Plan:
    """Return the plan that a schedule, a plan, or the text of either stands for."""
    value: Any = parse(given) if isinstance(given, str) else given
    if isinstance(value, Schedule):
        return Plan(lr=value)
    if isinstance(value, Plan):
        return value
    rule = "needs a schedule, a plan or a text"
    raise ScheduleError(f"{who}(…)", rule, f"write {who}(Cosine(to=0), …)", given=given)
