"""Tasks to be stacked, and their runs alone beside them."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

import ratewise as rw
from ratewise.choose import TorchTask
from ratewise.tasks.torch import stacked
from ratewise.tasks.torch.stacked import Stack, Stacking

DRAWN = torch.Generator().manual_seed(7)
X = torch.randn(80, 6, generator=DRAWN)
Y = (X.sum(1) > 0).long()
ROWS = torch.utils.data.TensorDataset(X, Y)

UP = rw.Warmup(8)
CANDIDATES: dict[str, Any] = {
    "late": UP >> rw.Hold() >> rw.Linear(to=0, over="40%"),
    "later": UP >> rw.Hold() >> rw.Sqrt(to=0, over="20%"),
    "cosine": UP >> rw.Cosine(to=0),
    "short": (UP >> rw.Linear(to=0), 25),
}
OF_ONE_LENGTH = {name: CANDIDATES[name] for name in ("late", "later", "cosine")}
ASKED: dict[str, Any] = {"total": 40, "peaks": [3e-3, 3e-2], "seeds": 2}
STACKED: dict[str, Any] = {"engine": "stacked", "stack": 16}
CLOSE = 1e-4


def shuffled(seed: int) -> Any:
    """Batches of 16, in an order that comes from the generators of the process."""
    return torch.utils.data.DataLoader(ROWS, batch_size=16, shuffle=True)


def uneven(seed: int) -> Any:
    """Batches whose sizes are others for each seed."""
    return torch.utils.data.DataLoader(ROWS, batch_size=16 + 5 * (seed % 2), shuffle=True)


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 2))


def normed() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 2))


def leaky() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Dropout(0.3), nn.Linear(12, 2))


def entropy(model: nn.Module, batch: Any) -> torch.Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def final(model: nn.Module) -> float:
    return float(entropy(model, (X, Y)))


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.Adam(model.parameters(), lr=1e-2)


def task_of(**changes: Any) -> TorchTask:
    given: dict[str, Any] = {"model": plain, "optimizer": adam, "data": shuffled}
    return TorchTask(**{**given, "loss": entropy, "metric": final, **changes})


def alone(task: TorchTask, seeds: Sequence[int], rates: Any) -> tuple[Any, list[float]]:
    """Train each run alone; return the losses, float64[runs, k], and what each ends with."""
    losses: list[Any] = []
    ends: list[float] = []
    for seed, own in zip(seeds, rates, strict=True):
        run = task.open(seed)
        losses.append(run.train(own))
        ends.append(run.measure()["metric"])
    return np.array(losses), ends


def stack_of(
    task: Any, seeds: Sequence[int], stacking: Stacking, states: Sequence[Any] = ()
) -> Stack:
    """Return a stack of runs, from their first states if no others are given."""
    runs = {seed: task.open(seed) for seed in seeds}
    first = {seed: run.save() for seed, run in runs.items()}
    feeds = {seed: run.stack_parts.feed for seed, run in runs.items()}
    states = states or [first[seed] for seed in seeds]
    return Stack(task.open, runs[seeds[0]], states, seeds, feeds, stacking)


def ends_of(task: TorchTask, stack: Stack, seeds: Sequence[int]) -> list[float]:
    """Return what each run of a stack ends with, measured as a run alone."""
    ends: list[float] = []
    for place, seed in enumerate(seeds):
        run = task.open(seed)
        run.restore(stack.state(place))
        ends.append(run.measure()["metric"])
    return ends


def falling(peaks: Sequence[float], updates: int) -> Any:
    """Return rates that fall linearly from each peak, float64[peaks, updates]."""
    return np.outer(peaks, np.linspace(1, 0.1, updates))


def apart(a: Any, b: Any) -> float:
    """Return the largest relative difference."""
    return float(np.max(np.abs(np.asarray(a) / np.asarray(b) - 1)))


def hooked(hook: Callable[[nn.Module], Any]) -> Callable[[nn.Module], torch.optim.Optimizer]:
    """Return what makes AdamW with something hooked on its steps."""

    def made(model: nn.Module) -> torch.optim.Optimizer:
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
        optimizer.register_step_pre_hook(lambda *_: hook(model))
        return optimizer

    return made


def clip_by_hook(model: nn.Module) -> None:
    nn.utils.clip_grad_norm_(model.parameters(), 0.05)


def deadly(folder: str, model: Any, batch: Any) -> Any:
    """Kill the first process but the test's own in which several runs are trained."""
    loss, mark = entropy(model, batch), Path(folder, "killed")
    many = not isinstance(model[0].weight, nn.Parameter)
    if many and multiprocessing.parent_process() is not None and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return loss


def short_of_memory(monkeypatch: Any, most: int, raised: Any) -> list[int]:
    """Let an update of more than `most` runs raise; return a list of the sizes of all."""
    sizes: list[int] = []
    real = stacked.Stack._update

    def update(self: Any, rates: Any, ahead: int) -> Any:
        sizes.append(len(rates))
        if len(rates) > most:
            raise raised
        return real(self, rates, ahead)

    monkeypatch.setattr(stacked.Stack, "_update", update)
    return sizes
