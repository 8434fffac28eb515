"""Formulas as trees: numbers, the update `t`, and what is done with them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

Real = int | float


@dataclass(frozen=True)
class Number:
    value: Real


@dataclass(frozen=True)
class Place:
    """The whole number slope·t + offset, where `t` is the update."""

    slope: int
    offset: int


@dataclass(frozen=True)
class Op:
    """A function of other nodes; `name` is that of the array namespace."""

    name: str
    args: tuple[Node, ...]


@dataclass(frozen=True)
class CycleAt:
    """The levels of a cycle (a `Value` over its own positions) at the position `at`."""

    cycle: Any
    at: Node


Node = Number | Place | Op | CycleAt


def whole(x: Node) -> bool:
    """Whether a node is a whole number at every update."""
    if isinstance(x, Op):
        rings = ("add", "subtract", "multiply", "floor_divide", "remainder", "minimum", "maximum")
        return x.name in rings and all(whole(a) for a in x.args)
    return isinstance(x, Place) or (isinstance(x, Number) and isinstance(x.value, int))


def evaluate(x: Node, t: int) -> float:
    if isinstance(x, Number):
        return x.value
    if isinstance(x, Place):
        return x.slope * t + x.offset
    if isinstance(x, CycleAt):
        return x.cycle.at(int(evaluate(x.at, t)))
    args = [evaluate(a, t) for a in x.args]
    return _compute(x.name, args)


def _compute(name: str, args: list[Any]) -> Real:
    if name == "power":
        args = [float(args[0]), float(args[1])]
    with np.errstate(all="ignore"):
        out = getattr(np, name)(*args)
    exact = len(args) == 2 and name != "true_divide" and all(isinstance(a, int) for a in args)
    return int(out) if exact else float(out)


def short(value: float) -> float:
    """Return a number without the dust of rounding."""
    return float(f"{value:.12g}") if abs(value) > 1e-13 else 0.0


def integral(x: Node) -> int | None:
    if isinstance(x, Number) and float(x.value).is_integer() and abs(x.value) < 2**62:
        return int(x.value)
    return None


def make(name: str, *args: Node) -> Node:
    """Return the node for a function of nodes, worked out as far as it goes without rounding."""
    short = _SHORT.get(name, lambda *_: None)(*args)
    if short is not None:
        return short
    if all(isinstance(a, Number) for a in args):
        return Number(_compute(name, [a.value for a in args if isinstance(a, Number)]))
    return Op(name, args)


def _add(x: Node, y: Node) -> Node | None:
    for a, b in ((x, y), (y, x)):
        n = integral(b)
        if isinstance(a, Place) and n is not None:
            return Place(a.slope, a.offset + n)
        if n == 0 and not isinstance(a, Number):
            return a
    return None


def _subtract(x: Node, y: Node) -> Node | None:
    n, m = integral(x), integral(y)
    if isinstance(x, Place) and isinstance(y, Place):
        slope, offset = x.slope - y.slope, x.offset - y.offset
        return Place(slope, offset) if slope else Number(offset)
    if isinstance(x, Place) and m is not None:
        return Place(x.slope, x.offset - m)
    if isinstance(y, Place) and n is not None:
        return Place(-y.slope, n - y.offset)
    return x if m == 0 and not isinstance(x, Number) else None


def _multiply(x: Node, y: Node) -> Node | None:
    for a, b in ((x, y), (y, x)):
        n = integral(b)
        if n == 1 and not isinstance(a, Number):
            return a
        if n == 0:
            return Number(0.0)
        if isinstance(a, Place) and n is not None and isinstance(b, Number):
            return Place(a.slope * n, a.offset * n) if isinstance(b.value, int) else None
    return None


def _divide(x: Node, y: Node) -> Node | None:
    n = integral(y)
    if n is None or isinstance(x, Number):
        return None
    return x if n == 1 else Op("true_divide", (x, Number(n)))


def _power(x: Node, y: Node) -> Node | None:
    if isinstance(y, Number) and y.value in (0, 1):
        return x if y.value else Number(1.0)
    if isinstance(x, Number) and x.value == 1:
        return Number(1.0)
    n = integral(y)
    return None if n is None or isinstance(x, Number) else Op("power", (x, Number(n)))


_SHORT: dict[str, Any] = {
    "add": _add,
    "subtract": _subtract,
    "multiply": _multiply,
    "true_divide": _divide,
    "power": _power,
}


def bounded_powers(x: Node, last: int | None) -> Node:
    """Return the node with exponents kept where a constant above 1 to their power is finite.

    `last` is the last update at which the node is used; None if there is no last.
    """
    if not isinstance(x, Op):
        return x
    args = tuple(bounded_powers(a, last) for a in x.args)
    if x.name == "power" and isinstance(args[0], Number) and args[0].value > 1:
        limit = int(700 / math.log(args[0].value))
        if last is None or evaluate(args[1], last) > limit:
            args = (args[0], Op("minimum", (args[1], Number(limit))))
    return Op(x.name, args)
