"""What is audited, as a table: a file, a folder, rows, columns, or a trainer that has logged."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise._files import Progress
from ratewise._json import log_history
from ratewise.logs.columns import EPOCHS, MONITOR, RATES, Asked, plain
from ratewise.logs.folders import STATE, read_tables
from ratewise.logs.table import LogTable
from ratewise.logs.trainer_state import read_state, table_of
from ratewise.logs.wandb_csv import BOUNDS
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix, one_of, shorten

COUNTED = ("train_global_step", "trainer_global_step", "global_step")
"""Columns that count updates, where others count calls of the logger."""

GROUP = re.compile(r"(^|.*_)(lr|learning_rate)(_\w+)?")
OTHER = re.compile(r".*(momentum|weight_decay|beta|scheduler|sched|effective|find|finder)\w*")
"""What stands behind the rate in names of columns that are not rates."""

TRAINER_FACTS = (
    *("num_train_epochs", "train_batch_size", "logging_steps", "save_steps", "global_step"),
    "warmup_steps",
)


class AuditAsked(Asked):
    """Columns of an audit: rates of any name, and a count of updates, or of epochs alone."""

    def keeps(self, name: str) -> bool:
        """Whether a column may be of losses, rates or epochs, so that its numbers are kept."""
        return super().keeps(name) or is_rate(name)

    def step_of(self, where: str, names: Sequence[str]) -> str:
        """Return the column that counts updates; of a log that has none, that of epochs."""
        if self.step is not None:
            return super().step_of(where, names)
        for wanted in COUNTED:
            found = next((name for name in names if plain(name) == wanted), None)
            if found is not None:
                return found
        try:
            return super().step_of(where, names)
        except ScheduleError:
            epoch = next((name for name in names if plain(name) in EPOCHS), None)
            if epoch is None:
                raise
            return epoch


def is_rate(name: str) -> bool:
    """Whether a column is one of learning rates, as far as its name tells."""
    if name.endswith(BOUNDS):
        return False
    called = plain(name)
    named = MONITOR.match(name) or GROUP.fullmatch(called) or called in RATES
    return bool(named) and not OTHER.fullmatch(called)


def table_from(
    log: Any,
    step: str | None,
    rate: str | None,
    named: str | None = None,
    progress: Progress | None = None,
) -> tuple[LogTable, dict[str, Any]]:
    """Return a log as a table, and what is known of its run besides.

    Of a file or folder with several runs, `named` says which.

    Raises:
        ScheduleError: it cannot be read, has several runs, or no column that counts.
    """
    asked = AuditAsked(step=step, rate=rate, progress=progress)
    state: Any = getattr(log, "state", None)
    if hasattr(state, "log_history"):
        log = {"log_history": state.log_history, "max_steps": state.max_steps}
    elif isinstance(getattr(log, "history", None), Mapping) and hasattr(log, "epoch"):
        log = {**log.history, "epoch": log.epoch}
    if isinstance(log, str | os.PathLike):
        return _file(log, asked, named)
    history = log_history(log)
    if history is not None:
        facts = {name: log[name] for name in TRAINER_FACTS if name in log}
        total = log.get("max_steps")
        total = {"total": total} if isinstance(total, int) and total > 0 else {}
        return _of_rows(history, asked), {"kind": "transformers", **total, **facts}
    if isinstance(log, Mapping):
        return _of_columns(log, asked), {}
    if isinstance(log, Iterable) and not isinstance(log, bytes):
        return _of_rows(log, asked), {}
    fix = "give the path of a log, a log_history, or a dict of columns"
    raise ScheduleError("audit", "needs a log", fix, given=log)


def _file(
    path: str | os.PathLike[str], asked: Asked, named: str | None
) -> tuple[LogTable, dict[str, Any]]:
    tables, said = read_tables(path, asked)
    if named is not None:
        names = [table.name for table in tables]
        one_of(Call("audit", "named", named), f"is no run of {path}", named, names)
        tables = [table for table in tables if table.name == named]
    if len(tables) > 1:
        names = ", ".join(shorten(table.name) for table in tables[:8])
        rule = f"holds {len(tables)} runs ({names})"
        fix = Fix("give the log of one of them, or its name as {named}", named="…")
        raise ScheduleError(f"Log {str(path)!r}", rule, fix)
    (table,) = tables
    facts: dict[str, Any] = {"notes": tuple(said)} if said else {}
    place = Path(table.where)
    if place.name == STATE:
        state = read_state(place)
        facts |= {"kind": "transformers", "global_step": state.made}
        facts |= {"total": state.planned} if state.planned else {}
    return table, facts


def _of_rows(rows: Iterable[Any], asked: Asked) -> LogTable:
    listed: list[dict[str, Any]] = [dict(row) for row in rows if isinstance(row, Mapping)]
    if not listed:
        fix = "give rows such as {'step': 10, 'learning_rate': 1e-4}"
        raise ScheduleError("audit", "needs a log, and got one without rows", fix)
    return table_of(listed, "the log given", "", asked)


def _of_columns(columns: Mapping[Any, Any], asked: Asked) -> LogTable:
    found: dict[str, Floats] = {}
    for name, values in columns.items():
        try:
            column = np.array(values, dtype=np.float64)
        except (TypeError, ValueError):
            continue
        if column.ndim == 1:
            found[str(name)] = column
        elif column.ndim == 2:
            found |= {f"{name}_{i}": column[:, i] for i in range(column.shape[1])}
    if len({len(column) for column in found.values()}) != 1:
        lengths = ", ".join(f"{name}: {len(column)}" for name, column in found.items()) or "none"
        rule = f"needs columns of numbers of one length, got {lengths}"
        raise ScheduleError("audit", rule, "give {'step': …, 'lr': …}")
    where = "the columns given"
    step = asked.step_of(where, list(found))
    points = {name: (found[step], values) for name, values in found.items() if name != step}
    return LogTable(where, "", points, step, tuple(found))
