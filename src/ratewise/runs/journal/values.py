"""What may stand in a journal: kinds, sizes and ranges of values."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

Fits = Callable[[Any], bool]

MOST = 2**62
"""The largest whole number that is written."""
LATEST = 2.0**40
"""Seconds since 1970 that no clock shows, and no training takes."""
LONGEST = 2**20
"""Characters of a text that is read."""


def is_whole(value: Any) -> bool:
    """Tell whether a value is a whole number that could have been written."""
    return type(value) is int and 0 <= value <= MOST


def is_real(value: Any) -> bool:
    """Tell whether a value is a finite number."""
    return type(value) is float and math.isfinite(value)


def is_time(value: Any) -> bool:
    """Tell whether a value is a time, or a length of time, in seconds."""
    return type(value) is float and 0 <= value <= LATEST


def is_text(value: Any) -> bool:
    """Tell whether a value is a text of a length that is read, in UTF-8."""
    return (
        isinstance(value, str)
        and len(value) <= LONGEST
        and re.search("[\ud800-\udfff]", value) is None  # those stand for bytes that are no UTF-8
    )


def is_name(value: Any) -> bool:
    """Tell whether a value is the name of a state, or a SHA-256."""
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def is_numbers(value: Any) -> bool:
    """Tell whether a value is float64s."""
    return isinstance(value, bytes) and len(value) % 8 == 0


def is_digest(value: Any) -> bool:
    """Tell whether a value is a digest or a signature, or none."""
    return isinstance(value, bytes) and len(value) in (0, 16, 32)


def is_metrics(value: Any) -> bool:
    """Tell whether a text is numbers by name; None stands for what was no number."""
    found = read_json(value)
    return isinstance(found, dict) and all(
        one is None or (type(one) is float and math.isfinite(one))
        for one in found.values()  # pyright: ignore[reportUnknownVariableType]
    )


def is_json(value: Any) -> bool:
    """Tell whether a text is JSON."""
    return read_json(value) is not None


def read_json(text: Any) -> Any:
    """Return what a text says in JSON; None if it is none of ours."""
    if not is_text(text):
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def or_none(fits: Fits) -> Fits:
    """Return what also lets None stand."""
    return lambda value: value is None or fits(value)
