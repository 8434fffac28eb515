"""Formulas for float32: the same values, in a form that keeps what precision there is."""

from __future__ import annotations

import math
from fractions import Fraction

from ratewise.convert.targets._nodes import (
    Node,
    Number,
    Op,
    Place,
    Real,
    evaluate,
    integral,
    make,
    whole,
)


def for_single(x: Node, last: int | None) -> Node:
    """Return the node in a form that keeps its precision in float32.

    A constant to a power becomes e to a product, from the end at which it is largest; a cosine of
    many turns is brought back into one turn with whole numbers.
    """
    if not isinstance(x, Op):
        return x
    x = Op(x.name, tuple(for_single(a, last) for a in x.args))
    if x.name == "power" and isinstance(x.args[0], Number):
        return _single_power(x.args[0].value, x.args[1], last)
    if x.name == "cos":
        return _single_turn(x)
    return Op("tanh", (_from_its_root(x.args[0]),)) if x.name == "tanh" else x


def _single_power(base: Real, exponent: Node, last: int | None) -> Node:
    if base == 0:
        return Op("is_zero", (exponent,))
    top: Real = 0
    ratio = _ratio(exponent)
    if base > 1 and last is not None and ratio is not None:
        steps, over = ratio
        most = int(evaluate(steps, last))
        top, exponent = most / over, make("true_divide", _minus(steps, most), Number(over))
    product = make("multiply", Op("log", (Number(base),)), exponent)
    return make("multiply", Number(float(base) ** top), Op("exp", (product,)))


def _minus(x: Node, n: int) -> Node:
    return make("subtract", x, Number(n))


def _ratio(x: Node) -> tuple[Node, int] | None:
    """Return a whole number and the whole constant that it is divided by, if `x` is such."""
    if isinstance(x, Op) and x.name == "true_divide":
        over = integral(x.args[1])
        if over is not None and whole(x.args[0]):
            return x.args[0], over
    return (x, 1) if whole(x) else None


def _single_turn(x: Op) -> Node:
    """Return cos(c·k/n) as cos(π·m/d) with whole m in [-d, d), where c/π is a plain fraction."""
    product = x.args[0]
    if not (isinstance(product, Op) and product.name == "multiply"):
        return x
    c, p = product.args if isinstance(product.args[0], Number) else product.args[::-1]
    if not (isinstance(c, Number) and isinstance(p, Op) and p.name == "true_divide"):
        return x
    k, n = p.args[0], integral(p.args[1])
    turns = Fraction(repr(round(c.value / math.pi, 12)))
    small = turns.denominator <= 1000 and isinstance(k, Place) and n is not None
    if not small or n is None or turns <= 1 or turns.numerator * n >= 2**30:
        return x
    d = n * turns.denominator
    m = make("add", make("multiply", k, Number(turns.numerator)), Number(d))
    back = make("subtract", Op("remainder", (m, Number(2 * d))), Number(d))
    return Op("cos", (Op("multiply", (Number(math.pi), Op("true_divide", (back, Number(d))))),))


def _from_its_root(x: Node) -> Node:
    """Return a·t + b as a·((t - z) - f), where z is the update nearest to the root."""
    line = _line(x)
    if line is None or not line[0]:
        return x
    slope, offset = line
    root = -offset / slope
    if not abs(root) < 2**30:
        return x
    part = make("subtract", Place(1, -round(root)), Number(root - round(root)))
    return make("multiply", Number(slope), part)


def _line(x: Node) -> tuple[float, float] | None:
    """Return (a, b) of a node that is a·t + b."""
    if isinstance(x, Number):
        return 0.0, float(x.value)
    if isinstance(x, Place):
        return float(x.slope), float(x.offset)
    if not isinstance(x, Op) or x.name not in ("add", "subtract", "multiply", "true_divide"):
        return None
    first, second = (_line(a) for a in x.args)
    if first is None or second is None:
        return None
    (a, b), (c, d) = first, second
    if x.name in ("add", "subtract"):
        sign = 1 if x.name == "add" else -1
        return a + sign * c, b + sign * d
    if x.name == "true_divide":
        return None if c else (a / d, b / d)
    return None if a and c else (a * d + b * c, b * d)
