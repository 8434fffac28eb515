"""What a state that is loaded must be: read whole, before anything of it is taken.

A reader takes a value and the name of its place, and returns the value as we hold it: built anew,
of Python's own types, so that nothing of what was given lives on in what was read. Readers are put
together from smaller ones, and the one verb that users' states go through is `read_state`.

>>> point = a_dict({"update": a_count(), "level": a_number(low=0.0)})
>>> read_state("load", point, {"update": 3, "level": 1}, "load another")
{'update': 3, 'level': 1.0}
>>> read_state("load", point, {"update": 3, "level": -1.0}, "load another")
Traceback (most recent call last):
ratewise.schedule.errors.ScheduleError: load got a state that is damaged: 'level' holds -1.0, ...
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from ratewise.schedule.errors import ScheduleError, Who, shorten

Reader = Callable[[Any, str], Any]
"""(value, name of its place) -> the value as we hold it"""

MOST = 2**61
"""The largest count and update of a state: what is added to it in a run stays exact."""
DEEPEST = 20
"""Lists and dicts inside of each other, where any are allowed."""


class Mismatch(Exception):
    """A place in a state and what is wrong there; `read_state` tells the user.

    Args:
        place: Name of the place, "groups[0].peak"; "" for the whole.
        wrong: What is wrong with it, "is missing".
    """

    def __init__(self, place: str, wrong: str) -> None:
        super().__init__(place, wrong)
        self.place, self.wrong = place, wrong

    @classmethod
    def holds(cls, place: str, value: Any, wanted: str) -> Mismatch:
        """Return that of a place which holds one thing in place of another."""
        return cls(place, f"holds {shorten(value)}, not {wanted}")


def read_state(who: Who, reader: Reader, state: Any, fix: str) -> Any:
    """Return what a state says.

    Raises:
        ScheduleError: it does not fit the reader.
    """
    try:
        return reader(state, "")
    except Mismatch as found:
        place = f"'{found.place}'" if found.place else "it"
        rule = f"got a state that is damaged: {place} {found.wrong}"
        raise ScheduleError(who, rule, fix) from None


# Single values -------------------------------------------------------------------------------


def a_count(low: int = 0, high: int = MOST) -> Reader:
    """Return the reader of a whole number in [low, high]; a bool is none."""

    def read(value: Any, place: str) -> int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or not low <= value <= high:
            raise Mismatch.holds(place, value, f"a whole number in [{low:,}, {high:,}]")
        return int(value)

    return read


def a_number(low: float = -math.inf, high: float = math.inf, *, finite: bool = True) -> Reader:
    """Return the reader of a number in [low, high]; without `finite`, infinities and NaN too."""
    interval = f"a number in [{low:g}, {high:g}{')' if math.isinf(high) else ']'}"

    def read(value: Any, place: str) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise Mismatch.holds(place, value, "a number")
        try:
            number = float(value)
        except OverflowError:
            raise Mismatch.holds(place, value, interval) from None
        if finite and not (math.isfinite(number) and low <= number <= high):
            raise Mismatch.holds(place, value, interval)
        return number + 0.0  # turns -0.0 into 0.0

    return read


def a_text(known: Collection[str] = ()) -> Reader:
    """Return the reader of a text, one of those known if there are any."""

    def read(value: Any, place: str) -> str:
        if not isinstance(value, str) or (known and value not in known):
            raise Mismatch.holds(place, value, f"one of {', '.join(known)}" if known else "a text")
        return str(value)

    return read


def a_flag(value: Any, place: str) -> bool:
    """Read True or False."""
    if not isinstance(value, bool):
        raise Mismatch.holds(place, value, "True or False")
    return value


def a_primitive(value: Any, place: str, depth: int = 0) -> Any:
    """Read anything made of None, bools, ints, floats, texts, lists and dicts by text."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if depth < DEEPEST and isinstance(value, list | tuple):
        items: Any = value
        return [a_primitive(item, place, depth + 1) for item in items]
    if depth < DEEPEST and isinstance(value, dict):
        pairs: dict[Any, Any] = value
        return {
            a_text()(key, place): a_primitive(item, place, depth + 1) for key, item in pairs.items()
        }
    raise Mismatch.holds(place, value, "made of numbers, texts, lists and dicts")


def maybe(reader: Reader) -> Reader:
    """Return the reader of what another reads, or None."""
    return lambda value, place: None if value is None else reader(value, place)


# Several values ------------------------------------------------------------------------------


def a_dict(fields: Mapping[str, Reader], later: Mapping[str, Reader] | None = None) -> Reader:
    """Return the reader of a dict with exactly these keys.

    Args:
        fields: The reader of each.
        later: Keys that states of before do not have; what is not there is not in what is read.
    """
    readers = {**fields, **(later or {})}

    def read(value: Any, place: str) -> dict[str, Any]:
        pairs = _pairs(value, place)
        for key in pairs:
            if key not in readers:
                raise Mismatch(_under(place, key), "is no part of such a state")
        for key in fields:
            if key not in pairs:
                raise Mismatch(_under(place, key), "is missing")
        found = {key: one for key, one in readers.items() if key in pairs}
        return {key: one(pairs[key], _under(place, key)) for key, one in found.items()}

    return read


def a_table(reader: Reader) -> Reader:
    """Return the reader of a dict by text, whose values one reader reads."""

    def read(value: Any, place: str) -> dict[str, Any]:
        return {key: reader(one, _under(place, key)) for key, one in _pairs(value, place).items()}

    return read


def a_list(reader: Reader, count: int | None = None) -> Reader:
    """Return the reader of a list, of `count` items if that is told."""

    def read(value: Any, place: str) -> list[Any]:
        if not isinstance(value, list | tuple) or len(value) != (count or len(value)):  # pyright: ignore[reportUnknownArgumentType]
            raise Mismatch.holds(place, value, f"a list of {count}" if count else "a list")
        items: Any = value
        return [reader(item, f"{place}[{i}]") for i, item in enumerate(items)]

    return read


def _pairs(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Mismatch.holds(place, value, "a dict")
    pairs: dict[Any, Any] = value
    return {a_text()(key, place): one for key, one in pairs.items()}


def _under(place: str, key: str) -> str:
    """Return the name of a place inside of another; keys may be long, and not printable."""
    key = shorten(key)[1:-1]
    return f"{place}.{key}" if place else key
