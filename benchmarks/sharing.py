"""How many updates shared prefixes save, and that they change nothing.

1. Updates trained for 27 schedules against training each alone, and for two kinds of them alone.
2. A digits-sized network with dropout, batch normalisation and a shuffled, augmented loader:
   wall-clock time against training each alone; weights, losses and metrics compared to the bit.

Run:  python benchmarks/sharing.py
"""

from __future__ import annotations

import hashlib
import platform
import random
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

import ratewise as rw
from ratewise.choose import TorchTask, compare
from ratewise.choose.tree import PrefixTree

WARMUP = 50
SCALE = 5
"""The trained runs are this many times shorter than the counted ones."""


def shapes(warmup: int = WARMUP) -> dict[str, tuple[rw.Schedule, int]]:
    """Return the 27 schedules by name, each with its total."""
    up = rw.Warmup(warmup)
    moves = {"linear": rw.Linear, "cosine": rw.Cosine, "sqrt": rw.Sqrt}
    found: dict[str, tuple[rw.Schedule, int]] = {}
    for share in (10, 20, 40, 60):
        for name, move in moves.items():
            down = move(to=0, over=f"{share}%")
            found[f"trunk, {name} {share}%"] = up >> rw.Hold() >> down, 1000
    for total in (250, 500, 1000, 2000):
        down = rw.Linear(to=0, over="20%")
        found[f"trunk, linear 20%, {total} updates"] = up >> rw.Hold() >> down, total
    for at in (50, 70, 90):
        for factor in (0.1, 0.3):
            found[f"step at {at}% by {factor}"] = up >> rw.Step(at=[f"{at}%"], factor=factor), 1000
    smooth = {
        "linear to 0": rw.Linear(to=0),
        "cosine to 0": rw.Cosine(to=0),
        "cosine to 10%": rw.Cosine(to=0.1),
        "polynomial 2": rw.Polynomial(to=0, power=2),
        "exponential to 1%": rw.Exponential(to=0.01),
    }
    found |= {f"smooth, {name}": (up >> move, 1000) for name, move in smooth.items()}
    return found


def count(title: str, chosen: Mapping[str, tuple[rw.Schedule, int]]) -> PrefixTree:
    tree = PrefixTree.of((0, s.resolve(total=n).values()) for s, n in chosen.values())
    print(
        f"{title:<24}{len(chosen):>3} runs  {tree.planned:>7,} trained of {tree.asked:>7,} asked"
        f"  {tree.sharing:.2f}× fewer  {tree.held} states held"
    )
    return tree


class Digits(torch.utils.data.Dataset[Any]):
    """Noisy rings in 64 dimensions, augmented with every generator there is."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(7)
        self.x = torch.randn(1024, 64, generator=generator)
        self.y = (self.x[:, :8].square().sum(1) / 4).long().clamp(0, 9)

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        noise = 0.05 * torch.randn(64) + 0.01 * np.random.rand()
        return self.x[i] * random.uniform(0.9, 1.1) + noise, self.y[i]


def network() -> nn.Module:
    return nn.Sequential(
        nn.Linear(64, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.2), nn.Linear(256, 10)
    )


def digits() -> TorchTask:
    data = Digits()

    def metric(model: nn.Module) -> dict[str, float]:
        weights = b"".join(p.detach().numpy().tobytes() for p in model.state_dict().values())
        loss = nn.functional.cross_entropy(model(data.x), data.y)
        return {"loss": float(loss), "weights": int(hashlib.sha256(weights).hexdigest()[:12], 16)}

    return TorchTask(
        model=network,
        optimizer=lambda model: torch.optim.AdamW(model.parameters(), lr=3e-3),
        data=lambda seed: torch.utils.data.DataLoader(data, batch_size=32, shuffle=True),
        loss=lambda model, batch: nn.functional.cross_entropy(model(batch[0]), batch[1]),
        metric=metric,
    )


def train() -> None:
    task = digits()
    candidates = {name: (s, n // SCALE) for name, (s, n) in shapes(WARMUP // SCALE).items()}
    compare(task, {"warm": ("Hold()", 50)})
    clocks = [(time.perf_counter(), time.process_time())]
    shared = compare(task, candidates)
    clocks.append((time.perf_counter(), time.process_time()))
    alone = [compare(task, {name: one}) for name, one in candidates.items()]
    clocks.append((time.perf_counter(), time.process_time()))
    (wall, cpu), (alone_wall, alone_cpu) = np.diff(clocks, axis=0)
    equal = all(
        run.metrics == single.runs[0].metrics
        and run.losses.tobytes() == single.runs[0].losses.tobytes()
        for run, single in zip(shared.runs, alone, strict=True)
    )
    print(
        f"trained, 1/{SCALE} scale: {shared.trained:,} updates in {wall:.1f} s shared, "
        f"{shared.asked:,} in {alone_wall:.1f} s alone: {alone_wall / wall:.2f}× faster "
        f"({alone_cpu / cpu:.2f}× in CPU time; batches are drawn once, too)\n"
        f"weights, losses and metrics bit-identical: {'yes' if equal else 'NO'}"
    )
    assert equal


def main() -> None:
    torch.set_num_threads(1)
    print(f"seed 0, {platform.machine()}, torch {torch.__version__}, 1 thread")
    every = shapes()
    tree = count("all", every)
    count("smooth only", {k: v for k, v in every.items() if k.startswith("smooth")})
    count("trunks only", {k: v for k, v in every.items() if k.startswith("trunk")})
    count("steps only", {k: v for k, v in every.items() if k.startswith("step")})
    begin = time.perf_counter()
    levels = [s.resolve(total=10_000).values() for s, _ in every.values()]
    runs = [(seed, peak * one) for one in levels for peak in (1, 2, 3, 4, 5) for seed in range(3)]
    middle = time.perf_counter()
    PrefixTree.of(runs)
    took = time.perf_counter() - middle
    print(
        f"tree of {len(runs)} runs × 10,000 updates: {took:.2f} s ({middle - begin:.2f} s levels)"
    )
    assert (tree.asked, tree.planned <= 12_500) == (26_750, True)
    train()


if __name__ == "__main__":
    main()
