"""The journal that `compare` keeps: every run with the exact rate of each update."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ratewise._arrays import Floats
from ratewise.logs.table import LogTable, unreadable
from ratewise.runs.journal.database import Connection, read_only
from ratewise.runs.journal.table import DamagedRow, Row
from ratewise.runs.journal.tables import RATES, RUNS, STRETCHES
from ratewise.schedule import ScheduleError

WINDOWS = 200
"""Points that the losses of a run are averaged to at most; single batches say little."""

LONGEST, MOST = 2**21, 10**7
"""Updates of a run, and of all runs of a task, that are read from a journal."""


class StoredRun(NamedTuple):
    """One run: what is kept of it, and its curve if it ended well."""

    called: str
    place: tuple[str, float, int]
    left_out: str
    optimizer: str | None
    table: LogTable | None


def read(path: Path) -> list[LogTable]:
    """Return every finished run of a journal's newest task, and say which are left out.

    A journal keeps the training loss of every update; metrics it has of the ends of runs only, so
    that they make no curve. Losses are averaged over windows of equal length, and each average
    stands at the middle of its window.

    Raises:
        ScheduleError: it is no journal, holds no run, is damaged, or too large.
    """
    where = str(path)
    with read_only(path, f"Log {where!r}") as file:
        file.make_room(LONGEST)
        try:
            runs, elsewhere = _runs(file, where)
        except DamagedRow as error:
            raise _damaged(where, str(error)) from None
    tables = [run.table for run in runs if run.table is not None]
    if not tables:
        raise unreadable(where, "holds no run that ended well", "compare a few schedules first")
    return [replace(tables[0], said=tuple(_said(where, runs, elsewhere))), *tables[1:]]


def _said(where: str, runs: list[StoredRun], elsewhere: int) -> list[str]:
    kind = "training losses, averaged over windows; metrics are known at the ends only"
    said = [f"{where}: {kind}"]
    if elsewhere:
        said.append(f"{where}: {elsewhere} runs of other tasks are left out")
    if len({run.optimizer for run in runs}) > 1:
        said.append(f"{where}: runs of several optimizers, and a law holds for one")
    return said + [f"{run.called}: left out, it {run.left_out}" for run in runs if run.left_out]


def _runs(file: Connection, where: str) -> tuple[list[StoredRun], int]:
    """Return the runs of the newest task, in order, and how many there are of others."""
    every = list(RUNS.every(file))
    if not every:
        raise unreadable(where, "holds no finished run yet", "wait until some runs have ended")
    tasks, newest, last = {row["task"] for row in every}, every[0]["task"], -1.0
    for row in STRETCHES.every(file):
        if row["task"] in tasks and row["ended"] > last:
            newest, last = row["task"], row["ended"]
    ours = [row for row in every if row["task"] == newest]
    if sum(row["updates"] for row in ours) > MOST:
        rule = f"holds runs of more than {MOST:,} updates in all"
        raise unreadable(where, rule, "compare in journals of their own")
    found = [_stored(file, where, row) for row in ours]
    return sorted(found, key=lambda run: run.place), len(every) - len(ours)


def _stored(file: Connection, where: str, row: Row) -> StoredRun:
    rates = RATES.one(file, row["run"])
    if rates is None or len(rates["rates"]) != 8 * row["updates"]:
        raise DamagedRow(RATES.name)
    place = rates["name"], rates["peak"], row["seed"]
    called = f"{place[0]}, peak {place[1]:g}, seed {place[2]}"
    failed = "diverged" if row["diverged"] is not None else "failed" if row["error"] else ""
    if row["error"] is not None or failed:
        return StoredRun(called, place, failed or "failed", row["optimizer"], None)
    kept = RUNS.one(file, row["run"])
    if kept is None:
        raise DamagedRow(RUNS.name)
    losses = np.frombuffer(kept["losses"], "<f8")
    if not np.isfinite(losses).all():
        raise DamagedRow(RUNS.name)
    exact = np.frombuffer(rates["rates"], "<f8").astype(np.float64)
    table = _table(where, called, losses, exact)
    return StoredRun(called, place, "", row["optimizer"], table)


def _table(where: str, called: str, losses: Floats, rates: Floats) -> LogTable:
    """Return the losses of a run as means of windows, and its exact rates."""
    width = max(len(losses) // WINDOWS, 1)
    count = len(losses) // width
    cut = len(losses) - count * width  # what does not fill a window, at the start
    # The loss of update t was measured after t updates.
    steps = np.floor(cut + (np.arange(count) + 0.5) * width)
    means = losses[cut:].reshape(count, width).mean(axis=1)
    points = steps[steps > 0], means[steps > 0]
    return LogTable(where, called, {"loss": points}, names=("step", "loss"), rates=rates)


def _damaged(where: str, what: str) -> ScheduleError:
    rule = f"is damaged: rows of {what} are not as they were written"
    return unreadable(where, rule, "compare with it again, which trains anew what is damaged")
