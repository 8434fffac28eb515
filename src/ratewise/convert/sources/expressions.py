"""Expressions of Python worked out by a white list of nodes: nothing is ever run.

What is not on the list is `Unknown`, with its line; so is whatever would cost much.
"""

from __future__ import annotations

import ast
import copy
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ratewise.convert.sources.limits import (
    BITS,
    DEEPEST,
    LONGEST_ITEMS,
    LONGEST_STRING,
    NODES,
    too_large,
)
from ratewise.convert.sources.unknown import Elsewhere, Partial, Unknown
from ratewise.schedule.errors import Who

SCALARS = (bool, int, float, str, type(None))
_NUMBERS = (bool, int, float)
_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
}
_SIGNS: dict[type, Callable[[Any], Any]] = {
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Not: operator.not_,
}
_COMPARISONS: dict[type, Callable[[Any, Any], bool]] = {
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
_FORMAT = re.compile(r"(\.\d{1,2})?[defg%]?")
_ON_NUMBERS: dict[str, Callable[..., Any]] = {
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
_CONSTANTS = {"math.pi": math.pi, "math.e": math.e, "math.inf": math.inf}
_CLASS_KEYS = {"type": False, "_target_": True}
"""Keys whose value may be a class, and whether by its full name."""


class Unclear(Exception):
    """An expression cannot be worked out."""


class Expressions:
    """Works out expressions over the names of a file.

    Args:
        who: The file, for messages.
        text: Its text.
    """

    def __init__(self, who: Who, text: str) -> None:
        self.who = who
        self.names: dict[str, Any] = {}
        self._lines = re.split(r"\r\n|\r|\n", text)
        self._nodes = self._depth = 0
        self.starred = False
        """Whether names may have come from anywhere."""

    def unknown(self, node: ast.AST, why: str = "is not worked out") -> Unknown:
        """Return what a node is, unknown, with its line."""
        line = getattr(node, "lineno", 1)
        text = self._lines[line - 1].encode()[getattr(node, "col_offset", 0) :]
        if getattr(node, "end_lineno", line) == line:
            text = text[: getattr(node, "end_col_offset", 0) - getattr(node, "col_offset", 0)]
        return Unknown(text[:200].decode(errors="replace"), f"line {line} {why}")

    def value(self, node: ast.expr) -> Any:
        """Return the value of an expression, or `Unknown`."""
        self._nodes += 1
        if self._nodes > NODES:
            raise too_large(self.who, NODES, "values")
        work: Callable[[Any], Any] | None = getattr(self, f"_{type(node).__name__}", None)
        self._depth += 1
        try:
            if work is None or self._depth > DEEPEST:
                raise Unclear
            return self._bounded(work(node))
        except (Unclear, ArithmeticError, LookupError, TypeError, ValueError):
            self.spoil(node)
            return self.unknown(node)
        finally:
            self._depth -= 1

    def known(self, node: ast.expr) -> Any:
        """Return a value that has to be known to go on."""
        value = self.value(node)
        if isinstance(value, Unknown):
            raise Unclear
        return value

    def scalar(self, node: ast.expr) -> Any:
        """Return a number, a text or None."""
        return _a(self.known(node), SCALARS)

    def spoil(self, node: ast.AST) -> None:
        """Forget what unknown code may have changed: all that it was handed."""
        for call in ast.walk(node):
            if isinstance(call, ast.Call):
                for part in ast.walk(call):
                    if isinstance(part, ast.Name) and part.id in self.names:
                        self.forget(self.names[part.id], call)

    def forget(self, value: Any, node: ast.AST) -> None:
        """Make all of a value unknown, in its place: others may hold the same object."""
        instead = self.unknown(node, "may change it")
        for one in list(_inside(value)):
            self._nodes += 1 + len(one)
            if isinstance(one, Partial):
                one.clear()
                one.rest = instead
            elif isinstance(one, list):
                one[:] = [instead]  # pyright: ignore

    def _bounded(self, value: Any) -> Any:
        if isinstance(value, complex) or (isinstance(value, int) and value.bit_length() > BITS):
            raise Unclear
        if isinstance(value, str) and len(value) > LONGEST_STRING:
            raise Unclear
        if isinstance(value, list | tuple | dict) and len(value) > LONGEST_ITEMS:  # pyright: ignore
            raise Unclear
        return value  # pyright: ignore

    # Literals and containers

    def _Constant(self, node: ast.Constant) -> Any:
        return _a(node.value, SCALARS)

    def _Name(self, node: ast.Name) -> Any:
        if node.id not in self.names:
            raise Unclear
        return self.names[node.id]

    def _List(self, node: ast.List | ast.Tuple) -> list[Any]:
        items: list[Any] = []
        for item in node.elts:
            if isinstance(item, ast.Starred):
                items.extend(_a(self.known(item.value), (list, tuple)))
            else:
                items.append(self.value(item))
        return items

    def _Tuple(self, node: ast.Tuple) -> tuple[Any, ...]:
        return tuple(self._List(node))

    def _Dict(self, node: ast.Dict) -> Partial:
        found = Partial()
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found = _joined(found, self.known(value))
            else:
                name = self.scalar(key)
                found[name] = _class_name(name, self.value(value))
        return found

    def _ListComp(self, node: ast.ListComp) -> list[Any]:
        """Return `[f(x) for x in items]`; the name is that of the brackets alone."""
        (loop,) = node.generators
        if not isinstance(loop.target, ast.Name) or loop.is_async:
            raise Unclear
        name, found = loop.target.id, list[Any]()
        outside = self.names.get(name, self)  # `self` is no value
        try:
            for item in _a(self.known(loop.iter), (list, tuple)):
                self.names[name] = item
                if all(self.known(test) for test in loop.ifs):
                    found.append(self.value(node.elt))
        finally:
            self.names.pop(name, None)
            if outside is not self:
                self.names[name] = outside
        return found

    def _JoinedStr(self, node: ast.JoinedStr) -> str:
        return "".join(str(self.scalar(part)) for part in node.values)

    def _FormattedValue(self, node: ast.FormattedValue) -> str:
        wanted = "" if node.format_spec is None else self.scalar(node.format_spec)
        if node.conversion != -1 or not _FORMAT.fullmatch(wanted):
            raise Unclear
        return format(self.scalar(node.value), wanted)

    # Operators

    def _UnaryOp(self, node: ast.UnaryOp) -> Any:
        value = self.scalar(node.operand)
        return _SIGNS[type(node.op)](value)

    def _BinOp(self, node: ast.BinOp) -> Any:
        return self.joined(node.op, self.known(node.left), self.known(node.right))

    def joined(self, op: ast.operator, a: Any, b: Any) -> Any:
        """Return what an operator makes of two values."""
        if isinstance(op, ast.BitOr) and isinstance(a, dict):
            return _joined(a, b)
        work = _ARITHMETIC[type(op)]
        if isinstance(a, _NUMBERS) and isinstance(b, _NUMBERS):
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

    def _BoolOp(self, node: ast.BoolOp) -> Any:
        stop = isinstance(node.op, ast.Or)
        value: Any = None
        for part in node.values:
            value = self.known(part)
            if bool(value) is stop:
                break
        return value

    def _Compare(self, node: ast.Compare) -> bool:
        left = self.scalar(node.left)
        for op, part in zip(node.ops, node.comparators, strict=True):
            if isinstance(op, ast.In | ast.NotIn):
                right = self.known(part)
                if isinstance(right, list | tuple):
                    right = [_a(item, SCALARS) for item in right]  # pyright: ignore
            else:
                right = self.scalar(part)
            if not _COMPARISONS[type(op)](left, right):
                return False
            left = right
        return True

    def _IfExp(self, node: ast.IfExp) -> Any:
        return self.value(node.body if self.known(node.test) else node.orelse)

    # Parts

    def _Attribute(self, node: ast.Attribute) -> Any:
        owner = self.value(node.value)
        if isinstance(owner, Elsewhere):
            name = f"{owner.name}.{node.attr}"
            return _CONSTANTS.get(name, Elsewhere(name, owner.why))
        return _a(owner, (dict,))[node.attr]

    def _Subscript(self, node: ast.Subscript) -> Any:
        owner = _a(self.known(node.value), (dict, list, tuple, str))
        if isinstance(node.slice, ast.Slice):
            ends = (node.slice.lower, node.slice.upper, node.slice.step)
            return owner[slice(*(None if end is None else self.scalar(end) for end in ends))]
        return owner[self.scalar(node.slice)]

    # Calls

    def _Call(self, node: ast.Call) -> Any:
        if isinstance(node.func, ast.Call):
            return self._lazy(node.func, node)
        if isinstance(node.func, ast.Attribute):
            owner = self.value(node.func.value)
            if not isinstance(owner, Unknown):
                return self._method(owner, node.func.attr, node)
        name = self._callee(node.func)
        if name == "dict":
            first = [self.known(argument) for argument in node.args]
            return _joined(*first, self.keywords(node))
        if node.keywords:
            raise Unclear
        return self._called(name, [self.known(argument) for argument in node.args])

    def keywords(self, node: ast.Call) -> Partial:
        """Return the keywords of a call."""
        found = Partial()
        for keyword in node.keywords:
            if keyword.arg is None:
                found = _joined(found, self.known(keyword.value))
            else:
                found[keyword.arg] = _class_name(keyword.arg, self.value(keyword.value))
        return found

    def _callee(self, node: ast.expr) -> str:
        """Return the full name of what is called; a built-in's is its own."""
        if isinstance(node, ast.Name) and node.id not in self.names and not self.starred:
            return node.id
        found = self.value(node)
        if not isinstance(found, Elsewhere):
            raise Unclear
        return found.name

    def _called(self, name: str, given: list[Any]) -> Any:
        if name in _ON_NUMBERS:
            only = given[0] if len(given) == 1 and isinstance(given[0], list | tuple) else given
            return _ON_NUMBERS[name](*(_a(item, _NUMBERS) for item in only))  # pyright: ignore
        (value,) = given if name != "range" else (given,)
        if name == "range":
            numbers = range(*(_a(item, (int,)) for item in given))
            if len(numbers) > LONGEST_ITEMS:
                raise Unclear
            return list(numbers)
        if name in ("int", "float", "bool", "str"):
            made = {"int": int, "float": float, "bool": bool, "str": str}[name]
            return made(_a(value, SCALARS))
        if name == "len":
            return len(_a(value, (dict, list, tuple, str)))
        if name in ("list", "tuple"):
            return {"list": list, "tuple": tuple}[name](_a(value, (list, tuple)))
        if name == "sum":
            return sum(_a(item, _NUMBERS) for item in _a(value, (list, tuple)))
        if name in ("copy.copy", "copy.deepcopy"):
            return self._copied(value)
        raise Unclear

    def _copied(self, value: Any) -> Any:
        self._nodes += sum(1 for _ in _inside(value))
        return copy.deepcopy(value)

    def _lazy(self, func: ast.Call, node: ast.Call) -> Partial:
        """Return `LazyCall(target)(…)` of Detectron2 as the mapping that it is."""
        name = self._callee(func.func).rpartition(".")[2]
        if name != "LazyCall" or node.args or func.keywords:
            raise Unclear
        (target,) = func.args
        return _joined(
            {"_target_": _class_name("_target_", self.value(target))}, self.keywords(node)
        )

    def _method(self, owner: Any, name: str, node: ast.Call) -> Any:
        given = [self.value(argument) for argument in node.args]
        if isinstance(owner, dict):
            if name in ("update", "merge"):
                return owner.update(_joined(*given, self.keywords(node)))
            if name == "copy" and not given:
                return _joined(owner)  # pyright: ignore
            if name in ("get", "pop", "setdefault") and not node.keywords:
                return self._keyed(owner, name, given)  # pyright: ignore
        if isinstance(owner, list) and not node.keywords:
            if name == "append":
                (item,) = given
                return owner.append(item)  # pyright: ignore
            if name == "extend":
                (items,) = given
                return owner.extend(_a(items, (list, tuple)))  # pyright: ignore
            if name == "copy" and not given:
                return list(owner)  # pyright: ignore
        raise Unclear

    def _keyed(self, owner: dict[Any, Any], name: str, given: list[Any]) -> Any:
        key, *default = given
        if isinstance(owner, Partial) and owner.rest is not None and key not in owner:
            raise Unclear
        return getattr(owner, name)(_a(key, SCALARS), *default)


def _a(value: Any, kinds: tuple[type, ...]) -> Any:
    if not isinstance(value, kinds):
        raise Unclear
    return value


def _check_power(a: float, b: float) -> None:
    if isinstance(a, int) and isinstance(b, int) and a.bit_length() * abs(b) > 2 * BITS:
        raise Unclear


def _joined(*parts: Any) -> Partial:
    """Return mappings joined as `dict(a, **b)` does; the last counts."""
    found = Partial()
    for part in parts:
        given = _a(part, (dict,))
        if isinstance(given, Partial) and given.rest is not None:
            raise Unclear
        found.update(given)
    return found


def _class_name(key: Any, value: Any) -> Any:
    """Return the name of a class that stands where its name may stand too."""
    if isinstance(value, Elsewhere) and key in _CLASS_KEYS:
        return value.name if _CLASS_KEYS[key] else value.name.rpartition(".")[2]
    return value


def _inside(value: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """Yield every list and mapping inside of a value once, itself included."""
    seen = set() if seen is None else seen
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list | tuple) and id(one) not in seen:  # pyright: ignore
            seen.add(id(one))  # pyright: ignore
            waiting.extend(one.values() if isinstance(one, Mapping) else one)  # pyright: ignore
            yield one
