"""Flags of a command line as a mapping."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from ratewise.schedule import ScheduleError


def flags(who: str, source: Any) -> dict[str, Any]:
    """Return flags by name, `--lr-decay-iters 500` as {"lr_decay_iters": "500"}.

    A flag with several values keeps them as a list, one without any is True. A mapping of
    arguments is taken as it is, its dashes as underscores.
    """
    given = source if isinstance(source, Mapping) else typed(who, source)
    return {str(key).lstrip("-").replace("-", "_"): value for key, value in given.items()}


def typed(who: str, source: Any) -> dict[str, Any]:
    """Return the flags of a text by name as they were typed, {"--lr-decay-iters": "500"}."""
    if not isinstance(source, str):
        raise ScheduleError(who, "needs flags", "give a text or a mapping", given=source)
    found: dict[str, list[str]] = {}
    values: list[str] = []
    for word in _words(who, source):
        if re.match(r"--?[A-Za-z]", word):
            name, equals, value = word.partition("=")
            values = found[name] = [value] if equals else []
        else:
            values.append(word)
    return {name: _value(values) for name, values in found.items()}


def _words(who: str, text: str) -> list[str]:
    text = re.sub(r"\\\r?\n", " ", text)
    try:
        words = shlex.split(text, comments=True)
    except ValueError as error:
        raise ScheduleError(who, f"cannot be split: {error}", "close the quotes") from None
    return [word for word in words if word not in ("(", ")", "\\")]


def _value(values: list[str]) -> Any:
    values = [value.rstrip(")") if "(" not in value else value for value in values]
    return True if not values else values[0] if len(values) == 1 else values
