"""What a live guard costs at each update, against what the update itself and a scheduler cost.

    python benchmarks/guard.py

Loops of the smallest model of PyTorch, with 1, 2 and 100 groups: bare, with the guard, and with the
step of CosineAnnealingLR. Printed is the CPU time of an update in µs, the least of several rounds,
what the guard adds to it, and the ratio of that to what the scheduler adds.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from typing import Any

import torch

from ratewise.testing import RateGuard

GROUPS = (1, 2, 100)


def least(run: Callable[[], None], updates: int, rounds: int) -> float:
    """Return the CPU time of an update in µs, the least of some rounds."""
    best = float("inf")
    for _ in range(rounds):
        begin = time.process_time()
        for _ in range(updates):
            run()
        best = min(best, (time.process_time() - begin) / updates * 1e6)
    return best


def optimizer_of(groups: int) -> Any:
    """Return an optimizer whose parameters have no gradients: its step does what any step does."""
    parts = [{"params": [torch.nn.Parameter(torch.ones(1))]} for _ in range(groups)]
    return torch.optim.SGD(parts, lr=1e-3)


def measured(groups: int, updates: int, rounds: int) -> tuple[float, float, float]:
    """Return what an update costs bare, with the guard, and with a scheduler, in µs."""
    total = updates * (rounds + 1)
    bare = optimizer_of(groups)
    alone = least(bare.step, updates, rounds)
    watched = optimizer_of(groups)
    RateGuard("Hold()", total=total, lr=1e-3).watch(watched)
    with_guard = least(watched.step, updates, rounds)
    scheduled = optimizer_of(groups)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(scheduled, total)

    def both() -> None:
        scheduled.step()
        scheduler.step()

    return alone, with_guard, least(both, updates, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=7)
    told = parser.parse_args()
    torch.set_num_threads(1)
    print(f"PyTorch {torch.__version__}, {platform.processor() or platform.machine()}")
    print("groups   update  the guard adds  a scheduler adds  ratio")
    for groups in GROUPS:
        updates = max(told.updates // groups, 200)
        alone, guarded, scheduled = measured(groups, updates, told.rounds)
        ours, theirs = guarded - alone, scheduled - alone
        print(f"{groups:6} {alone:8.2f} {ours:15.2f} {theirs:17.2f} {ours / theirs:6.2f}   µs")


if __name__ == "__main__":
    main()
