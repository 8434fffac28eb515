"""A link that holds the whole state: texts of schedules, read by the reader of texts.

`from_link(to_link(state)) == state`. Nothing in a link is run, and nothing that it names is
opened: what it cannot mean is an error of our grammar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from ratewise.schedule import ScheduleError, parse
from ratewise.schedule.errors import nearest, shorten
from ratewise.studio.state import Drawing, StudioState

LONGEST = 30_000
"""Characters of a link: servers and browsers take no more for sure."""

_PLAN, _NAME, _HIDDEN = "plan", "name", "hidden"
_NUMBERS = {"epoch": float, "samples": float, "tokens": float, "lr": float, "active": int,
            "cursor": int, "what_if": int}  # fmt: skip
_KNOWN = (_PLAN, _NAME, _HIDDEN, *_NUMBERS, "total", "log")
_FIX = "open the studio without it, and copy the link again"


def to_link(state: StudioState) -> str:
    """Return a state as the query of a link.

    >>> to_link(StudioState())
    'plan=Warmup%28%225%25%22%29+%3E%3E+Cosine%28to%3D0.1%29&total=10000'

    Raises:
        ScheduleError: it is too long for a link.
    """
    told: list[tuple[str, str]] = []
    for one in state.drawings:
        told.append((_PLAN, repr(one.value)))
        told += [(_NAME, one.name)] if one.name else []
        told += [(_HIDDEN, "1")] if not one.shown else []
    told.append(("total", str(state.total)))
    default = StudioState()
    for name in (*_NUMBERS, "log"):
        value = getattr(state, name)
        if value != getattr(default, name):
            told.append((name, "1" if value is True else repr(value)))
    link = urlencode(told)
    if len(link) > LONGEST:
        rule = f"has {len(link):,} characters, and a link has at most {LONGEST:,}"
        raise ScheduleError("The page", rule, "copy the text of the schedules instead")
    return link


def from_link(query: str) -> StudioState:
    """Return the state that a link holds.

    Args:
        query: What stands behind the question mark; "" for the state to begin with.

    Raises:
        ScheduleError: it is no link of the studio.

    >>> from_link("plan=Cosine()&total=100").at.value
    Cosine(to=0)
    """
    if not query:
        return StudioState()
    if len(query) > LONGEST:
        rule = f"has {len(query):,} characters"
        raise ScheduleError("The link", rule, f"a link has at most {LONGEST:,}")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=200)
    except ValueError:
        raise ScheduleError("The link", "cannot be read", _FIX) from None
    drawings = _drawings(pairs)
    return StudioState(**({"drawings": drawings} if drawings else {}), **_settings(pairs))


def _drawings(pairs: Sequence[tuple[str, str]]) -> tuple[Drawing, ...]:
    """Return the drawings: what stands behind a plan is of this one."""
    found: list[dict[str, Any]] = []
    for name, value in pairs:
        if name == _PLAN:
            found.append({"value": parse(value)})
        elif name in (_NAME, _HIDDEN):
            if not found:
                raise ScheduleError("The link", f"has a {name} before any plan", _FIX)
            found[-1].update({"name": value} if name == _NAME else {"shown": value != "1"})
    return tuple(Drawing(**one) for one in found)


def _settings(pairs: Sequence[tuple[str, str]]) -> Mapping[str, Any]:
    told: dict[str, Any] = {}
    for name, value in pairs:
        if name not in _KNOWN:
            rule = f"has {shorten(name)}, which is no part of a link"
            raise ScheduleError("The link", rule, nearest(name, _KNOWN))
        if name in (_PLAN, _NAME, _HIDDEN):
            continue
        if name in told:
            raise ScheduleError("The link", f"has {name} twice", _FIX)
        told[name] = _setting(name, value)
    return told


def _setting(name: str, value: str) -> Any:
    if name == "log":
        return value == "1"
    if name == "total":
        return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else value
    try:
        return _NUMBERS[name](value)
    except ValueError:
        given = shorten(value)
        raise ScheduleError("The link", f"has {name}={given}", f"{name} is a number") from None
