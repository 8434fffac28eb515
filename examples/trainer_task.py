"""Which schedule suits a Trainer? The trainer itself is asked.

Makes a tiny BERT that starts from random weights, teaches it to tell whether the first half of a
row of numbers or the second one has the larger sum, and compares three schedules at two peaks,
with gradient accumulation and dropout. Then trains with the winner as one would without ratewise's
help, `attach(trainer, schedule).train()`, and shows that the losses are the same to the last bit.

    python examples/trainer_task.py [--total N] [--seeds N]
"""

from __future__ import annotations

import argparse
import tempfile
from typing import Any

import numpy as np
import torch
import transformers

import ratewise as rw
from ratewise.choose import Comparison, TrainerTask, compare
from ratewise.transformers import attach

ROWS, HELD_OUT, LENGTH, NUMBERS = 512, 128, 8, 20

SCHEDULES = {
    "constant": rw.Warmup("10%") >> rw.Hold(),
    "late": rw.Warmup("10%") >> rw.Hold() >> rw.Linear(to=0, over="30%"),
    "cosine": rw.Warmup("10%") >> rw.Cosine(to=0),
}


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    """Return rows of numbers, and whether the first half has the larger sum."""
    numbers = np.random.default_rng(seed).integers(NUMBERS, size=(count, LENGTH))
    halves = numbers.reshape(count, 2, -1).sum(2)
    labels = halves[:, 0] > halves[:, 1]
    pairs = zip(numbers.tolist(), labels.tolist(), strict=True)
    return [{"input_ids": row, "labels": int(label)} for row, label in pairs]


def accuracy(prediction: Any) -> dict[str, float]:
    """Return the share of rows that are right."""
    return {"accuracy": float((prediction.predictions.argmax(-1) == prediction.label_ids).mean())}


def make_trainer(seed: int, total: int = 1, peak: float = 3e-3) -> transformers.Trainer:
    """Return a new trainer of a new model; length and rate matter only where it trains itself."""
    torch.manual_seed(seed)
    config = transformers.BertConfig(
        vocab_size=NUMBERS,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=LENGTH,
    )
    arguments = transformers.TrainingArguments(
        output_dir=tempfile.gettempdir(),
        max_steps=total,
        learning_rate=peak,
        per_device_train_batch_size=8,
        gradient_accumulation_steps=2,
        seed=seed,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    return transformers.Trainer(
        model=transformers.BertForSequenceClassification(config),
        args=arguments,
        train_dataset=rows(ROWS, seed=1),
        eval_dataset=rows(HELD_OUT, seed=2),
        compute_metrics=accuracy,
    )


task = TrainerTask(make_trainer, higher_is_better=("accuracy",))


def trained_alone(result: Comparison, total: int) -> tuple[float, float]:
    """Return the loss of the best run in the comparison, and of a plain training like it."""
    best = result.standings[0]
    record = result.best(best.name)[0]
    trainer = attach(make_trainer(record.seed, total, best.peak), SCHEDULES[best.name])
    trainer.train()
    return record.metrics["loss"], trainer.evaluate()["eval_loss"]


def main() -> None:
    """Compare, print, and train the winner once more without the comparison."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--total", type=int, default=100, help="updates in a run")
    options.add_argument("--seeds", type=int, default=3, help="runs of each at each peak")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    result = compare(
        task, SCHEDULES, total=chosen.total, peaks=[1e-3, 3e-3], seeds=chosen.seeds, metric="loss"
    )
    print(result)
    there, here = trained_alone(result, chosen.total)
    print(f"\nheld-out loss of the winner: {there!r} in the comparison, {here!r} trained alone")
    assert there == here


if __name__ == "__main__":
    main()
