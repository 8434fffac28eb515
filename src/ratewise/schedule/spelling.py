"""The text form, written: what `repr` of a schedule or a plan says."""

from __future__ import annotations

import dataclasses
from typing import Any

from ratewise._printable import literal
from ratewise.schedule.base import Schedule
from ratewise.schedule.compose import Product, Sequence, Several
from ratewise.schedule.frames import Around, Between, Clip, Scale, Until

_FIRST = {"Warmup": "over", "Hold": "level", "Step": "factor"}
_ALWAYS = {"to", "factor", "metric"}


def spell(value: Any) -> str:
    """Return the text form of a schedule, a plan, or a value inside one."""
    if isinstance(value, Several) and len(value.parts) == 1:  # without an operator, by its name
        return f"{type(value).__name__}(({spell(value.parts[0])},))"
    if isinstance(value, Sequence):
        return " >> ".join(_inner(move, ()) for move in value.moves)
    if isinstance(value, Product):
        first, *others = value.factors
        return " * ".join(
            [_inner(first, (Sequence,)), *(_inner(f, (Sequence, Scale)) for f in others)]
        )
    if isinstance(value, Scale):
        return f"{_inner(value.schedule, (Sequence,))} * {spell(value.factor)}"
    if isinstance(value, Clip):
        low, high = value.low, value.high
        bounds = [] if low is None else [spell(low)]
        bounds += [] if high is None else [spell(high) if bounds else f"high={spell(high)}"]
        return f"{_owner(value)}.clip({', '.join(bounds)})"
    if isinstance(value, Between):
        return f"{_owner(value)}.between({spell(value.low)}, {spell(value.high)})"
    if isinstance(value, Until):
        return f"{_owner(value)}.until({spell(value.over)})"
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__name__}({', '.join(_arguments(value))})"
    return _literal(value)


def _owner(value: Around) -> str:
    return _inner(value.schedule, (Sequence, Product, Scale))


def _inner(value: Schedule, brackets: tuple[type[Any], ...]) -> str:
    return f"({spell(value)})" if isinstance(value, brackets) else spell(value)


def _arguments(value: Any) -> list[str]:
    kind, out = type(value).__name__, []
    for index, field in enumerate(dataclasses.fields(value)):
        content = getattr(value, field.name)
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        required = default is dataclasses.MISSING
        shown = required or (field.name in _ALWAYS and kind != "Warmup")
        if content == default and not shown:
            continue
        positional = index == 0 and (required or _FIRST.get(kind) == field.name)
        text = _points(content) if field.name == "points" else spell(content)
        out.append(text if positional else f"{field.name}={text}")
    return out


def _points(points: Any) -> str:
    return "{" + ", ".join(f"{spell(x)}: {spell(y)}" for x, y in points) + "}"


def _literal(value: Any) -> str:
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and value < 1e16 else repr(value)
    if isinstance(value, str):
        return literal(value)
    if isinstance(value, tuple):
        items: tuple[Any, ...] = value
        return "(" + ", ".join(spell(v) for v in items) + ("," if len(items) == 1 else "") + ")"
    if isinstance(value, dict):
        pairs: dict[Any, Any] = value
        return "{" + ", ".join(f"{spell(k)}: {spell(v)}" for k, v in pairs.items()) + "}"
    return getattr(value, "__qualname__", None) or repr(value)
