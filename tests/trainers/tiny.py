"""What the tests of the trainers share: one short run, and observers of their own."""

from __future__ import annotations

import copy
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

import ratewise as rw

LR, BATCHES, EPOCHS = 3e-2, 4, 3
TOTAL = BATCHES * EPOCHS
PLAN = rw.Warmup(3) >> rw.Cosine(to=0.1)
TEXT = "Warmup(3) >> Cosine(to=0.1)"
"""The same, as a file of YAML holds it."""

LISTENING = rw.Warmup(2) >> rw.Plateau(metric="val_loss", patience=0, factor=0.5)


def levels(total: int = TOTAL) -> list[float]:
    """The levels of the run."""
    return PLAN.resolve(total=total).values().tolist()


def rates(total: int = TOTAL, lr: float = LR) -> list[float]:
    """The rates of the run, one for each update."""
    return [lr * level for level in levels(total)]


def rows(batches: int = BATCHES) -> torch.utils.data.TensorDataset:
    """Points near a line, one for each batch."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(batches, 1, generator=draw)
    return torch.utils.data.TensorDataset(x, 2 * x + torch.randn(batches, 1, generator=draw))


def loader(batches: int = BATCHES) -> torch.utils.data.DataLoader[Any]:
    return torch.utils.data.DataLoader(rows(batches), batch_size=1)


def line() -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(1, 1)


class Recorder(torch.optim.AdamW):
    """Keeps the rate of each update, read inside `step`, behind every hook."""

    def step(self, closure: Any = None) -> Any:
        self.__dict__.setdefault("used", []).append(float(self.param_groups[0]["lr"]))
        return super().step(closure)


def used(optimizer: Any) -> list[float]:
    """The rates of the updates that a recorder has made."""
    return optimizer.__dict__.get("used", [])


def native(optimizer: Any, total: int = TOTAL) -> torch.optim.lr_scheduler.LambdaLR:
    """PyTorch's own scheduler of the same levels."""
    shape = [*levels(total), 0.0]
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: shape[min(t, total)])


def copied(state: Any) -> Any:
    """A state as a file would have kept it."""
    return copy.deepcopy(state)


def killed(run: Callable[[Callable[[], None]], Any]) -> None:
    """Run in a process of its own that ends by SIGKILL, where `run` calls what it is given."""

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        try:
            run(die)
        finally:
            os._exit(1)
    end = time.monotonic() + 300
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def example(name: str, *words: object) -> tuple[list[float], dict[str, Any]]:
    """Run an example; return the rate of every step of any optimizer, and what it has defined.

    The rates are those of the first group, read by a hook of PyTorch for all optimizers.
    """
    path = Path(__file__).resolve().parents[2] / "examples" / "trainers" / name
    heard: list[float] = []
    hook = register_optimizer_step_post_hook(
        lambda one, *_: heard.append(float(one.param_groups[0]["lr"]))
    )
    before, sys.argv = sys.argv, [str(path), *map(str, words)]
    try:
        defined = runpy.run_path(str(path), run_name="__main__")
    finally:
        sys.argv = before
        hook.remove()
    return heard, defined


def planned(defined: dict[str, Any], total: int = 24, lr: float = LR) -> list[float]:
    """The rates of the plan that an example has."""
    return [lr * level for level in defined["plan"].resolve(total=total).values().tolist()]
