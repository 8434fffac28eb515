"""What a shell script has set in itself, put where it stands: nothing is run."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping

_ASSIGNS = re.compile(
    r"""^[ \t]*+(?:(?:export|local|readonly|declare(?:[ ]-\w+)?)[ \t]++)?([A-Za-z_]\w*+)=
    ("(?:[^"\\]|\\[\s\S])*+"|'[^']*+'|(?:\$\(\([^()\n]*\)\)|\$\{[^}\n]*+\}|[^\s"'`()<>|&;$]|\$(?![({]))*+)
    [ \t]*+(?:;|[#][^\n]*)?$""",
    re.MULTILINE | re.VERBOSE,
)
"""A variable that is set to a text, alone in its line; a command in it does not match."""
_USES = re.compile(
    r"\$\{(\w+)(?::?-([^{}$\n]*))?\}|\$([A-Za-z_]\w*)|\$\(\(([\w\s+*/%()$-]{1,199})\)\)"
)
"""A variable, with what stands in for it perhaps, or arithmetic on some."""
_NAME = re.compile(r"\$?([A-Za-z_]\w*)")
_ROUNDS = 5
"""How deep variables may stand in each other."""
LARGEST = 200_000
"""Characters of a script up to which it is looked through, and that it may grow to."""
_COUNTS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.floordiv,
    ast.Mod: operator.mod,
}


def filled(text: str) -> str:
    r"""Return a script with the variables that it sets once put where they are used.

    What it sets twice to two things, from a command or not at all stays as it is written, and so
    is refused where it is needed.

    >>> filled("LR=3e-4\ntrain --lr $LR --steps ${STEPS:-100} --to $END").split()
    ['train', '--lr', '3e-4', '--steps', '100', '--to', '$END']
    """
    if "$" not in text or len(text) > LARGEST:
        return text
    said: dict[str, set[str]] = {}
    counts: dict[str, int] = {}
    for name, value in _ASSIGNS.findall(text):
        said.setdefault(name, set()).add(_plain(value))
        counts[name] = counts.get(name, 0) + 1
    known = {
        name: next(iter(values))
        for name, values in said.items()
        if len(values) == 1 and counts[name] == _mentions(text, name)
    }
    for _ in range(_ROUNDS):
        known = {name: _used(value, {**known, name: None}) for name, value in known.items()}
        if sum(map(len, known.values())) > LARGEST:
            return text
    rest = _ASSIGNS.sub(lambda said: "" if said[1] in known else said[0], text)
    full = _used(rest, known)
    return full if len(full) <= LARGEST else text


def _mentions(text: str, name: str) -> int:
    """Return how often a variable could be set: in a line of its own, a loop, another command."""
    return len(re.findall(rf"(?<![\w$.{{/-]){name}\+?=|\b(?:for|read)\b[^\n;]*\b{name}\b", text))


def _plain(value: str) -> str:
    """Return what is assigned without the quotes around it."""
    whole = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return re.sub(r"\\\r?\n", " ", value[1:-1] if whole else value)


def _used(text: str, known: Mapping[str, str | None]) -> str:
    """Return a text with its variables filled in, as far as they are known."""

    def put(use: re.Match[str]) -> str:
        if use[4] is not None:
            inner = _NAME.sub(lambda name: known.get(name[1]) or name[0], use[4])
            return _counted(inner, use[0])
        value = known.get(use[1] or use[3])
        if value is None and use[2] is not None:
            value = use[2]
        return use[0] if value is None else value

    return _USES.sub(put, text)


def _counted(text: str, whole: str) -> str:
    """Return arithmetic on whole numbers as its value, anything else as it was."""
    try:
        return str(_count(ast.parse(text.strip(), mode="eval").body))
    except (SyntaxError, ValueError, KeyError, ArithmeticError, RecursionError, MemoryError):
        return whole


def _count(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int and node.value < 2**62:
        return node.value
    if not isinstance(node, ast.BinOp):
        raise ValueError(node)
    return _COUNTS[type(node.op)](_count(node.left), _count(node.right))


def variable_in(text: str) -> bool:
    """Tell whether a value holds a variable of the shell, or a command to run."""
    return re.search(r"\$[\w{(@*#?]|`", text) is not None


def why_unknown(shown: str, text: str) -> str:
    """Return why a variable that stands in a value is not known, for a message."""
    names = [use[1] or use[3] for use in _USES.finditer(shown) if use[1] or use[3]]
    if any(_mentions(text, name) for name in names):
        return "the text sets it in several ways, or runs a command for it"
    return "the text does not set it"
