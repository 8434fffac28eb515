"""Who calls: an optimizer that asks for its rate, a model whose `fit` ends.

The frames of the callers are looked through. Nothing public serves: a schedule is never told of
its optimizer, nor an optimizer of its model. A test holds the versions of Keras in which this was
seen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

_DEPTH = 16  # frames to look through; who is looked for is the second or the third


def caller(kind: type, fits: Callable[[Any], bool]) -> Any:
    """Return the nearest caller's `self` that is of a kind and fits, or None."""
    frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    for _ in range(_DEPTH):
        found = frame.f_locals.get("self")
        if isinstance(found, kind) and fits(found):
            return found
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None
