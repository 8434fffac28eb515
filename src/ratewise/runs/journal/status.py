"""Looking into a journal while it is written."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

from ratewise.runs.journal.database import is_written, read_only
from ratewise.schedule import ScheduleError


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
        running: Whether a process writes the journal, as far as this one may try.
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
    who = f"status({str(path)!r})"
    with read_only(path, who) as file:
        row = file.execute(
            "SELECT begun, ended, planned, trained, runs, finished, doing "
            "FROM comparisons ORDER BY comparison DESC LIMIT 1"
        ).fetchone()
        (stretches,) = file.execute("SELECT COUNT(*) FROM stretches").fetchone()
        (failed,) = file.execute(
            "SELECT COUNT(*) FROM runs WHERE diverged IS NOT NULL OR error IS NOT NULL"
        ).fetchone()
    if row is None:
        raise ScheduleError(who, "holds no comparison yet", "wait until one has begun")
    begun, ended, planned, trained, runs, finished, doing = row
    seconds = (ended or time.time()) - begun
    running = ended is None and is_written(path)
    pace = trained / seconds if seconds > 0 else 0.0
    left = (planned - trained) / pace if running and pace else None
    done = (runs, finished, failed, trained, planned, stretches)
    return Status(*done, doing or "", running, ended is not None, seconds, left)
