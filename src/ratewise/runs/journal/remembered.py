"""What a journal remembers beside runs: what was asked for, and what range tests have found."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ratewise.runs.journal.database import read_only, written
from ratewise.runs.keys import identity
from ratewise.schedule import ScheduleError
from ratewise.tasks.protocols import Task


def remember(path: str | os.PathLike[str], words: Mapping[str, Any]) -> None:
    """Keep what a comparison is asked for on the command line, to resume it by name.

    Raises:
        ScheduleError: the journal cannot be written, or another comparison writes it.
    """
    with written(Path(path)) as file:
        file.execute("INSERT INTO commands (words) VALUES (?)", (json.dumps(dict(words)),))


def asked_for(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what the last comparison was asked for.

    Raises:
        ScheduleError: there is no journal, or nothing in it was asked for by command.
    """
    who = f"--resume {path}"
    with read_only(path, who) as file:
        row = file.execute("SELECT words FROM commands ORDER BY command DESC LIMIT 1").fetchone()
    if row is None:
        rule = "was not begun by this command"
        raise ScheduleError(who, rule, "go on with it from Python, where it was begun")
    return json.loads(row[0])


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
    known, _ = identity(task)
    with written(Path(path)) as file:
        query = "SELECT found FROM findings WHERE task = ? AND what = ?"
        row = file.execute(query, (known, what)).fetchone()
        if row is not None:
            return json.loads(row[0])
        found = make()
        file.execute("INSERT INTO findings VALUES (?, ?, ?)", (known, what, json.dumps(found)))
        return found
