"""Sizes as people write them."""

from __future__ import annotations

import re
from typing import Any

from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix

UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def read_size(size: Any) -> int:
    """Return a size in bytes.

    Raises:
        ScheduleError: it is no size.

    >>> read_size("2GB"), read_size("1.5 MB"), read_size(0)
    (2000000000, 1500000, 0)
    """
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kMGT]?)B?", size) if isinstance(size, str) else None
    if match is None:
        who = Call("compare", "disk", size)
        raise ScheduleError(who, "is no size", Fix("write bytes, or {disk}", disk="'2GB'"))
    return round(float(match[1]) * UNITS[match[2]])
