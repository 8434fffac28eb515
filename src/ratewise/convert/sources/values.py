"""What operators and functions on the white list make of plain values, within limits."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from typing import Any

from ratewise.convert.sources.limits import BITS, LONGEST_ITEMS, LONGEST_STRING
from ratewise.convert.sources.unknown import Partial

SCALARS = (bool, int, float, str, type(None))
NUMBERS = (bool, int, float)
ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
SIGNS: dict[type, Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: lambda a, b: a is b if a is None or b is None else a == b,
    ast.IsNot: lambda a, b: a is not b if a is None or b is None else a != b,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
FORMAT = re.compile(r"(\.\d{1,2})?[defg%]?")
ON_NUMBERS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "max": max,
    "min": min,
    "round": round,
    "math.ceil": math.ceil,
    "math.exp": math.exp,
    "math.floor": math.floor,
    "math.log": math.log,
    "math.log2": math.log2,
    "math.log10": math.log10,
    "math.pow": math.pow,
    "math.sqrt": math.sqrt,
    "math.cos": math.cos,
    "math.sin": math.sin,
}
CONSTANTS = {"math.pi": math.pi, "math.e": math.e, "math.inf": math.inf}


class Unclear(Exception):
    """An expression cannot be worked out."""


def one_of(value: Any, kinds: tuple[type, ...]) -> Any:
    """Return a value of one of these kinds."""
    if not isinstance(value, kinds):
        raise Unclear
    return value


def bounded(value: Any) -> Any:
    """Return a value that is no larger than one may be."""
    if isinstance(value, complex) or (isinstance(value, int) and value.bit_length() > BITS):
        raise Unclear
    if isinstance(value, str) and len(value) > LONGEST_STRING:
        raise Unclear
    if isinstance(value, list | tuple | dict) and len(value) > LONGEST_ITEMS:  # pyright: ignore
        raise Unclear
    return value  # pyright: ignore


def operated(op: ast.operator, a: Any, b: Any) -> Any:
    """Return what an operator makes of two values."""
    if isinstance(op, ast.BitOr) and isinstance(a, dict):
        return joined(a, b)
    work = ARITHMETIC[type(op)]
    if isinstance(a, NUMBERS) and isinstance(b, NUMBERS):
        if isinstance(op, ast.Pow):
            _check_power(a, b)
        return work(a, b)
    if isinstance(op, ast.Mult) and isinstance(b, list | tuple | str) and isinstance(a, int):
        a, b = b, a
    if isinstance(op, ast.Mult) and isinstance(a, list | tuple | str) and isinstance(b, int):
        if len(a) * b > LONGEST_ITEMS:  # pyright: ignore
            raise Unclear
        return a * b  # pyright: ignore
    if isinstance(op, ast.Add) and type(a) is type(b) and isinstance(a, list | tuple | str):
        return a + b  # pyright: ignore
    raise Unclear


def _check_power(a: float, b: float) -> None:
    if isinstance(a, int) and isinstance(b, int) and a.bit_length() * abs(b) > 2 * BITS:
        raise Unclear


def called(name: str, given: list[Any]) -> Any:
    """Return what a function on the white list makes of its arguments."""
    if name in ON_NUMBERS:
        several = name in ("max", "min") and len(given) == 1
        only = one_of(given[0], (list, tuple)) if several else given
        return ON_NUMBERS[name](*(one_of(item, NUMBERS) for item in only))
    (value,) = given if name != "range" else (given,)
    if name == "range":
        numbers = range(*(one_of(item, (int,)) for item in given))
        if len(numbers) > LONGEST_ITEMS:
            raise Unclear
        return list(numbers)
    if name in ("int", "float", "bool", "str"):
        made = {"int": int, "float": float, "bool": bool, "str": str}[name]
        return made(one_of(value, SCALARS))
    if name == "len":
        return len(one_of(value, (dict, list, tuple, str)))
    if name in ("list", "tuple"):
        return {"list": list, "tuple": tuple}[name](one_of(value, (list, tuple)))
    if name == "sum":
        return sum(one_of(item, NUMBERS) for item in one_of(value, (list, tuple)))
    raise Unclear


def joined(*parts: Any) -> Partial:
    """Return mappings joined as `dict(a, **b)` does; the last counts."""
    found = Partial()
    for part in parts:
        given = one_of(part, (dict,))
        if isinstance(given, Partial) and given.rest is not None:
            raise Unclear
        found.update(given)
    return found
