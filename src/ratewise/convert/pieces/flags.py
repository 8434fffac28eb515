"""Flags of a command line as a mapping."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Mapping
from typing import Any

from ratewise.convert.sources.limits import LONGEST_FLAGS, too_large
from ratewise.convert.sources.unknown import like
from ratewise.schedule import ScheduleError


def flags(who: str, source: Any) -> dict[str, Any]:
    """Return flags by name, `--lr-decay-iters 500` as {"lr_decay_iters": "500"}.

    A flag with several values keeps them as a list, one without any is True. A mapping of
    arguments is taken as it is, its dashes as underscores.
    """
    given = source if isinstance(source, Mapping) else typed(who, source)
    found = {str(key).lstrip("-").replace("-", "_"): value for key, value in given.items()}
    return like(given, found)


def typed(who: str, source: Any) -> dict[str, Any]:
    """Return the flags of a text by name as they were typed, {"--lr-decay-iters": "500"}."""
    if not isinstance(source, str):
        raise ScheduleError(who, "needs flags", "give a text or a mapping", given=source)
    if len(source) > LONGEST_FLAGS:
        raise too_large(who, LONGEST_FLAGS, "characters")
    found, wrong = _split(source)
    if wrong:
        raise ScheduleError(who, f"cannot be split: {wrong}", "close the quotes")
    return dict(found)


@functools.lru_cache(maxsize=8)  # every format asks for the flags of the same text
def _split(text: str) -> tuple[dict[str, Any], str]:
    """Return the flags of a text, and why it has none."""
    try:
        words = shlex.split(re.sub(r"\\\r?\n", " ", text), comments=True)
    except ValueError as error:
        return {}, str(error)
    found: dict[str, list[str]] = {}
    values: list[str] = []
    for word in words:
        if re.match(r"--?[A-Za-z]", word):
            name, equals, value = word.partition("=")
            values = found[name] = [value] if equals else []
        elif word not in ("(", ")", "\\"):
            values.append(word)
    return {name: _value(values) for name, values in found.items()}, ""


def _value(values: list[str]) -> Any:
    values = [value.rstrip(")") if "(" not in value else value for value in values]
    return True if not values else values[0] if len(values) == 1 else values
