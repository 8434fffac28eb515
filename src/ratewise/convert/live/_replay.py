"""Running what is read: a copy of a live scheduler on an optimizer that only has groups.

Nothing is imported: a copy is stepped by its own methods. What it needs of the optimizer is its
groups, without their parameters, so the model is neither copied nor touched.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.schedule import Function, Plan, ScheduleError
from ratewise.schedule.errors import shorten


class Stub:
    """What schedulers ask of an optimizer: groups, defaults, and a step."""

    def __init__(self, optimizer: Any) -> None:
        self.defaults = dict(getattr(optimizer, "defaults", {}))
        self.param_groups = [
            {key: copy.deepcopy(value) for key, value in group.items() if key != "params"}
            for group in optimizer.param_groups
        ]
        self._opt_called = True  # PyTorch asks for it before it warns

    def step(self) -> None:
        """Do nothing."""

    step._wrapped_by_lr_sched = True  # pyright: ignore  (the same)

    def values(self, key: str) -> list[float]:
        """Return a key of every group; momentum is the first beta where there are betas."""
        return [_value(group, key) for group in self.param_groups]


def _value(group: dict[str, Any], key: str) -> float:
    if key == "momentum" and key not in group:
        return float(group["betas"][0])
    return float(group[key])


def duplicate(who: str, scheduler: Any, optimizer: Any) -> tuple[Any, Stub]:
    """Return a deep copy of a scheduler, on a stub of its optimizer."""
    stub = Stub(optimizer)
    try:
        return copy.deepcopy(scheduler, {id(optimizer): stub}), stub
    except Exception as error:
        rule = f"cannot be copied ({type(error).__name__}: {error})"
        raise ScheduleError(who, rule, "give a scheduler that copy.deepcopy accepts") from error


def run(
    who: str,
    stub: Stub,
    keys: tuple[str, ...],
    n: int,
    step: Callable[[int], Any],
    *,
    first: bool = False,
) -> dict[str, list[Floats]]:
    """Return the values of keys at n updates, float64[n] for each group, stepping in between.

    Args:
        who: What is run, for messages.
        stub: Where the values are found; before the first step they are those of update 0.
        keys: What to record.
        n: Updates.
        step: Called with t before update t is recorded, for t = 1 … n-1.
        first: Whether it is called for t = 0 too.
    """
    out = {key: np.empty((len(stub.param_groups), n)) for key in keys}
    for t in range(n):
        try:
            if t or first:
                step(t)
            for key in keys:
                out[key][:, t] = stub.values(key)
        except Exception as error:
            what = f"{type(error).__name__}: {shorten(str(error), 120)}"
            fix = f"read it with a total of at most {t}, or change it" if t else "change it"
            raise ScheduleError(who, f"fails before update {t} ({what})", fix) from error
    return {key: list(values) for key, values in out.items()}


@dataclass(frozen=True)
class Called:
    """A framework's schedule as a function from an int to a float."""

    schedule: Callable[[int], Any]

    def __call__(self, t: int) -> float:
        return float(self.schedule(t))


def called(schedule: Callable[[int], Any], note: str) -> Plan:
    """Return the plan that calls a framework's own schedule at every update."""
    return Plan(lr=Function(Called(schedule)), peak={"lr": 1.0}, notes=(note,))
