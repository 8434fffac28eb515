"""JSON, YAML and TOML as values, within limits."""

from __future__ import annotations

import functools
import json
import re
import tomllib
from collections.abc import Callable
from typing import Any

from ratewise.convert.sources.limits import (
    DEEPEST,
    LARGEST,
    NODES,
    settled,
    too_deep,
    too_large,
)
from ratewise.convert.sources.yaml_nodes import read_yaml
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Who, shorten

# What matched is never given back (`++`): a text without an end costs one look at each character.
_STRING = r'("(?:[^"\\]++|\\.)*+(?:"|\\?\Z))'
_COMMENTS = re.compile(_STRING + r"|#[^\n]*|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_COMMAS = re.compile(_STRING + r"|,(?=\s*+[}\]])", re.DOTALL)
"""What JSON with comments has besides; strings are kept as they are."""


def parse_json(who: Who, text: str) -> Any:
    """Return the value of JSON, which may have comments and a comma behind the last item."""
    return _parsed(who, "JSON", functools.partial(_loads, who), text)


def _loads(who: Who, text: str) -> Any:
    if sum(map(text.count, ",[{")) > NODES:
        raise ValueError(f"more than {NODES:,} values")
    load = functools.partial(json.loads, object_pairs_hook=functools.partial(_pairs, who))
    try:
        return load(text)
    except ValueError as error:
        if isinstance(error, ScheduleError):
            raise
        plain = _COMMENTS.sub(r"\1", text)
        if plain == text and not _COMMAS.search(text):
            raise
    return load(_COMMAS.sub(r"\1", plain))


def _pairs(who: Who, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; a key that says two things is refused, as DeepSpeed does."""
    found = dict(pairs)
    if len(found) < len(pairs):
        for key, value in pairs:
            if isinstance(value, dict | list) or found[key] != value:
                raise twice(who, key)
    return found


def twice(who: Who, key: object) -> ScheduleError:
    """Return the error for a key that says two things."""
    return ScheduleError(who, f"has the key {shorten(key)} twice", "keep one of them")


def parse_toml(who: Who, text: str) -> Any:
    """Return the value of TOML."""
    if len(text) > LARGEST[".toml"]:
        raise too_large(who, LARGEST[".toml"], "characters")
    for line in text.splitlines():  # the parser walks all of a dotted key for each of its parts
        keys = line if line.lstrip().startswith("[") else line.rpartition("=")[0]
        if keys.count(".") > DEEPEST:
            raise too_deep(who)
    return _parsed(who, "TOML", tomllib.loads, text)


def parse_yaml(who: Who, text: str) -> Any:
    """Return the value of YAML, without tags that make objects."""
    if len(text) > LARGEST[".yaml"]:
        raise too_large(who, LARGEST[".yaml"], "characters")
    return _parsed(who, "YAML", functools.partial(read_yaml, who), text)


def _parsed(who: Who, what: str, parse: Callable[[str], Any], text: str) -> Any:
    try:
        return settled(who, parse(text))
    except ScheduleError:
        raise
    except (Exception, RecursionError) as error:  # PyYAML's constructors raise whatever they meet
        line = " ".join(str(error)[:1000].split()) or type(error).__name__
    raise ScheduleError(who, f"is not {what} ({line[:120]})", "correct the file")
