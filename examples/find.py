"""Which peak for a loop of my own? A range test of a small text classifier, then the proof.

Trains a bag of words on movie reviews with a loop written out by hand. A range test says where
the loop learns and where it breaks; then the same loop is trained from the same start with a
warm-up and a cosine at the peak that was suggested, and at a twentieth and twenty times of it.

    python examples/find.py [--total N] [--figure FILE]
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path
from typing import Any
from zlib import crc32

import torch
from torch import nn

from ratewise.choose import find
from ratewise.torch import Scheduler

DATA = Path(__file__).parent / "data" / "movie_reviews.tsv"
WORDS, LENGTH, CLEAR = 4096, 48, 0.5


def reviews() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the words of each review as numbers, and whether it is positive."""
    with DATA.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    rows = [row for row in rows if abs(float(row[1])) >= CLEAR]
    random.Random(0).shuffle(rows)
    words = torch.zeros(len(rows), LENGTH, dtype=torch.long)
    for line, row in zip(words, rows, strict=True):
        codes = [1 + crc32(word.lower().encode()) % (WORDS - 1) for word in row[2].split()[:LENGTH]]
        line[: len(codes)] = torch.tensor(codes)
    return words, torch.tensor([float(float(row[1]) > 0) for row in rows])


class Loop:
    """A model, an optimizer, a loader, and what is done with a batch."""

    def __init__(self, words: torch.Tensor, labels: torch.Tensor) -> None:
        torch.manual_seed(0)
        words_of = nn.EmbeddingBag(WORDS, 32, padding_idx=0, mode="sum")
        nn.init.normal_(words_of.weight, std=0.02)
        self.model = nn.Sequential(words_of, nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        data = torch.utils.data.TensorDataset(words, labels)
        self.loader = torch.utils.data.DataLoader(data, batch_size=32, shuffle=True)

    def loss(self, words: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        given = self.model(words).squeeze(-1)
        return nn.functional.binary_cross_entropy_with_logits(given, labels)

    def step(self, batch: Any) -> torch.Tensor:
        self.optimizer.zero_grad()
        loss = self.loss(*batch)
        loss.backward()
        self.optimizer.step()
        return loss

    def train(self, peak: float, total: int) -> None:
        """Warm up to a peak, and fall along a cosine."""
        for group in self.optimizer.param_groups:
            group["lr"] = peak
        Scheduler(self.optimizer, "Warmup('5%') >> Cosine(to=0)", total=total)
        done = 0
        while done < total:
            for batch in self.loader:
                self.step(batch)
                done += 1
                if done == total:
                    break


def main() -> None:
    """Test, then prove."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--total", type=int, default=250, help="updates in each run")
    parser.add_argument("--figure", help="file to write the figure of the test to")
    arguments = parser.parse_args()
    words, labels = reviews()
    held_out = words[-1000:], labels[-1000:]
    loop = Loop(words[:-1000], labels[:-1000])
    found = find(step=loop.step, model=loop.model, optimizer=loop.optimizer, batches=loop.loader)
    print(found.text())
    if arguments.figure:
        found.figure().savefig(arguments.figure, dpi=120)
    if found.rate is None:
        return
    for peak in (found.rate / 20, found.rate, found.rate * 20):
        trained = Loop(words[:-1000], labels[:-1000])
        trained.train(peak, arguments.total)
        with torch.no_grad():
            loss = float(trained.loss(*held_out))
        print(f"peak {peak:.2g}: loss on held-out reviews {loss:.4f}")


if __name__ == "__main__":
    main()
