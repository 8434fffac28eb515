"""A section of a config that is a config itself: read where it is asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

from ratewise.convert.formats import Format, dig
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


def ask_section(
    content: Any, error: ScheduleError, choose: Callable[[Any, str | None], Format]
) -> ScheduleError:
    """Return the error for a config in no known format: which of its sections are in one.

    None is read unasked: where a key is misspelt, a section that is left may be that of another
    part of the run.

    Args:
        content: The config.
        error: What is wrong with it, which is returned where no section is of use.
        choose: Returns the format of a config, or raises.
    """
    if not isinstance(content, Mapping):
        return error
    found: list[str] = []
    for key, value in content.items():
        if isinstance(value, Mapping) and isinstance(key, str):
            with contextlib.suppress(ScheduleError):
                choose(value, None)
                found.append(key)
    if not found:
        return error
    told = " and ".join(shorten(key, 40).strip("'") for key in found)
    several = len(found) > 1
    rule = f"has configs at {told}" if several else f"has a config at {told}, and is none itself"
    asked = "say which: {section}" if several else "if that is the one, give {section}"
    return ScheduleError(Call("read", value=content), rule, Fix(asked, section=repr(found[0])))
