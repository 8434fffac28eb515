"""Warm-up, then plateau: PyTorch's ReduceLROnPlateau cannot follow a warm-up.

SequentialLR refuses it; chained by hand, the two write the rate in turn, and what the plateau cut
is overwritten as soon as the other steps.
"""

from __future__ import annotations

import warnings

import torch
from _side_by_side import show
from torch.optim.lr_scheduler import LinearLR, ReduceLROnPlateau, SequentialLR

import ratewise as rw
from ratewise.torch import Scheduler

LR, WARMUP, LOSSES = 1e-3, 3, [3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def refused() -> str:
    """Return what SequentialLR says to a plateau behind a warm-up."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    climb = LinearLR(optimizer, 0.25, total_iters=WARMUP)
    try:
        both = SequentialLR(optimizer, [climb, ReduceLROnPlateau(optimizer)], milestones=[WARMUP])
        for loss in LOSSES:
            optimizer.step()
            both.step(loss)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


def ours() -> tuple[list[float], str]:
    """Return the rates, and what was in fact followed."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    plan = rw.Warmup(WARMUP) >> rw.Plateau("loss", patience=1, factor=0.5)
    scheduler, used = Scheduler(optimizer, plan), []
    for loss in LOSSES:
        optimizer.step()
        used.append(optimizer.param_groups[0]["lr"])
        scheduler.observe(loss=loss)
    return used, str(scheduler.replay().lr)


def main() -> None:
    """Compare."""
    warnings.simplefilter("ignore")
    said = refused()
    used, replayed = ours()
    show(
        "A warm-up of three updates, then a plateau",
        {"SequentialLR([LinearLR, ReduceLROnPlateau])": [said]},
        {"Warmup(3) >> Plateau": used, "which was": [replayed]},
        lesson="Theirs cannot be put together; ours is one value, and can be played again.",
        right=used[:3] == [LR * k / 4 for k in (1, 2, 3)] and used[-1] < LR,
        bitten=said != "no error",
    )


if __name__ == "__main__":
    main()
