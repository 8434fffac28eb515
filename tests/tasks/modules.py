"""A Lightning module and data that are as bad for exactness as real ones, as a task."""

from __future__ import annotations

from typing import Any

import lightning
import numpy as np
import torch
from torch import nn

from ratewise.choose import LightningTask
from tests.tasks.fixtures import Noisy, every_bit, network

RATES = np.linspace(1e-2, 1e-3, 7)
LR = 3e-3


class Net(lightning.LightningModule):
    """Dropout, batch norm, odd buffers, and hooks that leave their mark on a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.net = network()
        self.seen: list[str] = []
        self.extra = 0.0

    def setup(self, stage: str) -> None:
        self.seen.append("setup")
        self.gain = nn.Parameter(torch.rand(()))

    def on_train_start(self) -> None:
        self.extra += float(torch.rand(()))

    def on_train_epoch_start(self) -> None:
        self.mark(1e-3 * self.current_epoch)

    def on_train_epoch_end(self) -> None:
        self.mark(2e-3 * self.current_epoch)

    def on_train_batch_end(self, *_: Any) -> None:
        self.mark(1e-6 * self.global_step)

    def mark(self, amount: float) -> None:
        with torch.no_grad():
            self.gain += amount

    def training_step(self, batch: Any, index: int) -> Any:
        x, y = batch
        self.seen.append(f"{self.current_epoch} {index} {self.global_step}")
        loss = nn.functional.cross_entropy(self.net(x * (1 + 1e-3 * index)) * self.gain, y)
        self.log("loss", loss)
        self.log("mean", loss, on_step=False, on_epoch=True)
        return loss + self.extra

    def configure_optimizers(self) -> Any:
        return torch.optim.AdamW(self.parameters(), lr=LR)


class Quiet(Noisy):
    """The rows alone, without what augmentation draws."""

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        return self.x[i], self.y[i]


class Chunks(torch.utils.data.IterableDataset[Any]):
    """Rows without a length, shuffled a few at a time with the generators of the process."""

    def __init__(self, rows: int = 21, draws: bool = True) -> None:
        self.rows, self.draws, self.data = rows, draws, Quiet()

    def __iter__(self) -> Any:
        for first in range(0, self.rows, 7):
            order = torch.randperm(7) if self.draws else torch.arange(7)
            yield from (self.data[first + int(i)] for i in order)


NOISY, QUIET = Noisy(), Quiet()


def shuffled(seed: int, data: Any = NOISY) -> Any:
    return torch.utils.data.DataLoader(data, batch_size=20, shuffle=True)


def streamed(seed: int, draws: bool = True) -> Any:
    return torch.utils.data.DataLoader(Chunks(draws=draws), batch_size=6)


def bits(module: Any) -> dict[str, float]:
    """A metric that draws, and one that any change of a weight changes."""
    loss = module.net(QUIET.x + torch.randn(6)).square().mean()
    return {"loss": float(loss), "bits": float(int(every_bit(module)[:12], 16))}


def task_of(**changes: Any) -> LightningTask:
    parts = {"accelerator": "cpu", "accumulate_grad_batches": 2, "gradient_clip_val": 0.5}
    given: dict[str, Any] = {"module": Net, "data": shuffled, "metric": bits, "trainer": parts}
    return LightningTask(**{**given, **changes})
