"""Formulas as text, in the words of Python, jax.numpy or keras.ops."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ratewise.convert.targets._nodes import CycleAt, Node, Number, Op, Place, Real, whole

_INFIX = {
    "add": ("+", 1),
    "subtract": ("-", 1),
    "multiply": ("*", 2),
    "true_divide": ("/", 2),
    "floor_divide": ("//", 2),
    "remainder": ("%", 2),
    "power": ("**", 4),
}
ATOM = 5
_NAMES = "uvwxyz"


@dataclass(frozen=True)
class Words:
    """How a target says things.

    Attributes:
        function: Template of a function's name, "math.{}".
        names: Names of functions that the template does not give.
        real: Template that makes a whole number a float before it meets one.
        find: Text of the number of `stops` up to `t`, where branches are selected from, all
            worked out; empty where they are `if`s.
    """

    function: str
    names: dict[str, str] = field(default_factory=dict[str, str])
    real: str = "{}"
    find: str = ""

    def call(self, name: str, *args: str) -> str:
        word = self.names.get(name, self.function.format(name))
        return f"{word}({', '.join(args)})"


PYTHON = Words("math.{}", {"minimum": "min", "maximum": "max"})
JAX = Words("jnp.{}", {"log": "math.log"}, find='jnp.searchsorted(stops, t, side="right")')
KERAS = Words(
    "ops.{}",
    {"log": "math.log"},
    real="real({})",
    find='ops.sum(ops.cast(ops.expand_dims(t, -1) >= stops, "int32"), axis=-1)',
)


class Printer:
    """Writes formulas of the update called `var`; what occurs twice gets a name first.

    Attributes:
        lines: Assignments that what was written so far needs.
    """

    def __init__(
        self,
        words: Words,
        var: str,
        call: Callable[[CycleAt, str], str],
        fresh: Iterator[str] | None = None,
    ) -> None:
        self.words, self.var, self.call = words, var, call
        self.fresh = names() if fresh is None else fresh
        self.lines: list[str] = []
        self._known: dict[Node, str] = {}

    def write(self, node: Node) -> str:
        counts: Counter[Node] = Counter()
        _count(node, counts)
        self._known = {}
        for shared in _inner_first(node, set()):
            if counts[shared] > 1 and _worth_a_name(shared):
                text = self._text(shared)[0]
                self._known[shared] = next(self.fresh)
                self.lines.append(f"{self._known[shared]} = {text}")
        return self._text(node)[0]

    def _text(self, node: Node) -> tuple[str, int]:
        """Return the text of a node and how tightly it binds."""
        if node in self._known:
            return self._known[node], ATOM
        if isinstance(node, Number):
            return spell(node.value), _binds(node.value)
        if isinstance(node, Place):
            return self._place(node)
        if isinstance(node, CycleAt):
            return self.call(node, self._text(node.at)[0]), ATOM
        if node.name == "is_zero":
            where = self.words.function.format("where")
            return f"{where}({self._text(node.args[0])[0]} == 0, 1.0, 0.0)", ATOM
        if node.name in _INFIX:
            return self._infix(node)
        side = self._text if whole(node) else self._real
        return self.words.call(node.name, *(side(a)[0] for a in node.args)), ATOM

    def _place(self, node: Place) -> tuple[str, int]:
        t = self.var if abs(node.slope) == 1 else f"{abs(node.slope)} * {self.var}"
        if node.slope < 0:
            return (f"{node.offset} - {t}", 1)
        if node.offset:
            return f"{t} {'+' if node.offset > 0 else '-'} {abs(node.offset)}", 1
        return t, ATOM if node.slope == 1 else 2

    def _real(self, node: Node) -> tuple[str, int]:
        text, binds = self._text(node)
        if whole(node) and not isinstance(node, Number) and self.words.real != "{}":
            return self.words.real.format(text), ATOM
        return text, binds

    def _infix(self, node: Op) -> tuple[str, int]:
        sign, level = _INFIX[node.name]
        left, right = node.args
        side = self._text if whole(node) else self._real
        if node.name == "multiply" and isinstance(right, Number):
            left, right = right, left
        pairs = ((left, node.name == "power"), (right, node.name != "power"))
        parts = [_bracket(*side(x), level + strict) for x, strict in pairs]
        return f"{parts[0]} {sign} {parts[1]}", level


def names() -> Iterator[str]:
    """Yield short names without end: u, v and so on to z, then u2, v2 and so on."""
    round_ = 1
    while True:
        yield from (name + (str(round_) if round_ > 1 else "") for name in _NAMES)
        round_ += 1


def _bracket(text: str, binds: int, least: int) -> str:
    return text if binds >= least else f"({text})"


def _binds(value: Real) -> int:
    return 3 if value < 0 else 2 if "*" in spell(value) else ATOM


def spell(value: Real) -> str:
    """Return a constant as Python writes it, multiples of pi as such.

    >>> spell(6.283185307179586), spell(0.1)
    ('2 * math.pi', '0.1')
    """
    times = float(value) / math.pi
    if times and round(times, 4) == times and times * math.pi == value:
        factor = repr(int(times) if times.is_integer() else times)
        return "math.pi" if times == 1 else f"{factor} * math.pi"
    return repr(value)


def _children(node: Node) -> tuple[Node, ...]:
    return node.args if isinstance(node, Op) else (node.at,) if isinstance(node, CycleAt) else ()


def _count(node: Node, counts: Counter[Node]) -> None:
    counts[node] += 1
    if counts[node] == 1:
        for child in _children(node):
            _count(child, counts)


def _inner_first(node: Node, seen: set[Node]) -> Iterator[Node]:
    """Yield every node once, what it is made of before it."""
    if node not in seen:
        seen.add(node)
        for child in _children(node):
            yield from _inner_first(child, seen)
        yield node


def _worth_a_name(node: Node) -> bool:
    return isinstance(node, Op | CycleAt)
