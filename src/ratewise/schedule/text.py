"""The text form, read: `repr` writes it, `parse` reads it, nothing is ever evaluated."""

from __future__ import annotations

import ast
import inspect
import itertools
import re
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from ratewise.schedule import cyclic, foreign, named
from ratewise.schedule.base import Schedule
from ratewise.schedule.budget import check_brackets, check_links
from ratewise.schedule.compose import Product, Sequence, Several
from ratewise.schedule.errors import Call, ScheduleError, nearest, shorten
from ratewise.schedule.foreign_calls import Verbatim
from ratewise.schedule.frames import Around
from ratewise.schedule.phrases import phrase
from ratewise.schedule.plan import Plan
from ratewise.schedule.spelling import spell
from ratewise.schedule.strict import strict

LONGEST_TEXT = 100_000
LONGEST_ADVISED = 1000
MOST_DIGITS = 4300
"""Digits of a number: Python reads no more."""
_ALONE = {"Sequence": Sequence, "Product": Product}
"""What is written with an operator, and by its name where it holds one schedule alone."""
METHODS = ("between", "clip", "cool", "until")
_EXAMPLES = {
    "Warmup": "Warmup(500) >> Cosine(to=0)",
    "Step": "Step(0.1, every=1000)",
    "WSD": 'WSD("5%", decay="20%")',
    "Restarts": "Restarts(1000)",
    "Repeat": "Repeat(Cosine(to=0), every=1000)",
    "Piecewise": 'Piecewise({0: 1, "50%": 0.1})',
    "ExponentialDecay": "ExponentialDecay(0.999)",
}
_LENGTH = re.compile(
    r""""[^"]*"|'[^']*'|(?<![\w.])(\d[\d_]*(?:\.\d*)?[kMB]?\s*(?:%|\s(?:epochs?|samples?|tokens?)\b))"""
)
_PAIR = re.compile(r"\b(\w+):\s+")
_FLAG = re.compile(r"--([A-Za-z]\w*)(?:=|\s+)([^\s'\"]+)")
_HOW = "write a schedule such as Warmup(500) >> Cosine(to=0.1)"


@strict
def parse(text: str) -> Schedule | Plan:
    """Read a schedule or a plan from its text form; `parse(repr(s)) == s`.

    The text is a Python expression of the names of this package, `>>`, `*`, methods such as
    `.clip()`, numbers, strings and brackets. It is read, never evaluated.

    Raises:
        ScheduleError: anything else; names and keywords get their nearest match.

    >>> parse("Warmup(500) >> Cosine(to=0.1)")
    Warmup(500) >> Cosine(to=0.1)
    """
    value = _Reader(_tree(text), text).read()
    if not isinstance(value, Schedule | Plan):
        told = foreign.call(value, {})[1] if isinstance(value, str) else _advised(text)
        told = foreign.settings(value) if isinstance(value, dict) else told
        raise ScheduleError(Call("parse", value=text), "found no schedule", told or _HOW)
    return value


def _tree(text: Any) -> ast.expr:
    who = Call("parse", value=text)
    if not isinstance(text, str):
        raise ScheduleError(who, "needs a text", "give it a str")
    if len(text) > LONGEST_TEXT:
        rule = f"got {len(text):,} characters"
        raise ScheduleError(who, rule, f"a schedule has at most {LONGEST_TEXT:,}")
    check_brackets(who, text)
    check_links(who, text)
    try:
        return _expression(text)
    except SyntaxError as error:
        where = f"is not an expression at character {error.offset or 0}"
        if re.search(rf"[0-9_]{{{MOST_DIGITS + 1}}}", text):
            where = f"is not an expression, or holds a number of more than {MOST_DIGITS:,} digits"
    except (ValueError, RecursionError, MemoryError):
        where = "is not an expression that can be read"
    raise ScheduleError(who, where, _point(text) or _advised(text) or _HOW)


def _point(text: str) -> str:
    """Return advice for a number with a comma behind a name, to=0,5 or over=1,000; else "".

    Python takes what is behind the comma for an argument in the wrong place.
    """
    found = re.search(r"\b([A-Za-z_]\w{0,30})=(\d{1,9}),(\d{1,9})(?=[,)])", text[:LONGEST_ADVISED])
    if found is None:
        return ""
    name, whole, rest = found.groups()
    thousands = len(rest) == 3 and whole != "0" and len(whole) <= 3
    return (
        f"write {name}={whole}{rest} or {name}={whole}.{rest}"
        if thousands
        else (f"write {name}={whole}.{rest}")
    )


def _tried(text: str) -> ast.expr | None:
    try:
        return _expression(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _expression(text: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what Python finds strange is answered by an error
        return ast.parse(text.strip(), mode="eval").body


def _advised(text: str) -> str:
    if len(text) > LONGEST_ADVISED:
        return ""
    words = "_".join(re.split(r"[\s-]+", text.strip()))
    named = foreign.call(words, {})[1] if words.isidentifier() else ""
    said = phrase(text)
    if "Warmup" in said and "Warmup" not in named:
        named = said  # with a warm-up, whatever it is without one
    try:
        told = named or _quoted(text) or _settings(text)
        return told or _settings(_PAIR.sub(r"\1=", text)) or said
    except RecursionError:  # what is nested is written out again
        return ""


def _quoted(text: str) -> str:
    """Return the advice to quote lengths such as 5%, if that is all that is wrong."""
    quoted = _LENGTH.sub(lambda m: f"'{m[1].strip()}'" if m[1] else m[0], text.strip())
    return f"quote it: {quoted}" if quoted != text.strip() and _tried(quoted) else ""


def _settings(text: str) -> str:
    """Return what to write for the settings of another library, `warmup_steps=50` or as flags."""
    flags = _FLAG.findall(text)
    if flags:
        return foreign.settings({name: _said(_tried(value), value) for name, value in flags})
    tree = _tried(f"settings({text.strip()})")
    if not isinstance(tree, ast.Call):
        return ""
    given = {k.arg: _said(k.value, ast.unparse(k.value)) for k in tree.keywords if k.arg}
    if tree.args:
        kind = _said(tree.args[0], ast.unparse(tree.args[0]))
        given = {"lr_scheduler_type": kind, **given}
    return foreign.settings(given)


def _said(node: ast.expr | None, text: str) -> Any:
    """Return the literal that a node is, or what was written."""
    try:
        return Verbatim(text) if node is None else ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return Verbatim(text)


class _Reader:
    """Turns a syntax tree into values, by a white list."""

    def __init__(self, tree: ast.expr, text: str) -> None:
        self.tree = tree
        self.text = text
        self.first_line = text.strip().partition("\n")[0].encode(errors="replace")

    def read(self) -> Any:
        try:
            return self.value(self.tree)
        except RecursionError:
            self.refuse(self.tree, "is nested too deeply")

    def refuse(self, node: ast.AST, rule: str, fix: str = "") -> NoReturn:
        part = ast.get_source_segment(self.text.strip(), node) or self.text  # pyright: ignore
        allowed = "use names of ratewise, >>, *, .clip(), numbers, strings and brackets"
        raise ScheduleError(Call("parse", value=part), rule, fix or allowed)

    def value(self, node: ast.expr) -> Any:
        reader: Callable[[Any], Any] | None = getattr(self, f"_{type(node).__name__}", None)
        if reader is None:
            self.refuse(node, "is not part of the language")
        return reader(node)

    def _Constant(self, node: ast.Constant) -> Any:
        if isinstance(node.value, int | float | str | None):
            return node.value
        self.refuse(node, "is not a number, a string or None")

    def _UnaryOp(self, node: ast.UnaryOp) -> Any:
        inner = node.operand
        number = isinstance(inner, ast.Constant) and type(inner.value) in (int, float)
        if isinstance(node.op, ast.USub) and number:
            return -inner.value  # pyright: ignore
        self.refuse(node, "is not part of the language")

    def _BinOp(self, node: ast.BinOp) -> Any:
        operator = type(node.op)
        chained: list[ast.expr] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and type(left.op) is operator:
            chained.append(left.right)
            left = left.left
        if operator not in (ast.RShift, ast.Mult):
            self.refuse(node, "uses an operator other than >> and *")
        result = self.value(left)
        if operator is ast.RShift:
            moves = [result, *(self.value(right) for right in reversed(chained))]
            if not all(isinstance(move, Schedule) for move in moves):
                self.refuse(node, "joins something that is not a schedule")
            return Sequence(tuple(moves))
        for right in reversed(chained):
            factor = self.value(right)
            if not isinstance(result, Schedule) and not isinstance(factor, Schedule):
                self.refuse(node, "multiplies two things that are not schedules")
            try:
                result = result * factor
            except TypeError:
                self.refuse(node, "multiplies a schedule by something that is no number")
        return result

    def _Tuple(self, node: ast.Tuple) -> tuple[Any, ...]:
        return tuple(self.value(item) for item in node.elts)

    def _List(self, node: ast.List) -> tuple[Any, ...]:
        return tuple(self.value(item) for item in node.elts)

    def _Dict(self, node: ast.Dict) -> dict[Any, Any]:
        pairs: dict[Any, Any] = {}
        for key, content in zip(node.keys, node.values, strict=True):
            if not isinstance(key, ast.Constant) or not isinstance(key.value, int | float | str):
                self.refuse(node, "has a key that is not a number or a string")
            if key.value in pairs:
                self.refuse(node, f"has the key {shorten(key.value)} twice", "write each key once")
            pairs[key.value] = self.value(content)
        return pairs

    def _Name(self, node: ast.Name) -> NoReturn:
        known = constructors()
        if node.id not in known:
            self.refuse_foreign(node, node.id, {}, [])
            ours = next((name for name in known if name.lower() == node.id.lower()), "")
            if not ours and not phrase(node.id):
                self.refuse(node, "is not a name of ratewise", _near(node.id))
            fix = f"write {_example(ours, known[ours])}" if ours else phrase(node.id)
            self.refuse(node, "is a bare name", fix)
        self.refuse(node, "is a bare name", f"write {_example(node.id, known[node.id])}")

    def _Attribute(self, node: ast.Attribute) -> NoReturn:
        if re.fullmatch(r"[\w.]+", ast.unparse(node)):
            if node.attr in constructors():
                self.refuse(
                    node,
                    "is a bare name",
                    f"write {_example(node.attr, constructors()[node.attr])}",
                )
            self.refuse_foreign(node, node.attr, {}, [])
            self.refuse(node, "is not a name of ratewise", _near(node.attr))
        self.refuse(node, "is not part of the language")

    def refuse_foreign(
        self, node: ast.AST, name: str, given: dict[str, Any], placed: list[Any]
    ) -> None:
        """Say what to write for a name of another library; pass if it is none."""
        library, fix = foreign.call(name, given, placed)
        if fix and "warmup" in name and "Warmup" not in fix and not (given or placed):
            fix = phrase(re.sub(r"get|schedule|lr", "", name)) or fix
        if fix:
            self.refuse(node, f"is a name of {library}", fix)

    def _Call(self, node: ast.Call) -> Any:
        if any(keyword.arg is None for keyword in node.keywords):
            self.refuse(node, "unpacks **keywords", "write them out")
        if any(isinstance(argument, ast.Starred) for argument in node.args):
            self.refuse(node, "unpacks *arguments", "write them out")
        self.check_foreign(node)
        self.check_commas(node)
        make = self.callee(node.func)
        arguments = [self.value(argument) for argument in node.args]
        keywords = {k.arg or "": self.value(k.value) for k in node.keywords}
        return make(*arguments, **keywords)

    def check_foreign(self, node: ast.Call) -> None:
        """Refuse a call of a name of another library, with or without its module in front."""
        func, name = node.func, ""
        if isinstance(func, ast.Name) and func.id not in constructors():
            name = func.id
        elif isinstance(func, ast.Attribute) and re.fullmatch(r"[\w.]+", ast.unparse(func)):
            name = func.attr
        ours = _ours(name, node)
        module = ast.unparse(func.value) if isinstance(func, ast.Attribute) else ""
        if module and module not in ("rw", "ratewise") and foreign.namesakes(name):
            ours = ""
        if name and ours:
            self.refuse(node, f"calls {ast.unparse(func)[:60]}", f"write {ours}")
        if name == "dict" and any(k.arg == "type" for k in node.keywords):
            self.refuse_typed(node)
        if name and len(self.text) > LONGEST_ADVISED:
            self.refuse_foreign(node.func, name, {}, [])
        elif name:
            given = {k.arg or "": self.said(k.value) for k in node.keywords}
            self.refuse_foreign(node, name, given, [self.said(a) for a in node.args])

    def refuse_typed(self, node: ast.Call) -> None:
        """Say what to write for a class that is named by a key, as in a config of MMEngine."""
        given = {k.arg or "": self.said(k.value) for k in node.keywords}
        kind = str(given.pop("type")).rpartition(".")[2]
        self.refuse_foreign(node, kind, given, [])
        self.refuse(node, f"has the type {shorten(kind)}, which is not known", _near(kind))

    def check_commas(self, node: ast.Call) -> None:
        """Refuse two numbers that are likely one: 1,000 with its thousands, or 0,1 for 0.1."""
        for one, other in itertools.pairwise(node.args):
            start, end = one.col_offset, other.end_col_offset or 0
            if one.lineno != 1 or other.end_lineno != 1 or end - start > 8:
                continue
            both = self.first_line[start:end].decode(errors="replace")
            if re.fullmatch(r"[1-9]\d{0,2},\d{3}|0,\d+", both):
                left, right = both.split(",")
                single = left + right if left != "0" else f"0.{right}"
                fix = f"write {single}, or {left}, {right} with a space"
                self.refuse(node, f"has {both}, which may be one number or two", fix)

    def said(self, node: ast.expr) -> Any:
        text = ast.get_source_segment(self.text.strip(), node)  # pyright: ignore
        return _said(node, text or "…")

    def callee(self, node: ast.expr) -> Callable[..., Any]:
        if isinstance(node, ast.Attribute):
            if re.fullmatch(r"[\w.]+", ast.unparse(node)):  # a module and what is not in it
                self.refuse(node, "is not a name of ratewise", _near(node.attr))
            owner = self.value(node.value)
            if node.attr not in METHODS or not isinstance(owner, Schedule):
                self.refuse(node, f"calls .{node.attr}", nearest(node.attr, METHODS))
            return getattr(owner, node.attr)
        if not isinstance(node, ast.Name):
            self.refuse(node, "is called")
        if node.id == "Function":
            self.refuse(node, "cannot be read from text", "use it in Python, or write a Piecewise")
        known = constructors()
        if node.id not in {**known, **_ALONE}:
            self.refuse(node, "is not a name of ratewise", _near(node.id))
        return {**known, **_ALONE}[node.id]


def _ours(name: str, node: ast.Call) -> str:
    """Return a call of one of our names, `rw.Cosine(to=0)` or `cosine(to=0)`, as we write it."""
    known = {kind.lower(): kind for kind in constructors()}
    ours = known.get(name.lower(), "")
    if not ours or any(k.arg is None for k in node.keywords):
        return ""
    takes = inspect.signature(constructors()[ours]).parameters
    given = {k.arg or "" for k in node.keywords}
    if name != ours and not (given and given <= {*takes}):
        return ""
    text = ast.unparse(ast.Call(ast.Name(ours), node.args, node.keywords))
    return text if len(text) <= 200 else f"{ours}(…)"


def _near(name: str) -> str:
    """Return advice for a misspelt name, of ours or of another library, whichever is nearer."""
    import difflib  # late: only who errs needs it

    def likeness(known: str) -> float:
        if len(name) > 2 * len(known):
            return 0.0
        return difflib.SequenceMatcher(None, name.lower(), known.lower()).ratio()

    ours = constructors()
    theirs = max(foreign.NAMES, key=likeness)
    if likeness(theirs) >= 0.8 and likeness(theirs) > max(map(likeness, ours)):
        return f"did you mean {theirs}, and if so {foreign.call(theirs, {})[1]}"
    return nearest(name, ours)


def _example(name: str, make: Callable[..., Any]) -> str:
    """Return a call of one of our own names as one may write it."""
    if name in _EXAMPLES:
        return _EXAMPLES[name]
    try:
        made = make()
    except (ScheduleError, TypeError):
        return f"{name}(…); it takes {', '.join(inspect.signature(make).parameters)}"
    return spell(made) if isinstance(make, type) else f"{name}()"


def constructors() -> dict[str, Callable[..., Any]]:
    """Return the names a text may call: every kind that is not written with an operator."""
    kinds = {
        name: kind
        for name, kind in Schedule.kinds.items()
        if name != "Function" and not issubclass(kind, Around | Several)
    }
    composed = {name: getattr(room, name) for room in (cyclic, named) for name in room.__all__}
    return {**kinds, **composed, "Plan": Plan}
