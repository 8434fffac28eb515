"""Settings that are dropped: a floor that was asked for and is not there.

`lr_scheduler_kwargs` of a Trainer are passed on as they are; a name that another scheduler knows is
an error deep inside, or, as with `num_cycles`, a number with a meaning one would not guess. In
Transformers `num_cycles=1` of the cosine is not one fall, but down and up again.
"""

from __future__ import annotations

import torch
from _side_by_side import show
from transformers import get_scheduler

import ratewise as rw
from ratewise.testing import trace
from ratewise.torch import Scheduler

TOTAL, LR = 10, 1e-3


def train(make) -> list[float]:
    """Return the rates of ten updates."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    scheduler = make(optimizer)
    with trace(optimizer) as run:
        for _ in range(TOTAL):
            optimizer.step()
            scheduler.step()
    return list(run.group())


def main() -> None:
    """Ask for one cosine cycle, and misspell a floor."""

    def hf(**settings):
        return lambda o: get_scheduler("cosine", o, 0, TOTAL, scheduler_specific_kwargs=settings)

    theirs = train(hf(num_cycles=1))
    ours = train(lambda o: Scheduler(o, rw.Cosine(to=0), total=TOTAL))
    floor = train(lambda o: Scheduler(o, rw.Cosine(to=0.1), total=TOTAL))
    try:
        rw.parse("Cosine(min_lr=0.1)")
        said = "nothing"
    except rw.ScheduleError as error:
        said = str(error)
    show(
        "One cosine, and a floor of 10 %",
        {"cosine, num_cycles=1": theirs},
        {"Cosine(to=0)": ours, "Cosine(to=0.1)": floor, "Cosine(min_lr=0.1)": [said]},
        lesson="Theirs falls and climbs back; ours is one fall, and a misspelt floor is refused.",
        right=ours == sorted(ours, reverse=True) and min(floor) >= 0.1 * LR and "min_lr" in said,
        bitten=theirs[-1] > theirs[len(theirs) // 2],
    )


if __name__ == "__main__":
    main()
