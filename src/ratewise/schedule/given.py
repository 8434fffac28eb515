"""What a user hands over as a schedule: a value, a text, or the dict form of either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratewise.schedule.base import Schedule
from ratewise.schedule.errors import ScheduleError, Who
from ratewise.schedule.forms import from_dict
from ratewise.schedule.plan import Plan
from ratewise.schedule.text import parse


def read_given(who: Who, given: Any, fix: str) -> Schedule | Plan:
    """Return the schedule or plan that a value, its text or its dict form stands for.

    Args:
        who: Who needs it, for the error.
        given: A schedule, a plan, the text of one, or what its `to_dict` returned.
        fix: What to write in place of anything else.

    Raises:
        ScheduleError: it is none of these, or its text or dict cannot be read.

    >>> read_given("show", "Hold() * 0.5", "write show(Hold())")
    Hold() * 0.5
    """
    value: Any = parse(given) if isinstance(given, str) else given
    if isinstance(value, Mapping):
        value = from_dict(dict(value))  # pyright: ignore[reportUnknownArgumentType]
    if not isinstance(value, Schedule | Plan):
        raise ScheduleError(who, "needs a schedule, a plan or a text", fix, given=given)
    return value


def read_plan(who: Who, given: Any, fix: str) -> Plan:
    """Return the same as a plan: a schedule alone is one of the learning rate."""
    value = read_given(who, given, fix)
    return Plan(lr=value) if isinstance(value, Schedule) else value
