"""Which schedule suits a classifier on sentence embeddings?

MiniLM, pretrained and left as it is, turns real movie reviews into embeddings; a linear classifier
learns from them which are good, with AdamW as PyTorch makes it: a rate of 1e-3, kept constant. 312
updates are one pass over the reviews. The choice says what other schedules and peaks would gain.

    python examples/embeddings.py [--total N] [--budget UPDATES] [--reviews N] [--out DIR]
    ratewise choose examples/embeddings.py:task --total 312
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from pathlib import Path

import torch
from sentiment import reviews, weights
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from ratewise.choose import TorchTask, choose

Pair = tuple[torch.Tensor, torch.Tensor]
TRAINED, HELD_OUT, BATCH, CHUNK = 5000, 1000, 16, 50


@functools.cache
def embedded(trained: int, held_out: int) -> tuple[Pair, Pair]:
    """Return embeddings and labels of some reviews to train on, and of those held out."""
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    encoder = AutoModel.from_pretrained(weights()).eval()
    several = zip((*reviews(),), (trained, held_out), strict=True)
    pairs = [_embedded(encoder, *kept[:count]) for kept, count in several]
    return pairs[0], pairs[1]


@torch.no_grad()
def _embedded(
    encoder: nn.Module, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor
) -> Pair:
    means = torch.empty(len(ids), encoder.config.hidden_size)
    for some in mask.sum(1).argsort().split(CHUNK):  # short ones together: less padding
        longest = int(mask[some].sum(1).max())
        tokens, real = ids[some, :longest], mask[some, :longest]
        hidden = encoder(input_ids=tokens, attention_mask=real).last_hidden_state
        means[some] = (hidden * real[..., None]).sum(1) / real.sum(1, keepdim=True)
    return means, labels


def task_of(trained: int = TRAINED, held_out: int = HELD_OUT) -> TorchTask:
    """Return the task with so many reviews to train on, and so many that judge."""

    def data(seed: int) -> Iterator[Pair]:
        (x, y), _ = embedded(trained, held_out)
        shuffle = torch.Generator().manual_seed(seed)
        while True:
            for picked in torch.randperm(len(x), generator=shuffle).split(BATCH):
                yield x[picked], y[picked]

    def metric(model: nn.Module) -> dict[str, float]:
        x, y = embedded(trained, held_out)[1]
        logits = model(x).squeeze(-1)
        loss = binary_cross_entropy_with_logits(logits, y)
        return {"loss": loss.item(), "accuracy": ((logits > 0) == (y > 0)).float().mean().item()}

    return TorchTask(model, optimizer, data, loss, metric, higher_is_better=("accuracy",))


def model() -> nn.Module:
    """Return a linear classifier."""
    return nn.Linear(384, 1)


def optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """Return AdamW, with its own defaults."""
    return torch.optim.AdamW(model.parameters())


def loss(model: nn.Module, batch: Pair) -> torch.Tensor:
    """Return the cross-entropy of a batch."""
    return binary_cross_entropy_with_logits(model(batch[0]).squeeze(-1), batch[1])


task = task_of()


def main() -> None:
    """Choose, tell the story, write the page."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--total", type=int, default=312, help="updates in a run")
    options.add_argument("--budget", type=int, help="updates in all; 24 runs if not given")
    options.add_argument("--reviews", type=int, default=TRAINED, help="reviews to train on")
    options.add_argument("--out", type=Path, default=Path("results"), help="new folder of the page")
    given = options.parse_args()
    judges = min(HELD_OUT, given.reviews)
    choice = choose(task_of(given.reviews, judges), total=given.total, budget=given.budget)
    print(choice.report())
    choice.save(given.out)
    print(f"the same as a page: {given.out / 'report.html'}")


if __name__ == "__main__":
    main()
