"""Hearing a clock that stands still, and a run that goes on at rate 0."""

from __future__ import annotations

import warnings

from torch.optim import Optimizer

from ratewise.adapters.torch.adaptive import inner_optimizers
from ratewise.schedule import ScheduleError

CALLS = 100  # without an update; gradients may be accumulated over many
CALLS_IF_MOVED = 4  # while the weights change all the same
PAST = 2  # updates past the end at rate 0: a run may be a little longer than was planned


class Watch:
    """Counts what happens without a committed update, and warns once of each kind."""

    def __init__(self) -> None:
        self._calls = 0
        self._stood_at = self._weights = -1
        self._still_warned = self._past_warned = self._told_warned = False

    def call(self, t: int, optimizer: Optimizer, what: str) -> None:
        """Note that `step` or `observe` was called when `t` updates had been committed."""
        if self._still_warned:
            return
        if t != self._stood_at:
            self._stood_at, self._calls = t, 0
        self._calls += 1
        if self._calls == 2:  # a loop that updates never comes here
            self._weights = changes(optimizer)
        moved = self._calls >= CALLS_IF_MOVED and changes(optimizer) != self._weights
        if moved or self._calls >= CALLS:
            self._still_warned = True
            since = "made no update" if not t else f"made no update since update {t}"
            warnings.warn(
                f"Scheduler: {self._calls} calls of {what}, and {call_of(optimizer)} "
                f"{since}: the rates stand still; {advice(optimizer, moved)}",
                stacklevel=4,
            )

    def told(self, count: int, t: int) -> None:
        """Note that somebody has set `last_epoch` to `count` in the middle of a run."""
        if not self._told_warned:
            self._told_warned = True
            warnings.warn(
                f"Scheduler: last_epoch was set to {count} at update {t}: the updates of the "
                f"optimizer count, and it stays there; call seek({count}) to go there",
                stacklevel=4,
            )

    def past_end(self, t: int, end: int, still: bool) -> bool:
        """Note update `t`, past the end; tell whether to look at the next one too."""
        if not still or self._past_warned:
            return False
        if t < end + PAST:
            return True
        self._past_warned = True
        warnings.warn(
            f"Scheduler: update {t} is past the end of the schedule, at {end}, and runs at lr=0, "
            "which changes nothing; give the run's true total, or stop there",
            stacklevel=2,
        )
        return False


def changes(optimizer: Optimizer) -> int:
    """Return how often the weights were written to, without asking a device.

    PyTorch has no public name for it; its notes on autograd describe `_version`.
    """
    weights = (weight for group in optimizer.param_groups for weight in group["params"])
    return sum(weight._version for weight in weights)  # pyright: ignore[reportPrivateUsage]


def call_of(optimizer: Optimizer) -> str:
    """Return the call by which an optimizer would be heard."""
    return f"{type(optimizer).__name__}.step()"


def advice(optimizer: Optimizer, moved: bool) -> str:
    """Return what to bind to."""
    for name, inner in inner_optimizers(optimizer).items():
        return f"bind the {type(inner).__name__} inside, Scheduler(optimizer.{name}, …)"
    if moved:
        return "something else changes the weights: bind the optimizer whose step() the loop calls"
    fix = "call its step(), or bind the optimizer whose step() the loop calls"
    return f"{fix} (gradients accumulated over more calls are fine)"


def check_hooks(optimizer: Optimizer) -> None:
    """Refuse an optimizer that cannot be heard.

    Raises:
        ScheduleError: it wraps another one and never called `Optimizer.__init__`.
    """
    try:
        for register in (
            optimizer.register_step_pre_hook,
            optimizer.register_step_post_hook,
            optimizer.register_load_state_dict_post_hook,
            optimizer.register_state_dict_post_hook,
        ):
            register(lambda *_: None).remove()
        for name in ("param_groups", "defaults", "state"):
            getattr(optimizer, name)
    except AttributeError:
        name = next(iter(inner_optimizers(optimizer)), None)
        fix = "bind the optimizer that it wraps" if name is None else f"bind its .{name}"
        rule = f"cannot hear this {type(optimizer).__name__}: it never called Optimizer.__init__"
        raise ScheduleError("Scheduler", rule, fix) from None
