"""The dict and JSON forms: the version at the top, one dict for each schedule."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from functools import partial
from typing import Any, NoReturn

from ratewise.schedule.base import Described, Schedule
from ratewise.schedule.budget import DEEPEST, MOST_IN_PLAN, MOST_ITEMS, check_brackets
from ratewise.schedule.errors import ScheduleError, Who, nearest, shorten
from ratewise.schedule.plan import Plan
from ratewise.schedule.steps import Function
from ratewise.schedule.strict import strict

VERSION = 1
LONGEST_JSON = 10_000_000
DEEPEST_FORM = 3 * DEEPEST
"""Dicts and lists inside of each other; a schedule in a sequence is two levels down."""
LARGEST = 2**62


# Writing ------------------------------------------------------------------------------------


def to_dict(value: Described) -> dict[str, Any]:
    """Return a schedule or plan as a dict of JSON types."""
    return {"ratewise": VERSION, **_write(value)}


def _write(value: Any) -> Any:
    if isinstance(value, Function):
        fix = "write it as a Piecewise or a move, or keep it in code"
        raise ScheduleError(repr(value), "cannot be written down", fix)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            field.name: _write(getattr(value, field.name))
            for field in dataclasses.fields(value)
            if not (field.default is None and getattr(value, field.name) is None)
        }
        return {"type": type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        items: Any = value
        return [_write(item) for item in items]
    if isinstance(value, dict):
        pairs: dict[Any, Any] = value
        return {_plain(key): _write(item) for key, item in pairs.items()}
    return _plain(value)


def _plain(value: Any) -> Any:
    """Return what JSON gives back as it is; refuse anything else."""
    known = value is None or isinstance(value, bool)
    known |= isinstance(value, int) and abs(value) <= LARGEST
    known |= isinstance(value, float) and math.isfinite(value)
    known |= isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)
    if not known:
        fix = "use finite numbers up to 2**62, and texts of whole characters"
        raise ScheduleError(shorten(value), "cannot be written as JSON", fix)
    return value


# Reading ------------------------------------------------------------------------------------


@strict
def from_dict(form: Any) -> Schedule | Plan:
    """Return the schedule or plan that a dict form stands for; `from_dict(s.to_dict()) == s`.

    Raises:
        ScheduleError: a newer version, an unknown type or key, a value out of its interval, more
            or deeper than a schedule can be.
    """
    who = f"from_dict({_shown(form)})"
    if not isinstance(form, dict):
        raise ScheduleError(who, "needs a dict", 'give {"type": "Cosine", "to": 0.1}')
    content: dict[Any, Any] = dict(form)  # pyright: ignore[reportUnknownArgumentType]
    version = content.pop("ratewise", VERSION)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ScheduleError(
            who, f"has version {shorten(version)}", f"versions are ints up to {VERSION}"
        )
    if version > VERSION:
        rule = f"was written in form {shorten(version)}, this ratewise reads up to {VERSION}"
        raise ScheduleError(who, rule, "upgrade ratewise")
    return _Reader().schedule(content, 0)


def _shown(form: Any) -> str:
    """Return a form for an error, of which only the beginning is looked at."""
    if isinstance(form, Mapping) and isinstance(form.get("type"), str):  # pyright: ignore
        return f"{{'type': {shorten(form['type'])}, …}}"
    return shorten(form) if not isinstance(form, dict | list | tuple) else "…"


class _Reader:
    """Reads a form, in which a part may be found again and again, as far as its budget goes."""

    def __init__(self) -> None:
        self._items, self._schedules = MOST_ITEMS, MOST_IN_PLAN
        self._known: dict[str, Any] = {**Schedule.kinds, "Plan": Plan}

    def schedule(self, form: dict[Any, Any], depth: int) -> Any:
        """Return the schedule or plan that a dict with a type stands for."""
        self._schedules -= 1
        if self._schedules < 0:
            fix = f"use at most {MOST_IN_PLAN:,}"
            raise ScheduleError("from_dict", "got too many schedules", fix)
        who, known = f"from_dict({_shown(form)})", self._known
        name = form.get("type")
        if not isinstance(name, str) or name not in known:
            fix = nearest(name, known) if name is not None else 'add "type": "Cosine"'
            raise ScheduleError(who, f"has type {shorten(name)}", fix)
        if name == "Function":
            rule = "is a Function, which cannot be read"
            raise ScheduleError(who, rule, "give the callable in code")
        fields: dict[str, Any] = {}
        for key, item in form.items():
            if not isinstance(key, str):
                raise ScheduleError(who, f"has the key {shorten(key)}", "use texts as keys")
            if key != "type":
                fields[key] = self.value(item, depth + 1)
        return known[name](**fields)

    def value(self, item: Any, depth: int) -> Any:
        """Return a value of a form, the schedules in it read."""
        self._items -= 1
        if self._items < 0:
            raise ScheduleError("from_dict", "got too much", f"use at most {MOST_ITEMS:,} values")
        if depth > DEEPEST_FORM:
            fix = f"use at most {DEEPEST_FORM} levels"
            raise ScheduleError("from_dict", "is nested too deeply", fix)
        if isinstance(item, dict):
            content: dict[Any, Any] = item
            if isinstance(content.get("type"), str):
                return self.schedule(content, depth)
            return {key: self.value(inner, depth + 1) for key, inner in content.items()}
        if isinstance(item, list | tuple):
            items: Any = item
            return tuple([self.value(inner, depth + 1) for inner in items])
        return item


@strict
def from_json(text: str | bytes) -> Schedule | Plan:
    """Return the schedule or plan that a JSON text stands for.

    Raises:
        ScheduleError: not JSON, too large, a key twice, a number that JSON does not have, or what
            `from_dict` refuses.
    """
    import json  # late: not everybody reads

    who = f"from_json({shorten(text[:100] if isinstance(text, str | bytes) else text)})"
    if not isinstance(text, str | bytes):
        raise ScheduleError(who, "needs a text", "write s.to_json()")
    if len(text) > LONGEST_JSON:
        rule = f"got {len(text):,} characters"
        raise ScheduleError(who, rule, f"a schedule has at most {LONGEST_JSON:,}")
    try:
        content = text if isinstance(text, str) else text.decode()
        check_brackets(who, content, DEEPEST_FORM + 2)
        form = json.loads(
            content,
            object_pairs_hook=partial(_once, who),
            parse_constant=partial(_refuse_constant, who),
        )
    except ScheduleError:
        raise
    except (ValueError, RecursionError) as error:
        raise ScheduleError(who, "is not JSON that can be read", "write s.to_json()") from error
    return from_dict(form)


def _once(who: Who, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return pairs as a dict; a key that is there twice would hide the first."""
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ScheduleError(who, f"has the key {shorten(twice)} twice", "write each key once")
    return content


def _refuse_constant(who: Who, name: str) -> NoReturn:
    raise ScheduleError(who, f"holds {name}, which JSON does not have", "write finite numbers")
