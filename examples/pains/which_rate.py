"""Which rate did update k use? The first is zero, and the log is one late.

A warm-up of Transformers gives update 0 a rate of exactly zero: the first update trains nothing.
And what `get_last_lr()` says after `scheduler.step()`, which is what most loops log, is the rate
of the next update.
"""

from __future__ import annotations

import torch
from _side_by_side import show
from transformers import get_linear_schedule_with_warmup

import ratewise as rw
from ratewise.torch import Scheduler

TOTAL, WARMUP, LR = 8, 3, 1e-3


def train(make) -> tuple[list[float], list[float]]:
    """Return the rates that updates used, and what a loop that logs after step() writes down."""
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=LR)
    scheduler, used, logged = make(optimizer), [], []
    for _ in range(TOTAL):
        weight.grad = torch.ones_like(weight)
        before = float(weight.detach())
        optimizer.step()
        scheduler.step()
        used.append(before - float(weight.detach()))  # the gradient is 1: it moves by the rate
        logged.append(scheduler.get_last_lr()[0])
    return used, logged


def main() -> None:
    """Compare."""
    theirs = train(lambda o: get_linear_schedule_with_warmup(o, WARMUP, TOTAL))
    plan = rw.Warmup(WARMUP) >> rw.Linear(to=0)
    ours = train(lambda o: Scheduler(o, plan, total=TOTAL))
    show(
        "Eight updates with a warm-up of three: used and logged",
        {"used": theirs[0], "logged": theirs[1]},
        {"used": ours[0], "logged": ours[1]},
        lesson="Theirs wastes update 0 and logs the next rate; ours logs what was used.",
        right=all(abs(a - b) < 1e-12 for a, b in zip(*ours, strict=True)) and ours[0][0] > 0,
        bitten=theirs[0][0] == 0 and theirs[0][1:] != theirs[1][1:],
    )


if __name__ == "__main__":
    main()
