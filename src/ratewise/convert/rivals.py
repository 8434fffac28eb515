"""The formats that a source could be in besides the one that it is taken for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ratewise.convert.formats import Evidence, Format
from ratewise.convert.unread import own_paths
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import shorten

LEAD = 2
"""By how much the best evidence has to lead."""
_FIX = "leave format= out, or give another one"


def rivals(first: Format, other: Format, found: Mapping[Format, Evidence]) -> bool:
    """Whether another format is as likely as the first, or has marks that the first leaves out."""
    if found[first].weight - found[other].weight < LEAD:
        return True
    own = own_paths(first)
    marks = [mark.lstrip("-").replace("-", "_") for mark in found[other].seen]
    return bool(own) and not own.issuperset(marks)


def check_named(source: Any, chosen: Format, known: Iterable[Format]) -> None:
    """Refuse a format that was named where nothing speaks for it, or much more for another one.

    Called behind its reader, which may know better what is wrong.
    """
    mine = chosen.evidence(source)
    if mine or callable(source) or chosen.name in ("ratewise", "function"):
        return
    who = f"read({shorten(source)}, format={chosen.name!r})"
    others = {each: each.evidence(source) for each in known}
    best = max(others, key=lambda each: others[each].weight)
    if others[best] and others[best].weight - mine.weight >= LEAD:
        rule = f"has more of {best.name}{because(others[best])}"
        raise ScheduleError(who, rule, _FIX)
    if mine.weight <= 0:
        raise ScheduleError(who, f"has no key of {chosen.what}", _FIX)


def because(seen: Evidence) -> str:
    """Return the marks that were seen, for a message."""
    return f" ({', '.join(seen.seen[:4])})" if seen.seen else ""
