"""How runs of a task are stacked, once it is known: for rooms that import no framework."""

from __future__ import annotations

from typing import Any, NamedTuple


class StackPlan(NamedTuple):
    """How runs of a task are trained together, which is known to work, and to pay.

    Args:
        stacking: How they are stacked, a `ratewise.tasks.torch.stacked.Stacking`.
        size: Runs in a stack at most.
    """

    stacking: Any
    size: int
