"""A horizon that nobody checks: a streamed data set that is shorter than the schedule.

A Trainer takes the length of its schedule from max_steps; where the data end earlier, or a loop of
one's own counts batches for updates, the run ends at a high rate and nobody says so. A schedule
whose length is taken from the run cannot be wrong, and one without any length is refused by name.
"""

from __future__ import annotations

import torch
from _side_by_side import show
from torch.optim.lr_scheduler import OneCycleLR

import ratewise as rw
from ratewise.testing import trace
from ratewise.torch import Scheduler

BATCHES, ACCUMULATION, EPOCHS, LR = 10, 4, 2, 1e-3
UPDATES = EPOCHS * -(-BATCHES // ACCUMULATION)


def train(make) -> list[float]:
    """Accumulate over four batches, an update at the end of an epoch too; return the rates."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    scheduler = make(optimizer)
    with trace(optimizer) as run:
        for _ in range(EPOCHS):
            for batch in range(1, BATCHES + 1):
                if batch % ACCUMULATION == 0 or batch == BATCHES:
                    optimizer.step()
                    scheduler.step()
    return list(run.group())


def main() -> None:
    """Give both what a user has at hand: the number of batches, and the epochs."""
    theirs = train(lambda o: OneCycleLR(o, LR, epochs=EPOCHS, steps_per_epoch=BATCHES))
    plan = rw.Warmup("30%") >> rw.Cosine(to=0)
    ours = train(lambda o: Scheduler(o, plan, total=f"{EPOCHS} epochs", epoch=UPDATES / EPOCHS))
    try:
        Scheduler(torch.optim.SGD([torch.ones(1)], lr=LR), plan)
        said = "nothing"
    except rw.ScheduleError as error:
        said = str(error)
    show(
        f"{EPOCHS} epochs of {BATCHES} batches, {ACCUMULATION} in an update: {UPDATES} updates",
        {"OneCycleLR(steps_per_epoch=batches)": theirs},
        {'Scheduler(total="2 epochs")': ours, "without a length": [said]},
        lesson="Theirs ends in the middle of its schedule, silently; ours ends where the run does.",
        right=ours[-1] < 0.2 * LR and max(ours) == LR and "total" in said,
        bitten=theirs[-1] > 0.5 * LR,
    )


if __name__ == "__main__":
    main()
