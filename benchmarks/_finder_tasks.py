"""The real tasks that finders are tried on: those with recorded grids, and more."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import tasks as recorded
import torch
from torch import nn
from torch.nn import functional as F

from ratewise.choose import TorchTask


@functools.cache
def cells() -> tuple[torch.Tensor, ...]:
    """Return the breast-cancer table, standardised, to train on, and held out."""
    from sklearn.datasets import load_breast_cancer

    data: Any = load_breast_cancer()
    order = np.random.default_rng(0).permutation(len(data.target))
    x = torch.tensor((data.data - data.data.mean(0)) / data.data.std(0), dtype=torch.float32)
    y = torch.tensor(data.target)
    return x[order[180:]], y[order[180:]], x[order[:180]], y[order[:180]]


def cells_batches(seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    x, y, *_ = cells()
    random = torch.Generator().manual_seed(seed)
    while True:
        picked = torch.randint(len(x), (16,), generator=random)
        yield x[picked] + 0.5 * torch.randn(16, 30, generator=random), y[picked]


def cells_metric(model: nn.Module) -> float:
    _, _, x, y = cells()
    return F.cross_entropy(model(x), y).item()


def cells_model() -> nn.Module:
    return nn.Sequential(
        nn.Linear(30, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
    )


def flat_model() -> nn.Module:
    layers = (nn.Linear(64, 64), nn.LayerNorm(64), nn.GELU(), nn.Linear(64, 10))
    return nn.Sequential(nn.Flatten(), *layers)


def copy_model() -> nn.Module:
    layers = (nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 8), nn.Tanh(), nn.Linear(8, 64))
    return nn.Sequential(nn.Flatten(), *layers)


def copy_loss(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return F.mse_loss(model(batch[0]), batch[0].flatten(1))


def copy_metric(model: nn.Module) -> float:
    _, _, x, _ = recorded.digits()
    return F.mse_loss(model(x), x.flatten(1)).item()


def rms(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(model.parameters(), lr=1e-3)


def nesterov(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)


@functools.cache
def subjects() -> dict[str, recorded.Subject]:
    """The tasks with recorded grids, and two more."""
    known = {name: recorded.SUBJECTS[name]() for name in ("characters", "digits", "table")}
    cell = TorchTask(cells_model, nesterov, cells_batches, recorded.picture_loss, cells_metric)
    flat = TorchTask(
        flat_model,
        recorded.adam,
        recorded.picture_batches,
        recorded.picture_loss,
        recorded.picture_metric,
    )
    adam = replace(known["digits"].task, optimizer=recorded.adam)
    copies = TorchTask(copy_model, rms, recorded.picture_batches, copy_loss, copy_metric)
    peaks = (1e-3, 3e-3, 0.01, 0.03, 0.1)
    return known | {
        "cells": recorded.Subject(cell, 600, peaks, "a perceptron on a table, SGD"),
        "perceptron (new)": recorded.Subject(flat, 800, peaks, "on digits, AdamW"),
        "pictures (new)": recorded.Subject(adam, 800, peaks, "the net of digits, AdamW"),
        "copies (new)": recorded.Subject(copies, 800, peaks, "an autoencoder of digits, RMSprop"),
    }
