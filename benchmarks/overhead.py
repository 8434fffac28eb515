"""What a schedule adds to one update of an optimizer, against PyTorch's own scheduler.

    python benchmarks/overhead.py

Nothing is random. The optimizer does nothing, so that only the cost of scheduling is left; the
contenders take turns, and the medians over all turns are compared.

* ratewise: the two hooks that run before and after an update.
* peer: `CosineAnnealingLR.step()`.
* bare: a loop that sets `group["lr"] = base * level`, with the level already known: the limit.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import timeit
from typing import Any

import torch

import ratewise as rw
from ratewise.torch import Scheduler

TOTAL = 10_000_000


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
        "ratewise": timeit.Timer(
            "before(optimizer, args, kw); after(optimizer, args, kw)", globals=hook
        ),
        "peer": timeit.Timer("step()", globals={"step": peer.step}),
        "bare": timeit.Timer("run()", globals={"run": run_bare}),
    }


def whole_step(groups: int) -> dict[str, timeit.Timer]:
    idle, ours, theirs = Idle(groups), Idle(groups), Idle(groups)
    Scheduler(ours, rw.Cosine(to=0.1), total=TOTAL)
    peer = torch.optim.lr_scheduler.CosineAnnealingLR(theirs, T_max=TOTAL)
    steps = {"optimizer": theirs, "peer": peer}
    return {
        "no schedule": timeit.Timer("optimizer.step()", globals={"optimizer": idle}),
        "ratewise": timeit.Timer("optimizer.step()", globals={"optimizer": ours}),
        "peer": timeit.Timer("optimizer.step(); peer.step()", globals=steps),
    }


def medians(runs: dict[str, timeit.Timer], number: int, repeats: int) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(run.timeit(number) / number)
    return {name: statistics.median(values) for name, values in seconds.items()}


def report(groups: int, number: int, repeats: int) -> None:
    times = medians(contenders(groups), number, repeats)
    text = ", ".join(f"{name} {value * 1e9:,.0f} ns" for name, value in times.items())
    print(f"{groups:>5} groups: {text}")
    print(f"       peer / ratewise {times['peer'] / times['ratewise']:.1f}x")
    print(f"       ratewise / bare {times['ratewise'] / times['bare']:.2f}x")
    whole = medians(whole_step(groups), number, repeats)
    ours, theirs = (whole[name] - whole["no schedule"] for name in ("ratewise", "peer"))
    print(
        f"       added to a whole step: ratewise {ours * 1e9:,.0f} ns, peer {theirs * 1e9:,.0f} ns"
    )
    print(f"       peer / ratewise, whole step {theirs / ours:.1f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=201)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, Python {platform.python_version()}, {platform.machine()}")
    report(1, 1_024, repeats)  # a whole block of levels
    report(1_000, 16, repeats)


if __name__ == "__main__":
    main()
