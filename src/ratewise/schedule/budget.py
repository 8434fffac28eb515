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
MOST_STACK = LONGEST_CHAIN + 250
"""Links that a parser may go down in a text, each some 200 bytes of the stack, of 256 kB."""
BRACKET, STRANGE_LINK = 10, 2
"""What a bracket takes, and a sign or word that is not part of the language, in such links."""
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


class _Level:
    """One level of brackets: how much of the stack a parser takes for what is in it."""

    def __init__(self) -> None:
        self.links = 0  # in a row, in this item
        self.operand = 0  # what the operand at hand takes
        self.operands = 0  # the most that one of this item has taken
        self.items = 0  # the most that one item has taken

    def end_operand(self) -> None:
        self.operands, self.operand = max(self.operands, self.operand), 0

    def end_item(self) -> int:
        """Return the most that an item has taken, this one included; another one begins."""
        self.end_operand()
        self.items = max(self.items, self.links + self.operands)
        self.links = self.operands = 0
        return self.items


def check_links(who: Who, text: str) -> None:
    """Refuse an expression that takes more of the stack than a parser has in a small thread.

    Python's own parser goes down a level for each link of `a >> b >> c` or `--1`, and some levels
    for each bracket; where its stack ends, the process does.

    Raises:
        ScheduleError: it does.
    """
    levels = [_Level()]
    for token in _LINK.finditer(text):
        kind, here = token.lastgroup, levels[-1]
        if kind == "format":
            rule = "holds a formatted string, which is not part of the language"
            raise ScheduleError(who, rule, "write it as a plain one")
        if kind == "open":
            levels.append(_Level())
        elif kind == "comma":
            here.end_item()
        elif kind == "close":
            _close(levels)
        elif token[0] in (">>", "*"):
            here.end_operand()
            here.links += 1
        elif token[0] == ".":
            here.operand += 1
        elif kind == "sign" or keyword.iskeyword(token[0]):
            here.links += STRANGE_LINK
        if here.links > MOST_STACK:
            break
    while len(levels) > 1:
        _close(levels)
    if (needed := levels[0].end_item()) > MOST_STACK:
        rule = f"is not an expression that can be read: it is {needed:,} links deep"
        fix = f"use at most {LONGEST_CHAIN:,} schedules in a row, or write it as JSON"
        raise ScheduleError(who, rule, fix)


def _close(levels: list[_Level]) -> None:
    """End a level of brackets: what it took is what the operand took that it is part of."""
    if len(levels) > 1:
        inner = levels.pop().end_item()
        levels[-1].operand = max(levels[-1].operand, inner + BRACKET) + 1
