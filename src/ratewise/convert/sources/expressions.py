"""Expressions of Python worked out by a white list of nodes: nothing is ever run.

What is not on the list is `Unknown`, with its line; so is whatever would cost much.
"""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ratewise.convert.sources.limits import DEEPEST, NODES, too_large
from ratewise.convert.sources.unknown import Elsewhere, Partial, Unknown
from ratewise.convert.sources.values import (
    COMPARISONS,
    CONSTANTS,
    FORMAT,
    SCALARS,
    SIGNS,
    Unclear,
    bounded,
    called,
    joined,
    one_of,
    operated,
)
from ratewise.schedule.errors import Who

_KINDS = ("bool", "dict", "float", "int", "list", "str", "tuple")
_CLASS_KEYS = {"type": False, "_target_": True}
"""Keys whose value may be a class, and whether by its full name."""


class Expressions:
    """Works out expressions over the names of a file.

    Args:
        who: The file, for messages.
        text: Its text.
        file: Its name, if lines are to be told with it.
    """

    def __init__(self, who: Who, text: str, file: str = "") -> None:
        self.who = who
        self._of_file = f" of {file}" if file else ""
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
        return Unknown(text[:200].decode(errors="replace"), f"line {line}{self._of_file} {why}")

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
            return bounded(work(node))
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
        return one_of(self.known(node), SCALARS)

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

    # Literals and containers

    def _Constant(self, node: ast.Constant) -> Any:
        return one_of(node.value, SCALARS)

    def _Name(self, node: ast.Name) -> Any:
        if node.id not in self.names:
            raise Unclear
        return self.names[node.id]

    def _List(self, node: ast.List | ast.Tuple) -> list[Any]:
        items: list[Any] = []
        for item in node.elts:
            if isinstance(item, ast.Starred):
                items.extend(one_of(self.known(item.value), (list, tuple)))
            else:
                items.append(self.value(item))
        return items

    def _Tuple(self, node: ast.Tuple) -> tuple[Any, ...]:
        return tuple(self._List(node))

    def _Dict(self, node: ast.Dict) -> Partial:
        found = Partial()
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                found = joined(found, self.known(value))
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
            for item in one_of(self.known(loop.iter), (list, tuple)):
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
        if node.conversion != -1 or not FORMAT.fullmatch(wanted):
            raise Unclear
        return format(self.scalar(node.value), wanted)

    # Operators

    def _UnaryOp(self, node: ast.UnaryOp) -> Any:
        value = self.scalar(node.operand)
        return SIGNS[type(node.op)](value)

    def _BinOp(self, node: ast.BinOp) -> Any:
        return operated(node.op, self.known(node.left), self.known(node.right))

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
                    right = [one_of(item, SCALARS) for item in right]  # pyright: ignore
            else:
                right = self.scalar(part)
            if not COMPARISONS[type(op)](left, right):
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
            return CONSTANTS.get(name, Elsewhere(name, owner.why))
        return one_of(owner, (dict,))[node.attr]

    def _Subscript(self, node: ast.Subscript) -> Any:
        owner = one_of(self.known(node.value), (dict, list, tuple, str))
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
            return joined(*first, self.keywords(node))
        if node.keywords:
            raise Unclear
        given = [self.known(argument) for argument in node.args]
        if name in ("copy.copy", "copy.deepcopy") and len(given) == 1:
            return self._copied(given[0])
        return called(name, given)

    def keywords(self, node: ast.Call) -> Partial:
        """Return the keywords of a call."""
        found = Partial()
        for keyword in node.keywords:
            if keyword.arg is None:
                found = joined(found, self.known(keyword.value))
            else:
                found[keyword.arg] = _class_name(keyword.arg, self.value(keyword.value))
        return found

    def _callee(self, node: ast.expr) -> str:
        """Return the full name of what is called; a built-in's is its own."""
        if isinstance(node, ast.Name) and node.id not in self.names:
            starred = self.starred and node.id not in _KINDS  # which no config means otherwise
            if not starred:
                return node.id
        found = self.value(node)
        if not isinstance(found, Elsewhere):
            raise Unclear
        return found.name

    def _copied(self, value: Any) -> Any:
        self._nodes += sum(1 for _ in _inside(value))
        return copy.deepcopy(value)

    def _lazy(self, func: ast.Call, node: ast.Call) -> Partial:
        """Return `LazyCall(target)(…)` of Detectron2 as the mapping that it is."""
        name = self._callee(func.func).rpartition(".")[2]
        if name != "LazyCall" or node.args or func.keywords:
            raise Unclear
        (target,) = func.args
        return joined(
            {"_target_": _class_name("_target_", self.value(target))}, self.keywords(node)
        )

    def _method(self, owner: Any, name: str, node: ast.Call) -> Any:
        given = [self.value(argument) for argument in node.args]
        if isinstance(owner, dict):
            if name in ("update", "merge"):
                return owner.update(joined(*given, self.keywords(node)))
            if name == "copy" and not given:
                return joined(owner)  # pyright: ignore
            if name in ("get", "pop", "setdefault") and not node.keywords:
                return self._keyed(owner, name, given)  # pyright: ignore
        if isinstance(owner, list) and not node.keywords:
            if name == "append":
                (item,) = given
                return owner.append(item)  # pyright: ignore
            if name == "extend":
                (items,) = given
                return owner.extend(one_of(items, (list, tuple)))  # pyright: ignore
            if name == "copy" and not given:
                return list(owner)  # pyright: ignore
        raise Unclear

    def _keyed(self, owner: dict[Any, Any], name: str, given: list[Any]) -> Any:
        key, *default = given
        if isinstance(owner, Partial) and owner.rest is not None and key not in owner:
            raise Unclear
        return getattr(owner, name)(one_of(key, SCALARS), *default)


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
