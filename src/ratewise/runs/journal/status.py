"""Looking into a journal while it is written."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratewise.runs.journal.database import damaged, read_only, real_path
from ratewise.runs.journal.lock import is_written
from ratewise.runs.journal.table import DamagedRow
from ratewise.runs.journal.tables import COMPARISONS, FINDINGS, RUNS
from ratewise.runs.journal.values import read_json
from ratewise.schedule import ScheduleError

MOST_COUNTED = 500_000
"""Stretches that are counted."""


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
        lists: Lists of runs that were trained, of which this is the last.
        altogether: Updates trained for all of them, and for range tests before them.
        since: Seconds since the first of them began, or until the last one ended.
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
    lists: int = 1
    altogether: int = 0
    since: float = 0.0


def status(path: str | os.PathLike[str]) -> Status:
    """Return how far the last comparison of a journal is, without disturbing it.

    Raises:
        ScheduleError: there is no journal, it holds no comparison, or is damaged.
    """
    who = f"status({str(path)!r})"
    with read_only(path, who) as file:
        try:
            last = COMPARISONS.last(file)
            lists = list(COMPARISONS.every(file))
            climbed = sum(map(_updates, FINDINGS.every(file)))
            failed = sum(
                row["diverged"] is not None or row["error"] is not None for row in RUNS.every(file)
            )
        except DamagedRow as error:
            raise damaged(who, f"rows of {error} are not as they were written") from None
        count = "SELECT COUNT(*) FROM (SELECT 1 FROM stretches LIMIT ?)"
        (stretches,) = file.execute(count, (MOST_COUNTED,)).fetchone()
    if last is None:
        raise ScheduleError(who, "holds no comparison yet", "wait until one has begun")
    ended, planned, trained = last["ended"], last["planned"], last["trained"]
    seconds = max(0.0, (time.time() if ended is None else ended) - last["begun"])
    running = ended is None and is_written(real_path(path))
    pace = trained / seconds if seconds > 0 else 0.0
    left = max(planned - trained, 0) / pace if running and pace else None
    done = (last["runs"], last["finished"], failed, trained, planned, stretches)
    altogether = climbed + sum(row["trained"] for row in lists)
    first = min(row["begun"] for row in lists)
    since = max(0.0, (time.time() if ended is None else ended) - first)
    told = last["doing"], running, ended is not None, seconds, left
    return Status(*done, *told, len(lists), altogether, since)


def _updates(row: Mapping[str, Any]) -> int:
    """Return the updates of a range test that was kept; of what else was found out, none."""
    found: Any = read_json(row["found"])
    if not row["what"].startswith("find ") or not isinstance(found, list):
        return 0
    return sum(len(one) for one in found if isinstance(one, list))  # pyright: ignore
