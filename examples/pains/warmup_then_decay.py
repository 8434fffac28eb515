"""Warm-up, then cosine, then a tail: put together in two steps, SequentialLR loses an update.

A warm-up and a cosine, made by one function and followed by a constant tail in another, is a
SequentialLR inside a SequentialLR. The inner one is stepped once too often when it is made.
"""

from __future__ import annotations

import warnings

import torch
from _side_by_side import show
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, SequentialLR

import ratewise as rw
from ratewise.testing import trace
from ratewise.torch import Scheduler

WARMUP, DECAY, LR = 3, 5, 1e-3


def train(make) -> list[float]:
    """Return the rates of the updates of both."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    scheduler = make(optimizer)
    with trace(optimizer) as run:
        for _ in range(WARMUP + DECAY):
            optimizer.step()
            scheduler.step()
    return list(run.group())


def both(optimizer):
    """What the documentation of PyTorch writes for a warm-up and a cosine."""
    climb = LinearLR(optimizer, start_factor=0.25, total_iters=WARMUP)
    fall = CosineAnnealingLR(optimizer, DECAY, eta_min=0.1 * LR)
    return SequentialLR(optimizer, [climb, fall], milestones=[WARMUP])


def nested(optimizer):
    """The same, and a tail at a tenth behind it."""
    tail = ConstantLR(optimizer, factor=0.1, total_iters=100)
    return SequentialLR(optimizer, [both(optimizer), tail], milestones=[WARMUP + DECAY])


def main() -> None:
    """Compare the parts alone with the parts in a whole."""
    warnings.simplefilter("ignore")
    theirs, whole = train(both), train(nested)
    plan = rw.Warmup(WARMUP) >> rw.Cosine(to=0.1, over=DECAY)
    ours = train(lambda o: Scheduler(o, plan))
    longer = train(lambda o: Scheduler(o, plan >> rw.Hold(0.1)))
    n = WARMUP + DECAY
    show(
        "Warm-up and cosine alone, and the same in front of a constant tail",
        {"SequentialLR": theirs[:n], "inside a SequentialLR": whole[:n]},
        {"Warmup >> Cosine": ours[:n], "Warmup >> Cosine >> Hold": longer[:n]},
        lesson="Theirs skips an update of the warm-up when put inside another; ours does not.",
        right=ours[:n] == longer[:n],
        bitten=max(abs(a - b) for a, b in zip(theirs, whole, strict=True)) > 0.02 * LR,
    )


if __name__ == "__main__":
    main()
