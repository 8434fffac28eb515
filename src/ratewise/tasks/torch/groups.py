"""An optimizer's groups and the rate they share, set by hand or by the optimizer's hooks."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, Self

import numpy as np

from ratewise._extras import require
from ratewise.adapters.torch.device import overflow
from ratewise.adapters.torch.factors import factor_of
from ratewise.adapters.torch.scheduler import overruled
from ratewise.schedule import ScheduleError
from ratewise.tasks.protocols import GroupShare

torch = require("torch", extra="torch")


def check_optimizer(who: str, optimizer: Any) -> None:
    """Refuse what a function returned in the place of an optimizer."""
    if not hasattr(optimizer, "param_groups"):
        fix = "return a torch.optim.Optimizer of the model"
        raise ScheduleError(who, "returned no optimizer", fix, given=optimizer)


class RateSetter:
    """Sets the rate of an optimizer; its groups keep the ratios that they have now.

    Args:
        who: What to call the optimizer in an error.
        optimizer: The optimizer.
        keys: Where a group's rate is read, the first at which one is above 0; a group without the
            key has its "lr". A scheduler may have changed "lr", and keeps "initial_lr".

    Attributes:
        optimizer: The optimizer.
        reference: The largest learning rate among the groups.

    Raises:
        ScheduleError: it has no learning rate above 0.
    """

    def __init__(self, who: str, optimizer: Any, keys: Sequence[str] = ("lr",)) -> None:
        self.optimizer = optimizer
        rates = [_rates(optimizer, key) for key in keys]
        valid = [some for some in rates if 0 < max(some, default=0.0) < np.inf]
        if not valid:
            rule = f"has no learning rate above 0, got {max(rates[0], default=None)}"
            raise ScheduleError(who, rule, "give the optimizer an lr such as 1e-3")
        self.reference = max(valid[0])
        self._ratios = [rate / self.reference for rate in valid[0]]

    @property
    def shares(self) -> tuple[GroupShare, ...]:
        """What each group gets of the rate that is set."""
        groups = zip(self.optimizer.param_groups, self._ratios, strict=True)
        return tuple(GroupShare(group.get("name"), ratio) for group, ratio in groups)

    def set(self, rate: float) -> None:
        """Set the rate of the largest group, and of the others in proportion."""
        for group, ratio in zip(self.optimizer.param_groups, self._ratios, strict=True):
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate * ratio)
            else:
                group["lr"] = rate * ratio


def shares_of(optimizer: Any, keys: Sequence[str] = ("lr",)) -> tuple[GroupShare, ...]:
    """Return what each group gets of a rate that is set; empty if there is no rate above 0.

    Such an optimizer is refused when a run is opened.
    """
    try:
        return RateSetter("", optimizer, keys).shares
    except ScheduleError:
        return ()


def _rates(optimizer: Any, key: str) -> list[float]:
    """Return the rate of each group, times its factor where a scheduler has yet to multiply."""
    groups, defaults = optimizer.param_groups, getattr(optimizer, "defaults", {})
    scaled = key == "lr"  # of a scheduler that has run, what stands there is what an update uses
    return [
        float(group.get(key, group["lr"]))
        * (1 if scaled and "initial_lr" in group else factor_of(group, groups, defaults, "lr"))
        for group in groups
    ]


class HookedRates:
    """Sets the rate of every update, and counts those that are committed, by an optimizer's hooks.

    So it comes after whatever scheduler there is. A step that calls the hooked step of its base
    class is counted once, and one that a scaler has a fused optimizer skip is not. The hooks are
    there while it is entered.

    Args:
        groups: The optimizer's groups.
        rates: The rate of every update; the last one holds.

    Attributes:
        made: Updates that were committed.
    """

    def __init__(self, groups: RateSetter, rates: Sequence[float]) -> None:
        self.made = self._next = 0
        self._groups, self._rates = groups, rates
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        optimizer = self._groups.optimizer
        self._stack.enter_context(overruled(optimizer))
        for hook in (
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ):
            self._stack.callback(hook.remove)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _before(self, *_: Any) -> None:
        self._groups.set(self._rates[min(self.made, len(self._rates) - 1)])
        optimizer = self._groups.optimizer
        skipped = hasattr(optimizer, "found_inf") and overflow(optimizer)
        self._next = self.made if skipped else self.made + 1

    def _after(self, *_: Any) -> None:
        self.made = self._next
