"""Running the schedulers of PyTorch from their update 0, whether they were stepped or not.

Some of what PyTorch keeps has no public name. `state_dict()` gives the parts of a composition as
dicts, which cannot be stepped, and a scheduler is not made anew by its constructor, whose arguments
it does not keep. So the parts, the milestones and the step that a constructor takes are used by
their own names, here and nowhere else; a test says in which versions they were seen.
"""

from __future__ import annotations

import bisect
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.convert.live._replay import Stub, duplicate, run
from ratewise.schedule import ScheduleError


def parts(scheduler: Any) -> list[Any]:
    """Return the schedulers that a SequentialLR or ChainedScheduler is made of."""
    return list(vars(scheduler).get("_schedulers", ()))


def leaves(scheduler: Any) -> list[Any]:
    """Return the schedulers in a composition that are not compositions; itself if it is none."""
    inner = parts(scheduler)
    return [leaf for part in inner for leaf in leaves(part)] if inner else [scheduler]


def stepped(scheduler: Any) -> int:
    """Return how often a scheduler was stepped since it was made."""
    while parts(scheduler) and not hasattr(scheduler, "last_epoch"):  # ChainedScheduler has none
        scheduler = parts(scheduler)[0]
    return int(scheduler.last_epoch)


def replay(who: str, scheduler: Any, keys: tuple[str, ...], n: int) -> dict[str, list[Floats]]:
    """Return what a scheduler sets keys to at its first n updates, float64[n] for each group.

    One that was stepped is put back to its beginning first, and must come back to the rates that
    its optimizer has.
    """
    copied, stub = duplicate(who, scheduler, scheduler.optimizer)
    done = stepped(scheduler)
    if done == 0:
        return run(who, stub, keys, n, lambda t: copied.step())
    now = [float(group["lr"]) for group in scheduler.optimizer.param_groups]
    rewind(copied, stub)
    out = run(who, stub, keys, max(n, done + 1), lambda t: copied.step())
    there = [values[done] for values in out["lr"]]
    if not np.allclose(there, now, rtol=1e-6, atol=0.0):
        rule = f"was stepped {done} times and does not come back to its rates when run again"
        raise ScheduleError(who, rule, "read it before its first step")
    return {key: [values[:n] for values in found] for key, found in out.items()}


def rewind(scheduler: Any, stub: Stub) -> None:
    """Put a copied scheduler and its stub where the constructors had left them."""
    for group in stub.param_groups:
        if "initial_lr" in group:
            group["lr"] = group["initial_lr"] + 0.0  # a tensor must not be shared
    _construct(scheduler, stub)


def _construct(scheduler: Any, stub: Stub) -> None:
    inner = parts(scheduler)
    for part in inner:
        _construct(part, stub)
    if not inner:
        scheduler.last_epoch = -1
        if hasattr(scheduler, "T_cur"):
            scheduler.T_cur, scheduler.T_i = -1, scheduler.T_0
        bases = scheduler.base_lrs
        if hasattr(scheduler, "max_lrs"):  # CyclicLR has its own base rates behind its first step
            scheduler.base_lrs = [group["initial_lr"] for group in stub.param_groups]
        scheduler._initial_step()
        scheduler.base_lrs = bases
    elif hasattr(scheduler, "recursive_undo"):
        scheduler.last_epoch = 0
        for group in stub.param_groups:
            group["lr"] = group["initial_lr"] + 0.0
        scheduler.recursive_undo()
        inner[bisect.bisect_right(milestones(scheduler), 0)]._initial_step()


def milestones(scheduler: Any) -> list[int]:
    return list(vars(scheduler)["_milestones"])
