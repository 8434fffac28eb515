"""Which column is which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ratewise.logs.table import LogTable
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, nearest, shorten

STEPS = (
    *("step", "global_step", "trainer_global_step", "train_global_step", "steps", "iteration"),
    *("iterations", "iter", "update", "updates", "num_updates", "t"),
)
VALIDATION = (
    *("val_loss", "eval_loss", "valid_loss", "validation_loss", "dev_loss", "test_loss"),
    *("loss_val", "loss_eval", "loss_valid", "loss_validation", "loss_dev", "loss_test"),
)
TRAINING = (
    *("loss", "train_loss", "train_loss_step", "training_loss", "loss_train", "loss_training"),
    *("loss_step", "train_loss_epoch", "loss_epoch"),
)
EPOCHS = ("epoch", "epochs", "train_epoch")
RATES = ("lr", "learning_rate", "rate", "train_lr", "train_learning_rate", "optim_lr")
MANY = 20
"""Columns that an error lists."""

MONITOR = re.compile(r"lr-\w")
"""How the names begin that Lightning's LearningRateMonitor gives."""


def plain(name: str) -> str:
    """Return a name as it is looked for: `train/Loss`, `run 3 - train/loss` as `train_loss`."""
    last = name.rpartition(" - ")[2]
    return re.sub(r"[^a-z0-9]+", "_", last.lower()).strip("_")


def chosen(table: LogTable, option: str, name: str) -> str:
    """Return a column that the user named, by its exact name or nearly."""
    if name in table.columns:
        return name
    same = [column for column in table.columns if plain(column) == plain(name)]
    if len(same) == 1:
        return same[0]
    rule = f"is no column of {table.where}; it has {_listed(table)}"
    raise ScheduleError(Call("read_curves", option, name), rule, nearest(name, table.columns))


def step_of(table: LogTable, name: str | None) -> str:
    """Return the column that counts updates."""
    if name is not None:
        return chosen(table, "step", name)
    found = _first(table.columns, STEPS)
    if found is None:
        raise _missing(table, "updates", Fix("name it with {step}", step="…"))
    return found


def rate_of(table: LogTable, name: str | None) -> str:
    """Return the column of learning rates, the highest of several groups'."""
    if name is not None:
        return chosen(table, "rate", name)
    found = _first(table.columns, RATES)
    if found is None:
        several = [one for one in table.columns if MONITOR.match(one) or _is_group(one)]
        if not several:
            fix = "name it with {rate}, or say how it was trained with {schedule}"
            raise _missing(table, "learning rates", Fix(fix, rate="…", schedule="…"))
        found = max(several, key=table.highest)
    return found


def kinds_of(table: LogTable) -> list[str]:
    """Return the columns that look like losses, of validation first."""
    known = [*VALIDATION, *TRAINING]
    found = [one for one in table.columns if plain(one) in known]
    return sorted(found, key=lambda one: known.index(plain(one)))


def loss_of(tables: Sequence[LogTable], steps: Sequence[str], least: int) -> str:
    """Return what kind of loss to take of some logs, as a plain name: one that all have.

    Validation comes before training, wherever all have `least` points of it.

    Raises:
        ScheduleError: no kind is in all of them.
    """
    counts = [
        {plain(one): table.points(step, one) for one in reversed(kinds_of(table))}
        for table, step in zip(tables, steps, strict=True)
    ]
    for table, found in zip(tables, counts, strict=True):
        if not found:
            raise _missing(table, "losses", Fix("name it with {loss}", loss="…"))
    shared = [one for one in (*VALIDATION, *TRAINING) if all(one in found for found in counts)]
    if not shared:
        has = "; ".join(
            f"{t.where} has {', '.join(c)}" for t, c in zip(tables, counts, strict=True)
        )
        rule = f"have no loss of one kind: {has}"
        fix = Fix("give logs of one kind, or name it with {loss}", loss="…")
        raise ScheduleError("The logs", rule, fix)
    whole = [one for one in shared if all(found[one] >= least for found in counts)]
    return (whole or sorted(shared, key=lambda one: -min(found[one] for found in counts)))[0]


def loss_column(table: LogTable, name: str | None, kind: str | None) -> str:
    """Return the column of a loss, named by the user or of a kind."""
    if name is not None:
        return chosen(table, "loss", name)
    return next(one for one in kinds_of(table) if plain(one) == kind)


def facts_beside(table: LogTable, step: str, loss: str) -> dict[str, Any]:
    """Return what a log says of a run beside one of its losses, in the words of `Curve.beside`."""
    facts: dict[str, Any] = {"planned": table.planned, "epoch": _epoch(table, step)}
    if plain(loss) in VALIDATION:
        return facts | {"validation": True}
    other = next((one for one in kinds_of(table) if plain(one) in VALIDATION), None)
    if other is None:
        return facts
    steps, losses, _ = table.series(step, other)
    return facts | {"evaluations": tuple(zip(steps.tolist(), losses.tolist(), strict=True))}


def _epoch(table: LogTable, step: str) -> float | None:
    """Return the updates of an epoch, where a column counts epochs or parts of them."""
    name = next((one for one in table.columns if plain(one) in EPOCHS), None)
    if name is None:
        return None
    steps, epochs, _ = table.series(step, name)
    rising = (epochs > 0) & (steps > 0)
    if not rising.any() or epochs.max() <= 1:
        return None
    parts = epochs[rising]
    if (parts == np.floor(parts)).all():  # epochs that ended, or began
        starts = steps[rising][np.diff(parts, prepend=-1) > 0]
        return float(np.diff(starts).mean()) if len(starts) > 2 else None
    return float(np.median(steps[rising] / parts))


def _is_group(name: str) -> bool:
    """Whether a name is that of one group's rate: lr_0, lr/group1, learning_rate_2."""
    return re.fullmatch(r"(.*_)?(lr|learning_rate)_(\d+|(group|pg)_?\d+)", plain(name)) is not None


def _first(columns: Iterable[str], names: Sequence[str]) -> str | None:
    found = {plain(one): one for one in reversed(list(columns))}
    return next((found[name] for name in names if name in found), None)


def _listed(table: LogTable) -> str:
    """Return the names of the columns that are there, the first few of many."""
    names = [shorten(one, 40).strip("'") for one in table.columns]
    more = f" and {len(names) - MANY} more" if len(names) > MANY else ""
    return ", ".join(names[:MANY]) + more


def _missing(table: LogTable, what: str, fix: Fix) -> ScheduleError:
    has = _listed(table)
    return ScheduleError(f"Log {table.where!r}", f"has no column of {what}; it has {has}", fix)
