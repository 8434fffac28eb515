"""Past the end: one scheduler kills the run, another climbs again.

Off by a partial batch, a run makes a few updates more than its schedule has. OneCycleLR raises
then, at 99 % of the run; CosineAnnealingLR turns round and takes the rate back up.
"""

from __future__ import annotations

import torch
from _side_by_side import show
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

import ratewise as rw
from ratewise.testing import trace
from ratewise.torch import Scheduler

TOTAL, LONGER, LR = 10, 18, 1e-3


def train(make) -> tuple[list[float], str]:
    """Return the rates of a run that is longer than its schedule, and how it ended."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    scheduler = make(optimizer)
    with trace(optimizer) as run:
        for _ in range(LONGER):
            try:
                optimizer.step()
                scheduler.step()
            except ValueError as error:
                return list(run.group()), str(error).split(". ")[0]
    return list(run.group()), "ran to its end"


def main() -> None:
    """Compare."""
    cycle, said = train(lambda o: OneCycleLR(o, LR, total_steps=TOTAL))
    cosine, _ = train(lambda o: CosineAnnealingLR(o, TOTAL))
    ours, fine = train(lambda o: Scheduler(o, rw.Cosine(to=0), total=TOTAL))
    show(
        f"{LONGER} updates of a schedule of {TOTAL}",
        {"OneCycleLR": [said], "CosineAnnealingLR": cosine},
        {"Cosine(to=0)": ours, "it": [fine]},
        lesson="Theirs raises or climbs again; ours holds its end level.",
        right=len(ours) == LONGER and ours[TOTAL:] == [0.0] * (LONGER - TOTAL),
        bitten=len(cycle) < LONGER and cosine[-1] > 0.5 * LR,
    )


if __name__ == "__main__":
    main()
