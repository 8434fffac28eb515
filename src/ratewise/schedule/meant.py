"""Which groups the keys of `Plan.groups` stand for: by name, by place, or by a pattern of names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

from ratewise.schedule.errors import ScheduleError, shorten

_WILD = re.compile(r"\[[^]]*\]|[*?]")

Rank = tuple[int, int]
"""How exactly a key means a group; of several the highest counts."""


def groups_meant(
    key: str, names: Sequence[Any], parts: Sequence[Sequence[str]] | None = None
) -> list[int]:
    """Return which groups a key stands for: those of that name, of that place, or of a pattern.

    A key with `*`, `?` or `[…]` that is nobody's name is a pattern, as for names of files.

    Args:
        key: The key.
        names: What the groups are called, in order; None for those without a name.
        parts: The names of the parameters in each group. A pattern means a group without a name if
            it fits all of them.

    Raises:
        ScheduleError: it is the name of one group and the place of another, or fits some of a
            group's parameters and others not.

    >>> groups_meant("1", ["body", None]), groups_meant("body", ["body", None])
    ([1], [0])
    >>> groups_meant("layers.*", ["layers.0", "layers.1", "head"])
    [0, 1]
    """
    who = f"Plan(groups={{{shorten(key)}: …}})"
    named = [i for i, name in enumerate(names) if name is not None and str(name) == key]
    placed = [i for i in range(len(names)) if str(i) == key]
    if named and placed and named != placed:
        rule = f"is the name of group {named[0]} of the optimizer, and the place of another"
        raise ScheduleError(who, rule, "give that group a name that is no number")
    if named or placed or not is_pattern(key):
        return named or placed
    return [i for i, name in enumerate(names) if _fits(who, key, i, name, (parts or {i: ()})[i])]


def _fits(who: str, pattern: str, index: int, name: Any, parts: Sequence[str]) -> bool:
    if name is not None:
        return fnmatchcase(str(name), pattern)
    fitting = [part for part in parts if fnmatchcase(part, pattern)]
    if fitting and len(fitting) < len(parts):
        other = next(part for part in parts if part not in fitting)
        rule = f"fits {fitting[0]!r} in group {index}, and not {other!r}, which is there too"
        raise ScheduleError(who, rule, "give what is meant a group of its own")
    return bool(fitting)


def is_pattern(key: str) -> bool:
    """Tell whether a key stands for several names."""
    return _WILD.search(key) is not None


def rank_of(key: str, names: Iterable[Any]) -> Rank:
    """Return how exactly a key means a group: a name or place, before the longest pattern."""
    if not is_pattern(key) or key in {str(name) for name in names if name is not None}:
        return 1, 0
    return 0, len(_WILD.sub("", key))


def entry_for(keys: Iterable[str], name: str) -> str | None:
    """Return the key that means a group of this name, if one does; the most specific pattern.

    Raises:
        ScheduleError: two patterns say as much of the name.

    >>> entry_for(["layers.*", "*", "head"], "layers.3"), entry_for(["head"], "body")
    ('layers.*', None)
    """
    best: str | None = None
    for key in keys:
        if key == name:
            return key
        if is_pattern(key) and fnmatchcase(name, key):
            if best is not None and rank_of(key, ()) == rank_of(best, ()):
                raise ambiguous(best, key, repr(name))
            best = key if best is None else max(best, key, key=lambda one: rank_of(one, ()))
    return best


def ambiguous(one: str, other: str, group: str) -> ScheduleError:
    """Return the error for two patterns of which none is more specific."""
    rule = f"fits group {group}, which {one!r} fits as well"
    fix = "leave one of them out, or write more of the name in the one that is to count"
    return ScheduleError(f"Plan(groups={{{other!r}: …}})", rule, fix)
