"""How many examples a property is tried on."""

from __future__ import annotations

import os

QUICK = "RATEWISE_QUICK" in os.environ
HUNT = "RATEWISE_HUNT" in os.environ
"""Whether other examples are drawn in every run."""


def examples(count: int) -> int:
    """So many, as in every whole run; a quarter of them for a quick look, `RATEWISE_QUICK=1`."""
    return max(10, count // 4) if QUICK else count
