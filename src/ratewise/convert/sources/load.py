"""A source as what it holds: files and texts as values, anything else as it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ratewise.convert.sources.dotted import nested
from ratewise.convert.sources.inheritance import alone, followed
from ratewise.convert.sources.interpolation import resolved
from ratewise.convert.sources.limits import LARGEST_TEXT, settled, too_large
from ratewise.convert.sources.markdown import inside
from ratewise.convert.sources.parsers import parse_json, parse_toml, parse_yaml
from ratewise.convert.sources.paths import called, path_of, text_of
from ratewise.convert.sources.shell import filled
from ratewise.convert.sources.unknown import like
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Who, shorten

_CALLS = re.compile(r"\s*+(?:--|\(*+[A-Za-z_.]++\()")
"""How flags and calls begin."""


def load(source: Any, settings: Mapping[str, Any] | None = None) -> Any:
    """Return what a source holds: a file or a text as values, anything else as it is.

    A text that is no file and neither JSON, YAML nor TOML stays a text. The files that a config
    stands on are followed, and its references to its own keys resolved.

    Args:
        source: A file, a text, or anything else.
        settings: Values by the path of their keys, which stand in place of what a config says
            before its references are resolved.

    Raises:
        ScheduleError: a file that does not exist, is a pickle, is too large, or cannot be parsed.
    """
    if isinstance(source, bytes | bytearray):
        rule = "is bytes, perhaps a pickle, and nothing is ever unpickled"
        raise ScheduleError(f"read({shorten(source)})", rule, "give a text or the live object")
    path = path_of(source)
    if path is not None:
        who, value = called(path), _file(path)
    elif isinstance(source, str):
        who, value = "read(…)", alone(_text("read(…)", source))
    elif type(source) is dict:
        who, value = "read(…)", alone(settled("read(…)", source))
    else:
        return source
    for key, told in (settings or {}).items():
        value = _placed(value, key.split("."), told)
    return resolved(who, value)


def _file(path: Path) -> Any:
    if path.suffix.lower() in (".json", ".py", ".toml", ".yaml", ".yml"):
        return followed(path)
    return alone(_text(called(path), text_of(path)))


def _placed(value: Any, keys: list[str], told: Any) -> Any:
    """Return a copy of a config with a value at a path, if the path leads into it."""
    if not isinstance(value, dict):
        return value
    first, *rest = keys
    items: dict[Any, Any] = value
    inner = _placed(items.get(first), rest, told) if rest else told
    return like(items, {**items, first: inner}) if first in items or not rest else items


def _text(who: Who, text: str) -> Any:
    """Return a text parsed where it is a mapping or a list, else as it is.

    Flags and calls are texts, even where YAML would find a mapping in them.
    """
    if len(text) > LARGEST_TEXT:
        raise too_large(who, LARGEST_TEXT, "characters")
    if _CALLS.match(text):
        return _command(text)
    parsers: tuple[Callable[[Who, str], Any], ...] = (parse_json, parse_toml, parse_yaml)
    for parse in parsers:
        try:
            value = parse(who, text)
        except ScheduleError:
            continue
        if value and isinstance(value, dict | list):
            return value
    return _command(text)


def _command(text: str) -> Any:
    """Return a command with the variables that its script sets, as keys where it sets paths.

    Of a document it is what is listed or typed in it.
    """
    document = inside(text) if "#" in text and ("```" in text or "\n- " in text) else None
    if isinstance(document, dict):
        return document
    text = document or text
    full = filled(text)
    keys = nested(full)
    return full if keys is None else keys
