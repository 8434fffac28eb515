"""Seeing a schedule: PyTorch's needs an optimizer, and has to be stepped through the whole run.

To draw a schedule people make a dummy optimizer and step it a hundred thousand times, or step
their own and forget to put it back. A schedule that is a value is computed at once, and no
framework is needed.
"""

from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import torch
from _side_by_side import show
from torch.optim.lr_scheduler import CosineAnnealingLR

import ratewise as rw

TOTAL, LR = 100_000, 1e-3


def stepped(optimizer) -> np.ndarray:
    """Return the rates of a scheduler by stepping it."""
    scheduler, rates = CosineAnnealingLR(optimizer, TOTAL), []
    for _ in range(TOTAL):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return np.array(rates)


def main() -> None:
    """Compare the curves, the time and what is left behind."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=LR)
    begun = time.perf_counter()
    theirs = stepped(optimizer)
    middle = time.perf_counter()
    ours = LR * rw.Cosine(to=0).resolve(TOTAL).values()
    ended = time.perf_counter()
    code = "import sys, ratewise; ratewise.Cosine(to=0); sys.exit('torch' in sys.modules)"
    alone = subprocess.run([sys.executable, "-c", code]).returncode == 0
    at = [0, TOTAL // 4, TOTAL // 2, 3 * TOTAL // 4]
    left = optimizer.param_groups[0]["lr"]
    show(
        f"A preview of {TOTAL:,} updates",
        {"stepped": [float(theirs[i]) for i in at], "the optimizer's rate is now": [left]},
        {"values()": [float(ours[i]) for i in at], "torch was needed": ["no" if alone else "yes"]},
        lesson=f"The same curve, {(middle - begun) / (ended - middle):,.0f} times as fast, "
        "and no optimizer was touched.",
        right=alone and bool(np.allclose(ours, theirs, rtol=1e-6, atol=1e-9)),
        bitten=left != LR and middle - begun > ended - middle,
    )


if __name__ == "__main__":
    main()
