"""A document with a config in it: the list of a model card, or the commands in its fences."""

from __future__ import annotations

import re
from typing import Any

from ratewise.convert.sources.unknown import Unknown

_ITEM = re.compile(r"^[-*][ \t]+`?([A-Za-z_]\w*)`?:[ \t]*(\S[^\n]*)$", re.MULTILINE)
_HEADING = re.compile(r"^#{1,6}[ \t]+([^\n]+)$", re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*```([\w-]*)[^\n]*\n(.*?)^[ \t]*```[ \t]*$", re.MULTILINE | re.DOTALL)
_SHELLS = ("", "bash", "sh", "shell", "console", "zsh")
_FEWEST = 3
"""Keys that a list of settings has at least."""


def inside(text: str) -> dict[str, Any] | str | None:
    r"""Return the settings that a document lists, or its commands; None if it is no document.

    >>> inside("# Hyperparameters\n- seed: 1\n- learning_rate: 2e-05\n- num_epochs: 3\n")
    {'seed': 1, 'learning_rate': 2e-05, 'num_epochs': 3}
    """
    if not _HEADING.search(text):
        return None
    listed = _listed(text)
    if listed is not None:
        return listed
    blocks = [body for language, body in _FENCE.findall(text) if language in _SHELLS]
    commands = [re.sub(r"^[ \t]*\$ ", "", body, flags=re.MULTILINE) for body in blocks]
    return "\n".join(body for body in commands if "--" in body or "=" in body) or None


def _listed(text: str) -> dict[str, Any] | None:
    """Return the settings below headings that speak of hyperparameters."""
    from ratewise.convert.pieces.keys import as_number

    found: dict[str, Any] = {}
    heads = [*_HEADING.finditer(text)]
    for i, head in enumerate(heads):
        if "hyperparameter" not in head[1].lower().replace("-", "").replace(" ", ""):
            continue
        end = heads[i + 1].start() if i + 1 < len(heads) else len(text)
        for key, value in _ITEM.findall(text, head.end(), end):
            said = as_number(value.strip().strip("`"))
            if key in found and found[key] is not said and repr(found[key]) != repr(said):
                said = Unknown(key, "the document gives it twice")
            found[key] = said
    return found if len(found) >= _FEWEST else None
