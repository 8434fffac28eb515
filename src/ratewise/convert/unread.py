"""What a config says besides its schedule: listed, or refused where it could be part of one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from ratewise.convert.formats import Format
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import looks_scheduled, names
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import nearest

_SHORT = 4
"""Names with fewer letters are one edit apart by chance: that is noted, and not refused."""


def unread(source: Any, format: Format) -> list[str]:
    """Return the paths of the keys that the reader of a format leaves out, for a note.

    Raises:
        ScheduleError: one of them is a slip of the pen or the beginning of a key that is read and
            is not there, or speaks of a schedule.
    """
    own = names(format.reads, *format.facts.values())
    keys = _keys(source)
    if not format.reads or not {path.partition(".")[0] for path in own} & {*keys}:
        return []  # the section alone, of which its reader knows every key
    known = {path[:end] for path in own for end in _ends(path)}
    found: list[str] = []
    for path, siblings in _paths(keys, {*own}, known):
        name = path.rpartition(".")[2]
        meant = _meant(path, known - siblings, is_flag=isinstance(source, str))
        if looks_scheduled(name) or (meant and min(len(name), len(meant)) >= _SHORT):
            fix = f"did you mean {meant}" if meant else nearest(path, own)
            raise ScheduleError(format.name, f"has the key {path}, which is not read", fix)
        found.append(f"{path} (did you mean {meant}?)" if meant else path)
    return found


def _keys(source: Any) -> Mapping[str, Any]:
    if not isinstance(source, Mapping) and not (isinstance(source, str) and "--" in source):
        return {}
    return flags("read", source)


def _ends(path: str) -> Iterator[int]:
    """Return where a path of keys may be cut: behind every key."""
    yield from (i for i, letter in enumerate(path) if letter == ".")
    yield len(path)


def _paths(
    keys: Mapping[str, Any], own: set[str], known: set[str], before: str = ""
) -> Iterator[tuple[str, set[str]]]:
    """Return the paths that are not read, each with the paths beside it."""
    paths = {f"{before}{key}": value for key, value in keys.items() if value is not None}
    for path, value in paths.items():
        if path in own:
            continue
        if path in known and isinstance(value, Mapping):
            yield from _paths(value, own, known, f"{path}.")
        elif path not in known:
            yield path, {*paths}


def _meant(path: str, known: set[str], *, is_flag: bool) -> str | None:
    """Return the key that a path could be a slip of the pen for, or as a flag short for."""
    parent, _, name = path.rpartition(".")
    beside = sorted(other for other in known if other.rpartition(".")[0] == parent)
    for other in beside:
        full = other.rpartition(".")[2]
        if one_edit_apart(name.lower(), full.lower()) or (is_flag and full.startswith(name)):
            return full
    return None


def one_edit_apart(a: str, b: str) -> bool:
    """Whether one letter more, less, changed or swapped with the next makes `b` of `a`.

    >>> one_edit_apart("warmup_steps", "warmup_step"), one_edit_apart("min_lr", "max_lr")
    (True, False)
    """
    n = len(os.path.commonprefix([a, b]))
    a, b = a[n:][::-1], b[n:][::-1]
    n = len(os.path.commonprefix([a, b]))
    a, b = a[n:], b[n:]
    return max(len(a), len(b)) <= 1 or (len(a) == 2 and a == b[::-1])
