"""A section of a config that is a config itself: the one that is asked for, or the only one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ratewise.convert.formats import Format, dig
from ratewise.convert.said import speaking_keys
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, nearest, shorten


def section_of(content: Any, path: Any) -> Any:
    """Return the section at a path of keys; without a path, all of it."""
    if path is None:
        return content
    found = dig(content, str(path))
    if not isinstance(found, Mapping):
        keys = (
            [str(k) for k, v in content.items() if isinstance(v, Mapping)]
            if isinstance(content, Mapping)
            else []
        )
        raise ScheduleError(Call("read", "section", path), "is no section", nearest(path, keys))
    return found


def only_section(
    content: Any, error: ScheduleError, choose: Callable[[Any, str | None], Format]
) -> tuple[str, Any]:
    """Return the one section that is in a known format, with its name.

    Args:
        content: A config that is in none.
        error: What is wrong with it, which is raised if no section is of use.
        choose: Returns the format of a config, or raises.

    Raises:
        ScheduleError: there is none, or there are several, or what is beside it speaks of rates.
    """
    if not isinstance(content, Mapping):
        raise error
    found: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping) and isinstance(key, str):
            try:
                choose(value, None)
            except ScheduleError:
                continue
            found[key] = value
    if not found:
        raise error
    if len(found) > 1:
        rule = f"has configs at {' and '.join(shorten(k, 40).strip(chr(39)) for k in found)}"
        first = next(iter(found))
        fix = Fix("say which: {section}", section=repr(first))
        raise ScheduleError(Call("read", value=content), rule, fix)
    (place,) = found
    if speaking_keys({k: v for k, v in content.items() if k != place}):
        raise error
    return place, found[place]
