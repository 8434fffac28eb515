"""The network that `sharing.py` trains: small, and as bad for sharing as real ones."""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from ratewise.choose import TorchTask

BATCH = 64


class Rings(torch.utils.data.Dataset[Any]):
    """Noisy rings in 64 dimensions, augmented with every generator there is."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(7)
        self.x = torch.randn(1024, 64, generator=generator)
        self.y = (self.x[:, :8].square().sum(1) / 4).long().clamp(0, 9)

    def __len__(self) -> int:
        return len(self.x)

    def __getitems__(self, chosen: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a batch at once, so that the time goes into the network."""
        noise = 0.05 * torch.randn(len(chosen), 64) + 0.01 * np.random.rand()
        return self.x[chosen] * random.uniform(0.9, 1.1) + noise, self.y[chosen]


@functools.cache
def rings() -> Rings:
    return Rings()


def network() -> nn.Module:
    """Return a perceptron with batch normalisation and dropout, 167,000 weights."""
    return nn.Sequential(
        *(nn.Linear(64, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Dropout(0.2)),
        *(nn.Linear(512, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Dropout(0.2)),
        nn.Linear(256, 10),
    )


def adamw(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=3e-3)


def as_it_is(batch: Any) -> Any:
    return batch


def loader(seed: int) -> Any:
    return torch.utils.data.DataLoader(rings(), BATCH, shuffle=True, collate_fn=as_it_is)


def loss(model: nn.Module, batch: Any) -> torch.Tensor:
    return nn.functional.cross_entropy(model(batch[0]), batch[1])


def metric(model: nn.Module) -> dict[str, float]:
    """Return the loss on all data, and a hash of every weight and buffer as a number."""
    raw = b"".join(value.detach().numpy().tobytes() for value in model.state_dict().values())
    whole = nn.functional.cross_entropy(model(rings().x), rings().y)
    return {"loss": float(whole), "weights": int(hashlib.sha256(raw).hexdigest()[:12], 16)}


def task() -> TorchTask:
    return TorchTask(model=network, optimizer=adamw, data=loader, loss=loss, metric=metric)
