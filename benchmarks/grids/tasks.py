"""The real tasks that schedules are recorded on, small enough for two cores."""

from __future__ import annotations

import csv
import functools
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ratewise.choose import TorchTask

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))


@dataclass(frozen=True)
class Subject:
    """A task, how long its runs are, and the peaks at which they are recorded."""

    task: TorchTask
    total: int
    peaks: tuple[float, ...]
    about: str
    seeds: tuple[int, ...] = (0, 1)
    forks: tuple[float, ...] = (0.25, 0.5)
    """Shares of a run at which a fork of it is cooled down."""


# A language model of characters, on real text ------------------------------------------------

CONTEXT, WIDTH = 48, 64


@functools.cache
def text() -> tuple[torch.Tensor, torch.Tensor, int]:
    """Return the movie reviews as characters, to train on and held out, and how many there are."""
    with (EXAMPLES / "data" / "movie_reviews.tsv").open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        joined = "\n".join(row[2] for row in rows)
    known = {c: i for i, c in enumerate(sorted(set(joined)))}
    codes = torch.tensor([known[c] for c in joined])
    cut = len(codes) * 9 // 10
    return codes[:cut], codes[cut:], len(known)


class CharacterModel(nn.Module):
    """A causal transformer of two layers over characters."""

    def __init__(self) -> None:
        super().__init__()
        size = text()[2]
        self.embed = nn.Embedding(size, WIDTH)
        self.place = nn.Parameter(torch.randn(CONTEXT, WIDTH) * 0.02)
        layer = nn.TransformerEncoderLayer(
            WIDTH, 4, 4 * WIDTH, dropout=0.0, batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, size)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(CONTEXT))

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        hidden = self.embed(codes) + self.place
        return self.head(self.body(hidden, mask=self.mask, is_causal=True))


def windows(codes: torch.Tensor, starts: torch.Tensor) -> torch.Tensor:
    """Return a stretch of CONTEXT + 1 characters from each start."""
    return codes[starts[:, None] + torch.arange(CONTEXT + 1)]


def text_batches(seed: int) -> Iterator[torch.Tensor]:
    """Yield batches of 16 stretches."""
    codes, random = text()[0], torch.Generator().manual_seed(seed)
    while True:
        yield windows(codes, torch.randint(len(codes) - CONTEXT - 1, (16,), generator=random))


def text_loss(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())


def text_metric(model: nn.Module) -> float:
    codes = text()[1]
    starts = torch.linspace(0, len(codes) - CONTEXT - 2, 256).long()
    return text_loss(model, windows(codes, starts)).item()


# Pictures of digits ----------------------------------------------------------------------------


@functools.cache
def digits() -> tuple[torch.Tensor, ...]:
    """Return pictures and classes to train on, and held out."""
    from sklearn.datasets import load_digits

    data: Any = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    x = torch.tensor(data.images[order] / 16, dtype=torch.float32)[:, None]
    y = torch.tensor(data.target[order])
    return x[500:], y[500:], x[:500], y[:500]


def picture_model() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 12, 3, padding=1), nn.BatchNorm2d(12), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(12, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(24 * 16, 10)),
    )


def picture_batches(seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches of 16 pictures, moved by a pixel at most, with noise."""
    x, y, *_ = digits()
    random = torch.Generator().manual_seed(seed)
    while True:
        picked = torch.randint(len(x), (16,), generator=random)
        dx, dy = torch.randint(-1, 2, (2,), generator=random).tolist()
        noise = 0.3 * torch.randn(16, 1, 8, 8, generator=random)
        yield torch.roll(x[picked], (dx, dy), (2, 3)) + noise, y[picked]


def picture_loss(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def picture_metric(model: nn.Module) -> float:
    _, _, x, y = digits()
    return F.cross_entropy(model(x), y).item()


# A table ---------------------------------------------------------------------------------------


@functools.cache
def table() -> tuple[torch.Tensor, ...]:
    """Return the diabetes table, standardised, to train on, and held out."""
    from sklearn.datasets import load_diabetes

    data: Any = load_diabetes()
    order = np.random.default_rng(0).permutation(len(data.target))
    x = torch.tensor(data.data[order] / data.data.std(0), dtype=torch.float32)
    y = torch.tensor(data.target[order] / data.target.std(), dtype=torch.float32)
    y = (y - y.mean())[:, None]
    return x[142:], y[142:], x[:142], y[:142]


def table_model() -> nn.Module:
    return nn.Sequential(
        nn.Linear(10, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)
    )


def table_batches(seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield batches of 8 rows, with noise in the inputs."""
    x, y, *_ = table()
    random = torch.Generator().manual_seed(seed)
    while True:
        picked = torch.randint(len(x), (8,), generator=random)
        yield x[picked] + 0.3 * torch.randn(8, 10, generator=random), y[picked]


def table_loss(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    return F.mse_loss(model(batch[0]), batch[1])


def table_metric(model: nn.Module) -> float:
    _, _, x, y = table()
    return F.mse_loss(model(x), y).item()


# MiniLM on movie reviews, fully and with LoRA ---------------------------------------------------


def lora() -> nn.Module:
    """Return the classifier with adapters in its attention; those and the head are trained."""
    from peft import LoraConfig, get_peft_model
    from sentiment import Classifier

    config = LoraConfig(r=8, lora_alpha=16, target_modules=["query", "value", "dense"])
    model = Classifier()
    model.body = get_peft_model(model.body, config)
    return model


def reviews(**changes: Any) -> TorchTask:
    """Return the sentiment example's task, judged by the loss alone."""
    import sentiment

    def metric(model: nn.Module) -> float:
        return sentiment.metric(model)["loss"]

    return replace(sentiment.task, metric=metric, higher_is_better=(), **changes)


def adam(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)


def momentum(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


SUBJECTS = {
    "characters": lambda: Subject(
        TorchTask(CharacterModel, adam, text_batches, text_loss, text_metric),
        400,
        (2e-3, 5e-3, 1.2e-2, 3e-2, 7e-2),
        "a causal transformer of two layers on the characters of movie reviews, AdamW",
    ),
    "digits": lambda: Subject(
        TorchTask(picture_model, momentum, picture_batches, picture_loss, picture_metric),
        800,
        (1e-3, 3e-3, 0.01, 0.03, 0.1),
        "a small convolutional net on pictures of digits, SGD with momentum",
    ),
    "table": lambda: Subject(
        TorchTask(table_model, adam, table_batches, table_loss, table_metric),
        800,
        (1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        "a multilayer perceptron on the diabetes table, AdamW",
    ),
    "minilm": lambda: Subject(
        reviews(),
        160,
        (3e-4, 1e-3, 2e-3, 4e-3, 8e-3),
        "the first layer of MiniLM and a head on movie reviews, AdamW, all weights of the layer",
    ),
    "lora": lambda: Subject(
        reviews(model=lora),
        160,
        (1e-3, 3e-3, 6e-3, 1.2e-2, 2.4e-2),
        "the same with LoRA of rank 8",
    ),
}
