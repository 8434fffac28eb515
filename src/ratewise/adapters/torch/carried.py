"""What an optimizer's own groups carry of a schedule: the updates made, and the values at level 1.

A checkpoint of the optimizer alone is then enough to go on. The count stands in the first group as
`ratewise_updates`, and in every group of a `state_dict()`; beside each scheduled key stands its
value at level 1, `initial_lr` for `lr`, as PyTorch's own schedulers keep it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, shorten

UPDATES = "ratewise_updates"
"""The key of a group under which the count of committed updates is kept."""

SHIFT = "ratewise_shift"
"""The key of what is added to the count in the schedule; only after `resume="rescale"`."""

WHO = Call("Scheduler")

_COPIES = {"z", "slow_buffer", "slow_param", "shadow", "master_param", "master_weight"}
"""Where optimizers keep a copy of a weight: schedule-free, Lookahead, averages, mixed precision."""


def count_in(groups: Sequence[Mapping[str, Any]]) -> int | None:
    """Return the count of updates that groups carry; None if they carry none.

    The first group that has one is asked: only there is it kept up to date.

    Raises:
        ScheduleError: what stands there is no count.
    """
    holders = [group for group in groups if UPDATES in group]
    if not holders:
        return None
    found = holders[0][UPDATES]
    single = isinstance(found, int | float) or (isinstance(found, Tensor) and found.numel() == 1)
    if isinstance(found, bool) or not single or not 0 <= (count := float(found)) == count // 1:
        rule = f"found {UPDATES}={shorten(found)} in the optimizer's groups, which is no count"
        raise ScheduleError(WHO, rule, f"take {UPDATES!r} out, and give updates=…")
    return int(found)


def keep_count(group: dict[str, Any], count: int, tensor: bool) -> None:
    """Put a count into a group: as an int, or as a tensor that is filled in place.

    A compiled step looks at every number in the groups, and would be compiled anew for each.
    """
    if not tensor:
        group[UPDATES] = count
    elif isinstance(group.get(UPDATES), Tensor):
        group[UPDATES].fill_(count)
    else:
        with torch.inference_mode(False):
            group[UPDATES] = torch.tensor(count, device="cpu")


def shift_in(groups: Sequence[Mapping[str, Any]]) -> int:
    """Return the shift that groups carry, 0 if they carry none."""
    return next((int(group[SHIFT]) for group in groups if SHIFT in group), 0)


def keep_shift(group: dict[str, Any], shift: int) -> None:
    """Put a shift into a group, if there is one."""
    if shift:
        group[SHIFT] = shift
    else:
        group.pop(SHIFT, None)


def forget(group: dict[str, Any]) -> None:
    """Take the clock out of a group."""
    group.pop(UPDATES, None)
    group.pop(SHIFT, None)


def was_used(optimizer: Optimizer) -> bool:
    """Tell whether an optimizer holds the state of updates.

    Adagrad has one from the start, the wrapper of schedule-free puts a copy of the weights there,
    and `torch.distributed.checkpoint` makes one of nothing but zeros.
    """
    return any(_is_used(weight, one) for weight, one in optimizer.state.items())


def group_was_used(optimizer: Optimizer, group: Mapping[str, Any]) -> bool:
    """Tell whether an optimizer holds the state of updates of one of its groups."""
    known = optimizer.state
    return any(_is_used(weight, known[weight]) for weight in group["params"] if weight in known)


def _is_used(weight: Any, state: Any) -> bool:
    if not isinstance(state, Mapping):
        return True
    if not state or float(state.get("step", 1)) == 0:
        return False
    rest = {key: value for key, value in state.items() if key != "step"}
    tensors = {key: _local(value) for key, value in rest.items() if isinstance(value, Tensor)}
    if len(tensors) < len(rest) or not rest:
        return True
    return any(
        bool(tensor.any()) and not (key in _COPIES and _is_copy(tensor, weight))
        for key, tensor in tensors.items()
    )


def _local(tensor: Tensor) -> Tensor:
    """Return a tensor, or of one in shards the shard that is here."""
    return getattr(tensor, "to_local", lambda: tensor)()


def _is_copy(tensor: Tensor, weight: Any) -> bool:
    if not isinstance(weight, Tensor):
        return False
    here = _local(weight.detach())
    same = tensor.shape == here.shape and tensor.dtype == here.dtype
    return same and tensor.device == here.device and torch.equal(tensor, here)


def own_step(optimizer: Optimizer) -> int | None:
    """Return the updates that the optimizer itself has counted, if it is one number for all."""
    steps = {
        float(one["step"])
        for one in optimizer.state.values()
        if isinstance(one, dict) and isinstance(one.get("step"), int | float | Tensor)
    }
    return int(steps.pop()) if len(steps) == 1 else None


# What is asked before the next update -------------------------------------------------------


def ask_count(optimizer: Optimizer) -> ScheduleError:
    """Return the question how many updates a used optimizer has made."""
    name, own = type(optimizer).__name__, own_step(optimizer)
    rule = f"found a used {name} that does not say how many updates it has made"
    told = "" if own is None else f" (its own step says {own})"
    fix = Fix(
        f"give {{updates}}{told}, or seek(N), with N=0 to begin here, or load the "
        "scheduler's own state",
        updates="N",
    )
    return ScheduleError(WHO, rule, fix)


def ask_feedback(text: str, count: int) -> ScheduleError:
    """Return the question what a schedule that listens was shown before."""
    rule = (
        f"follows {text}, which decides by metrics, and what it was shown before update {count} is "
        "not in the optimizer's state"
    )
    fix = (
        f"load what scheduler.state_dict() gave as well, or call seek({count}) to go on as if it "
        "had been shown nothing"
    )
    return ScheduleError(WHO, rule, fix)


def ask_past_end(count: int, total: int) -> ScheduleError:
    """Return the question what a count past the end of the schedule is to mean."""
    rule = f"found an optimizer with {count} updates made, past the end of the schedule, {total}"
    fix = f"give updates=0 for a new run from its state, or a total above {count} to go on"
    return ScheduleError(WHO, rule, fix)


def ask_peak(who: str, key: str, saved: float, ours: float) -> ScheduleError:
    """Return the question which value at level 1 counts, the state's or the code's."""
    rule = (
        f"found {key}={saved:g} as the peak of {who} in the optimizer's state, the code's {ours:g}"
    )
    fix = Fix('give {resume} for the state\'s, or resume="code"', resume='"checkpoint"')
    return ScheduleError(WHO, rule, fix)


def disagree(who: str, own: int, optimizer: int) -> ScheduleError:
    """Return the error for two states that were not saved at the same update."""
    rule = f"got a state of update {own}, and one of the optimizer of update {optimizer}"
    fix = Fix(
        "load states that were saved together, or give {resume}: its own state wins", resume="…"
    )
    return ScheduleError(who, rule, fix)
