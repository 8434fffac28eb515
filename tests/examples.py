"""How many examples a property is tried on."""

from __future__ import annotations

import os

THOROUGH = "RATEWISE_THOROUGH" in os.environ


def examples(count: int) -> int:
    """So many where there is time for them, `RATEWISE_THOROUGH=1`, and a quarter in every run.

    The examples are others in each run, so that what the quarter leaves out is not left out long.
    """
    return count if THOROUGH else max(10, count // 4)
