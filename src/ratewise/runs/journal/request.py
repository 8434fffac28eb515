"""What a comparison was asked for on the command line, so that it can be resumed by name."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratewise.runs.journal.database import Lock, check, connect
from ratewise.schedule import ScheduleError


def remember(path: str | os.PathLike[str], words: Mapping[str, Any]) -> None:
    """Keep what a comparison is asked for.

    Raises:
        ScheduleError: the journal cannot be written, or another comparison writes it.
    """
    lock = Lock(Path(path))
    try:
        file = connect(Path(path))
        file.execute("INSERT INTO commands (words) VALUES (?)", (json.dumps(dict(words)),))
        file.close()
    finally:
        lock.release()


def asked_for(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what the last comparison was asked for.

    Raises:
        ScheduleError: there is no journal, or nothing in it was asked for by command.
    """
    who = f"--resume {path}"
    if not Path(path).is_file():
        raise ScheduleError(who, "is no file", "give the journal of a comparison")
    try:
        file = sqlite3.connect(f"file:{Path(path).absolute()}?mode=ro", uri=True)
        check(file, who)
        row = file.execute("SELECT words FROM commands ORDER BY command DESC LIMIT 1").fetchone()
        file.close()
    except sqlite3.Error as error:
        rule = f"cannot be read: {error}"
        raise ScheduleError(who, rule, "give the journal of a comparison") from None
    if row is None:
        rule = "was not begun by this command"
        raise ScheduleError(who, rule, "compare with this journal again from Python")
    return json.loads(row[0])
