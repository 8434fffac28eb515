"""Values that somebody else puts into the groups between two updates: found, and never lost.

What was put in place last is remembered as the object itself, so that an update looks with one
comparison. A tensor is known by its count of writes, which is on the host: no device is read.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ratewise.adapters.arguments import BY_HAND
from ratewise.adapters.torch.groups import Member
from ratewise.adapters.torch.values import Group, who_is
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, nearest, shorten

Cell = tuple[Member, str, str, int | None]
"""(group, key of the plan, key of the group, index or None)"""

WHO = Call("Scheduler")

UNSEEN: Any = object()
"""Stands for what nobody has put in place: the dict is new, loaded or copied."""


def check_by_hand(policy: str) -> str:
    """Return the policy for values set by hand, or say which there are."""
    if policy not in BY_HAND:
        fix = f"{nearest(policy, BY_HAND)}; there are {', '.join(BY_HAND)}"
        raise ScheduleError(Call("Scheduler", "by_hand", policy), "names no policy", fix)
    return policy


def held(cells: Sequence[Cell]) -> list[Any]:
    """Return what the groups hold, a number or a tensor for each cell."""
    values = [((member.group or {}).get(name), index) for member, _, name, index in cells]
    return [value if index is None or value is None else value[index] for value, index in values]


def mark(value: Any) -> Any:
    """Return by what a value is known again."""
    return (value, _writes(value)) if isinstance(value, Tensor) else value


def is_ours(value: Any, marked: Any) -> bool:
    """Tell whether a value is the one that was marked."""
    if marked is UNSEEN:
        return True
    if isinstance(value, Tensor):
        return type(marked) is tuple and marked[0] is value and marked[1] == _writes(value)
    return value is marked or (type(marked) is not tuple and value == marked)


def _writes(tensor: Tensor) -> int:
    """Return how often a tensor was written to; see `watch.changes` for the name."""
    return 0 if tensor.is_inference() else tensor._version  # pyright: ignore[reportPrivateUsage]


def on_host(value: Any) -> float | None:
    """Return a value as a float; None if it is none, or would have to be read from a device."""
    if isinstance(value, Tensor) and value.device.type != "cpu":
        return None
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def makes_state_alone(optimizer: Optimizer, cells: Sequence[Cell], marked: Sequence[Any]) -> bool:
    """Tell whether a step is to make the optimizer's state alone, and is no update.

    `torch.distributed.checkpoint` takes one where there is no state: of gradients that are 0, at
    rates that it sets to 0 and then puts back. An optimizer that never has a state, such as SGD
    without momentum, is so stepped whenever it is saved. Only then are the gradients read.
    """
    if optimizer.state:
        return False
    rows = zip(cells, held(cells), marked, strict=True)
    rates = [(value, mine) for (_, key, *_), value, mine in rows if key == "lr"]
    zero = all(on_host(value) == 0 and _is_another(value, mine) for value, mine in rates)
    return bool(rates) and zero and not any(map(_moves, optimizer.param_groups))


def _moves(group: Group) -> bool:
    """Tell whether a group has a gradient that is not 0; of one in shards, the shard here."""
    grads = (parameter.grad for parameter in group["params"])
    return any(bool(getattr(g, "to_local", lambda g=g: g)().any()) for g in grads if g is not None)


def _is_another(value: Any, marked: Any) -> bool:
    """Tell whether a value is another object than the one that was marked, be it equal to it."""
    return marked is not UNSEEN and value is not (marked[0] if type(marked) is tuple else marked)


class Hands:
    """What is done about a value that is not ours; see `Scheduler` for the policies."""

    def __init__(self, policy: str) -> None:
        self.policy = policy
        self._warned = False

    def meet(
        self, t: int, member: Member, index: int, key: str, value: Any, coming: float
    ) -> float | None:
        """Return the value at level 1 with which to go on from a value found before update `t`.

        None: the schedule's own is used.

        Raises:
            ScheduleError: the policy is to refuse it, or nothing can go on from it.
        """
        if self.policy == "follow":
            return _followed(t, member, index, key, value, coming)
        found = on_host(value)
        shown = f"another {key}" if found is None else f"{key}={found:g}"
        rule = f"found {shown} in {who_is(member.name, index)} at update {t}, set by somebody else"
        if self.policy == "ignore" or (self.policy == "warn" and self._warned):
            return None
        rule += _named(member)  # which takes time, and is said once
        if self.policy == "refuse":
            fix = f"take away what sets it; the schedule's is {coming:g}"
            raise ScheduleError(WHO, rule, fix)
        self._warned = True
        warnings.warn(
            f"Scheduler: {rule}; the schedule's {coming:g} is used. Take away what sets it, or "
            'give by_hand="follow" to go on from such values, "ignore" to hear no more of '
            'them, "refuse" to stop at one',
            stacklevel=2,
        )
        return None

    def meet_unseen(self, t: int) -> None:
        """Say that a step which was compiled or captured has met with values that are not ours.

        Raises:
            ScheduleError: the policy is to refuse them.
        """
        rule = f"found before update {t} that somebody else had written to a tensor of the groups"
        late = "a step that is compiled or captured has used the schedule's value all the same"
        if self.policy == "refuse":
            raise ScheduleError(WHO, rule, f"take away what writes to it; {late}")
        if self.policy == "warn" and not self._warned:
            self._warned = True
            warnings.warn(
                f"Scheduler: {rule}; {late}. Take away what writes to it, or give "
                'by_hand="ignore" to hear no more of it, "refuse" to stop at one',
                stacklevel=3,
            )


def _named(member: Member) -> str:
    """Return who else is bound to the optimizer of a group, as far as it can be found; once a run.

    A scheduler holds its optimizer as `optimizer`, in PyTorch and in timm.
    """
    names = {type(one).__name__ for one in gc.get_objects() if _writes_to(one, member.group)}
    if not names:
        return ""
    verb = "is" if len(names) == 1 else "are"
    return f" ({', '.join(sorted(names))} {verb} bound to this optimizer too)"


def _writes_to(one: Any, group: Group | None) -> bool:
    kind = type(one)
    known = issubclass(kind, LRScheduler) or kind.__name__.endswith("Scheduler")
    if not known or kind.__module__.startswith("ratewise."):
        return False
    optimizer = getattr(one, "__dict__", {}).get("optimizer")
    groups = getattr(optimizer, "param_groups", ()) if isinstance(optimizer, Optimizer) else ()
    return any(its is group for its in groups)


def _followed(t: int, member: Member, index: int, key: str, value: Any, coming: float) -> float:
    """Return the value at level 1 that makes the value found the coming one; reads a device."""
    try:
        found = float(value)
    except (TypeError, ValueError, RuntimeError):
        found = float("nan")
    peak = member.peak[key]
    who, where = (
        Call("Scheduler", "by_hand", "follow"),
        f"{who_is(member.name, index)} at update {t}",
    )
    if not 0 <= found < float("inf"):
        fix = "set a finite number of at least 0"
        raise ScheduleError(who, f"found {key}={shorten(value)} in {where}", fix)
    if not coming:
        rule = f"found {key}={found:g} in {where}, where the schedule is at 0"
        raise ScheduleError(who, rule, "set it where the schedule is above 0")
    return found * (peak / coming)
