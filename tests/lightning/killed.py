"""A run that is killed: python -m tests.lightning.killed FOLDER UPDATE."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint

import ratewise as rw
from ratewise.lightning import attach
from tests.lightning import tiny

LOSSES = [9.0, 1.0, 0.9, 0.95, 0.97, 0.96, 0.8, 0.85, 0.9, 0.91, 0.92, 0.7, 0.8]
PLAN = rw.Warmup(4) >> rw.Plateau("val_loss", patience=1, factor=0.5, over=18) >> rw.Linear(to=0)
TOTAL = 24
EVERY = {"max_epochs": 4, "val_check_interval": 2, "validation": 1}


def losses(t: int) -> float:
    return LOSSES[t // 2]


class Die(lightning.Callback):
    """Writes down the rates used, and dies at an update."""

    def __init__(self, update: int, file: Path) -> None:
        self.update, self.file = update, file

    def on_train_batch_end(self, trainer: Any, module: Any, *rest: Any) -> None:
        if trainer.global_step == self.update:
            self.file.write_text(" ".join(map(repr, tiny.used(module.made))))
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    folder, update = Path(sys.argv[1]), int(sys.argv[2])
    saving = ModelCheckpoint(folder, filename="{step}", save_top_k=-1)
    callbacks = [saving, Die(update, folder / "used")]
    module = attach(tiny.Module(losses), PLAN)
    tiny.fit(module, 6, **EVERY, enable_checkpointing=True, callbacks=callbacks)
