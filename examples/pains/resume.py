"""Resuming: a scheduler made after the optimizer was loaded, or loaded before it, loses its place.

In PyTorch the next rate depends on the order in which optimizer and scheduler are made and loaded,
and on whether the optimizer's state was loaded at all.
"""

from __future__ import annotations

import itertools

import torch
from _side_by_side import show
from torch.optim.lr_scheduler import CosineAnnealingLR

import ratewise as rw
from ratewise.torch import Scheduler

TOTAL, STOP, LR = 10, 6, 1e-3


def made():
    """Return a fresh optimizer."""
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)


def torch_scheduler(optimizer):
    return CosineAnnealingLR(optimizer, TOTAL)


def our_scheduler(optimizer):
    return Scheduler(optimizer, rw.Cosine(to=0), total=TOTAL)


def resumed(make, order) -> float:
    """Train to STOP, save, and return the rate of the next update after loading in an order."""
    optimizer = made()
    scheduler = make(optimizer)
    for _ in range(STOP):
        optimizer.step()
        scheduler.step()
    saved = optimizer.state_dict(), scheduler.state_dict()
    optimizer, scheduler = made(), None
    for what in order:
        if what == "make":
            scheduler = make(optimizer)
        elif what == "optimizer":
            optimizer.load_state_dict(saved[0])
        else:
            scheduler.load_state_dict(saved[1])
    used = []
    optimizer.register_step_post_hook(lambda o, *_: used.append(o.param_groups[0]["lr"]))
    optimizer.step()
    return used[0]


def main() -> None:
    """Try every order, with and without the optimizer's state."""
    orders = [
        order
        for n in (2, 3)
        for order in itertools.permutations(["make", "optimizer", "scheduler"], n)
        if "make" in order
        and "scheduler" in order
        and order.index("make") < order.index("scheduler")
    ]
    names = [" > ".join(order) for order in orders]
    theirs = {n: [resumed(torch_scheduler, o)] for n, o in zip(names, orders, strict=True)}
    ours = {n: [resumed(our_scheduler, o)] for n, o in zip(names, orders, strict=True)}
    meant = LR * rw.Cosine(to=0).resolve(TOTAL)(STOP)
    show(
        f"The rate of update {STOP} after a resume; {meant:.4g} is right",
        theirs,
        ours,
        lesson="Theirs depends on the order, and on the optimizer's state; ours does not.",
        right=all(value == [meant] for value in ours.values()),
        bitten=any(abs(value[0] - meant) > 1e-5 for value in theirs.values()),
    )


if __name__ == "__main__":
    main()
