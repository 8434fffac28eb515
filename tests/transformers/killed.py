"""A run that is killed: python -m tests.transformers.killed FOLDER UPDATE."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import ratewise as rw
from ratewise.transformers import attach
from tests.transformers import tiny

PLAN = rw.Warmup(4) >> rw.Plateau("eval_loss", patience=1, threshold=0.5, factor=0.5, over=16)
PLAN = PLAN >> rw.Linear(to=0)
TOTAL, EVERY = 26, 2


def make(folder: Path, **options: Any) -> Any:
    """A trainer that evaluates every 2 updates and saves every 3."""
    standard = {
        "max_steps": TOTAL,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 5,
        "eval_strategy": "steps",
        "eval_steps": EVERY,
        "save_strategy": "steps",
        "save_steps": 3,
        "eval_dataset": tiny.rows(6),
    }
    return attach(tiny.make(folder, n=44, **{**standard, **options}), PLAN)


def write_down(trainer: Any, file: Path) -> Any:
    """Write the rates used so far to a file, which outlives the process."""
    return lambda _: file.write_text(" ".join(map(repr, tiny.used(trainer))))


def die(_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    folder, update = Path(sys.argv[1]), int(sys.argv[2])
    trainer = make(folder)
    trainer.add_callback(tiny.At(update, write_down(trainer, folder / "used")))
    trainer.add_callback(tiny.At(update, die))
    trainer.train()
