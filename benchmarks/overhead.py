"""What a schedule adds to one update of an optimizer, against PyTorch's own scheduler.

    python benchmarks/overhead.py

The optimizer does nothing, so that only the cost of scheduling is left; the contenders take turns
in an order that is drawn anew, by a seed, and the medians over all turns are compared. What is
measured is the time of the processor that the thread has used: what else runs on the machine is not
in it, but for what it drives out of the caches.

Alone:

* ratewise: the two hooks that run before and after an update.
* peer: `CosineAnnealingLR.step()`.
* bare: a loop that sets `group["lr"] = base * level`, with the level already known: the limit.

In a whole step, where little of it is in a cache:

* no schedule: `optimizer.step()`.
* least: the same with two hooks, one of which writes a number that is known, and one of which
  raises a count: less than that cannot be done by whoever is told of updates.
* ratewise: `optimizer.step()`, and with `scheduler.step()` behind it, as trainers call it.
* peer: `optimizer.step()`, and its `step()` behind it.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import time
import timeit
from typing import Any

import torch

import ratewise as rw
from ratewise.torch import Scheduler

TOTAL = 10_000_000
BLOCK = 4_096  # updates: as many as the scheduler computes at a time


class Idle(torch.optim.Optimizer):
    """An optimizer that does nothing."""

    def __init__(self, groups: int) -> None:
        parts = [
            {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 3e-4 * (1 + i / groups)}
            for i in range(groups)
        ]
        super().__init__(parts, {"lr": 3e-4})

    def step(self, closure: Any = None) -> Any:
        return None


class Hooks:
    """Takes the hooks that a scheduler registers, to call them without the rest of a step."""

    def __init__(self, optimizer: Idle) -> None:
        found: dict[str, Any] = {}
        for name in ("register_step_pre_hook", "register_step_post_hook"):
            register = getattr(optimizer, name)

            def keep(hook: Any, name: str = name, register: Any = register) -> Any:
                found[name] = hook
                return register(hook)

            setattr(optimizer, name, keep)
        Scheduler(optimizer, rw.Cosine(to=0.1), total=TOTAL)
        self.before = found["register_step_pre_hook"]
        self.after = found["register_step_post_hook"]


def contenders(groups: int) -> dict[str, timeit.Timer]:
    ours, theirs, bare = Idle(groups), Idle(groups), Idle(groups)
    hooks = Hooks(ours)
    peer = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, T_max=TOTAL)
    theirs.step()
    bases = [float(group["lr"]) for group in bare.param_groups]
    level = 0.5

    def run_bare() -> None:
        for group, base in zip(bare.param_groups, bases, strict=True):
            group["lr"] = base * level

    hook = {"before": hooks.before, "after": hooks.after, "optimizer": ours, "args": (), "kw": {}}
    return {
        "ratewise": timer("before(optimizer, args, kw); after(optimizer, args, kw)", **hook),
        "peer": timer("step()", step=peer.step),
        "bare": timer("run()", run=run_bare),
    }


def timer(statement: str, **names: Any) -> timeit.Timer:
    return timeit.Timer(statement, timer=time.thread_time, globals=names)


def least(groups: int) -> Idle:
    """An optimizer whose hooks write a known number into each group, and raise a count."""
    optimizer, count = Idle(groups), 0
    held = optimizer.param_groups

    def before(optimizer: Any, args: Any, kwargs: Any) -> None:
        for group in held:
            group["lr"] = 1e-4

    def before_one(optimizer: Any, args: Any, kwargs: Any) -> None:
        first["lr"] = 1e-4

    def after(optimizer: Any, args: Any, kwargs: Any) -> None:
        nonlocal count
        count += 1

    first = held[0]
    optimizer.register_step_pre_hook(before if groups > 1 else before_one)
    optimizer.register_step_post_hook(after)
    return optimizer


def whole_step(groups: int) -> dict[str, timeit.Timer]:
    idle, few, ours, both, theirs = Idle(groups), least(groups), *(Idle(groups) for _ in range(3))
    Scheduler(ours, rw.Cosine(to=0.1), total=TOTAL)
    scheduler = Scheduler(both, rw.Cosine(to=0.1), total=TOTAL)
    peer = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, T_max=TOTAL)
    for optimizer in (idle, few, ours, both, theirs):
        vars(optimizer)  # which all have been asked for, or none: it costs where attributes are
    return {
        "no schedule": timer("optimizer.step()", optimizer=idle),
        "least": timer("optimizer.step()", optimizer=few),
        "ratewise": timer("optimizer.step()", optimizer=ours),
        "ratewise, step()": timer("optimizer.step(); s.step()", optimizer=both, s=scheduler),
        "peer": timer("optimizer.step(); peer.step()", optimizer=theirs, peer=peer),
    }


def medians(runs: dict[str, timeit.Timer], number: int, repeats: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    order, draw = list(runs), random.Random(0)
    for _ in range(repeats):
        draw.shuffle(order)
        for name in order:
            seconds[name].append(runs[name].timeit(number) / number)
    return {name: statistics.median(values) for name, values in seconds.items()}


def report(groups: int, number: int, repeats: int) -> None:
    times = medians(contenders(groups), number, repeats)
    text = ", ".join(f"{name} {value * 1e9:,.0f} ns" for name, value in times.items())
    print(f"{groups:>5} groups: {text}")
    print(f"       peer / ratewise {times['peer'] / times['ratewise']:.1f}x")
    print(f"       ratewise / bare {times['ratewise'] / times['bare']:.2f}x")
    whole = medians(whole_step(groups), number, repeats)
    added = {name: value - whole["no schedule"] for name, value in whole.items()}
    text = ", ".join(f"{name} {value * 1e9:,.0f} ns" for name, value in list(added.items())[1:])
    print(f"       added to a whole step: {text}")
    over = whole["ratewise"] - whole["least"]
    print(f"       ratewise, over the least that two hooks can do: {over * 1e6:.2f} µs")
    for name in ("ratewise", "ratewise, step()"):
        print(f"       peer / {name}, whole step {added['peer'] / added[name]:.1f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=101)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}")
    report(1, BLOCK, repeats)  # what a whole block costs is in it
    report(1_000, 16, repeats)


if __name__ == "__main__":
    main()
