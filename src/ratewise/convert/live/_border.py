"""The border of the readers of live objects: whatever such an object holds, one error of ours."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from ratewise.convert.formats import RunFacts
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import shorten

Read = Callable[[Any, RunFacts], Plan]


def guarded(read: Read) -> Read:
    """Return a reader whose every failure on a live object is one error of ours.

    A state of another version, or of another class, can leave an object without what its class
    always has, or with something else there. Which error that gives is up to chance.
    """

    @functools.wraps(read)
    def guarded_read(source: Any, context: RunFacts) -> Plan:
        try:
            return read(source, context)
        except ScheduleError:
            raise
        except Exception as error:
            if isinstance(source, Mapping | str):
                raise
            what = f"{type(error).__name__}: {shorten(str(error), 120)}"
            rule = f"is not in a state that it can be read in ({what})"
            fix = "read one that is new, or that has loaded a state of its own version and class"
            raise ScheduleError(type(source).__name__, rule, fix) from error

    return guarded_read
