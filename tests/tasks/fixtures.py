"""Two tasks that are as bad for sharing as real ones: one in torch, one in numpy alone."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ratewise.choose import TorchTask, compare
from tests.runs.journal.tasks import ASKED, SCHEDULES, Bowl


class Noisy(torch.utils.data.Dataset[Any]):
    """A classification with augmentation that draws from every generator there is."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(7)
        self.x = torch.randn(96, 6, generator=generator)
        self.y = (self.x.sum(1) > 0).long()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        noise = 0.05 * torch.randn(6) + 0.01 * np.random.rand()
        return self.x[i] * random.uniform(0.9, 1.1) + noise, self.y[i]


class Fading(nn.Module):
    """Counts its own calls in a plain attribute and a buffer that is not persistent."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.scale = 1.0
        self.register_buffer("seen", torch.zeros(6, dtype=torch.float64), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            self.calls += 1
            self.seen += x.detach().double().sum(0)
            self.scale = 1.0 + 0.1 / self.calls
        return x * self.scale + 0.01 * self.seen.tanh().float()


def network() -> nn.Module:
    return nn.Sequential(
        Fading(), nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2)
    )


def every_bit(model: nn.Module) -> str:
    """A hash of all parameters and all buffers."""
    tensors = [*model.parameters(), *model.buffers()]
    raw = b"".join(tensor.detach().numpy().tobytes() for tensor in tensors)
    return hashlib.sha256(raw).hexdigest()


@pytest.fixture
def noisy() -> TorchTask:
    """Dropout, batch normalisation, odd buffers, a shuffled loader, augmentation, noisy metric."""
    data = Noisy()

    def metric(model: nn.Module) -> dict[str, float]:
        loss = nn.functional.cross_entropy(model(data.x + 0.01 * torch.randn(6)), data.y)
        return {"loss": float(loss), "bits": float(int(every_bit(model)[:12], 16))}

    return TorchTask(
        model=network,
        optimizer=lambda model: torch.optim.AdamW(model.parameters(), lr=3e-3),
        data=lambda seed: torch.utils.data.DataLoader(data, batch_size=16, shuffle=True),
        loss=lambda model, batch: nn.functional.cross_entropy(model(batch[0]), batch[1]),
        metric=metric,
        higher_is_better=("bits",),
    )


class Valley:
    """A run down a noisy quadratic, in numpy: 12 lines are enough for a task of one's own."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.x = self.random.normal(size=4)

    def train(self, rates: Any) -> Any:
        losses = np.empty(len(rates))
        for i, rate in enumerate(rates):
            losses[i] = (self.x**2).sum()
            self.x = self.x - rate * (2 * self.x + 0.1 * self.random.normal(size=4))
        return np.where(losses < 1e12, losses, np.inf)

    def measure(self) -> dict[str, float]:
        return {"loss": float((self.x**2).sum()), "largest": float(abs(self.x).max())}

    def save(self) -> Any:
        return self.x.copy(), self.random.bit_generator.state

    def restore(self, state: Any) -> None:
        self.x = state[0].copy()
        self.random.bit_generator.state = state[1]


class Valleys:
    """A task that keeps count of what it is asked to do."""

    peak = 0.1

    def __init__(self, kind: type[Valley] = Valley) -> None:
        self.kind = kind
        self.opened: list[int] = []

    def open(self, seed: int) -> Valley:
        self.opened.append(seed)
        return self.kind(seed)


@pytest.fixture
def valleys() -> Valleys:
    return Valleys()


@pytest.fixture(scope="session")
def truth() -> Any:
    """The comparison of the journal's tests, without one and undisturbed."""
    return compare(Bowl(), SCHEDULES, **ASKED)
