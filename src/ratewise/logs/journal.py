"""The journal that `compare` keeps: every run with the exact rate of each update."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ratewise.logs.table import LogTable, unreadable
from ratewise.runs.journal.database import check
from ratewise.schedule import ScheduleError

WINDOWS = 200
"""Points that the losses of a run are averaged to at most; single batches say little."""

NEWEST = (
    "SELECT task FROM stretches WHERE task IN "
    "(SELECT runs.task FROM runs JOIN rates ON rates.run = runs.run) ORDER BY ended DESC LIMIT 1"
)
QUERY = (
    "SELECT rates.name, rates.peak, runs.seed, runs.losses, rates.rates, runs.diverged, "
    "runs.error, runs.optimizer FROM runs JOIN rates ON rates.run = runs.run "
    "WHERE runs.task = ? ORDER BY rates.name, rates.peak, runs.seed"
)


class StoredRun(NamedTuple):
    """One run as `QUERY` returns it; arrays are the bytes of float64."""

    name: str
    peak: float
    seed: int
    losses: bytes
    rates: bytes
    diverged: int | None
    error: str | None
    optimizer: str | None

    @property
    def called(self) -> str:
        """What it is called."""
        return f"{self.name}, peak {self.peak:g}, seed {self.seed}"


def read(path: Path) -> list[LogTable]:
    """Return every finished run of a journal's newest task, and say which are left out.

    A journal keeps the training loss of every update; metrics it has of the ends of runs only, so
    that they make no curve. Losses are averaged over windows of equal length, and each average
    stands at the middle of its window.

    Raises:
        ScheduleError: it is no journal, holds no run, or was kept before rates were.
    """
    where = str(path)
    try:
        with closing(sqlite3.connect(f"file:{path.absolute()}?mode=ro", uri=True)) as file:
            file.text_factory = partial(str, encoding="utf-8", errors="replace")  # if damaged
            check(file, f"Log {where!r}")
            runs, elsewhere = _runs(file, where)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise unreadable(where, f"cannot be read: {error}") from None
    whole = [run for run in runs if run.diverged is None and run.error is None]
    if not whole:
        raise unreadable(where, "holds no run that ended well", "compare a few schedules first")
    try:
        first, *others = [_table(where, run) for run in whole]
        return [replace(first, said=tuple(_said(where, runs, elsewhere))), *others]
    except (OverflowError, TypeError, ValueError):
        raise unreadable(where, "is damaged", "give a copy that is whole") from None


def _said(where: str, runs: list[StoredRun], elsewhere: int) -> list[str]:
    kind = "training losses, averaged over windows; metrics are known at the ends only"
    said = [f"{where}: {kind}"]
    if elsewhere:
        said.append(f"{where}: {elsewhere} runs of other tasks are left out")
    if len({run.optimizer for run in runs}) > 1:
        said.append(f"{where}: runs of several optimizers, and a law holds for one")
    for run in runs:
        if run.diverged is not None or run.error is not None:
            why = "failed" if run.diverged is None else "diverged"
            said.append(f"{run.called}: left out, it {why}")
    return said


def _runs(file: sqlite3.Connection, where: str) -> tuple[list[StoredRun], int]:
    """Return the runs of the newest task, and how many there are of others."""
    (count,) = file.execute("SELECT COUNT(*) FROM runs").fetchone()
    if not count:
        raise unreadable(where, "holds no finished run yet", "wait until some runs have ended")
    kept = file.execute("SELECT 1 FROM sqlite_master WHERE name = 'rates'").fetchone()
    task = kept and file.execute(NEWEST).fetchone()
    if not task:
        rule = "keeps no rates, since an earlier version wrote it"
        fix = "compare the same again with it: nothing is trained twice, and the rates are added"
        raise ScheduleError(f"Log {where!r}", rule, fix)
    other = "SELECT COUNT(*) FROM runs WHERE task <> ?"
    (elsewhere,) = file.execute(other, task).fetchone()
    return [StoredRun(*row) for row in file.execute(QUERY, task)], elsewhere


def _table(where: str, run: StoredRun) -> LogTable:
    losses, rates = (np.frombuffer(x, "<f8").astype(np.float64) for x in (run.losses, run.rates))
    width = max(len(losses) // WINDOWS, 1)
    count = len(losses) // width
    cut = len(losses) - count * width  # what does not fill a window, at the start
    # The loss of update t was measured after t updates.
    steps = np.floor(cut + (np.arange(count) + 0.5) * width)
    means = losses[cut:].reshape(count, width).mean(axis=1)
    points = steps[steps > 0], means[steps > 0]
    return LogTable(where, run.called, {"loss": points}, names=("step", "loss"), rates=rates)
