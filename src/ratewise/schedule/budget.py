"""How large a schedule, its text and its JSON may be.

What is too large is refused when it is made or read, not when somebody looks at it later. A part
that is used twice counts twice, as every form of a schedule writes it out twice: a few lines that
double a schedule again and again would else take all memory there is.
"""

from __future__ import annotations

import dataclasses
import keyword
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ratewise.schedule.errors import ScheduleError, Who

DEEPEST = 50
"""Schedules inside of each other; each takes some frames of the stack to be evaluated."""
MOST = 2_000
"""Schedules in one schedule; a sequence counts as its moves."""
MOST_IN_PLAN = 50_000
"""Schedules in one plan."""
LONGEST_CHAIN = 1000
"""Moves or factors in a row: a parser goes one level deeper for each of them."""
MOST_LINKS = 2 * LONGEST_CHAIN + 400
"""Signs in a row in a text: a `>>` and the end of a call for each move, and some around them."""
DEEPEST_TEXT = 100
"""Brackets inside of each other."""
MOST_ITEMS = 300_000
"""Dicts, lists and values in a dict form."""


# Values ------------------------------------------------------------------------------------


def weigh(value: Any) -> None:
    """Refuse a schedule or plan, just made, that holds too many others or too deep ones.

    What fills a sequence up to the end of a run is not counted: resolving makes nothing larger.

    Raises:
        ScheduleError: it does.
    """
    inside = list(_inside(value))
    if not value.nests and inside and getattr(inside[-1], "idle", False):
        inside.pop()
    sizes = [part.__dict__["_size"] for part in inside]
    depth = value.nests + max((size[0] for size in sizes), default=0)
    count = value.nests + sum(size[1] for size in sizes)
    name = type(value).__name__
    if depth > DEEPEST:
        rule = f"has {depth} schedules inside of each other"
        raise ScheduleError(name, rule, f"use at most {DEEPEST}, or write it as a Piecewise")
    if count > value.most:
        raise ScheduleError(name, f"holds {count:,} schedules", f"use at most {value.most:,}")
    object.__setattr__(value, "_size", (depth, count))


def _inside(value: Any) -> Iterator[Any]:
    """Yield the schedules and plans in the fields of a value; those that were weighed."""
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if isinstance(content, Mapping):
            content = tuple(content.values())
        for part in content if isinstance(content, tuple) else (content,):
            if "_size" in getattr(part, "__dict__", ()):
                yield part


def check_chain(who: Who, parts: Sequence[Any]) -> None:
    """Refuse more moves or factors in a row than a text of them could be read with.

    Raises:
        ScheduleError: there are more.
    """
    if len(parts) - bool(parts and parts[-1].idle) > LONGEST_CHAIN:
        fix = f"use at most {LONGEST_CHAIN:,}, or write them as a Piecewise"
        raise ScheduleError(who, f"holds {len(parts):,} schedules in a row", fix)


# Texts -------------------------------------------------------------------------------------

# A string that does not end goes on to the end of its line or text, so that nothing is read twice.
_STRING = (
    r'"""(?:[^\\]|\\.)*?(?:"""|\Z)|"(?:[^"\\\n]|\\.)*"?'
    r"|'''(?:[^\\]|\\.)*?(?:'''|\Z)|'(?:[^'\\\n]|\\.)*'?"
)
_BRACKET = re.compile(rf"{_STRING}|(?P<open>[(\[{{])|(?P<close>[)\]}}])", re.DOTALL)
_LINK = re.compile(
    rf"{_STRING}|\#[^\n]*|(?P<open>[(\[{{])|(?P<close>[)\]}}])|(?P<comma>,)"
    r"|(?P<format>\b[rR]?[fFtT][rR]?(?=[\"']))|(?P<word>\w+)"
    r"|(?P<sign>\*\*|//|<<|>>|[^\s\w])",
    re.DOTALL,
)


def check_brackets(who: Who, text: str, most: int = DEEPEST_TEXT) -> None:
    """Refuse a text with more than so many brackets inside of each other; strings hold none.

    Raises:
        ScheduleError: it has more.
    """
    depth = deepest = 0
    for token in _BRACKET.finditer(text):
        depth += (token.lastgroup == "open") - (token.lastgroup == "close")
        deepest = max(deepest, depth)
    if deepest > most:
        raise ScheduleError(who, f"got {deepest:,} nested brackets", f"use at most {most}")


def check_links(who: Who, text: str) -> None:
    """Refuse an expression that chains more than a parser has room for, `a >> b >> c` or `--1`.

    Raises:
        ScheduleError: it does.
    """
    links = [0]  # signs since the last comma, on every level of brackets
    total = 0
    for token in _LINK.finditer(text):
        kind = token.lastgroup
        if kind == "format":
            rule = "holds a formatted string, which is not part of the language"
            raise ScheduleError(who, rule, "write it as a plain one")
        if kind == "open":
            links.append(0)
        elif kind == "comma":
            total -= links[-1]
            links[-1] = 0
        elif kind in ("close", "sign") or keyword.iskeyword(token[0]):
            if kind == "close" and len(links) > 1:
                total -= links.pop()
            links[-1] += 1
            total += 1
        if total > MOST_LINKS:
            rule = f"is not an expression that can be read: more than {MOST_LINKS:,} signs in a row"
            raise ScheduleError(who, rule, f"use at most {LONGEST_CHAIN:,} schedules in a row")
