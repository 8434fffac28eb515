"""The journal as a comparison sees it: what is known already, and what is to be kept."""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ratewise.runs.journal.database import (
    blob,
    clear,
    damaged,
    reading,
    real_path,
    unwritable,
    writable,
    written,
)
from ratewise.runs.journal.known import could_be, floats, losses_between
from ratewise.runs.journal.store import open_store
from ratewise.runs.journal.table import DamagedRow, Row
from ratewise.runs.journal.tables import CHECKPOINTS, COMPARISONS, RATES, RUNS, STRETCHES, TASKS
from ratewise.runs.journal.values import LONGEST
from ratewise.runs.keys import Way
from ratewise.runs.records import Outcome
from ratewise.runs.specs import RunSpec
from ratewise.schedule.errors import Call
from ratewise.tasks.protocols import Losses

MOST_STATES = 100_000
"""Checkpoints of a journal; nobody has a folder with more."""

MOST_FORKS = 4096
"""States of one root that are looked at for the furthest."""


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
        trust: Whether states are read that take code to read, and that another user has written.

    Raises:
        ScheduleError: the file cannot be written, is none of ours, or another one writes it.

    Attributes:
        reused: Updates that were taken from it.
        damaged: Rows and checkpoints that were not as they were written, and are trained again.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        disk: int = 0,
        checkpoints: str | os.PathLike[str] | None = None,
        *,
        trust: bool = False,
    ) -> None:
        self.path, self.disk = Path(path), disk
        self.task = ""
        self.reused = 0
        self.damaged = 0
        self._who = Call("compare", "journal", str(path))
        self._comparison: Row = {}
        with ExitStack() as stack:
            self._file = stack.enter_context(written(self.path))
            real = real_path(path)
            beside = real.with_name(real.name + ".checkpoints")
            self.store = open_store(beside if checkpoints is None else checkpoints, trust)
            with writable(self._file, self._who):
                self.damaged = clear(self._file, real, self._who)
            self._tidy()
            self._open = stack.pop_all()

    def _tidy(self) -> None:
        """Remove the files of states that nobody knows of."""
        try:
            with reading(self._who):
                query = "SELECT state FROM checkpoints LIMIT ?"
                known = {row[0] for row in self._file.execute(query, (MOST_STATES + 1,))}
            if len(known) > MOST_STATES:
                raise damaged(self._who, f"it names more than {MOST_STATES:,} checkpoints")
            self.store.tidy(known)
        except OSError as error:
            raise unwritable(self._who, error) from None

    def close(self) -> None:
        """Let go of the file."""
        self._open.close()

    def begin(self, task: str, name: str, metrics: Sequence[str]) -> None:
        """Say what is compared."""
        self.task = task
        with self._transaction():
            row = {"task": task, "name": name, "metrics": json.dumps(list(metrics))}
            TASKS.write(self._file, row)

    def plan(self, asked: int, planned: int, runs: int, finished: int) -> None:
        """Say how much there is to do."""
        with self._transaction():
            self._comparison = {
                "comparison": COMPARISONS.next_number(self._file),
                "begun": _now(),
                "ended": None,
                "host": socket.gethostname(),
                "asked": asked,
                "planned": planned,
                "trained": 0,
                "runs": runs,
                "finished": finished,
                "doing": "",
                "pid": os.getpid(),
            }
            COMPARISONS.write(self._file, self._comparison)

    def end(self, left: Iterable[Way] = ()) -> None:
        """Say that everything is done, and keep no more checkpoints than the budget allows.

        Args:
            left: Ways to states that are needed all the same, as runs behind them have failed.
        """
        states = [(way.key(self.task),) for way in left]
        with self._transaction():
            self._note(ended=_now())
            self._file.execute("UPDATE checkpoints SET needed = 0")
            self._file.executemany("UPDATE checkpoints SET needed = 1 WHERE state = ?", states)
        self.forget()

    def _note(self, **told: Any) -> None:
        """Say how far the comparison is; before there is a plan there is none."""
        if self._comparison:
            self._comparison |= told
            COMPARISONS.write(self._file, self._comparison)

    def _transaction(self) -> AbstractContextManager[None]:
        return writable(self._file, self._who)

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
        name = run.way.key(self.task)
        self._file.make_room(len(run.rates))
        with reading(self._who):
            row = self._whole(name, run)
        if row is None:
            return None
        metrics = {n: math.nan if v is None else v for n, v in json.loads(row["metrics"]).items()}
        losses, diverged = floats(row["losses"]), row["diverged"]
        if diverged is None and not math.isfinite(
            metrics.get(metric, 0.0 if not metric else math.nan)
        ):
            return None
        self.reused += len(losses)
        return Outcome(losses, metrics, diverged=diverged, whole=diverged is None), losses

    def _whole(self, name: str, run: RunSpec) -> Row | None:
        """Return the row of a run that has ended and can be told of, with its rates beside it."""
        try:
            row = RUNS.one(self._file, name)
            if row is None or row["error"] is not None:
                return None
            if not could_be(row, len(run.rates)):
                raise DamagedRow(RUNS.name)
        except DamagedRow:
            self.damaged += 1
            return None
        try:
            known = RATES.one(self._file, name)
        except DamagedRow:
            known = None
        if known is None or known["rates"] != blob(run.rates):
            with self._transaction():
                RATES.write(self._file, _rates_row(name, run))
        return row

    def furthest(self, way: Way, low: int) -> Checkpoint | None:
        """Return the furthest state on the way of a run that is kept behind update `low`, if any.

        Whoever reads the state finds out whether it is whole.
        """
        self._file.make_room(len(way.rates))
        root = way.until(0).key(self.task)
        asked = "WHERE root = ? AND updates > ? AND updates <= ? ORDER BY updates DESC LIMIT ?"
        with reading(self._who):
            values = (root, low, len(way.rates), MOST_FORKS)
            rows = [row for row in CHECKPOINTS.read(self._file, asked, values, long=False) if row]
            for row in rows:
                updates, name = row["updates"], row["state"]
                if row["root"] != root or name != way.until(updates).key(self.task):
                    continue
                losses = self._losses(way, updates, low)
                if losses is not None:
                    return Checkpoint(updates, row["sha256"], name, losses)
                self.lose(name)
        return None

    def _losses(self, way: Way, updates: int, low: int) -> Losses | None:
        """Return the losses from update `low` to a state; None where they are not all there."""
        try:
            return losses_between(self._file, self.task, way.until(updates), low)
        except DamagedRow:
            self.damaged += 1
            return None

    def lose(self, name: str) -> None:
        """Forget a checkpoint that is damaged; it is trained again from the one before it."""
        self.damaged += 1
        with self._transaction():
            CHECKPOINTS.remove(self._file, name)
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
        self._file.make_room(updates)
        with self._transaction():
            if len(losses):
                stretch = {
                    "stop": stop,
                    "start": way.until(low).key(self.task),
                    "task": self.task,
                    "low": low,
                    "high": updates,
                    "seconds": float(max(seconds, 0.0)),
                    "host": socket.gethostname(),
                    "ended": _now(),
                    "losses": blob(losses),
                }
                STRETCHES.write(self._file, stretch)
            if kept is not None:
                state = {"state": stop, "root": way.until(0).key(self.task), "updates": updates}
                state |= {"bytes": kept[0], "sha256": kept[1], "needed": 1}
                CHECKPOINTS.write(self._file, state)
            for run, (outcome, all_losses) in (runs or {}).items():
                name = run.way.key(self.task)
                self._file.make_room(len(run.rates))
                RUNS.write(self._file, self._run_row(name, run, outcome, all_losses))
                RATES.write(self._file, _rates_row(name, run))
            self._count(len(losses), len(runs or {}))

    def _run_row(self, name: str, run: RunSpec, outcome: Outcome, losses: Losses) -> Row:
        metrics = {n: v if np.isfinite(v) else None for n, v in outcome.metrics.items()}
        return {
            "run": name,
            "task": self.task,
            "seed": run.seed,
            "optimizer": run.optimizer,
            "updates": len(run.rates),
            "metrics": json.dumps(metrics),
            "diverged": None if outcome.diverged is None else int(outcome.diverged),
            "error": None if outcome.error is None else outcome.error[:LONGEST],
            "losses": blob(losses),
        }

    def _count(self, trained: int, finished: int) -> None:
        told = self._comparison
        if told:
            more = {"trained": trained, "finished": finished}
            self._note(**{name: told[name] + by for name, by in more.items()})

    def doing(self, what: str) -> None:
        """Say what is being trained, for whoever looks on."""
        with self._transaction():
            self._note(doing=what)

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
        with reading(self._who):
            loose = "WHERE NOT needed ORDER BY updates DESC"
            rows = list(CHECKPOINTS.read(self._file, loose, long=False))
        room, gone = self.disk, list[str]()
        for row in filter(None, rows):
            room -= row["bytes"]
            if room < 0:
                gone.append(row["state"])
        if not gone:
            return
        with self._transaction():
            for name in gone:
                CHECKPOINTS.remove(self._file, name)
        for name in gone:
            self.store.remove(name)


def _rates_row(name: str, run: RunSpec) -> Row:
    return {"run": name, "name": run.name, "peak": float(run.peak), "rates": blob(run.rates)}


def _now() -> float:
    """Return the time; a clock before 1970 stands still."""
    return max(time.time(), 0.0)
