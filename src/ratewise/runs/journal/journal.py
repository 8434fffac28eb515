"""The journal as a comparison sees it: what is known already, and what is to be kept."""

from __future__ import annotations

import json
import math
import os
import socket
import sqlite3
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ratewise.runs.journal.database import blob, real_path, written
from ratewise.runs.journal.store import open_store
from ratewise.runs.keys import Way
from ratewise.runs.records import Outcome
from ratewise.runs.specs import RunSpec
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call
from ratewise.tasks.protocols import Losses


class Checkpoint(NamedTuple):
    """A state that was saved behind `updates` updates, and the losses until there."""

    updates: int
    digest: str
    state: str
    losses: Losses


class Journal:
    """A journal, open for one comparison.

    Everything that was trained has a name, made of the task, the seed, the optimizer and the exact
    rates until then. A segment is committed in one transaction, behind its checkpoint; what was
    committed is not trained again, by this comparison or by any other of the same task.

    Args:
        path: The SQLite file; checkpoints are beside it, in a folder of the same name.
        disk: Bytes that checkpoints may take beyond those that are needed to go on; those are
            kept for comparisons to come, the newest first.
        checkpoints: Folder of the checkpoints, or an address that fsspec knows.

    Raises:
        ScheduleError: the file cannot be written, is none of ours, or another one writes it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        disk: int = 0,
        checkpoints: str | os.PathLike[str] | None = None,
    ) -> None:
        self.path, self.disk = Path(path), disk
        real = real_path(path)
        beside = real.with_name(real.name + ".checkpoints")
        self.store = open_store(beside if checkpoints is None else checkpoints)
        self.task = ""
        self.reused = 0
        self.damaged = 0
        self._comparison = 0
        with ExitStack() as stack:
            self._file = stack.enter_context(written(self.path))
            states = self._file.execute("SELECT state FROM checkpoints")
            self.store.tidy({row[0] for row in states})
            self._open = stack.pop_all()

    def close(self) -> None:
        """Let go of the file."""
        self._open.close()

    def begin(self, task: str, name: str, metrics: Sequence[str]) -> None:
        """Say what is compared."""
        self.task = task
        row = (task, name, json.dumps(list(metrics)))
        self._write("INSERT OR IGNORE INTO tasks VALUES (?, ?, ?)", row)

    def plan(self, asked: int, planned: int, runs: int, finished: int) -> None:
        """Say how much there is to do."""
        with self._transaction():
            row = (time.time(), socket.gethostname(), asked, planned, runs, finished, os.getpid())
            cursor = self._file.execute(
                "INSERT INTO comparisons "
                "(begun, host, asked, planned, trained, runs, finished, pid) "
                "VALUES (?, ?, ?, ?, 0, ?, ?, ?)",
                row,
            )
            self._comparison = cursor.lastrowid or 0

    def end(self, left: Iterable[Way] = ()) -> None:
        """Say that everything is done, and keep no more checkpoints than the budget allows.

        Args:
            left: Ways to states that are needed all the same, as runs behind them have failed.
        """
        states = [(way.key(self.task),) for way in left]
        with self._transaction():
            row = (time.time(), self._comparison)
            self._file.execute("UPDATE comparisons SET ended = ? WHERE comparison = ?", row)
            self._file.execute("UPDATE checkpoints SET needed = 0")
            self._file.executemany("UPDATE checkpoints SET needed = 1 WHERE state = ?", states)
        self.forget()

    @contextmanager
    def _transaction(self) -> Generator[None]:
        try:
            self._file.execute("BEGIN IMMEDIATE")
            yield
            self._file.execute("COMMIT")
        except BaseException as error:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            if not isinstance(error, sqlite3.OperationalError):
                raise
            rule = f"cannot write to the journal any more: {error}"
            fix = "make room, and compare with the same journal again; what was committed is kept"
            who = Call("compare", "journal", str(self.path))
            raise ScheduleError(who, rule, fix) from error

    def _write(self, statement: str, row: Sequence[Any] = ()) -> None:
        with self._transaction():
            self._file.execute(statement, row)

    # What is known --------------------------------------------------------------------------

    def finished(self, run: RunSpec, metric: str = "") -> tuple[Outcome, Losses] | None:
        """Return what came of a run that was trained before, and its losses; None if it was not.

        One whose code raised, or that measured no number at its end, is to be tried again: what was
        wrong may have been mended since.

        Args:
            run: The run.
            metric: Name of the metric that decides; "" for none.
        """
        row = self._rates_row(run)
        query = "SELECT metrics, losses, diverged FROM runs WHERE run = ? AND error IS NULL"
        found = self._file.execute(query, row[:1]).fetchone()
        if found is None:
            return None
        metrics = {n: float("nan") if v is None else v for n, v in json.loads(found[0]).items()}
        if found[2] is None and not math.isfinite(metrics.get(metric, 0.0)):
            return None
        self._keep_rates(row)
        losses = np.frombuffer(found[1], "<f8").astype(np.float64)
        self.reused += len(losses)
        return Outcome(losses, metrics, diverged=found[2], whole=found[2] is None), losses

    def furthest(self, way: Way, low: int) -> Checkpoint | None:
        """Return the furthest state on the way of a run that is kept behind update `low`, if any.

        Whoever reads the state finds out whether it is whole.
        """
        root = way.until(0).key(self.task)
        rows = self._file.execute(
            "SELECT updates, state, digest FROM checkpoints "
            "WHERE root = ? AND updates > ? AND updates <= ? ORDER BY updates DESC",
            (root, low, len(way.rates)),
        ).fetchall()
        for updates, name, digest in rows:
            if name != way.until(updates).key(self.task):
                continue
            losses = self._losses(name, low)
            if losses is not None:
                return Checkpoint(updates, digest, name, losses)
            self.lose(name)
        return None

    def _losses(self, stop: str, low: int) -> Losses | None:
        """Return the losses from update `low` to a state, segment by segment from the end."""
        pieces: list[Losses] = []
        while True:
            row = self._file.execute(
                "SELECT start, low, losses FROM stretches WHERE stop = ?", (stop,)
            ).fetchone()
            if row is None:
                return None
            losses = np.frombuffer(row[2], "<f8").astype(np.float64)
            pieces.append(losses[max(low - row[1], 0) :])
            if row[1] <= low:
                return np.concatenate(pieces[::-1])
            stop = row[0]

    def lose(self, name: str) -> None:
        """Forget a checkpoint that is damaged; it is trained again from the one before it."""
        self.damaged += 1
        self._write("DELETE FROM checkpoints WHERE state = ?", (name,))
        self.store.remove(name)

    # What is kept ---------------------------------------------------------------------------

    def commit(
        self,
        way: Way,
        low: int,
        losses: Losses,
        *,
        kept: tuple[int, str] | None = None,
        runs: Mapping[RunSpec, tuple[Outcome, Losses]] | None = None,
        seconds: float = 0.0,
    ) -> None:
        """Keep a segment that was trained from update `low` to the end of a way, or not at all.

        Args:
            way: From the start of the run to the end of the segment.
            low: Update at which it began.
            losses: Losses of the segment.
            kept: Bytes and SHA-256 of the state at its end, written before, if others need it.
            runs: What came of the runs that have ended with it, and their losses.
            seconds: Time that it took.

        Raises:
            ScheduleError: it cannot be written; what was committed before is kept.
        """
        stop, updates = way.key(self.task), len(way.rates)
        with self._transaction():
            if len(losses):
                start = way.until(low).key(self.task)
                row = (stop, start, self.task, low, updates, blob(losses), seconds)
                self._insert("stretches", (*row, socket.gethostname(), time.time()))
            if kept is not None:
                root = way.until(0).key(self.task)
                self._insert("checkpoints", (stop, root, updates, *kept, 1))
            for run, (outcome, all_losses) in (runs or {}).items():
                self._insert("runs", self._run_row(run, outcome, all_losses))
                self._insert("rates", self._rates_row(run))
            self._count(len(losses), len(runs or {}))

    def _run_row(self, run: RunSpec, outcome: Outcome, losses: Losses) -> tuple[Any, ...]:
        metrics = {n: v if np.isfinite(v) else None for n, v in outcome.metrics.items()}
        what = (self._rates_row(run)[0], self.task, run.seed, run.optimizer, len(run.rates))
        return (*what, json.dumps(metrics), blob(losses), outcome.diverged, outcome.error)

    def _rates_row(self, run: RunSpec) -> tuple[Any, ...]:
        return run.way.key(self.task), run.name, run.peak, blob(run.rates)

    def _keep_rates(self, row: tuple[Any, ...]) -> None:
        """Keep the rates of a run that was trained before they were kept."""
        if not self._file.execute("SELECT 1 FROM rates WHERE run = ?", row[:1]).fetchone():
            with self._transaction():
                self._insert("rates", row)

    def _insert(self, table: str, row: tuple[Any, ...]) -> None:
        marks = ", ".join("?" * len(row))
        self._file.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", row)

    def _count(self, trained: int, finished: int) -> None:
        self._file.execute(
            "UPDATE comparisons SET trained = trained + ?, finished = finished + ? "
            "WHERE comparison = ?",
            (trained, finished, self._comparison),
        )

    def doing(self, what: str) -> None:
        """Say what is being trained, for whoever looks on."""
        row = (what, self._comparison)
        self._write("UPDATE comparisons SET doing = ? WHERE comparison = ?", row)

    def claim(self, ways: Iterable[tuple[Way, int]]) -> None:
        """Say that the states from which some ways can go on are needed.

        Args:
            ways: Each with the update to be behind of.
        """
        if self._file.execute("SELECT 1 FROM checkpoints WHERE NOT needed").fetchone() is None:
            return
        states = [found.state for way in ways if (found := self.furthest(*way)) is not None]
        with self._transaction():
            query = "UPDATE checkpoints SET needed = 1 WHERE state = ?"
            self._file.executemany(query, [(state,) for state in states])

    def need(self, name: str) -> None:
        """Say that a state is needed again."""
        self._write("UPDATE checkpoints SET needed = 1 WHERE state = ?", (name,))

    def release(self, way: Way) -> None:
        """Say that no run needs a state any more; it goes when the budget is full."""
        self._write("UPDATE checkpoints SET needed = 0 WHERE state = ?", (way.key(self.task),))
        self.forget()

    def forget(self) -> None:
        """Remove checkpoints that nobody needs, the least recent first, down to the budget."""
        query = "SELECT state, bytes FROM checkpoints WHERE NOT needed ORDER BY updates DESC"
        room = self.disk
        for name, size in self._file.execute(query).fetchall():
            room -= size
            if room < 0:
                self._write("DELETE FROM checkpoints WHERE state = ?", (name,))
                self.store.remove(name)
