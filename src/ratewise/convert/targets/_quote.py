"""The words of others in written code: as literals, docstrings, comments and identifiers.

Names of groups and keys, notes and texts come from files that anybody may have written, and what
is written is run. No target puts one into code in any other way than through these functions.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from ratewise._printable import literal, printable

__all__ = ["comment", "docstring", "identifier", "literal"]

LONGEST = 40
"""Characters of a name that an identifier is made of."""


def docstring(text: str) -> str:
    """Return a text as a docstring of one line, whose value is the text."""
    return f'""{literal(text)}""'


def comment(lines: Iterable[str]) -> str:
    r"""Return lines as comments, each of which ends where its line does.

    >>> print(comment(["Note: one\rtwo", ""]))
    # Note: one\rtwo
    #
    """
    return "\n".join(f"# {printable(line)}".rstrip() for line in lines)


def identifier(text: str, taken: Collection[str] = (), ending: str = "") -> str:
    """Return a name of Python's for a text, that of a key or a group.

    Args:
        text: Any text; letters outside of ASCII may be one name to Python where they differ.
        taken: Names that it must not be.
        ending: What the name ends in.

    >>> identifier("betas[1]"), identifier("2nd head"), identifier("a b", {"a_b_lr"}, "_lr")
    ('betas_1', '_2nd_head', 'a_b2_lr')
    """
    name = re.sub(r"[^0-9A-Za-z]+", "_", text).strip("_")[:LONGEST] or "_"
    name = f"_{name}" if name[0].isdigit() else name
    fresh, number = name, 2
    while f"{fresh}{ending}" in taken:
        fresh, number = f"{name}{number}", number + 1
    return f"{fresh}{ending}"
