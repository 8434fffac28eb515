"""Optimizers that cannot carry a clock: they are refused before training, with what to write."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch.optim import Optimizer

from ratewise.adapters.torch.groups import Member
from ratewise.adapters.torch.source import Source
from ratewise.schedule import ScheduleError

WHO = "Scheduler"

_DEEPSPEED = (
    "write engine, *_ = deepspeed.initialize(…), and behind it "
    "ratewise.deepspeed.attach(engine, schedule, total=…), and no Scheduler"
)


def refuse_deepspeed(given: Any) -> None:
    """Refuse an optimizer that DeepSpeed has wrapped.

    Raises:
        ScheduleError: it is one, or a wrapper around one.
    """
    if wrapper := _of_deepspeed(given):
        rule = f"found a {wrapper} of DeepSpeed, which steps the optimizer in it group by group"
        raise ScheduleError(WHO, rule, _DEEPSPEED)


def one_group_at_a_time() -> ScheduleError:
    """Return the error for an optimizer that is stepped with some of its groups at a time."""
    rule = "found the groups of its optimizer stepped one after the other, as DeepSpeed's ZeRO does"
    return ScheduleError(WHO, rule, _DEEPSPEED)


def refuse_clockless(optimizer: Optimizer) -> None:
    """Refuse an optimizer whose `step` is not where the weights change.

    Raises:
        ScheduleError: it updates in the backward pass, or holds an optimizer for each parameter.
    """
    name = type(optimizer).__name__
    if callable(getattr(optimizer, "fused_backward", None)):
        rule = f"cannot follow {name}, which changes the weights in the backward pass"
        fix = "give each call its rate: fused_backward(loss, lr * level), level = schedule(t)"
        raise ScheduleError(WHO, rule, fix)
    for attribute, several in _holders(optimizer):
        rule = f"cannot follow {name}, which holds {len(several)} optimizers in .{attribute}"
        fix = f"bind them, Scheduler(optimizer.{attribute}, schedule, …)"
        raise ScheduleError(WHO, rule, fix)


def refuse_capture() -> ScheduleError:
    """Return the error for a step that is captured into a CUDA graph.

    The host writes each rate: captured, that of one update is replayed, and nothing counts.
    """
    rule = "cannot write its rates into a step that is captured into a CUDA graph: replays keep one"
    fix = (
        "capture the forward and the backward pass, and call optimizer.step() behind each replay, "
        "or compile the step: torch.compile(step, mode='reduce-overhead')"
    )
    return ScheduleError(WHO, rule, fix)


def warn_of_one_peak(source: Source, members: Sequence[Member]) -> None:
    """Warn where a plan's one peak takes the place of rates that differ from group to group.

    A config that was read knows one rate; what it was read for may have several.
    """
    own = [source.plan.groups.get(member.entry or "") for member in members]
    shared = [
        float(member.group[place[0]])
        for member, plan in zip(members, own, strict=True)
        if member.group is not None and not (plan and "lr" in plan.peak)
        if (place := member.places.get("lr")) is not None and place[1] is None
    ]
    if "lr" not in source.plan.peak or len(set(shared)) < 2:
        return
    rates = ", ".join(f"{rate:g}" for rate in sorted(set(shared))[:4])
    warnings.warn(
        f"{WHO}: the plan's one peak, lr={source.plan.peak['lr']:g}, takes the place of "
        f"{len(set(shared))} rates that the groups have ({rates}). Leave the peak out to keep "
        "them, or give groups= with a peak for each",
        stacklevel=3,
    )


def _of_deepspeed(given: Any) -> str | None:
    """Return the name of the wrapper of DeepSpeed that is around an optimizer, if there is one."""
    seen: set[int] = set()
    while given is not None and id(given) not in seen:
        seen.add(id(given))
        module = type(given).__module__.partition(".")[0]
        if module == "deepspeed" and not isinstance(given, Optimizer):
            return type(given).__name__
        given = getattr(given, "optimizer", None)
    return None


def _holders(optimizer: Optimizer) -> list[tuple[str, list[Optimizer]]]:
    """Return the public attributes that hold optimizers whose groups are not this one's."""
    own = set(map(id, getattr(optimizer, "param_groups", ())))
    found: list[tuple[str, list[Optimizer]]] = []
    for name, value in getattr(optimizer, "__dict__", {}).items():
        items: Any = value.values() if isinstance(value, Mapping) else value
        if name.startswith("_") or not isinstance(items, Iterable) or isinstance(items, str):
            continue
        if name in ("param_groups", "state", "defaults"):
            continue
        several = [one for one in items if isinstance(one, Optimizer)] if _small(value) else []
        theirs = {id(group) for one in several for group in one.param_groups}
        if several and not theirs & own:
            found.append((name, several))
    return found


def _small(value: Any) -> bool:
    """Tell whether a value is a collection that holds things, and may be looked through."""
    return isinstance(value, Mapping | list | tuple | set)
