"""Schedulers as a config describes them, for the readers of live ones.

They hold what a constructor would keep of its arguments, by the same names, so that one formula
serves both. None of them can be run.
"""

from __future__ import annotations

from typing import Any

from ratewise.schedule import ScheduleError


class DescribedOptimizer:
    """What a scheduler keeps its rates in: one group."""

    def __init__(self, lr: float) -> None:
        self.param_groups: list[dict[str, Any]] = [{"lr": lr, "initial_lr": lr}]

    @property
    def lr(self) -> float:
        """The rate that it was made with."""
        return self.param_groups[0]["lr"]


class DescribedScheduler:
    """A scheduler as its constructor would leave it.

    Args:
        name: Its class.
        optimizer: Where it keeps its rates.
        **kept: Its attributes.
    """

    def __init__(self, name: str, optimizer: DescribedOptimizer, **kept: Any) -> None:
        self.name = name
        self.optimizer = optimizer
        self.base_lrs = [optimizer.lr]
        vars(self).update(kept)

    def state_dict(self) -> dict[str, Any]:
        """Return all that it keeps."""
        return vars(self)


def is_described(source: Any) -> bool:
    """Tell whether a scheduler is only described."""
    return isinstance(source, DescribedScheduler)


def called(source: Any) -> str:
    """Return the name of the class of a scheduler, live or described."""
    return source.name if isinstance(source, DescribedScheduler) else type(source).__name__


def refuse_unknown(who: str, *shapes: Any) -> None:
    """Refuse a described scheduler of which a formula does not tell all."""
    if any(shape is None for shape in shapes):
        rule = "is known only by running it, with these arguments"
        raise ScheduleError(who, rule, "make it and read the live object")
