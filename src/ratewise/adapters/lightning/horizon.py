"""What a Lightning trainer knows of the size of its run."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any

from torch.utils.data import DataLoader

from ratewise.schedule import Plan, Schedule, ScheduleError

_DOUBLINGS = 40  # of the length of a trial, until every length that anybody writes has fitted


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


def smoke_flag(trainer: Any) -> str | None:
    """Return the argument by which a trainer says that its run only tries whether the code runs."""
    for name in ("fast_dev_run", "overfit_batches"):
        if value := getattr(trainer, name, None):
            return f"{name}={value}"
    return None


def long_enough(
    known: dict[str, Any],
    given: dict[str, Any],
    schedules: Sequence[Schedule | Plan | None],
    flag: str,
) -> int | None:
    """Return the total of a run into which the lengths fit, of which a trial is the beginning.

    The trial's own, if they fit into that, or no length helps: then something else is wrong.
    """
    total: int | None = known.get("total")
    for exponent in range(_DOUBLINGS if total and "total" not in given else 0):
        longer = total << exponent if total else None
        if _fits(schedules, {**known, **given, "total": longer}):
            if exponent:
                updates = f"{total} update{'s' if total != 1 else ''}"
                warnings.warn(
                    f"attach: lengths do not fit into the {updates} of a trial with {flag}: "
                    f"they are those of a run of {longer}, cut off after {updates}",
                    stacklevel=2,
                )
            return longer
    return total


def _fits(schedules: Sequence[Schedule | Plan | None], horizon: dict[str, Any]) -> bool:
    try:
        for schedule in schedules:
            if schedule is not None:
                schedule.resolve(**horizon)
    except ScheduleError:
        return False
    return True
