"""How docstrings read in the reference: examples and formulas are code."""

from __future__ import annotations

import re
from typing import Any

from griffe import Class, Extension, Function, Module

SECTION = re.compile(r"^(?:Args|Attributes|Raises|Returns|Source|Yields|\.\.\. )")
FORMULA = re.compile(r"^(?:[\w.]+(?:\([^)]*\))?|\|[^|]*\|) = \S")


def fenced(text: str) -> str:
    r"""Return a docstring whose doctests and formulas are fenced blocks.

    >>> fenced("Fall.\n\nlevel(k) = 1 - k/n")
    'Fall.\n\n```text\nlevel(k) = 1 - k/n\n```'
    >>> fenced(">>> 1 + 1\n2")
    '```pycon\n>>> 1 + 1\n2\n```'
    """
    return "\n\n".join(map(_fence, re.split(r"\n\s*\n", text)))


def _fence(paragraph: str) -> str:
    if paragraph.startswith(">>> "):
        return f"```pycon\n{paragraph}\n```"
    if FORMULA.match(paragraph) and not SECTION.match(paragraph):
        return f"```text\n{paragraph}\n```"
    return paragraph


class Readable(Extension):
    """Fences what is code in every docstring."""

    def _mend(self, thing: Any) -> None:
        if thing.docstring:
            thing.docstring.value = fenced(thing.docstring.value)

    def on_module(self, *, mod: Module, **_: Any) -> None:
        self._mend(mod)

    def on_class(self, *, cls: Class, **_: Any) -> None:
        self._mend(cls)
        if cls.docstring and any("NamedTuple" in str(base) for base in cls.bases):
            # Its fields are no parameters to a reader that does not run the code.
            cls.docstring.value = cls.docstring.value.replace("Args:\n", "Attributes:\n")

    def on_function(self, *, func: Function, **_: Any) -> None:
        self._mend(func)
