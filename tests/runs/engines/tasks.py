"""Tasks that are sent to workers, and what they are asked."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np

import ratewise as rw
from tests.runs.journal.tasks import Bowl, Run


def mixed() -> dict[str, tuple[rw.Schedule, int]]:
    """Return 27 candidates: cooldowns of a trunk, several lengths, steps, smooth shapes."""
    up = rw.Warmup(50)
    moves = {"linear": rw.Linear, "cosine": rw.Cosine, "sqrt": rw.Sqrt}
    found: dict[str, rw.Schedule] = {
        f"trunk, {name} {share}%": up >> rw.Hold() >> move(to=0, over=f"{share}%")
        for share in (10, 20, 40, 60)
        for name, move in moves.items()
    }
    for at in (50, 70, 90):
        for factor in (0.1, 0.3):
            found[f"step at {at}% by {factor}"] = up >> rw.Step(at=[f"{at}%"], factor=factor)
    found |= {
        "linear": up >> rw.Linear(to=0),
        "cosine": up >> rw.Cosine(to=0),
        "cosine to 10%": up >> rw.Cosine(to=0.1),
        "polynomial": up >> rw.Polynomial(to=0, power=2),
        "exponential": up >> rw.Exponential(to=0.01),
    }
    late = up >> rw.Hold() >> rw.Linear(to=0, over="20%")
    lengths = {f"{total} updates": (late, total) for total in (250, 500, 1000, 2000)}
    return {name: (schedule, 1000) for name, schedule in found.items()} | lengths


class Failing(Bowl):
    """Raises at rates above a bound."""

    def open(self, seed: int) -> Run:
        run = super().open(seed)
        plain = run.train

        def train(rates: Any) -> Any:
            if (rates > 0.15).any():
                raise RuntimeError("out of memory")
            return plain(rates)

        run.train = train
        return run


class Unhurried(Bowl):
    """Takes its time."""

    def open(self, seed: int) -> Run:
        run = super().open(seed)
        plain = run.train

        def train(rates: Any) -> Any:
            time.sleep(0.02)
            return plain(rates)

        run.train = train
        return run


class Slow(Unhurried):
    """Takes its time, and says where it is trained: so in each process it is another task."""

    def open(self, seed: int) -> Run:
        run = super().open(seed)
        run.measure = lambda: {"loss": float(run.w @ run.w / 2), "process": float(os.getpid())}
        return run


class Killer(Bowl):
    """Always dies."""

    def open(self, seed: int) -> Run:
        if os.environ.get("RATEWISE_TEST_DRIVER") != str(os.getpid()):
            os._exit(9)
        return super().open(seed)


class Threads(Bowl):
    """Measures how many threads PyTorch computes with where it is trained."""

    def open(self, seed: int) -> Run:
        import torch

        run = super().open(seed)
        run.measure = lambda: {"threads": float(torch.get_num_threads())}
        return run


class Light(Bowl):
    """Measures whether PyTorch was imported where it is trained."""

    def open(self, seed: int) -> Run:
        run = super().open(seed)
        run.measure = lambda: {"torch": float("torch" in sys.modules)}
        return run


def same(a: Any, b: Any) -> bool:
    """Whether two comparisons have the same losses and metrics, to the bit."""
    return all(
        x.losses.tobytes() == y.losses.tobytes()
        and np.array(list(x.metrics.values())).tobytes()
        == np.array(list(y.metrics.values())).tobytes()
        for x, y in zip(a.runs, b.runs, strict=True)
    )
