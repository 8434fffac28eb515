"""Levels as functions: one branch for each stretch, a helper for each cycle."""

from __future__ import annotations

import textwrap

from ratewise.convert.targets._nodes import (
    CycleAt,
    Node,
    Number,
    Op,
    Place,
    bounded_powers,
    evaluate,
)
from ratewise.convert.targets._print import Printer, Words, names, spell
from ratewise.convert.targets._quote import docstring
from ratewise.convert.targets._single import for_single
from ratewise.convert.targets._values import Value
from ratewise.schedule.errors import ScheduleError

MANY = 16
"""Stretches past which constants are written as a table."""
_INDENT = "    "


class Functions:
    """Writes functions of the update, and the helpers that they call, each once.

    Attributes:
        texts: The functions written so far, helpers first.
    """

    def __init__(self, words: Words) -> None:
        self.words = words
        self.texts: list[str] = []
        self._helpers: dict[Value, str] = {}

    def add(self, name: str, value: Value, doc: str) -> None:
        """Write `name(t)`, the levels of a value."""
        body = self._selected(value) if self.words.find else self._branched(value)
        kind = "(t)" if self.words.find else "(t: int) -> float"
        lines = [f"def {name}{kind}:", f"    {docstring(doc)}", *(_INDENT + line for line in body)]
        self.texts.append("\n".join(lines))

    def _call(self, call: CycleAt, at: str) -> str:
        if call.cycle not in self._helpers:
            number = len(self._helpers) + 1
            name = "cycle" if number == 1 else f"cycle{number}"
            self._helpers[call.cycle] = name
            self.add(name, call.cycle, "Return the level at position `t` of a cycle.")
        return f"{self._helpers[call.cycle]}({at})"

    # With `if` ------------------------------------------------------------------------------

    def _branched(self, value: Value) -> list[str]:
        if _is_table(value):
            return [*_table(value), "return levels[bisect.bisect_right(stops, t)]"]
        out: list[str] = []
        for span in value.spans:
            last = None if span.stop is None else span.stop - 1
            printer = Printer(self.words, "t", self._call)
            result = printer.write(bounded_powers(span.node, last))
            lines = [*printer.lines, f"return {result}"]
            if span is value.spans[-1]:
                return out + lines
            out += [f"if t < {span.stop}:", *(_INDENT + line for line in lines)]
        return out

    # With `select` --------------------------------------------------------------------------

    def _selected(self, value: Value) -> list[str]:
        _check_counts(value)
        if _is_table(value):
            array = self.words.function.format("array")
            found = self.words.call("take", "levels", self.words.find)
            return [*_table(value, array + '([|], "{kind}")'), f"return {found}"]
        fresh, lines, texts = names(), list[str](), list[str]()
        for index, span in enumerate(value.spans, start=1):
            last = None if span.stop is None else span.stop - 1
            node = for_single(bounded_powers(span.node, last), last)
            var = "t"
            upper = None if span is value.spans[-1] else last
            if (span.start or upper is not None) and _needs_bounds(node):
                var = f"t{index}"
                lines.append(f"{var} = {_bounds(self.words, span.start, upper)}")
            printer = Printer(self.words, var, self._call, fresh)
            texts.append(self._as_real(node, printer))
            lines += printer.lines
        if len(texts) == 1:
            constant = isinstance(value.spans[0].node, Number)
            return [*lines, f"return {self._full(texts[0]) if constant else texts[0]}"]
        *choices, rest = texts
        stops = [f"t < {span.stop}" for span in value.spans[:-1]]
        return [*lines, *_select(self.words, stops, choices, rest)]

    def _as_real(self, node: Node, printer: Printer) -> str:
        text = printer.write(node)
        if isinstance(node, Number):
            return spell(float(node.value))
        return self.words.real.format(text) if isinstance(node, Place) else text

    def _full(self, level: str) -> str:
        shape = self.words.function.format("shape")
        return self.words.call("full", f"{shape}(t)", level, '"float32"')


def _is_table(value: Value) -> bool:
    """Whether a value is so many constants that looking one up beats asking for each."""
    constants = (isinstance(span.node, Number) for span in value.spans)
    return len(value.spans) > MANY and all(constants)


def _table(value: Value, around: str = "(|)") -> list[str]:
    stops = [str(span.stop) for span in value.spans[:-1]]
    levels = [spell(float(evaluate(span.node, span.start))) for span in value.spans]
    lines: list[str] = []
    for name, items, kind in (("stops", stops, "int32"), ("levels", levels, "float32")):
        rows = textwrap.wrap(", ".join(items), 84)
        first, last = around.format(kind=kind).split("|")
        lines += [f"{name} = {first}", *(_INDENT + row for row in rows), last]
    return lines


def _select(words: Words, stops: list[str], choices: list[str], rest: str) -> list[str]:
    if len(stops) == 1:
        return [f"return {words.call('where', stops[0], choices[0], rest)}"]
    constants = all(_is_constant(choice) for choice in (*choices, rest))
    real = words.real if constants else "{}"  # of constants alone, TensorFlow makes float64
    start, end = real.format(f"{words.function.format('select')}(|)").split("|")
    return [
        f"return {start}",
        f"    [{', '.join(stops)}],",
        "    [",
        *(f"        {choice}," for choice in choices),
        "    ],",
        f"    {rest},",
        end,
    ]


def _is_constant(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_counts(value: Value) -> None:
    last = value.spans[-1].start
    if last >= 2**31:
        rule = f"changes at update {last}, and this target counts updates in 32 bits"
        raise ScheduleError("The schedule", rule, "write a run of less than 2**31 updates")


def _needs_bounds(node: Node) -> bool:
    """Whether a formula may be worked out only inside its stretch: roots of negative numbers."""
    if isinstance(node, CycleAt):
        return _needs_bounds(node.at)
    if not isinstance(node, Op):
        return False
    if node.name in ("sqrt", "log1p", "power", "exp", "expm1"):
        return True
    if node.name == "true_divide" and not isinstance(node.args[1], Number):
        return True
    return any(_needs_bounds(a) for a in node.args)


def _bounds(words: Words, first: int, last: int | None) -> str:
    if last is None:
        return words.call("maximum", "t", str(first))
    return words.call("clip", "t", str(first), str(last))
