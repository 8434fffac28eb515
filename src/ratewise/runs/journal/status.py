"""Looking into a journal while it is written."""

from __future__ import annotations

import os
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from ratewise.runs.journal.database import check
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call


@dataclass(frozen=True)
class Status:
    """How far the last comparison of a journal is.

    Args:
        runs: Runs that were asked for.
        finished: Runs that are finished.
        failed: Runs of the whole journal that diverged or raised.
        trained: Updates trained by it.
        planned: Updates that it had to train when it began.
        stretches: Stretches in the journal.
        doing: What is being trained, or was trained last.
        running: Whether its process is alive, as far as this machine can tell.
        ended: Whether it came to its end.
        seconds: Time since it began, or that it took.
        left: Seconds that are left at the pace so far; None if that cannot be said.
    """

    runs: int
    finished: int
    failed: int
    trained: int
    planned: int
    stretches: int
    doing: str
    running: bool
    ended: bool
    seconds: float
    left: float | None


def status(path: str | os.PathLike[str]) -> Status:
    """Return how far the last comparison of a journal is, without disturbing it.

    Raises:
        ScheduleError: there is no journal, or it holds no comparison.
    """
    who = Call("status", value=str(path))
    if not Path(path).is_file():
        raise ScheduleError(who, "is no file", "give the journal of a comparison")
    try:
        file = sqlite3.connect(f"file:{Path(path).absolute()}?mode=ro", uri=True)
        check(file, who)
        row = file.execute(
            "SELECT begun, ended, planned, trained, runs, finished, doing, pid "
            "FROM comparisons ORDER BY comparison DESC LIMIT 1"
        ).fetchone()
        (stretches,) = file.execute("SELECT COUNT(*) FROM stretches").fetchone()
        (failed,) = file.execute(
            "SELECT COUNT(*) FROM runs WHERE diverged IS NOT NULL OR error IS NOT NULL"
        ).fetchone()
        file.close()
    except sqlite3.Error as error:
        rule = f"cannot be read: {error}"
        raise ScheduleError(who, rule, "give the journal of a comparison") from None
    if row is None:
        raise ScheduleError(who, "holds no comparison yet", "wait until one has begun")
    begun, ended, planned, trained, runs, finished, doing, pid = row
    seconds = (ended or time.time()) - begun
    running = ended is None and _alive(pid)
    pace = trained / seconds if seconds > 0 else 0.0
    left = (planned - trained) / pace if running and pace else None
    done = (runs, finished, failed, trained, planned, stretches)
    return Status(*done, doing or "", running, ended is not None, seconds, left)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
