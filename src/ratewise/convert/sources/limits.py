"""How much of a config is read: more is an error, at once and at no cost."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from ratewise.convert.sources.unknown import Partial
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Who

LARGEST = {".json": 5_000_000, ".py": 150_000, ".toml": 250_000, ".yaml": 500_000}
"""Bytes of a file, by its suffix."""
SLOW_YAML = 50_000
"""Characters of YAML where the fast parser is not there."""
LARGEST_TEXT = 1_000_000
"""Bytes of any other file, and characters of a text."""
NODES = 50_000
"""Values in a config, those of shared parts counted as often as they are used."""
DEEPEST = 100
"""Mappings and lists inside of each other."""
LONGEST_ITEMS = 20_000
"""Items of a list that is worked out."""
LONGEST_STRING = 20_000
"""Characters of a text that is worked out."""
LONGEST_FLAGS = 50_000
"""Characters of the flags of a command line."""
BITS = 1023
"""Bits of a whole number: more is more than a float can be."""
FILES = 50
"""Files that a config stands on."""
LARGEST_OF_ALL = 500_000
"""Characters of all of them."""
ENTRIES = 200
"""Entries of the defaults lists of a config of Hydra."""
CHAIN = 12
"""Files that stand on each other."""


def too_large(who: Who, most: int, what: str) -> ScheduleError:
    """Return the error for something that is more than is read."""
    return ScheduleError(who, f"has more than {most:,} {what}", "give a config alone")


def too_deep(who: Who) -> ScheduleError:
    """Return the error for a config that is nested too deeply."""
    return ScheduleError(who, "is nested too deeply", f"a config has at most {DEEPEST} levels")


def settled(who: Who, value: Any) -> Any:
    """Return a copy of a parsed value of which no two parts are the same object.

    Raises:
        ScheduleError: it is too large, too deep, or has a whole number beyond any float.
    """
    return _Copy(who).of(value, 0)


class _Copy:
    def __init__(self, who: Who) -> None:
        self.who, self.nodes = who, 0

    def of(self, value: Any, depth: int) -> Any:
        self.nodes += 1
        if self.nodes > NODES:
            raise too_large(self.who, NODES, "values")
        if depth > DEEPEST:
            raise too_deep(self.who)
        if isinstance(value, dict):
            copy = {key: self.of(item, depth + 1) for key, item in value.items()}  # pyright: ignore
            rest = value.rest if isinstance(value, Partial) else None
            return copy if rest is None else Partial(copy, rest)
        if isinstance(value, list | tuple):
            items = [self.of(item, depth + 1) for item in value]  # pyright: ignore
            return items if isinstance(value, list) else tuple(items)
        if isinstance(value, np.ndarray):
            return self.of(value.tolist(), depth)
        if isinstance(value, Decimal | Fraction):
            return self._float(value)
        if isinstance(value, int) and value.bit_length() > BITS:
            rule = "has a whole number of more than 300 digits"
            raise ScheduleError(self.who, rule, "give a smaller one")
        return value

    def _float(self, value: Decimal | Fraction) -> float:
        try:
            return float(value)
        except (OverflowError, ValueError):
            rule = "has a number that no float can be"
            raise ScheduleError(self.who, rule, "give a smaller one") from None
