"""What a journal remembers beside runs: what was asked for, and what range tests have found."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ratewise.runs.journal.database import Connection, damaged, read_only, writable, written
from ratewise.runs.journal.owner import Owner
from ratewise.runs.journal.table import DamagedRow
from ratewise.runs.journal.tables import COMMANDS, FINDINGS
from ratewise.runs.journal.values import read_json
from ratewise.runs.keys import identity
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Who
from ratewise.tasks.protocols import Task

PURPOSE = "command"
"""What a command is signed for."""


def remember(path: str | os.PathLike[str], words: Mapping[str, Any]) -> None:
    """Keep what a comparison is asked for on the command line, to resume it by name.

    It is signed: whoever resumes it runs the task that it names.

    Raises:
        ScheduleError: the journal cannot be written, or another comparison writes it.
    """
    text = json.dumps(dict(words))
    with written(Path(path)) as file, writable(file, Call("compare", "journal", str(path))):
        row = {"command": COMMANDS.next_number(file), "words": text}
        COMMANDS.write(file, {**row, "signed": Owner().sign(PURPOSE, text.encode())})


def asked_for(path: str | os.PathLike[str], *, trust: bool = False) -> dict[str, Any]:
    """Return what the last comparison was asked for, to be asked for again.

    Args:
        path: The journal.
        trust: Whether the task that it names may be run, whoever has written it.

    Raises:
        ScheduleError: there is no journal, nothing in it was asked for by command, or somebody
            else has asked for it.
    """
    who = f"--resume {path}"
    text, signature = _last(path, who)
    if not trust and not Owner().signed(PURPOSE, text.encode(), signature):
        rule = "was not begun by you on this machine, and names a task to be run"
        fix = "name the task yourself, or add --trust if you trust whoever has written it"
        raise ScheduleError(who, rule, fix)
    return json.loads(text)


def told_of(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return what the last comparison was asked for, to be looked at and no more.

    Raises:
        ScheduleError: there is no journal, or nothing in it was asked for by command.
    """
    return json.loads(_last(path, f"status({str(path)!r})")[0])


def _last(path: str | os.PathLike[str], who: Who) -> tuple[str, bytes]:
    with read_only(path, who) as file:
        try:
            row = COMMANDS.last(file)
            if row is not None and not isinstance(read_json(row["words"]), dict):
                raise DamagedRow(COMMANDS.name)
        except DamagedRow:
            raise damaged(who, "what it was asked for is not as it was written") from None
        if row is not None:
            return row["words"], row["signed"]
    rule = "was not begun by this command"
    raise ScheduleError(who, rule, "go on with it from Python, where it was begun")


def found_once(
    path: str | os.PathLike[str],
    task: Task,
    what: str,
    make: Callable[[], Any],
    fits: Callable[[Any], bool] = lambda found: True,
) -> Any:
    """Return what was found out about a task before, or find it out now and keep it.

    Args:
        path: The journal.
        task: The task.
        what: What is to be found out, with all that it depends on.
        make: What finds it out: returns JSON types.
        fits: Whether something may have been found; what may not is found out anew.

    Raises:
        ScheduleError: the journal cannot be written, or another one writes it.
    """
    known, _ = identity(task)
    with written(Path(path)) as file:
        found = _known(file, known, what)
        if found is not None and fits(found):
            return found
        found = make()
        with writable(file, Call("compare", "journal", str(path))):
            FINDINGS.write(file, {"task": known, "what": what, "found": json.dumps(found)})
        return found


def _known(file: Connection, task: str, what: str) -> Any:
    try:
        row = FINDINGS.one(file, task, what)
    except DamagedRow:
        return None
    return None if row is None else json.loads(row["found"])
