"""A Python config as the names that it assigns: its statements are followed, none is run.

What cannot be followed makes unknown whatever it may have assigned or changed.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from ratewise.convert.sources.expressions import Expressions
from ratewise.convert.sources.unknown import Elsewhere, Partial, Unknown, rest_of
from ratewise.convert.sources.values import Unclear, bounded, operated
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Who

Import = Callable[[str, int], dict[str, Any] | None]
"""Returns the names of a base by its module and level, None if it is not there."""
_HARMLESS = ("print", "warn")
_REACH_ALL = ("exec", "eval", "globals", "locals", "vars", "setattr")


def parsed(who: Who, text: str) -> ast.Module:
    """Return the syntax tree of a Python file."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of strange escapes, which are the file's own affair
            return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        rule = f"is not Python ({type(error).__name__})"
        raise ScheduleError(who, rule, "correct the file") from None


def assigned(
    who: Who,
    text: str,
    bases: dict[str, Any] | None = None,
    imported: Import | None = None,
    file: str = "",
) -> Partial:
    """Return the names that a Python file assigns at its top level, with their values.

    Args:
        who: The file, for messages.
        text: Its text.
        bases: What the name `_base_` stands for in it.
        imported: Returns the names of the bases that it imports.
        file: Its name, if lines are to be told with it.
    """
    tree = parsed(who, text)
    module = _Module(who, text, imported, file)
    if "def" in text or "lambda" in text:
        module.watch(tree)
    if bases is not None:
        module.names["_base_"] = bases
    try:
        module.run(tree.body)
    except RecursionError:
        raise ScheduleError(who, "is nested too deeply", "give a config file") from None
    module.names.pop("_base_", None)
    kept = {name: module.get(name) for name in module.names if not module.is_foreign(name)}
    return Partial(kept, module.rest)


def _may_change(node: ast.AST) -> bool:
    """Whether it is a call, or sets a part of something."""
    part = isinstance(node, ast.Subscript | ast.Attribute)
    return isinstance(node, ast.Call) or (part and not isinstance(node.ctx, ast.Load))


def _assigns_within(node: ast.AST) -> bool:
    return any(isinstance(part, ast.NamedExpr) for part in ast.walk(node))


def _names(node: ast.AST) -> Iterator[str]:
    return (part.id for part in ast.walk(node) if isinstance(part, ast.Name))


class _Module(Expressions):
    """The statements of a file, one behind the other."""

    def __init__(self, who: Who, text: str, imported: Import | None, file: str) -> None:
        super().__init__(who, text, file)
        self.rest: Unknown | None = None
        self._imported = imported
        self._walrus = ":=" in text
        self._foreign: set[str] = set()
        self._set_by_functions: set[str] = set()
        self._changed_by_functions: set[str] = set()

    def watch(self, tree: ast.Module) -> None:
        """Note which names the functions of the file may assign, or may change in place."""
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            for node in ast.walk(function):
                if isinstance(node, ast.Global):
                    self._set_by_functions.update(node.names)
                elif _may_change(node):
                    self._changed_by_functions.update(_names(node))

    def get(self, name: str) -> Any:
        """Return the value of a name; what a function may change is not known."""
        value = self.names[name]
        changed = isinstance(value, dict | list) and name in self._changed_by_functions
        if changed or name in self._set_by_functions:
            return Unknown(name, "a function of the file may change it")
        return value

    def _Name(self, node: ast.Name) -> Any:
        if node.id not in self.names:
            raise Unclear
        return self.get(node.id)

    def is_foreign(self, name: str) -> bool:
        """Whether a name is that of a module, a class or a function."""
        return name in self._foreign

    def run(self, body: list[ast.stmt]) -> None:
        """Follow statements."""
        for node in body:
            follow: Callable[[Any], None] | None = getattr(self, f"_do_{type(node).__name__}", None)
            self._nodes += 1
            if follow is None or (self._walrus and _assigns_within(node)):
                self.blur(node)
                continue
            try:
                follow(node)
            except (Unclear, ArithmeticError, LookupError, TypeError, ValueError) as error:
                if isinstance(error, ScheduleError):
                    raise
                self.blur(node)

    def blur(self, node: ast.AST) -> None:
        """Forget all that a statement may assign or change."""
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                if part.id in self.names:
                    self.forget(self.names[part.id], node)
                if not isinstance(part.ctx, ast.Load):
                    self.names[part.id] = self.unknown(node)
            elif isinstance(part, ast.Import | ast.ImportFrom):
                self._bind(part)
            elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                self._do_FunctionDef(part)
            elif isinstance(part, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and part.name:
                self.names[part.name] = self.unknown(node)
            elif isinstance(part, ast.MatchMapping) and part.rest:
                self.names[part.rest] = self.unknown(node)
            elif isinstance(part, ast.Call) and set(_names(part.func)) & set(_REACH_ALL):
                self._forget_all(node)

    def _forget_all(self, node: ast.AST) -> None:
        """Forget every name: what follows may have come from anywhere."""
        self.rest = self.unknown(node, "may assign any name")
        self.starred = True
        for name, value in self.names.items():
            self.forget(value, node)
            if name != "_base_":
                self.names[name] = Unknown(name, self.rest.why)

    # Statements

    def _do_Pass(self, node: ast.Pass) -> None:
        pass

    def _do_Assert(self, node: ast.Assert) -> None:
        self.spoil(node)

    def _do_Assign(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self._set(target, value)

    def _do_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._set(node.target, self.value(node.value))

    def _do_AugAssign(self, node: ast.AugAssign) -> None:
        before = self.known(node.target)
        more = self.known(node.value)
        if isinstance(before, list) and isinstance(node.op, ast.Add):
            before.extend(operated(ast.Add(), [], list(more)))  # pyright: ignore
        elif isinstance(before, dict) and isinstance(node.op, ast.BitOr):
            before.update(more)  # pyright: ignore
        else:
            self._set(node.target, bounded(operated(node.op, before, more)))

    def _do_Expr(self, node: ast.Expr) -> None:
        call = node.value
        if isinstance(call, ast.Constant):
            return
        if not isinstance(call, ast.Call):
            raise Unclear
        last = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        if isinstance(call.func, ast.Name):
            last = call.func.id
        if last not in _HARMLESS and isinstance(self.value(call), Unknown):
            raise Unclear

    def _do_Delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                del self.names[target.id]
            elif isinstance(target, ast.Subscript):
                del self.known(target.value)[self.scalar(target.slice)]  # pyright: ignore
            else:
                raise Unclear

    def _do_If(self, node: ast.If) -> None:
        self.run(node.body if self.known(node.test) else node.orelse)

    def _do_With(self, node: ast.With) -> None:
        """Follow `with read_base():` of MMEngine; any other block is not followed."""
        (item,) = node.items
        call = item.context_expr
        if not isinstance(call, ast.Call) or not self._callee(call.func).endswith("read_base"):
            raise Unclear
        self.run(node.body)

    def _do_Import(self, node: ast.Import) -> None:
        self._bind(node)

    def _do_ImportFrom(self, node: ast.ImportFrom) -> None:
        base = node.level and node.module and self._imported is not None
        found = self._imported(node.module or "", node.level) if base and self._imported else None
        if found is None:
            self._bind(node)
            return
        for alias in node.names:
            if alias.name == "*":
                self.names.update(found)
                self.rest = self.rest if rest_of(found) is None else rest_of(found)
            else:
                missing = Elsewhere(f"{node.module}.{alias.name}", f"of line {node.lineno}")
                self.names[alias.asname or alias.name] = found.get(alias.name, missing)

    def _do_FunctionDef(self, node: Any) -> None:
        self._import(node.name, f".{node.name}", f"line {node.lineno} is not run")

    _do_AsyncFunctionDef = _do_ClassDef = _do_FunctionDef

    # Names

    def _bind(self, node: ast.Import | ast.ImportFrom) -> None:
        """Bind the names of an import, which is not followed."""
        why = f"of line {node.lineno} is not imported"
        for alias in node.names:
            if alias.name == "*":
                self._forget_all(node)
            elif isinstance(node, ast.ImportFrom):
                name = f"{node.module or '.'}.{alias.name}"
                self._import(alias.asname or alias.name, name, why)
            else:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                self._import(alias.asname or name, name, why)

    def _import(self, name: str, full: str, why: str) -> None:
        self.names[name] = Elsewhere(full, why)
        self._foreign.add(name)

    def _set(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            if target.id != "_base_":
                self._foreign.discard(target.id)
                self.names[target.id] = value
        elif isinstance(target, ast.Tuple | ast.List):
            known = isinstance(value, list | tuple) and len(value) == len(target.elts)  # pyright: ignore
            for i, part in enumerate(target.elts):
                self._set(part, value[i] if known else self.unknown(target))
        elif isinstance(target, ast.Subscript):
            self._put(target, self.scalar(target.slice), value)
        elif isinstance(target, ast.Attribute):
            self._put(target, target.attr, value)
        else:
            raise Unclear

    def _put(self, target: ast.Subscript | ast.Attribute, key: Any, value: Any) -> None:
        owner = self.known(target.value)
        if not isinstance(owner, dict | list):
            raise Unclear
        owner[key] = value
