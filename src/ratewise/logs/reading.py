"""Logs of any format to loss curves."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ratewise._arrays import Floats
from ratewise._files import Progress
from ratewise.logs.columns import (
    Asked,
    facts_beside,
    in_updates,
    loss_column,
    loss_of,
    with_sums,
)
from ratewise.logs.curve import FEWEST, AnotherKind, Curve
from ratewise.logs.folders import read_tables
from ratewise.logs.rates import RateSource
from ratewise.logs.table import LogTable
from ratewise.runs.specs import Written
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, number
from ratewise.schedule.strict import strict

MOST = 10**8
"""Updates beyond which a column counts something else, tokens or samples."""

LogPath = str | os.PathLike[str]


@dataclass(frozen=True, eq=False)
class LogCurves:
    """Some logs, read.

    Args:
        curves: The runs.
        loss: Columns that the losses are from.
        notes: What was left out, and what was taken for what.
    """

    curves: tuple[Curve, ...]
    loss: tuple[str, ...]
    notes: tuple[str, ...]


@strict
def read_curves(
    path: LogPath | Iterable[LogPath],
    *,
    loss: str | None = None,
    rate: str | None = None,
    step: str | None = None,
    epoch: float | None = None,
    schedule: Written | None = None,
    lr: float | None = None,
    warmup: int = 0,
    progress: Progress | None = None,
) -> tuple[Curve, ...]:
    """Return the runs in a log, as curves for `fit`.

    | log | what it is |
    |---|---|
    | CSV | any separator; of Lightning's CSVLogger with LearningRateMonitor, of Ultralytics |
    | `trainer_state.json` | of a Trainer of Transformers, or one of its folders |
    | event files | of TensorBoard, or a folder of runs |
    | W&B | a local run folder or its `.wandb` file, `wandb-history.jsonl`, exports as CSV or JSON |
    | Trackio | the database of a project, every run in it |
    | JSON | a row on each line, a list of rows, or columns by name |
    | text | what a program printed: lines with names and numbers, among others |
    | journal | of `compare`: all runs that ended well, with exact rates |

    Files of any size are read in memory that does not grow with them: of a column with more than
    200,000 numbers every 2nd, 4th, … is kept, with the first and the last. Records of event files
    are held against their checksums. What was left out is said in the notes of `ratewise predict`.

    Columns are found by their usual names; validation losses are taken if every run has eight of
    them, else training losses. Rates are linear between points where they were logged. What a
    resumed run wrote again replaces what was there.

    Args:
        path: One log or several: files or folders.
        loss: Column of the losses.
        rate: Column of the learning rates.
        step: Column of the updates made.
        epoch: Updates in an epoch, of logs that count epochs alone; 1 to count in epochs.
        schedule: What the runs were trained with from the first to the last logged update, in
            place of a column of rates.
        lr: Peak learning rate of that.
        warmup: Updates of a linear warm-up from 0 that ended before a rate was logged.
        progress: Called as `progress(done, total)` with bytes while a file is read.

    Raises:
        ScheduleError: a log cannot be read, or a column is not found.
    """
    rates = RateSource(rate, schedule, lr, warmup)
    return read_logs(path, loss=loss, step=step, epoch=epoch, rates=rates, progress=progress).curves


def read_logs(
    path: LogPath | Iterable[LogPath],
    *,
    loss: str | None = None,
    step: str | None = None,
    epoch: float | None = None,
    rates: RateSource | None = None,
    progress: Progress | None = None,
) -> LogCurves:
    """Return the runs as `read_curves` does, and what was left out."""
    rates = rates or RateSource()
    paths = [path] if isinstance(path, str | os.PathLike) else list(path)
    if not paths:
        raise ScheduleError(Call("read_curves"), "needs a log", "give the path of one")
    if epoch is not None:
        number(Call("read_curves", "epoch", epoch), "epoch", epoch, above=True)
    asked = Asked(step, loss, rates.column, progress, len(paths), epoch)
    tables: list[LogTable] = []
    notes: list[str] = []
    for one in paths:
        found, said = read_tables(one, asked)
        tables += [in_updates(with_sums(table), epoch) for table in found]
        notes += said
    tables = _named_apart(tables)
    kind = None if loss is not None else loss_of(tables, FEWEST)
    curves: list[Curve] = []
    errors: list[ScheduleError] = []
    columns: list[str] = []
    for table in tables:
        notes += table.said
        column = loss_column(table, loss, kind)
        columns.append(column)
        try:
            curve, said = _curve(table, column, rates)
        except NoCurve as error:
            errors.append(error)
        else:
            curves.append(curve)
            notes += said
    if not curves:
        raise errors[0]
    notes += [f"{error.who} is left out: it {error.broken}" for error in errors]
    return LogCurves(tuple(curves), tuple(dict.fromkeys(columns)), tuple(dict.fromkeys(notes)))


class NoCurve(ScheduleError):
    """A run that makes no curve, too short or constant; others may.

    Attributes:
        another_kind: Whether its losses are of a kind that no law here is of.
    """

    another_kind = False


def _curve(table: LogTable, loss: str, rates: RateSource) -> tuple[Curve, list[str]]:
    steps, losses, replaced = table.series(loss)
    said = [f"{table.name}: {replaced} points were written again later"] if replaced else []
    said += [*table.told(table.step), *table.told(loss)]
    kept = steps >= 1
    steps, losses = steps[kept], losses[kept]
    _check(table, table.step, steps)
    if len(steps) < FEWEST:
        rule = f"has {len(steps)} points with {loss}, too few to say anything"
        fix = Fix(f"give {FEWEST} or more, or name another with {{loss}}", loss="…")
        raise NoCurve(f"Log {table.where!r}", rule, fix)
    every, column = rates.of(table, steps)
    said += [] if column is None else table.told(column)
    try:
        if len(every) < steps[-1]:
            curve = Curve(steps, every, losses, table.name)
        else:
            curve = Curve.trained(every, steps.astype(np.int64), losses, table.name)
    except ScheduleError as error:
        found = NoCurve(f"Log {table.where!r}", error.broken, error.fix)
        found.another_kind = isinstance(error, AnotherKind)
        raise found from None
    return curve.beside(**facts_beside(table, loss)), said


def _check(table: LogTable, step: str, steps: Floats) -> None:
    rule = ""
    if (steps != np.floor(steps)).any():
        rule = f"has steps in {step} that are no whole numbers"
    elif len(steps) and steps[-1] > MOST:
        rule = f"counts to {steps[-1]:.3g} in {step}, which cannot be updates"
    if rule:
        fix = Fix("name that of updates with {step}", step="…")
        raise ScheduleError(f"Log {table.where!r}", rule, fix)


def _named_apart(tables: Sequence[LogTable]) -> list[LogTable]:
    """Return the tables with names of their own: the path where two have the same."""
    counts = Counter(table.name for table in tables)
    seen: Counter[str] = Counter()
    apart: list[LogTable] = []
    for table in tables:
        name = table.where if counts[table.name] > 1 else table.name
        seen[name] += 1
        apart.append(replace(table, name=f"{name} ({seen[name]})" if seen[name] > 1 else name))
    return apart
