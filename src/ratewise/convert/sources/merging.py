"""One config over another, of which parts may not be known."""

from __future__ import annotations

from typing import Any

from ratewise.convert.sources.unknown import Partial, Unknown, rest_of
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Who, shorten

DELETE = "_delete_"
"""The key with which a mapping of MMEngine replaces that of its base."""


def merged(who: Who, over: dict[Any, Any], base: dict[Any, Any], *, delete: bool = False) -> Any:
    """Return a mapping over another: mappings join, key by key, and anything else replaces.

    Args:
        who: Whose mapping it is, for messages.
        over: The mapping that counts.
        base: The mapping below it.
        delete: Whether `_delete_` is a key that replaces, and a mapping may only lie over another,
            as in MMEngine.
    """
    hidden = rest_of(over)
    found = Partial(base, rest_of(base)) if hidden is None else Partial(None, hidden)
    for key, value in over.items():
        before = base.get(key)
        if not isinstance(value, dict):
            found[key] = value
            continue
        cut = delete and value.get(DELETE, False)  # pyright: ignore
        value = Partial({k: v for k, v in value.items() if not cut or k != DELETE}, rest_of(value))
        if before is None or cut:
            found[key] = value
        elif isinstance(before, Unknown):
            found[key] = Partial(value, before if value.rest is None else value.rest)
        elif isinstance(before, dict):
            found[key] = merged(who, value, before, delete=delete)  # pyright: ignore
        elif delete:
            rule = f"has a mapping for {shorten(key)}, and what it stands on has none"
            raise ScheduleError(who, rule, "add _delete_=True to it")
        else:
            found[key] = value
    return found
