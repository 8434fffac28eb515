"""Twelve more tasks that a range test is tried on, of other kinds; no setting was chosen on them.

`BEST` holds the best peak of a grid for each, of a cosine behind a warm-up of 2 % with two seeds:
neighbours of the grid differ by a factor of 2.2 to 2.8.
"""

from __future__ import annotations

import csv
import itertools
import pydoc_data.topics
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from tasks import EXAMPLES, Subject
from torch import nn
from torch.nn import functional as F

from ratewise.choose import TorchTask

BEST = {
    "friedman": 0.057, "wine": 0.026, "cancer": 0.13, "accuracy": 0.13, "topics": 0.012,
    "spectra": 0.017, "factors": 0.048, "adding": 0.13, "variational": 0.0063, "quantile": 1.0,
    "patches": 0.0063, "words": 0.017,
}  # fmt: skip

Tensors = tuple[torch.Tensor, ...]
Metric = Callable[[Any], Mapping[str, float]]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def epochs(batch: int, *columns: torch.Tensor) -> Callable[[int], Iterator[Tensors]]:
    """Return shuffled batches without end, every row once in an epoch."""

    def data(seed: int) -> Iterator[Tensors]:
        random = generator(seed)
        while True:
            for picked in torch.randperm(len(columns[0]), generator=random).split(batch):
                if len(picked) == batch:
                    yield tuple(column[picked] for column in columns)

    return data


def perceptron(*sizes: int, act: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    layers: list[nn.Module] = []
    for wide, narrow in itertools.pairwise(sizes):
        layers += [nn.Linear(wide, narrow), act()]
    return nn.Sequential(*layers[:-1])


def squares(model: Any, batch: Tensors) -> torch.Tensor:
    return F.mse_loss(model(batch[0]), batch[1])


def classes(model: Any, batch: Tensors) -> torch.Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def measured(loss: Callable[[Any, Tensors], torch.Tensor], *held_out: torch.Tensor) -> Metric:
    return lambda model: {"loss": loss(model, held_out).item()}


def table(name: str, seed: int) -> Tensors:
    """Return a table of scikit-learn, standardised and shuffled, and its classes."""
    from sklearn import datasets

    known = getattr(datasets, f"load_{name}")()
    order = np.random.default_rng(seed).permutation(len(known.target))
    x = (known.data[order] - known.data.mean(0)) / known.data.std(0).clip(1e-9)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(known.target[order])


def digits(seed: int) -> Tensors:
    """Return pictures in [0, 1], shuffled, and their classes."""
    from sklearn.datasets import load_digits

    known: Any = load_digits()
    order = np.random.default_rng(seed).permutation(1797)
    x = torch.tensor(known.images[order] / 16, dtype=torch.float32)[:, None]
    return x, torch.tensor(known.target[order])


def adam(rate: float, kind: Any = torch.optim.Adam, **more: Any) -> Callable[[nn.Module], Any]:
    return lambda model: kind(model.parameters(), lr=rate, **more)


def friedman() -> TorchTask:
    from sklearn.datasets import make_friedman1

    x, y = make_friedman1(3000, n_features=12, noise=1.0, random_state=0)
    x = torch.tensor(x, dtype=torch.float32)
    y = torch.tensor((y - y.mean()) / y.std(), dtype=torch.float32)[:, None]
    return TorchTask(
        lambda: perceptron(12, 64, 64, 1), adam(0.01, torch.optim.Adagrad),
        epochs(32, x[1000:], y[1000:]), squares, measured(squares, x[:1000], y[:1000]),
    )  # fmt: skip


def wine() -> TorchTask:
    x, y = table("wine", 1)
    return TorchTask(
        lambda: perceptron(13, 32, 3, act=nn.Tanh), adam(1e-3, torch.optim.AdamW),
        epochs(8, x[60:], y[60:]), classes, measured(classes, x[:60], y[:60]),
    )  # fmt: skip


def cancer() -> TorchTask:
    x, y = table("breast_cancer", 2)

    def two_groups(model: Any) -> Any:
        groups = [{"params": model[i].parameters(), "lr": lr} for i, lr in ((0, 1e-3), (2, 1e-2))]
        return torch.optim.SGD(groups, momentum=0.9)

    return TorchTask(
        lambda: perceptron(30, 32, 2), two_groups, epochs(16, x[200:], y[200:]), classes,
        measured(classes, x[:200], y[:200]),
    )  # fmt: skip


def accuracy() -> TorchTask:
    x, y = digits(3)
    x = 2 * x - 1

    def model() -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
            nn.Conv2d(16, 24, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(24), nn.ReLU(),
            nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(96, 10),
        )  # fmt: skip

    return TorchTask(
        model, adam(0.05, torch.optim.SGD, momentum=0.9), epochs(32, x[600:], y[600:]), classes,
        lambda net: {"accuracy": (net(x[:600]).argmax(1) == y[:600]).float().mean().item()},
        higher_is_better=("accuracy",),
    )  # fmt: skip


class Decoder(nn.Module):
    """A causal transformer of two layers, with dropout."""

    def __init__(self, size: int, width: int = 48, context: int = 40) -> None:
        super().__init__()
        self.embed, self.norm = nn.Embedding(size, width), nn.LayerNorm(width)
        self.place = nn.Parameter(torch.randn(context, width) * 0.02)
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, dropout=0.1, batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, size)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(codes.shape[1])
        hidden = self.embed(codes) + self.place[: codes.shape[1]]
        return self.head(self.norm(self.body(hidden, mask=mask, is_causal=True)))


def topics() -> TorchTask:
    """Return a language model of the characters of Python's own help."""
    known = pydoc_data.topics.topics
    joined = "\n".join(known[name] for name in sorted(known))
    letters = {letter: i for i, letter in enumerate(sorted(set(joined)))}
    codes = torch.tensor([letters[letter] for letter in joined])
    cut, stretch = len(codes) * 9 // 10, torch.arange(41)

    def data(seed: int) -> Iterator[torch.Tensor]:
        random = generator(seed)
        while True:
            yield codes[torch.randint(cut - 41, (16,), generator=random)[:, None] + stretch]

    def loss(model: Any, batch: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(model(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten())

    def optimizer(model: nn.Module) -> Any:
        decayed = [one for one in model.parameters() if one.ndim > 1]
        others = [one for one in model.parameters() if one.ndim < 2]
        groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=3e-4, betas=(0.9, 0.95))

    held_out = codes[torch.linspace(cut, len(codes) - 42, 200).long()[:, None] + stretch]
    return TorchTask(
        lambda: Decoder(len(letters)), optimizer, data, loss,
        lambda model: {"loss": loss(model, held_out).item()}, clip=1.0,
    )  # fmt: skip


def spectra() -> TorchTask:
    """Return an autoencoder of sums of three peaks."""
    random, at = generator(0), torch.linspace(0, 1, 80)

    def some(count: int) -> torch.Tensor:
        centre, width, height = (torch.rand(count, 3, 1, generator=random) for _ in range(3))
        return (height * torch.exp(-(((at - centre) / (0.02 + 0.05 * width)) ** 2))).sum(1)

    x, held_out = some(3000), some(300)
    return TorchTask(
        lambda: perceptron(80, 64, 8, 64, 80, act=nn.GELU), adam(1e-3), epochs(16, x, x), squares,
        measured(squares, held_out, held_out),
    )  # fmt: skip


class Factors(nn.Module):
    """A factorisation of a matrix, with biases; it begins at a saddle."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            nn.Embedding(*size) for size in ((300, 8), (200, 8), (300, 1), (200, 1))
        )
        for part, spread in zip(self.parts, (0.1, 0.1, 0.0, 0.0), strict=True):
            weight: Any = part.weight
            nn.init.normal_(weight, std=spread)

    def forward(self, at: torch.Tensor) -> torch.Tensor:
        left, right, row, column = (part(at[:, i % 2]) for i, part in enumerate(self.parts))
        return (left * right).sum(1) + row[:, 0] + column[:, 0]


def factors() -> TorchTask:
    random = generator(5)
    left, right = (torch.randn(count, 4, generator=random) for count in (300, 200))
    at = torch.stack([torch.randint(n, (12000,), generator=random) for n in (300, 200)], 1)
    noise = 0.3 * torch.randn(12000, generator=random)
    y = (left[at[:, 0]] * right[at[:, 1]]).sum(1) / 2 + noise
    return TorchTask(
        Factors, adam(1e-2), epochs(64, at[2000:], y[2000:]), squares,
        measured(squares, at[:2000], y[:2000]),
    )  # fmt: skip


class Recurrent(nn.Module):
    """An LSTM and what it says at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.LSTM(2, 32, batch_first=True), nn.Linear(32, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x)[0][:, -1])


def adding() -> TorchTask:
    """Return the adding problem: the sum of two marked numbers of sixteen."""

    def some(count: int, random: torch.Generator) -> Tensors:
        numbers, marks = torch.rand(count, 16, generator=random), torch.zeros(count, 16)
        places = [8 * half + torch.randint(8, (count,), generator=random) for half in (0, 1)]
        marks.scatter_(1, torch.stack(places, 1), 1.0)
        return torch.stack([numbers, marks], 2), (numbers * marks).sum(1, keepdim=True)

    def data(seed: int) -> Iterator[Tensors]:
        random = generator(seed)
        while True:
            yield some(32, random)

    held_out = some(500, generator(99))
    return TorchTask(
        Recurrent, adam(1e-3), data, squares, measured(squares, *held_out), clip=1.0
    )  # fmt: skip


class Variational(nn.Module):
    """An autoencoder whose code is drawn, and its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = perceptron(64, 64, 12), perceptron(6, 64, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean, logs = self.encoder(x).chunk(2, 1)
        drawn = torch.randn_like(mean) * torch.exp(0.5 * logs) if self.training else 0.0
        apart = 0.5 * (mean**2 + logs.exp() - 1 - logs).sum(1)
        seen = F.binary_cross_entropy_with_logits(self.decoder(mean + drawn), x, reduction="none")
        return (seen.sum(1) + apart).mean()


def variational() -> TorchTask:
    x = digits(4)[0].flatten(1)
    return TorchTask(
        Variational, adam(1e-3), epochs(16, x[300:]), lambda model, batch: model(batch[0]),
        lambda model: {"loss": model(x[:300]).item()},
    )  # fmt: skip


def quantile() -> TorchTask:
    """Return a regression of a quantile under noise with heavy tails, plain SGD."""
    random = generator(7)
    x, weights = torch.randn(4000, 10, generator=random), torch.randn(10, generator=random)
    noise = torch.tensor(np.random.default_rng(7).standard_t(2, 4000), dtype=torch.float32)
    y = (x @ weights + 2 * torch.sin(3 * x[:, 0]) + noise)[:, None]

    def loss(model: Any, batch: Tensors) -> torch.Tensor:
        off = batch[1] - model(batch[0])
        return torch.maximum(0.7 * off, -0.3 * off).mean()

    return TorchTask(
        lambda: perceptron(10, 48, 1), adam(0.1, torch.optim.SGD), epochs(8, x[1000:], y[1000:]),
        loss, measured(loss, x[:1000], y[:1000]),
    )  # fmt: skip


class Patches(nn.Module):
    """A vision transformer of two layers on patches of two by two."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.head = nn.Linear(4, 32), nn.Linear(32, 10)
        self.place = nn.Parameter(torch.randn(17, 32) * 0.02)
        self.token = nn.Parameter(torch.zeros(1, 1, 32))
        layer = nn.TransformerEncoderLayer(
            32, 4, 64, dropout=0.0, batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.embed(F.unfold(x, 2, stride=2).transpose(1, 2))
        tokens = torch.cat([self.token.expand(len(x), -1, -1), tokens], 1) + self.place
        return self.head(self.body(tokens)[:, 0])


def patches() -> TorchTask:
    """Return it on digits of which a fifth are labelled at random."""
    x, y = digits(5)
    wrong = torch.rand(len(y), generator=generator(1)) < 0.2
    noisy = torch.where(wrong, torch.randint(10, (len(y),), generator=generator(2)), y)
    return TorchTask(
        Patches, adam(1e-3, torch.optim.AdamW, weight_decay=0.05),
        epochs(32, x[400:], noisy[400:]), classes, measured(classes, x[:400], y[:400]),
    )  # fmt: skip


def words() -> TorchTask:
    """Return a regression of how good reviews are on the words in them."""
    from sklearn.feature_extraction.text import HashingVectorizer

    with (EXAMPLES / "data" / "movie_reviews.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[:6000]
    hashed: Any = HashingVectorizer(n_features=2048, alternate_sign=False)
    x = torch.tensor(hashed.transform([row[2] for row in rows]).toarray(), dtype=torch.float32)
    y = torch.tensor([float(row[1]) for row in rows])[:, None]
    order = torch.randperm(len(x), generator=generator(0))
    x, y = x[order], y[order]
    return TorchTask(
        lambda: perceptron(2048, 32, 1), adam(1e-3, torch.optim.AdamW),
        epochs(16, x[1000:], y[1000:]), squares, measured(squares, x[:1000], y[:1000]),
    )  # fmt: skip


TOTALS = {
    friedman: 300, wine: 150, cancer: 200, accuracy: 150, topics: 200, spectra: 300, factors: 400,
    adding: 300, variational: 300, quantile: 300, patches: 300, words: 250,
}  # fmt: skip


def unseen() -> dict[str, Subject]:
    """Return the tasks, each with the best peak of its grid."""
    return {
        make.__name__: Subject(make(), total, (BEST[make.__name__],), make.__doc__ or "")
        for make, total in TOTALS.items()
    }
