"""Optimizers that cannot carry a clock: they are refused before training, with what to write."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from ratewise.adapters.torch.groups import Member
from ratewise.adapters.torch.source import Source
from ratewise.adapters.torch.values import who_is
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix

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
    """Return the error for a step that is captured while the clock is on the host.

    The host writes each rate: captured, that of one update is replayed, and nothing counts.
    """
    rule = "cannot write its rates into a step that is captured into a CUDA graph: replays keep one"
    fix = Fix(
        "give the optimizer lr=torch.tensor(…) on the card, or {on_device}, and "
        "the clock is captured with the step; or call optimizer.step() behind each replay",
        on_device="True",
    )
    return ScheduleError(Call(WHO), rule, fix)


def refuse_captured(what: str, fix: str | Fix) -> ScheduleError:
    """Return the error for a captured step that the clock on the device cannot go with."""
    return ScheduleError(Call(WHO), f"was captured into a graph with its step {what}", fix)


def check_capturable(whole: bool, longest: int, by_hand: str) -> None:
    """Refuse a capture that the host would have to go on with.

    Raises:
        ScheduleError: the levels are laid out in blocks; values set by hand are to be followed.
    """
    if not whole:
        fix = Fix(f"give {{total}}, of fewer than {longest:,} updates", total="…")
        raise refuse_captured("and has no end that a table on the device could hold", fix)
    if by_hand == "follow":
        fix = 'give by_hand="warn", or set base_lrs between replays'
        raise refuse_captured('and by_hand="follow" reads what it finds', fix)


def say_moved(number: int, optimizer: Optimizer, device: Any) -> None:
    """Say that what were numbers, or tensors elsewhere, are tensors on the device now."""
    warnings.warn(
        f"{WHO}(on_device=True): {number} of the values that {type(optimizer).__name__} holds are "
        f"tensors on {device} from now on; a logger reads float(group['lr'])",
        stacklevel=6,
    )


def refuse_replayed() -> ScheduleError:
    """Return the error for a graph that replays a schedule which is no longer followed."""
    rule = "found a captured step replayed that holds the tables of an earlier schedule or layout"
    return ScheduleError(WHO, rule, "capture the step again, and let the old graph go")


def refuse_device(device: Any) -> ScheduleError:
    """Return the error for a device on which no clock can be kept."""
    rule = f"has its parameters on {device}, where no clock in float64 can be kept"
    return ScheduleError(f"{WHO}(on_device=True)", rule, "leave on_device out: the host counts")


def refuse_function() -> ScheduleError:
    """Return the error for a function that would have to be asked for ever."""
    rule = "cannot ask a function of a run without an end beforehand"
    return ScheduleError(f"{WHO}(on_device=True)", rule, "give total=…, the updates of the run")


def check_takes_tensors(members: Sequence[Member], optimizer: Optimizer) -> None:
    """Refuse what an optimizer of PyTorch cannot take as a tensor, or reads on the host.

    What a group holds as a tensor already is the user's own choice; of other people's optimizers
    nothing is known.

    Raises:
        ScheduleError: a number would have to become a tensor, and its step would read that.
    """
    name = next((k.__name__ for k in type(optimizer).__mro__ if _is_torchs(k)), None)
    for index, member in enumerate(members):
        group = member.group or {}
        for key, (place, at) in member.places.items():
            value = group[place] if at is None else group[place][at]
            if isinstance(value, Tensor):
                continue
            who = f"{WHO}(on_device=True), {who_is(member.name, index)},"
            if place != "lr":
                rule = f"schedules {key}, which {type(optimizer).__name__} holds as a number"
                fix = (
                    f"give it as a tensor where the optimizer takes one ({_BETAS}), or leave {key}"
                )
                raise ScheduleError(who, rule, f"{fix} or on_device out")
            if name is not None and not (group.get("fused") or group.get("capturable")):
                rule = f"would make lr a tensor, which this {name} reads on the host at each update"
                able = " or capturable=True" if "capturable" in group else ""
                raise ScheduleError(who, rule, f"give it fused=True{able}, or leave on_device out")


_BETAS = "betas=(torch.tensor(…), torch.tensor(…)) of an Adam with capturable=True"


def _is_torchs(kind: type) -> bool:
    return kind.__module__.startswith("torch.optim.") and kind is not Optimizer


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
