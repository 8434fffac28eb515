"""An optimizer that has the groups of an engine's optimizer, and whose step is an update of it.

ZeRO steps the optimizer that it has wrapped with some of its groups at a time, so that its hooks
cannot count; and the count that is right is the engine's, which leaves out what overflowed.
"""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer


class EngineDial(Optimizer):
    """Stands for the optimizer of an engine where a clock needs one that is stepped once an update.

    Args:
        inner: The optimizer whose groups hold the rates.

    Attributes:
        due: Whether the inner one was stepped, and that update was not yet counted.
    """

    def __init__(self, inner: Optimizer) -> None:
        groups = inner.param_groups
        super().__init__([{"params": list(group["params"])} for group in groups], inner.defaults)
        self.param_groups = list(groups)  # the very dicts
        self.state = inner.state
        self.due = False

    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Count an update; the engine has changed the weights."""

    def follow(self, inner: Optimizer) -> None:
        """Take over the groups of the optimizer, where all of them are there."""
        groups = inner.param_groups
        if len(groups) == len(self.param_groups):
            self.param_groups = list(groups)
            self.state = inner.state
