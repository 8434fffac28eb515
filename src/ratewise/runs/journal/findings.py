"""Range tests in a journal: none is made twice."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ratewise.runs.journal.database import Lock, connect
from ratewise.runs.keys import fingerprint
from ratewise.tasks.protocols import Task


def found_once(path: str | os.PathLike[str], task: Task, what: str, make: Callable[[], Any]) -> Any:
    """Return what was found out about a task before, or find it out now and keep it.

    Args:
        path: The journal.
        task: The task.
        what: What is to be found out, with all that it depends on.
        make: What finds it out: returns JSON types.

    Raises:
        ScheduleError: the journal cannot be written, or another one writes it.
    """
    run = task.open(0)
    known = fingerprint(task, run.save(), dict(run.measure()))
    del run
    lock = Lock(Path(path))
    try:
        file = connect(Path(path))
        query = "SELECT found FROM findings WHERE task = ? AND what = ?"
        row = file.execute(query, (known, what)).fetchone()
        if row is not None:
            return json.loads(row[0])
        found = make()
        file.execute("INSERT INTO findings VALUES (?, ?, ?)", (known, what, json.dumps(found)))
        file.close()
        return found
    finally:
        lock.release()
