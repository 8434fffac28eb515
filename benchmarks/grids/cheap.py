"""Three tasks of other kinds whose runs take less than a second each."""

from __future__ import annotations

import functools
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tasks import Subject, adam, digits, text
from torch import nn
from torch.nn import functional as F

from ratewise.choose import TorchTask

Pair = tuple[torch.Tensor, torch.Tensor]

# A regression: the lower half of a digit from its upper half ------------------------------------


def halves_model() -> nn.Module:
    return nn.Sequential(
        nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 64), nn.GELU(), nn.Linear(64, 32)
    )


@functools.cache
def halves() -> tuple[torch.Tensor, ...]:
    """Return upper and lower halves, standardised as one, to train on, and held out."""
    train, _, held_out, _ = digits()
    both = [(one.flatten(1) - train.mean()) / train.std() for one in (train, held_out)]
    return both[0][:, :32], both[0][:, 32:], both[1][:, :32], both[1][:, 32:]


def halves_batches(seed: int) -> Iterator[Pair]:
    """Yield batches of 16 rows."""
    x, y, *_ = halves()
    random = torch.Generator().manual_seed(seed)
    while True:
        picked = torch.randint(len(x), (16,), generator=random)
        yield x[picked], y[picked]


def halves_loss(model: nn.Module, batch: Pair) -> torch.Tensor:
    return F.mse_loss(model(batch[0]), batch[1])


def halves_metric(model: nn.Module) -> float:
    _, _, x, y = halves()
    return F.mse_loss(model(x), y).item()


# Batch norm and many epochs: thirty over three hundred pictures ---------------------------------

PICTURES = 300


def normed_model() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(),
        *(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU()),
        *(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU()),
        nn.Linear(64, 10),
    )


def epochs(seed: int) -> Iterator[Pair]:
    """Yield batches of 20 pictures, every picture once in an epoch, in another order each time."""
    x, y, *_ = digits()
    random = torch.Generator().manual_seed(seed)
    while True:
        for picked in torch.randperm(PICTURES, generator=random).split(20):
            yield x[picked], y[picked]


def nesterov(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
    )


def normed_loss(model: nn.Module, batch: Pair) -> torch.Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def normed_metric(model: nn.Module) -> float:
    _, _, x, y = digits()
    return F.cross_entropy(model(x), y).item()


# Adapters in a decoder: from reviews to the source of Python ------------------------------------

WINDOW, SOURCES = 48, ("argparse.py", "ast.py", "dataclasses.py", "inspect.py", "typing.py")


@functools.cache
def source() -> Pair:
    """Return Python's own source as characters of the reviews, to train on, and held out."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    joined = "\n".join((folder / name).read_text(encoding="utf-8") for name in SOURCES)
    size = text()[2]
    codes = torch.tensor([min(max(ord(c) - 31, 0), size - 1) for c in joined])
    cut = len(codes) * 9 // 10
    return codes[:cut], codes[cut:]


def decoder() -> nn.Module:
    """Return a decoder of two layers, as its configuration makes it."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=text()[2], n_positions=WINDOW, n_embd=48, n_layer=2, n_head=4,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


@functools.cache
def pretrained() -> Any:
    """Return weights after 400 updates on the characters of the reviews."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = decoder()
        optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
        batches = _windows(text()[0], 0)
        for t in range(400):
            optimizer.param_groups[0]["lr"] = 5e-3 * (1 - t / 400)
            optimizer.zero_grad()
            decoder_loss(model, next(batches)).backward()
            optimizer.step()
    return model.state_dict()


def adapted() -> nn.Module:
    """Return it with adapters of rank 4 in attention and projections; those alone are trained."""
    from peft import LoraConfig, get_peft_model

    model = decoder()
    model.load_state_dict(pretrained())
    adapters = LoraConfig(
        r=4, lora_alpha=8, target_modules=["c_attn", "c_proj", "c_fc"], fan_in_fan_out=True
    )
    return get_peft_model(model, adapters)


def _windows(codes: torch.Tensor, seed: int) -> Iterator[torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    while True:
        starts = torch.randint(len(codes) - WINDOW, (8,), generator=random)
        yield codes[starts[:, None] + torch.arange(WINDOW)]


def source_batches(seed: int) -> Iterator[torch.Tensor]:
    """Yield batches of 8 stretches."""
    return _windows(source()[0], seed)


def decoder_loss(model: nn.Module, batch: torch.Tensor) -> torch.Tensor:
    return model(input_ids=batch, labels=batch).loss


def source_metric(model: nn.Module) -> float:
    starts = torch.linspace(0, len(source()[1]) - WINDOW - 1, 64).long()
    return decoder_loss(model, source()[1][starts[:, None] + torch.arange(WINDOW)]).item()


ONCE = (0, 1, 2), ()
"""Seeds, and no forks."""

CHEAP = {
    "halves": lambda: Subject(
        TorchTask(halves_model, adam, halves_batches, halves_loss, halves_metric),
        500,
        (1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        "a regression: the lower half of a digit from its upper half, a perceptron, AdamW",
        *ONCE,
    ),
    "epochs": lambda: Subject(
        TorchTask(normed_model, nesterov, epochs, normed_loss, normed_metric),
        450,
        (3e-3, 1e-2, 3e-2, 1e-1, 3e-1),
        "thirty epochs over 300 digits, a perceptron with batch norm, SGD with momentum",
        *ONCE,
    ),
    "adapters": lambda: Subject(
        TorchTask(adapted, adam, source_batches, decoder_loss, source_metric),
        120,
        (1e-3, 4e-3, 1.6e-2, 6.4e-2, 2.56e-1),
        "LoRA of rank 4 in a small decoder, from movie reviews to the source of Python, AdamW",
        *ONCE,
    ),
}
