"""The dict and JSON forms: the version at the top, one dict for each schedule."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from ratewise.schedule.base import Described, Schedule
from ratewise.schedule.errors import ScheduleError, nearest, shorten
from ratewise.schedule.plan import Plan
from ratewise.schedule.steps import Function
from ratewise.schedule.strict import strict

VERSION = 1
DEEPEST = 100


def to_dict(value: Described) -> dict[str, Any]:
    """Return a schedule or plan as a dict of JSON types."""
    return {"ratewise": VERSION, **_write(value)}


def _write(value: Any) -> Any:
    if isinstance(value, Function):
        fix = "write it as a Piecewise or a move, or keep it in code"
        raise ScheduleError(repr(value), "cannot be written down", fix)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {
            f.name: _write(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if getattr(value, f.name) is not None
        }
        return {"type": type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        items: Any = value
        return [_write(item) for item in items]
    if isinstance(value, dict):
        pairs: dict[Any, Any] = value
        return {key: _write(item) for key, item in pairs.items()}
    return value


@strict
def from_dict(form: Any) -> Schedule | Plan:
    """Return the schedule or plan that a dict form stands for; `from_dict(s.to_dict()) == s`.

    Raises:
        ScheduleError: a newer version, an unknown type or key, a value out of its interval.
    """
    who = f"from_dict({shorten(form)})"
    if not isinstance(form, dict):
        raise ScheduleError(who, "needs a dict", 'give {"type": "Cosine", "to": 0.1}')
    content: dict[Any, Any] = dict(form)  # pyright: ignore[reportUnknownArgumentType]
    version = content.pop("ratewise", VERSION)
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise ScheduleError(
            who, f"has version {shorten(version)}", f"versions are ints up to {VERSION}"
        )
    if version > VERSION:
        rule = f"was written in form {version}, this ratewise reads up to {VERSION}"
        raise ScheduleError(who, rule, "upgrade ratewise")
    return _read(content, 0)


def _read(form: dict[Any, Any], depth: int) -> Any:
    who = f"from_dict({shorten(form)})"
    known: dict[str, Any] = {**Schedule.kinds, "Plan": Plan}
    name = form.get("type")
    if not isinstance(name, str) or name not in known:
        fix = nearest(str(name), known) if name is not None else 'add "type": "Cosine"'
        raise ScheduleError(who, f"has type {shorten(name)}", fix)
    if name == "Function":
        raise ScheduleError(who, "is a Function, which cannot be read", "give the callable in code")
    fields = {str(key): _value(item, depth + 1) for key, item in form.items() if key != "type"}
    return known[name](**fields)


def _value(item: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise ScheduleError("from_dict", "is nested too deeply", f"use at most {DEEPEST} levels")
    if isinstance(item, dict):
        content: dict[Any, Any] = item
        if isinstance(content.get("type"), str):
            return _read(content, depth)
        return {key: _value(inner, depth + 1) for key, inner in content.items()}
    if isinstance(item, list | tuple):
        items: Any = item
        return tuple(_value(inner, depth + 1) for inner in items)
    return item


@strict
def from_json(text: str) -> Schedule | Plan:
    """Return the schedule or plan that a JSON text stands for.

    Raises:
        ScheduleError: not JSON, too large, or what `from_dict` refuses.
    """
    who = f"from_json({shorten(text)})"
    if not isinstance(text, str | bytes | bytearray):
        raise ScheduleError(who, "needs a text", "give what s.to_json() gave")
    if len(text) > 10_000_000:
        raise ScheduleError(
            who, f"got {len(text):,} characters", "a schedule has at most 10,000,000"
        )
    try:
        return from_dict(json.loads(text))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ScheduleError(who, "is not JSON that can be read", "write s.to_json()") from error
