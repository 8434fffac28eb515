"""Levels as formulas over stretches of updates, and the namespace that finds them out.

A move is evaluated over `Tracer`, in place of numpy, at a position that is a formula. What comes
back is the move's own formula. So each shape is written down once, in `ratewise.schedule`.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ratewise.convert.targets._nodes import Node, Number, Op, Place, evaluate, make, whole
from ratewise.schedule.track import LARGEST


@dataclass(frozen=True)
class Span:
    """One formula, for updates in [start, stop); `stop` None: for ever."""

    start: int
    stop: int | None
    node: Node


@dataclass(frozen=True)
class Value:
    """A formula for each of some stretches that follow each other."""

    spans: tuple[Span, ...]

    __array_ufunc__ = None  # numpy's numbers leave arithmetic to this class
    dtype = "float64"  # what bounds levels to the largest number asks for it

    def __add__(self, other: Any) -> Value:
        return apply("add", self, other)

    def __radd__(self, other: Any) -> Value:
        return apply("add", other, self)

    def __sub__(self, other: Any) -> Value:
        return apply("subtract", self, other)

    def __rsub__(self, other: Any) -> Value:
        return apply("subtract", other, self)

    def __mul__(self, other: Any) -> Value:
        return apply("multiply", self, other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Value:
        return apply("true_divide", self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return apply("true_divide", other, self)

    def __neg__(self) -> Value:
        return apply("multiply", self, -1)

    def __lt__(self, stop: int) -> Below:
        return Below(self, stop)

    def at(self, t: int) -> float:
        index = bisect.bisect_right([span.start for span in self.spans], t) - 1
        return float(evaluate(self.spans[index].node, t))

    def within(self, start: int, stop: int | None) -> Value:
        """Return the part in [start, stop)."""
        return Value(tuple(_cut(self.spans, start, stop)))

    def then(self, other: Value) -> Value:
        """Return this value and another one that starts where it stops."""
        return Value((*self.spans, *other.spans))

    def joined(self) -> Value:
        """Return the value with equal neighbours made one."""
        out: list[Span] = []
        for span in self.spans:
            if out and out[-1].node == span.node:
                span = Span(out.pop().start, span.stop, span.node)
            out.append(span)
        return Value(tuple(out))


@dataclass(frozen=True)
class Below:
    """The condition `value < stop`."""

    value: Value
    stop: int


def constant(level: float, start: int, stop: int | None = None) -> Value:
    return Value((Span(start, stop, Number(level)),))


def position(start: int, stop: int | None) -> Value:
    """Return the position 0, 1, … from `start` on."""
    return Value((Span(start, stop, Place(1, -start)),))


def apply(name: str, *args: Any) -> Value:
    """Return a function of values and numbers, stretch by stretch."""
    if len(args) == 1:
        return _each(args[0], lambda span: make(name, span.node))
    first, second = args
    if not isinstance(first, Value):
        return _each(second, lambda span: make(name, _number(first), span.node))
    if not isinstance(second, Value):
        return _each(first, lambda span: make(name, span.node, _number(second)))
    return Value(tuple(Span(a, b, make(name, x, y)) for a, b, x, y in _both(first, second)))


def bound(name: str, value: Value, limit: float) -> Value:
    """Return the minimum or maximum of a value and a number.

    A position is cut in two where it crosses the number, so that no comparison is left.
    """
    out: list[Span] = []
    for span in value.spans:
        if _rises(span.node):
            cut = _crossing(span, limit)
            sides = (span.node, _number(limit)) if name == "minimum" else (limit, span.node)
            for part, side in zip(_halves(span, cut), sides, strict=True):
                if part is not None:
                    node = side if not isinstance(side, int | float) else _number(side)
                    out.append(Span(part[0], part[1], node))
        else:
            out.append(Span(span.start, span.stop, make(name, span.node, _number(limit))))
    return Value(tuple(out))


class Tracer:
    """An array namespace over values, for the formulas of moves."""

    @staticmethod
    def clip(value: Value, low: float, high: float) -> Value:
        """Keep a position in bounds; levels are there but for rounding, and stay as they are."""
        if all(whole(span.node) for span in value.spans):
            return bound("minimum", bound("maximum", value, low), high)
        return value

    @staticmethod
    def minimum(first: Any, second: Any) -> Value:
        """Return the smaller; the largest number there is bounds nothing."""
        if second == LARGEST:
            return first
        return bound("minimum", first, second)

    @staticmethod
    def maximum(first: Any, second: Any) -> Value:
        """Return the larger of a value and a number, in either order."""
        value, limit = (first, second) if isinstance(first, Value) else (second, first)
        return bound("maximum", value, limit)

    @staticmethod
    def where(below: Below, first: Value, second: Value) -> Value:
        """Return the first below a position and the second from there on."""
        out: list[Span] = []
        for span in below.value.spans:
            left, right = _halves(span, _crossing(span, below.stop))
            for part, side in ((left, first), (right, second)):
                if part is not None:
                    out += side.within(*part).spans
        return Value(tuple(out))

    @staticmethod
    def zeros_like(value: Value) -> Value:
        return _each(value, lambda span: Number(0.0))

    def __getattr__(self, name: str) -> Callable[..., Value]:
        return lambda *args: apply(name, *args)


def _number(value: Any) -> Number:
    return Number(value if isinstance(value, int) else float(value))


def _each(value: Value, change: Callable[[Span], Node]) -> Value:
    return Value(tuple(Span(s.start, s.stop, change(s)) for s in value.spans))


def _cut(spans: tuple[Span, ...], start: int, stop: int | None) -> Iterator[Span]:
    for span in spans:
        a = max(span.start, start)
        ends = [end for end in (span.stop, stop) if end is not None]
        b = min(ends) if ends else None
        if b is None or a < b:
            yield Span(a, b, span.node)


def _both(x: Value, y: Value) -> Iterator[tuple[int, int | None, Node, Node]]:
    """Yield the stretches on which both are one formula."""
    i = j = 0
    while i < len(x.spans) and j < len(y.spans):
        a, b = x.spans[i], y.spans[j]
        ends = [end for end in (a.stop, b.stop) if end is not None]
        stop = min(ends) if ends else None
        yield max(a.start, b.start), stop, a.node, b.node
        i += a.stop == stop
        j += b.stop == stop


def _rises(node: Node) -> bool:
    """Whether a node is a position that goes up by one, perhaps with an offset."""
    if isinstance(node, Op) and node.name == "add":
        return _rises(node.args[0]) and isinstance(node.args[1], Number)
    return isinstance(node, Number) or (isinstance(node, Place) and node.slope > 0)


def _crossing(span: Span, limit: float) -> int:
    """Return the first update at which a rising node is not below the limit."""
    low, high = span.start, span.stop
    if high is None:
        high = max(low, 1)
        while evaluate(span.node, high) < limit and high < 2**62:
            high *= 2
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if evaluate(span.node, middle) < limit else (low, middle)
    return low


def _halves(span: Span, cut: int) -> list[tuple[int, int | None] | None]:
    left = (span.start, cut) if cut > span.start else None
    right = (cut, span.stop) if span.stop is None or cut < span.stop else None
    return [left, right]
