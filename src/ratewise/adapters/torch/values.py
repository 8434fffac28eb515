"""One value of a group: where it lives, how it is read and set, and what it is called."""

from __future__ import annotations

import math
import re
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import nearest, shorten

Group = dict[str, Any]

_INDEXED = re.compile(r"(\w+)\[(\d+)\]")


def kept_as(key: str) -> str:
    """Return the name under which a group keeps what a key is worth at level 1, as PyTorch does."""
    return f"initial_{key}"


def close(a: float, b: float) -> bool:
    """Tell whether two values are one: a float32 tensor rounds what it is given."""
    return math.isclose(a, b, rel_tol=1e-6)


def who_is(name: str | None, index: int) -> str:
    """Return how messages call a group."""
    return f"group {index}" if name is None else f"group {name!r}"


def default_of(defaults: Group, place: tuple[str, int | None]) -> float | None:
    """Return an optimizer's default for a key, or None."""
    try:
        return read("", defaults, *place)
    except (KeyError, IndexError, ScheduleError):
        return None


def locate(who: str, group: Group, key: str) -> tuple[str, int | None]:
    """Return (key of the group, index or None) for a key of a plan."""
    if key == "momentum" and "momentum" not in group and "betas" in group:
        return "betas", 0
    match = None if key in group else _INDEXED.fullmatch(key)
    name, index = (match[1], int(match[2])) if match else (key, None)
    if name not in group:
        known = [other for other in group if other not in ("params", "param_names", "name")]
        raise ScheduleError(f"Plan({key}=…)", f"is not a key of {who}", nearest(key, known))
    if index is not None and not index < len(group[name]):
        rule = f"is past the end of {name!r}, which has {len(group[name])} entries in {who}"
        raise ScheduleError(f"Plan({key}=…)", rule, f"use an index below {len(group[name])}")
    return name, index


def read(who: str, group: Group, name: str, index: int | None) -> float:
    """Return a group's value as a float; a tensor is read from its device."""
    value = group[name] if index is None else group[name][index]
    single = not isinstance(value, Tensor) or value.numel() == 1
    number = isinstance(value, Real | Tensor) and not isinstance(value, bool)
    if not (single and number and math.isfinite(float(value))):
        rule = f"has {name}={shorten(value)}"
        raise ScheduleError(who, rule, "only one finite number can be scheduled")
    return float(value)


def put(group: Group, name: str, index: int | None, value: float) -> None:
    """Set a group's value; a tensor is filled in place."""
    old = group.get(name) if index is None else group[name][index]
    if isinstance(old, Tensor):
        old.fill_(value)
    elif index is None:
        group[name] = value
    else:
        items = group[name]
        group[name] = type(items)([*items[:index], value, *items[index + 1 :]])


def home(group: Group, name: str, index: int | None, device: torch.device) -> Tensor:
    """Return the tensor of a value on a device: the group's own, if it is there."""
    value = group[name] if index is None else group[name][index]
    if isinstance(value, Tensor) and value.device == device and not value.is_inference():
        return value
    kind = value.dtype if isinstance(value, Tensor) else torch.float32  # as fused kernels want it
    with torch.inference_mode(False):
        return torch.tensor(float(value), dtype=kind, device=device)


def settle_at(group: Group, name: str, index: int | None, value: Any) -> None:
    """Let a group hold this very tensor, or number."""
    if index is None:
        group[name] = value
    elif group[name][index] is not value:
        items = group[name]
        group[name] = type(items)([*items[:index], value, *items[index + 1 :]])
