"""Trainers that are as bad for exactness as real ones, as a task."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
import transformers

from ratewise.choose import TrainerTask
from tests.tasks.fixtures import every_bit
from tests.transformers.tiny import make, model, rows

RATES = np.linspace(1e-3, 1e-4, 7)


class Jittered(torch.utils.data.Dataset[Any]):
    """Rows whose last token is drawn, from every generator there is and one that it holds."""

    def __init__(self) -> None:
        self.rows = rows(22)
        self.generator = torch.Generator().manual_seed(5)
        self.random = np.random.default_rng(3)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> dict[str, Any]:
        own = int(torch.randint(5, (), generator=self.generator)) + int(self.random.integers(5))
        drawn = int(torch.randint(9, ())) + random.randrange(9) + np.random.randint(9)
        return {**self.rows[i], "input_ids": [1, i, own + drawn]}


class Chunks(torch.utils.data.IterableDataset[Any]):
    """Rows without a length, shuffled a few at a time with the generators of the process."""

    def __iter__(self) -> Any:
        some = rows(22)
        for first in range(0, 22, 11):
            yield from (some[first + int(i)] for i in torch.randperm(11))


DATA = Jittered()


def accuracy(prediction: Any) -> dict[str, float]:
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def task_of(folder: Any, **options: Any) -> TrainerTask:
    """Trainers with dropout, epochs that do not divide, data that draw, if not told otherwise."""
    given = {
        "data": DATA,
        "kind": transformers.Trainer,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "eval_dataset": rows(6),
        "compute_metrics": accuracy,
        **options,
    }

    def make_trainer(seed: int) -> Any:
        return make(folder, model=model(seed=seed), seed=seed, **given)

    return TrainerTask(make_trainer, higher_is_better=("accuracy",))


def weights(run: Any) -> str:
    return every_bit(run.trainer.model)


def trainer_in(folder: str, seed: int) -> Any:
    """A trainer that other processes can make, too."""
    torch.set_num_threads(1)
    given = {"eval_dataset": rows(6), "per_device_train_batch_size": 4}
    return make(folder, kind=transformers.Trainer, model=model(seed=seed), seed=seed, **given)
