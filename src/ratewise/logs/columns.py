"""Which column is which."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ratewise._files import Progress
from ratewise.logs.series import Points
from ratewise.logs.table import LogTable
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, nearest, shorten

STEPS = (
    *("step", "global_step", "trainer_global_step", "train_global_step", "steps", "iteration"),
    *("iterations", "iter", "update", "updates", "num_updates", "current_steps", "current_step"),
    *("train_step", "t", "s"),
)
VALIDATION = (
    *("val_loss", "eval_loss", "valid_loss", "validation_loss", "dev_loss", "test_loss"),
    *("loss_val", "loss_eval", "loss_valid", "loss_validation", "loss_dev", "loss_test"),
    *("total_val_loss", "val_total_loss", "lm_loss_validation", "tel"),
)
TRAINING = (
    *("loss", "train_loss", "train_loss_step", "training_loss", "loss_train", "loss_training"),
    *("loss_step", "train_loss_epoch", "loss_epoch", "total_loss", "train_total_loss", "lm_loss"),
    *("train_lm_loss", "lm_loss_training_lm_loss", "train_crossentropyloss", "trl"),
)
"""The last few: those of detectors with several losses, of Megatron and OLMo, of llm.c."""
EPOCHS = ("epoch", "epochs", "train_epoch")
TOTALS = ("total_steps", "max_steps", "max_iters", "total_iters", "num_training_steps")
"""Columns that say in each row how many updates the run is to make."""
PARTS = re.compile(r"(train|val)_(box|cls|dfl|obj|seg|pose|kobj|giou|sem|angle)_loss")
"""Losses that Ultralytics and YOLOs before it log one by one, weighted: their sum is trained."""
RATES = ("lr", "learning_rate", "rate", "train_lr", "train_learning_rate", "optim_lr")
MANY = 20
"""Columns that an error lists."""

MONITOR = re.compile(r"lr-\w")
"""How the names begin that Lightning's LearningRateMonitor gives."""
_GROUP = re.compile(r"(.*_)?(lr|learning_rate)_?(\d+|_(group|pg)_?\d+)")
_KNOWN = {*VALIDATION, *TRAINING, *RATES, *EPOCHS, *TOTALS}


def plain(name: str) -> str:
    """Return a name as it is looked for: `train/Loss`, `run 3 - train/loss` as `train_loss`."""
    last = name.rpartition(" - ")[2]
    return re.sub(r"[^a-z0-9]+", "_", last.lower()).strip("_")


@dataclass(frozen=True)
class Asked:
    """Which columns a reader looks for: those that were named, and those with usual names.

    Args:
        step: Column of the updates, if the user named it.
        loss: Column of the losses.
        rate: Column of the learning rates.
        progress: What is told how far the reading is.
        logs: How many logs are read together, which share the points that are kept.
        epoch: Updates in an epoch, for logs that count nothing but epochs.
    """

    step: str | None = None
    loss: str | None = None
    rate: str | None = None
    progress: Progress | None = None
    logs: int = 1
    epoch: float | None = None

    def keeps(self, name: str) -> bool:
        """Whether a column may be of losses or rates, so that its numbers are kept."""
        called = {plain(one) for one in (self.loss, self.rate) if one is not None}
        known = plain(name) in called | _KNOWN or is_rate(name)
        return known or PARTS.fullmatch(plain(name)) is not None

    def step_of(self, where: str, names: Sequence[str]) -> str:
        """Return the column that counts updates.

        Raises:
            ScheduleError: there is none.
        """
        if self.step is not None:
            return chosen(where, names, "step", self.step)
        found = _first(names, STEPS)
        if found is not None:
            return found
        epochs = _first(names, EPOCHS)
        if epochs is None:
            raise _missing(where, names, "updates", Fix("name it with {step}", step="…"))
        if self.epoch is None:
            fix = "say how many updates an epoch has with {epoch}, 1 to count in epochs"
            raise _missing(where, names, f"updates but {epochs}", Fix(fix, epoch="…"))
        return epochs


def chosen(where: str, names: Sequence[str], option: str, name: str) -> str:
    """Return a column that the user named, by its exact name or nearly."""
    if name in names:
        return name
    same = [column for column in names if plain(column) == plain(name)]
    if len(same) == 1:
        return same[0]
    rule = f"is no column of {where}; it has {_listed(names)}"
    raise ScheduleError(Call("read_curves", option, name), rule, nearest(name, names))


def rate_of(table: LogTable, name: str | None) -> str:
    """Return the column of learning rates, the highest of several groups'."""
    if name is not None:
        return chosen(table.where, table.names, "rate", name)
    found = _first(table.names, RATES)
    if found is None:
        several = [one for one in table.names if is_rate(one)]
        if not several:
            fix = "name it with {rate}, or say how it was trained with {schedule}"
            raise _missing(
                table.where, table.names, "learning rates", Fix(fix, rate="…", schedule="…")
            )
        found = max(several, key=table.highest)
    return found


def kinds_of(table: LogTable) -> list[str]:
    """Return the columns that look like losses, of validation first."""
    known = [*VALIDATION, *TRAINING]
    found = [one for one in dict.fromkeys((*table.names, *table.columns)) if kind_of(one) in known]
    return sorted(found, key=lambda one: known.index(kind_of(one)))


def kind_of(name: str) -> str:
    """Return what a column is called plainly; a sum of parts as the loss that it is.

    >>> kind_of("train/Loss"), kind_of("val/box_loss + val/cls_loss")
    ('train_loss', 'val_loss')
    """
    parts = [PARTS.fullmatch(plain(one)) for one in name.split(" + ")]
    if len(parts) > 1 and parts[0] is not None and all(parts):
        return f"{parts[0][1]}_loss"
    return plain(name)


def with_sums(table: LogTable) -> LogTable:
    """Return a table with the sums of the parts of a loss, where it has no loss but parts."""
    sums: dict[str, Points] = {}
    for kind in ("val", "train"):
        parts = [one for one in table.columns if (found := PARTS.fullmatch(plain(one)))
                 and found[1] == kind]  # fmt: skip
        points = [table.columns[one] for one in parts]
        alike = len({len(steps) for steps, _ in points}) == 1
        if len(parts) < 2 or not alike or any((at != points[0][0]).any() for at, _ in points):
            continue
        sums[" + ".join(parts)] = points[0][0], np.sum([values for _, values in points], axis=0)
    if not sums or kinds_of(table):
        return table
    return replace(table, columns={**table.columns, **sums})


def loss_of(tables: Sequence[LogTable], least: int) -> str:
    """Return what kind of loss to take of some logs, as a plain name: one that all have.

    Validation comes before training, wherever all have `least` points of it.

    Raises:
        ScheduleError: no kind is in all of them.
    """
    counts = [
        {kind_of(one): table.points(one) for one in reversed(kinds_of(table))} for table in tables
    ]
    for table, found in zip(tables, counts, strict=True):
        if not found:
            fix = Fix("name it with {loss}", loss="…")
            raise _missing(table.where, table.names, "losses", fix)
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
        return chosen(table.where, table.names, "loss", name)
    return next(one for one in kinds_of(table) if kind_of(one) == kind)


def facts_beside(table: LogTable, loss: str) -> dict[str, Any]:
    """Return what a log says of a run beside one of its losses, in the words of `Curve.beside`."""
    facts: dict[str, Any] = {"planned": planned_of(table), "epoch": epoch_of(table)}
    if kind_of(loss) in VALIDATION:
        return facts | {"validation": True}
    other = next((one for one in kinds_of(table) if kind_of(one) in VALIDATION), None)
    if other is None:
        return facts
    steps, losses, _ = table.series(other)
    return facts | {"evaluations": tuple(zip(steps.tolist(), losses.tolist(), strict=True))}


def planned_of(table: LogTable) -> int | None:
    """Return the updates that a run was to make: as its log says, or the last row of it."""
    name = _first(table.columns, TOTALS)
    if table.planned is not None or name is None:
        return table.planned
    _, totals, _ = table.series(name)
    last = float(totals[-1]) if len(totals) else 0.0
    return int(last) if last >= 1 and math.isfinite(last) else None


def in_updates(table: LogTable, epoch: float | None) -> LogTable:
    """Return a table that counts epochs as one that counts updates, an epoch of so many.

    The event files of Ultralytics count epochs, though they call them steps: so do all that log
    the loss in its parts.

    Raises:
        ScheduleError: they do, and nobody said how many updates an epoch has.
    """
    losses = kinds_of(table)
    in_parts = bool(losses) and all(" + " in one for one in losses)
    called = plain(table.step) in EPOCHS
    if not (called or in_parts) or (called and epoch is None):
        return table
    if epoch is None:
        rule = "counts epochs, as Ultralytics does"
        fix = Fix("say how many updates one has with {epoch}, 1 to count in epochs", epoch="…")
        raise ScheduleError(f"Log {table.where!r}", rule, fix)
    early = first_epoch_at(table)
    columns = table.columns.items()
    counted = {name: (np.rint((at + early) * epoch), values) for name, (at, values) in columns}
    return replace(table, columns=counted)


def first_epoch_at(table: LogTable) -> int:
    """Return by what a count of epochs is to be raised: 1 if whole ones are counted from 0."""
    counted = [at[np.isfinite(at)] for at, _ in table.columns.values()]
    if any((at != np.floor(at)).any() for at in counted):
        return 0
    begin = min((float(at.min()) for at in counted if len(at)), default=1.0)
    return 1 - min(int(begin), 1)


def epoch_of(table: LogTable) -> float | None:
    """Return the updates in an epoch, from rows that have both, if they agree on it.

    Epochs with parts are those that were gone through, whole ones those that had begun.
    """
    name = _first(table.columns, EPOCHS)
    if name is None:
        return None
    at, epochs, _ = table.series(name)
    kept = (epochs > 0) & (at > 0)
    at, epochs = at[kept], epochs[kept]
    if not len(at):
        return None
    if (epochs != np.floor(epochs)).any():
        length = float(at[-1] / epochs[-1])
        near = float(round(length))
        slack = 0.006 if np.allclose(epochs, np.round(epochs, 2), atol=1e-9) else 1e-6
        fits = np.abs(at / near - epochs) <= slack if near else np.zeros(1, dtype=bool)
        return near if fits.all() else length
    ends = [float(at[epochs == e].max() / (e + 1)) for e in np.unique(epochs)[:-1]]
    return ends[0] if ends and np.allclose(ends, ends[0], rtol=1e-9) else None


def is_rate(name: str) -> bool:
    """Whether a name is that of one group's rate: lr-AdamW, lr_0, lr/group1, learning_rate_2."""
    return MONITOR.match(name) is not None or _GROUP.fullmatch(plain(name)) is not None


def _first(columns: Iterable[str], names: Sequence[str]) -> str | None:
    found = {plain(one): one for one in reversed(list(columns))}
    return next((found[name] for name in names if name in found), None)


def _listed(names: Sequence[str]) -> str:
    """Return the names of the columns that are there, the first few of many."""
    shown = [shorten(one, 40).strip("'") for one in names[:MANY]]
    more = f" and {len(names) - MANY} more" if len(names) > MANY else ""
    return ", ".join(shown) + more


def _missing(where: str, names: Sequence[str], what: str, fix: Fix) -> ScheduleError:
    rule = f"has no column of {what}; it has {_listed(names)}"
    return ScheduleError(f"Log {where!r}", rule, fix)
