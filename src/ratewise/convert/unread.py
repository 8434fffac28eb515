"""What a config says besides its schedule: listed, or refused where it could be part of one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from ratewise.convert.formats import Format, dig
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import looks_scheduled, names, section
from ratewise.convert.sources.unknown import is_variable
from ratewise.schedule import ScheduleError

_LENGTHS = names(
    "max_iters max_steps max_train_steps max_update num_train_epochs total_steps train_iters "
    "training_steps"
)
"""What some projects call the length of the run: others have no use for it."""
_RATES = ("lr", "blr", "learning_rate")
"""What projects call the rate: where a reader has another word for it, its own is not there."""
_SHORT = 4
"""Names with fewer letters are one edit apart by chance: that is noted, and not refused."""


def unread(source: Any, format: Format) -> list[str]:
    """Return the paths of the keys that the reader of a format leaves out, for a note.

    Raises:
        ScheduleError: one of them is a slip of the pen or the beginning of a key that is read and
            is not there, or speaks of a schedule; or a value stands where keys have to be.
    """
    own, keys, is_flag = own_paths(format), _keys(source), isinstance(source, str)
    if not format.reads or not {path.partition(".")[0] for path in own} & {*keys}:
        return []  # the section alone, of which its reader knows every key
    known = {path[:end] for path in own for end in _ends(path)}
    spelled = _flags_of(source) if is_flag else str
    found: list[str] = []
    rates = set() if format.stated(source, "lr") else {*names(format.facts.get("lr", ""))}
    places = {rate.rpartition(".")[0] for rate in rates}
    for path, siblings in _paths(format.name, keys, own, known):
        parent, _, name = path.rpartition(".")
        meant = _meant(path, known - siblings, is_flag=is_flag)
        speaks = looks_scheduled(name) and not parent.endswith("model")  # of losses and masks
        speaks = speaks or path in _LENGTHS or (parent in places and name in _RATES)
        speaks = speaks and not _is_repeated(path, keys, own)
        if is_variable(source, path):
            continue
        if speaks or (meant and min(len(name), len(meant)) >= _SHORT):
            rule = f"has the {'flag' if is_flag else 'key'} {spelled(path)}, which is not read"
            fix = f"did you mean {spelled(meant)}" if meant else _near(path, own, spelled)
            raise ScheduleError(format.name, rule, fix)
        found.append(f"{path} (did you mean {meant}?)" if meant else path)
    return found


def _near(path: str, own: set[str], spelled: Callable[[str], str]) -> str:
    """Return advice for a key that speaks of a schedule: one that is much like it, if there is."""
    near = get_close_matches(path, own, n=1, cutoff=0.72)
    if near:
        return f"did you mean {spelled(near[0])}"
    return "leave it out if it changes no rate, or write what it does as a schedule of your own"


def _is_repeated(path: str, keys: Mapping[str, Any], own: set[str]) -> bool:
    """Whether a key that is read says the same, as where it refers to a variable of this name."""
    name = path.rpartition(".")[2]
    said = [dig(keys, other) for other in own if other.rpartition(".")[2] == name]
    return any(each is not None and each in (dig(keys, path), f"${{{path}}}") for each in said)


def own_paths(format: Format) -> set[str]:
    """Return the paths of the keys that the reader of a format reads, or knows to play no part."""
    return {*names(format.reads, *format.facts.values())}


def _flags_of(text: str) -> Callable[[str], str]:
    """Return what writes a name as the flags of a text are written."""
    dash = "_" if "_" in "".join(re.findall(r"--[\w-]+", text)) else "-"
    return lambda name: f"--{name.replace('_', dash)}"


def _keys(source: Any) -> Mapping[str, Any]:
    if not isinstance(source, Mapping) and not (isinstance(source, str) and "--" in source):
        return {}
    return flags("read", source)


def _ends(path: str) -> Iterator[int]:
    """Return where a path of keys may be cut: behind every key."""
    yield from (i for i, letter in enumerate(path) if letter == ".")
    yield len(path)


def _paths(
    who: str, keys: Mapping[str, Any], own: set[str], known: set[str], before: str = ""
) -> Iterator[tuple[str, set[str]]]:
    """Return the paths that are not read, each with the paths beside it."""
    paths = {f"{before}{key}": value for key, value in keys.items() if value is not None}
    for path, value in paths.items():
        if path in own:
            continue
        if path in known and isinstance(value, Mapping):
            yield from _paths(who, value, own, known, f"{path}.")
        elif path in known and isinstance(value, str | int | float | list):
            section(f"{who} {path}", value)
        elif path not in known:
            yield path, {*paths}


def _meant(path: str, known: set[str], *, is_flag: bool) -> str | None:
    """Return the key that a path could be a slip of the pen for, or as a flag short for."""
    parent, _, name = path.rpartition(".")
    beside = sorted(other for other in known if other.rpartition(".")[0] == parent)
    for other in beside:
        full = other.rpartition(".")[2]
        short = is_flag and len(name) > 1 and full.startswith(name)  # as argparse takes it
        if one_edit_apart(name.lower(), full.lower()) or short:
            return full
    return None


def one_edit_apart(a: str, b: str) -> bool:
    """Whether one letter more, less, changed or swapped with the next makes `b` of `a`.

    >>> one_edit_apart("warmup_steps", "warmup_step"), one_edit_apart("min_lr", "max_lr")
    (True, False)
    """
    n = _alike(a, b)
    a, b = a[n:][::-1], b[n:][::-1]
    n = _alike(a, b)
    a, b = a[n:], b[n:]
    return max(len(a), len(b)) <= 1 or (len(a) == 2 and a == b[::-1])


def _alike(a: str, b: str) -> int:
    """Return how many letters two words have in common at their beginnings."""
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(map(len, (a, b)))
    )
