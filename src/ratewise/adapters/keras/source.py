"""What a schedule for Keras was given: the value, its horizon and the rates at level 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratewise.schedule import Plan, Schedule, ScheduleError, from_dict, parse
from ratewise.schedule.errors import number, shorten


def read_plan(who: str, given: Any) -> Plan:
    """Return the plan that a schedule, a plan, or the text or dict form of either stands for."""
    value: Any = parse(given) if isinstance(given, str) else given
    if isinstance(value, Mapping):
        value = from_dict(dict(value))  # pyright: ignore[reportUnknownArgumentType]
    if isinstance(value, Schedule):
        return Plan(lr=value)
    if isinstance(value, Plan):
        return value
    rule = "needs a schedule, a plan or a text"
    raise ScheduleError(who, rule, f"write {who}(Cosine(to=0), …)", given=given)


def read_rate(who: str, plan: Plan, lr: Any) -> float | None:
    """Return the rate at level 1, from `lr` or the plan's peak; None if neither names it."""
    peak = plan.peak.get("lr")
    if lr is None:
        return peak
    rate = number(f"{who}(lr={shorten(lr)})", "lr", lr, above=True)
    if peak is not None and peak != rate:
        rule = f"has lr={rate:g} and a plan with peak {peak:g}"
        raise ScheduleError(who, rule, "give one of them")
    return rate


def only_rate(who: str, plan: Plan) -> Schedule:
    """Return the schedule of the rate; refuse a plan of anything else."""
    others = [key for key in plan.schedules() if key != "lr"]
    if others or plan.groups or plan.lr is None:
        what = ", ".join(others) or ("groups" if plan.groups else "nothing")
        rule = f"gives the learning rate alone, this plan schedules {what}"
        raise ScheduleError(who, rule, "use ratewise.keras.Callback(plan, …)")
    if plan.lr.listens:
        rule = f"is shown no metrics, and {shorten(plan.lr)} listens to them"
        raise ScheduleError(who, rule, "use ratewise.keras.Callback(plan, …)")
    return plan.lr


def given(**horizon: Any) -> dict[str, Any]:
    """Return what is not None."""
    return {key: value for key, value in horizon.items() if value is not None}
