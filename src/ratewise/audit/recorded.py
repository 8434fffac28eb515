"""What a log says of the rates: one series for each group, and how well it was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratewise._arrays import Floats
from ratewise._files import Progress
from ratewise.audit.rounding import LEAST, SINGLE, kept_digits, needed_digits
from ratewise.audit.sources import COUNTED, is_rate, table_from
from ratewise.logs.columns import (
    EPOCHS,
    MONITOR,
    TRAINING,
    VALIDATION,
    chosen,
    epoch_of,
    first_epoch_at,
    plain,
    planned_of,
)
from ratewise.logs.table import RARE, LogTable
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Fix


@dataclass(frozen=True, eq=False)
class Recorded:
    """The rates that a log holds, in the order of the updates.

    Args:
        groups: Names of the groups of parameters, ("",) for a single one.
        steps: Updates made when each row was written, int64[n], strictly increasing; a counter
            that is known to begin at 0 is raised by 1. Epochs where the log counts only those
            (`facts["unit"]` is "epoch").
        rates: Learning rates beside them, float64[n, groups], NaN where a group has none.
        losses: Training losses beside them, float64[n], NaN where there is none; None if the log
            has no training loss at all.
        evaluations: Validation losses, pairs of updates made and loss.
        total: Updates that the log itself says the run has, or None.
        epoch: Updates in an epoch, where the log tells, or None.
        digits: Significant digits that the logger kept, or None if it kept all. Numbers kept as
            float32 have 7, and `facts["single"]` says so. Where a number of decimals was kept,
            `facts["decimals"]` says how many; where a few rates are shorter than any logger keeps,
            `facts["needed"]` says how many digits the longest has.
        convention: Which rate stands beside step k: "this" (of the update that was the k-th to be
            made, update k − 1 counted from 0), "next" (of update k) or "unknown".
        resumed: Steps at which the log goes back, because a run was resumed.
        notes: What was left out or taken for something, in words.
        facts: What the log says of the run by name; `kind` is who wrote it: "transformers",
            "lightning", "keras", "torch", "ratewise", or "" if nobody can tell; `from_zero` is
            there where the counter was seen to begin at 0.
    """

    groups: tuple[str, ...]
    steps: NDArray[np.int64]
    rates: NDArray[np.float64]
    losses: NDArray[np.float64] | None = None
    evaluations: tuple[tuple[int, float], ...] = ()
    total: int | None = None
    epoch: float | None = None
    digits: int | None = None
    convention: str = "unknown"
    resumed: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict[str, Any])


def recorded(
    log: Any,
    *,
    step: str | None = None,
    rate: str | None = None,
    epoch: float | None = None,
    named: str | None = None,
    progress: Progress | None = None,
) -> Recorded:
    """Return what a log says of the rates.

    Args:
        log: The path of whatever `read_curves` reads; a list of rows such as
            `trainer.state.log_history`; a trainer or a `History` of Keras that has one; a dict of
            columns; or what this function returned.
        step: Column of the updates made; left out, it is found by its name.
        rate: Column of the rate; left out, all that look like one are taken, each a group.
        epoch: Updates in an epoch, where a log counts epochs alone.
        named: Name of the run, of a log that has several.
        progress: Called as `progress(done, total)` while a file is read.

    Raises:
        ScheduleError: the log cannot be read, has several runs, or holds no rates.
    """
    if isinstance(log, Recorded):
        return log
    table, found = table_from(log, step, rate, named, progress)
    if table.rates is not None:
        return _of_every_update(table, found)
    facts: dict[str, Any] = {"kind": _writer(table, found), **found}
    early, scale = _counter(table, epoch, facts)
    columns = _rate_columns(table, rate)
    if early:
        facts["from_zero"] = True
        table = replace(table, early=table.early + early)
    series = {name: table.series(name)[:2] for name in columns}
    series = {name: _good(*pair, scale) for name, pair in series.items()}
    series = {name: pair for name, pair in series.items() if len(pair[0])}
    if not series:
        fix = Fix("log the learning rate, or name its column with {rate}", rate="…")
        raise ScheduleError(f"Log {table.where!r}", "has no learning rate beside a step", fix)
    steps = np.unique(np.concatenate([pair[0] for pair in series.values()]))
    rates = np.full((len(steps), len(series)), np.nan)
    for place, (at, values) in enumerate(series.values()):
        rates[np.searchsorted(steps, at), place] = values
    digits, decimals = kept_digits(rates)
    if decimals is not None:
        facts["decimals"] = decimals
    if digits == LEAST:
        facts["needed"] = needed_digits(rates)
    kept = rates[np.isfinite(rates)]
    if digits == SINGLE and bool((kept == kept.astype(np.float32)).all()):
        facts["single"] = True
    return Recorded(
        groups=_group_names(list(series)),
        steps=steps,
        rates=rates,
        losses=_losses(table, steps, scale),
        evaluations=_evaluations(table, scale),
        total=facts.pop("total", None) or planned_of(table),
        epoch=epoch if epoch is not None else epoch_of(table),
        digits=digits,
        convention=_convention(table, facts),
        resumed=_resumes(table, next(iter(series)), scale),
        notes=tuple(dict.fromkeys((*table.said, *facts.pop("notes", ()), *_told(table, columns)))),
        facts=facts,
    )


def _told(table: LogTable, columns: Sequence[str]) -> list[str]:
    """Return what was left out of the rates, or of the steps beside them."""
    return [said for name in (table.step, *columns) for said in table.told(name)]


def _of_every_update(table: LogTable, facts: dict[str, Any]) -> Recorded:
    """Return a run of our journal, whose every rate is known to the last bit."""
    assert table.rates is not None
    steps = np.arange(1, len(table.rates) + 1)
    losses = None
    if "loss" in table.columns:
        losses = np.full(len(steps), np.nan)
        at, means = table.columns["loss"]
        losses[at.astype(np.int64) - 1] = means
    told = {"kind": "ratewise", **facts}
    notes = (*table.said, *told.pop("notes", ()))
    rates = np.array(table.rates, dtype=np.float64)[:, None]
    return Recorded(("",), steps, rates, losses, total=len(steps), convention="this",
                    notes=notes, facts=told)  # fmt: skip


# Which column is which ------------------------------------------------------------------------


def _writer(table: LogTable, facts: Mapping[str, Any]) -> str:
    """Return who wrote a log, as its names tell."""
    names = {plain(name) for name in table.names}
    if any(map(MONITOR.match, table.names)) or "trainer_global_step" in names:
        return "lightning"
    if "train_global_step" in names or {"train_learning_rate", "train_grad_norm"} <= names:
        return "transformers"
    if {"step", "epoch", "learning_rate"} <= names and "lr" not in names:
        return "transformers"
    if "epoch" in names and not any(name in names for name in ("step", *COUNTED)):
        return "keras"
    return "torch" if "tfevents" in table.where or Path(table.where).is_dir() else ""


def _counter(table: LogTable, epoch: float | None, facts: dict[str, Any]) -> tuple[int, float]:
    """Return what the column that counts is to be raised by, and the updates in one of it."""
    if plain(table.step) not in EPOCHS:
        return _base(table), 1.0
    if epoch is None:
        facts["unit"] = "epoch"
    return first_epoch_at(table), 1.0 if epoch is None else epoch


def _base(table: LogTable) -> int:
    """Return 1 if the steps count from 0, by a row of step 0; the readers raise what they know."""
    rated = [points for name, points in table.columns.items() if is_rate(name)]
    begins = any(bool((at[np.isfinite(values)] == 0).any()) for at, values in rated)
    return int(table.early == 0 and begins)


def _rate_columns(table: LogTable, name: str | None) -> list[str]:
    if name is not None:
        return [chosen(table.where, table.names, "rate", name)]
    found = [one for one in table.columns if is_rate(one)]
    if not found:
        has = ", ".join(list(table.names)[:20])
        rule = f"has no column of learning rates; it has {has}"
        fix = Fix("name it with {rate}", rate="…")
        raise ScheduleError(f"Log {table.where!r}", rule, fix)
    return found


def _group_names(columns: Sequence[str]) -> tuple[str, ...]:
    """Return what groups are called: their columns without what all begin with."""
    if len(columns) == 1:
        return ("",)
    low, high = min(columns), max(columns)
    same = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    begin = low[:same]
    begin = begin[: max((begin.rfind(mark) for mark in "/-_."), default=-1) + 1]
    return tuple(name.removeprefix(begin) or name for name in columns)


# Numbers --------------------------------------------------------------------------------------


def _good(steps: Floats, values: Floats, scale: float) -> tuple[NDArray[np.int64], Floats]:
    """Return the rates that are numbers from 0 on, at whole steps."""
    kept = np.isfinite(values) & (values >= 0) & (steps >= 0)
    at = np.rint(steps[kept] * scale).astype(np.int64)
    once = np.diff(at, append=at[-1:] + 1) > 0
    return at[once], values[kept][once]


def _first(table: LogTable, names: Sequence[str]) -> str | None:
    found = {plain(name): name for name in reversed(list(table.columns))}
    return next((found[name] for name in names if name in found), None)


def _losses(table: LogTable, steps: NDArray[np.int64], scale: float) -> NDArray[np.float64] | None:
    name = _first(table, TRAINING)
    if name is None:
        return None
    at, values, _ = table.series(name)
    if not len(at):
        return None
    losses = np.full(len(steps), np.nan)
    at = np.rint(at * scale).astype(np.int64)
    # Loggers write the rate in one row and the loss in the next: the last loss up to a row is its.
    places = np.searchsorted(at, steps, side="right") - 1
    before = np.concatenate(([-1], steps[:-1]))
    fresh = (places >= 0) & (at[places] > before)
    losses[fresh] = values[places[fresh]]
    return losses


def _evaluations(table: LogTable, scale: float) -> tuple[tuple[int, float], ...]:
    name = _first(table, VALIDATION)
    if name is None:
        return ()
    at, values, _ = table.series(name)
    return tuple((round(s * scale), float(v)) for s, v in zip(at, values, strict=True))


def _convention(table: LogTable, facts: Mapping[str, Any]) -> str:
    if table.ahead:
        return "next"
    return "this" if facts.get("kind") == "lightning" and table.early else "unknown"


def _resumes(table: LogTable, rate: str, scale: float) -> tuple[int, ...]:
    """Return the steps at which a log goes back; one in no order at all was not resumed."""
    at, rates = table.columns[rate]
    steps = at[np.isfinite(at) & np.isfinite(rates)] + table.early
    back = np.flatnonzero(np.diff(steps) < 0) + 1
    if len(back) * RARE > len(steps):
        return ()
    return tuple(round(float(steps[i]) * scale) for i in back)
