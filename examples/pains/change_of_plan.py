"""Training longer: a scheduler of PyTorch silently keeps the old horizon, or mixes both plans.

Twenty updates were planned; after ten it is to be forty. The saved state brings the old length
along, and the rate rises again behind it. ratewise asks which of four things is meant.
"""

from __future__ import annotations

import contextlib
import io

import torch
from _side_by_side import show
from torch.optim.lr_scheduler import CosineAnnealingLR

import ratewise as rw
from ratewise.testing import trace
from ratewise.torch import Scheduler

OLD, STOP, NEW, LR = 20, 10, 40, 1e-3
SEEN = (0, 4, 9, 10, 14, 19, 24, 29)


def resumed(make_old, make_new) -> list[float]:
    """Train ten updates with one, and on with the other; return the later rates."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    scheduler = make_old(optimizer)
    for _ in range(STOP):
        optimizer.step()
        scheduler.step()
    states = optimizer.state_dict(), scheduler.state_dict()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    scheduler = make_new(optimizer)
    optimizer.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    with trace(optimizer) as run:
        for _ in range(NEW - STOP):
            optimizer.step()
            scheduler.step()
    rates = run.group()
    return [float(rates[i]) for i in SEEN]


def main() -> None:
    """Compare."""
    theirs = resumed(lambda o: CosineAnnealingLR(o, OLD), lambda o: CosineAnnealingLR(o, NEW))
    cosine = rw.Cosine(to=0)

    def ours(policy):
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return resumed(
                lambda o: Scheduler(o, cosine, total=OLD),
                lambda o: Scheduler(o, cosine, total=NEW, resume=policy),
            )

    try:
        said = str(ours(None))
    except rw.ScheduleError as error:
        said = str(error)
    table = {f'resume="{one}"': ours(one) for one in ("checkpoint", "code", "rescale", "continue")}
    levels = cosine.resolve(NEW).values(NEW)
    show(
        f"Updates {', '.join(str(STOP + i) for i in SEEN)} of a run made longer, {OLD} to {NEW}",
        {f"CosineAnnealingLR({NEW}), loaded": theirs},
        {"without a policy": [said[:72] + " …"], **table},
        lesson="Theirs took the old length from the checkpoint, reached zero and climbed again.",
        right=table['resume="code"'] == [LR * levels[STOP + i] for i in SEEN] and "resume" in said,
        bitten=theirs[-1] > 0.5 * LR > 10 * min(theirs),
    )


if __name__ == "__main__":
    main()
