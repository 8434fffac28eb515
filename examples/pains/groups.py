"""Parameter groups: one that is added later is not scheduled, or breaks the scheduler.

Unfreezing in the middle of a run adds a group. PyTorch's schedulers keep a list of base rates by
position, made when they were made.
"""

from __future__ import annotations

import torch
from _side_by_side import show
from torch.optim.lr_scheduler import LambdaLR

import ratewise as rw
from ratewise.torch import Scheduler

TOTAL, LR = 8, 1e-3


def train(make) -> tuple[list[float], list[float], str]:
    """Train, add a group with a tenth of the rate after four updates; return both groups' rates."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    scheduler = make(optimizer)
    first, second = [], []
    for t in range(TOTAL):
        if t == TOTAL // 2:
            optimizer.add_param_group(
                {"params": [torch.nn.Parameter(torch.ones(1))], "lr": LR / 10}
            )
        optimizer.step()
        first.append(optimizer.param_groups[0]["lr"])
        second += [group["lr"] for group in optimizer.param_groups[1:]]
        try:
            scheduler.step()
        except Exception as error:
            return first, second, f"{type(error).__name__}: {error}"
    return first, second, "no error"


def main() -> None:
    """Compare."""
    theirs = train(lambda o: LambdaLR(o, lambda t: 1 - t / TOTAL))
    ours = train(lambda o: Scheduler(o, rw.Linear(to=0), total=TOTAL))
    meant = rw.Linear(to=0).resolve(TOTAL).values()
    show(
        "A group that is added in the middle, with a tenth of the rate",
        {"LambdaLR, group 0": theirs[0], "group 1": theirs[1], "it said": [theirs[2]]},
        {"Scheduler, group 0": ours[0], "group 1": ours[1], "it said": [ours[2]]},
        lesson="Theirs breaks or leaves the new group at its rate; ours schedules it from its own.",
        right=bool(
            ours[0] == [LR * level for level in meant]
            and all(abs(b / a - 0.1) < 1e-12 for a, b in zip(ours[0][4:], ours[1], strict=True))
        ),
        bitten=theirs[2] != "no error" or len(set(theirs[1])) == 1,
    )


if __name__ == "__main__":
    main()
