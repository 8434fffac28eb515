"""Updates that a gradient scaler skips: the scheduler goes on without them.

In half precision the first updates usually overflow while the scale settles. The scaler does not
step the optimizer then, and does not say so; the loop steps the scheduler all the same.
"""

from __future__ import annotations

import warnings

import torch
from _side_by_side import show
from torch.optim.lr_scheduler import LinearLR

import ratewise as rw
from ratewise.torch import Scheduler

TOTAL, LR, OVERFLOWS = 10, 1e-3, (0, 1, 2, 6)


def train(make) -> list[float]:
    """Return the rates of the updates that were made in a loop of ten batches, four overflows."""
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=LR)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    scheduler, used = make(optimizer), []
    for batch in range(TOTAL):
        optimizer.zero_grad()
        scaler.scale(weight.sum() * (float("inf") if batch in OVERFLOWS else 1.0)).backward()
        before = weight.detach().clone()
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        if not torch.equal(before, weight):
            used.append(float(before - weight.detach()))  # the gradient is 1: it moves by the rate
    return used


def main() -> None:
    """Compare."""
    warnings.simplefilter("ignore")
    theirs = train(lambda o: LinearLR(o, 0.1, total_iters=TOTAL))
    ours = train(lambda o: Scheduler(o, rw.Linear(to=1, over=TOTAL, start=0.1)))
    meant = [LR * (0.1 + 0.09 * t) for t in range(len(ours))]
    near = 2e-7  # the weight is near 1, in single precision
    show(
        "Ten batches, four of which overflow: the rates of the six updates",
        {"LinearLR from 10 %": theirs},
        {"Linear(to=1, start=0.1)": ours},
        lesson="Theirs starts at 37 % and skips a rate; ours counts what was committed.",
        right=all(abs(a - b) < near for a, b in zip(ours, meant, strict=True)),
        bitten=abs(theirs[0] - meant[0]) > near,
    )


if __name__ == "__main__":
    main()
