"""Flags of a command line as a mapping."""

from __future__ import annotations

import functools
import io
import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from ratewise.convert.sources.limits import LONGEST_FLAGS, too_large
from ratewise.convert.sources.shell import variable_in, why_unknown
from ratewise.convert.sources.unknown import Unknown, like
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
    found, wrong, _ = _split(source)
    if wrong:
        raise ScheduleError(who, f"cannot be split: {wrong}", "close the quotes")
    return dict(found)


def twice(source: Any) -> dict[str, tuple[Any, Any]]:
    """Return the flags that a text gives two values in two lines, as they were typed.

    One command takes the last of them; several commands in one text mean both.
    """
    return dict(_split(source)[2]) if isinstance(source, str) and "--" in source else {}


@functools.lru_cache(maxsize=8)  # every format asks for the flags of the same text
def _split(text: str) -> tuple[dict[str, Any], str, dict[str, tuple[Any, Any]]]:
    """Return the flags of a text, why it has none, and those that say two things."""
    found: list[tuple[str, int, list[str]]] = []
    values: list[str] = []
    place = 0
    try:
        for word, line in _words(re.sub(r"\\\r?\n", " ", text)):
            if re.match(r"--?[A-Za-z]", word):
                name, equals, value = word.partition("=")
                values = [value] if equals else []
                found.append((name, place := line, values))
            elif _ENDS.fullmatch(word):
                values = []
            elif word not in ("(", ")", "\\") and (line == place or not values):
                ended = word.endswith(";")
                if not _is_array(word, text):
                    values.append(word.rstrip(";"))
                values = [] if ended else values
    except ValueError as error:
        return {}, str(error), {}
    last: dict[str, tuple[int, Any]] = {}
    both: dict[str, tuple[Any, Any]] = {}
    for name, line, values in found:
        value = _value(values)
        before, other = last.get(name, (line, value))
        if before != line and other != value:
            both[name] = (other, value)
        last[name] = line, value
    return {name: _known(value, text) for name, (_, value) in last.items()}, "", both


_ENDS = re.compile(r";+|&&?|\|\|?|\d?&?>{1,2}&?\d?\S*|<+\S*|(?:done|fi|then|else|do)")
"""What a command ends at: whatever stands behind is no value of its last flag."""


def _is_array(word: str, text: str) -> bool:
    """Whether a word stands for the words of an array that the script itself sets."""
    named = re.fullmatch(r"\$\{(\w+)\[[@*]\]\}", word)
    return named is not None and re.search(rf"\b{named[1]}\+?=\(", text) is not None


def _words(text: str) -> Iterator[tuple[str, int]]:
    """Return the words of a script, as a shell splits it, each with its line."""
    stream = io.StringIO(text)
    words = shlex.shlex(stream, posix=True)
    words.whitespace_split = True
    for word in words:
        at = stream.tell()
        yield word, words.lineno - (text[at - 1 : at] == "\n")


def _known(value: Any, text: str) -> Any:
    """Return a value, unknown where the shell would put something else in its place."""
    several = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    shown = next((one for one in several if variable_in(one)), None)
    return value if shown is None else Unknown(shown, why_unknown(shown, text))


def _value(values: list[str]) -> Any:
    values = [value.rstrip(")") if "(" not in value else value for value in values]
    return True if not values else values[0] if len(values) == 1 else values
