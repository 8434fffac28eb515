"""How many examples a property is tried on."""

from __future__ import annotations

import os

QUICK = "RATEWISE_QUICK" in os.environ
HUNT = "RATEWISE_HUNT" in os.environ
"""Whether other examples are drawn in every run."""


def examples(count: int, least: int = 40) -> int:
    """So many where other examples are drawn in every run, and a third of them in a whole run.

    A whole run draws the same ones each time, so that more of them would be tried once and then
    only repeated. A quick look, `RATEWISE_QUICK=1`, takes a quarter.

    Args:
        count: As many as `make hunt` tries.
        least: As many as a whole run tries at least, if they are asked for: 200 of each shape of
            a framework that is read.
    """
    if QUICK:
        return max(10, count // 4)
    return count if HUNT else max(min(count, least), count // 3)
