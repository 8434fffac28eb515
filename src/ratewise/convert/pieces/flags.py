"""Flags of a command line as a mapping."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import nearest


def flags(who: str, source: Any) -> dict[str, Any]:
    """Return flags by name, `--lr-decay-iters 500` as {"lr_decay_iters": "500"}.

    A flag with several values keeps them as a list, one without any is True. A mapping of
    arguments is taken as it is, its dashes as underscores.
    """
    if isinstance(source, Mapping):
        return {str(key).lstrip("-").replace("-", "_"): value for key, value in source.items()}
    if not isinstance(source, str):
        raise ScheduleError(who, "needs flags", "give a text or a mapping", given=source)
    found: dict[str, list[str]] = {}
    name = ""
    for word in _words(who, source):
        if re.match(r"--[A-Za-z]", word):
            name, equals, value = word[2:].partition("=")
            name = name.replace("-", "_")
            found[name] = [value] if equals else []
        elif name:
            found[name].append(word)
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


def own(
    who: str, given: Mapping[str, Any], known: Iterable[str], prefixes: tuple[str, ...]
) -> None:
    """Refuse a flag of the schedule's own family that is not known, with the nearest one."""
    names = list(known)
    for key in given:
        if key.startswith(prefixes) and key not in names:
            near = nearest(key, names).replace("_", "-").replace("did you mean ", "did you mean --")
            raise ScheduleError(who, f"has the flag --{key.replace('_', '-')}", near)
