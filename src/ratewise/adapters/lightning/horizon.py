"""What a Lightning trainer knows of the size of its run."""

from __future__ import annotations

import math
from typing import Any

from torch.utils.data import DataLoader


def horizon_of(trainer: Any, automatic: bool) -> dict[str, Any]:
    """Return total, epoch and samples, as far as they are known.

    With manual optimization a batch may make any number of updates: nothing is known.
    """
    if not automatic:
        return {}
    total: float = trainer.estimated_stepping_batches  # reads the train dataloader, if need be
    batches = trainer.num_training_batches
    windows = _windows(trainer)
    if windows and math.isfinite(batches):
        total = _counted(trainer, batches, windows, total)
    known = math.isfinite(total) and total > 0
    window = None if windows else trainer.accumulate_grad_batches
    return {
        "total": int(total) if known else None,
        "epoch": math.ceil(batches / window) if window and math.isfinite(batches) else None,
        "samples": _samples(trainer, window),
    }


def _windows(trainer: Any) -> Any:
    """Return the callback that changes the accumulation from epoch to epoch, if there is one."""
    for callback in trainer.callbacks:
        if callable(getattr(callback, "get_accumulate_grad_batches", None)):
            return callback
    return None


def _counted(trainer: Any, batches: float, windows: Any, total: float) -> float:
    """Return the updates of a run whose accumulation changes, counted epoch by epoch."""
    epochs = trainer.max_epochs
    if epochs is None or epochs < 0:
        return total
    each = [math.ceil(batches / windows.get_accumulate_grad_batches(e)) for e in range(epochs)]
    limit = math.inf if trainer.max_steps < 0 else trainer.max_steps
    return min(sum(each), limit)


def _samples(trainer: Any, window: int | None) -> int | None:
    loader = trainer.train_dataloader
    if window is None or not isinstance(loader, DataLoader) or loader.batch_size is None:
        return None
    return loader.batch_size * window * trainer.world_size
