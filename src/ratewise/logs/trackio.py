"""The database of a Trackio project: rows of JSON for each run, read without Trackio.

Its table `metrics` has, for each call of `log`, the run (`run_name`, and from version 0.24 on a
`run_id`), the `step` and what was logged as JSON, in which NaN and infinities are words.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ratewise.logs.columns import Asked
from ratewise.logs.gathered import Rows
from ratewise.logs.table import LogTable, unreadable
from ratewise.schedule import ScheduleError

TABLE = "metrics"
NEEDED = {"run_name", "step", "metrics"}
LARGEST = 16_000_000
"""Bytes in a row."""
MOST_RUNS = 1000
OFTEN = 4096
"""Rows between two tellings of how far the reading is."""
STEPS, PATIENT = 1000, 4_000_000
"""Steps of SQLite's machine between two looks, and how many looks it has."""
COPY = "give a copy that is whole"


def holds_metrics(path: Path) -> bool:
    """Whether a database has the table that Trackio keeps."""
    try:
        with closing(_opened(path)) as file:
            return set(_columns(file)) >= NEEDED
    except (sqlite3.Error, OSError, ValueError):
        return False


def read(path: Path, asked: Asked) -> list[LogTable]:
    """Return every run of a Trackio project as a table.

    Raises:
        ScheduleError: it cannot be read, is damaged, or nothing was logged.
    """
    where = str(path)
    try:
        with closing(_opened(path)) as file:
            found = _runs(file, where, asked)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise unreadable(where, f"is damaged: {_told(error)}", COPY) from None
    if not found:
        raise unreadable(where, "holds no run that logged anything", "give the log of a run")
    return found


def _told(error: Exception) -> str:
    return "a text in it is no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _opened(path: Path) -> sqlite3.Connection:
    """Return a database, open for reading alone, in which no statement of its own is trusted."""
    address = "file:" + quote(path.resolve().as_posix())
    try:
        file = sqlite3.connect(f"{address}?mode=ro", uri=True)
        file.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError:  # a folder in which SQLite may put nothing beside it
        file = sqlite3.connect(f"{address}?immutable=1", uri=True)
    file.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    file.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    for setting in ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0", "query_only=ON"):
        file.execute(f"PRAGMA {setting}")
    looks = iter(range(PATIENT))
    file.set_progress_handler(lambda: next(looks, -1) < 0, STEPS)
    return file


def _columns(file: sqlite3.Connection) -> list[str]:
    kind = file.execute("SELECT type FROM sqlite_master WHERE name = ?", (TABLE,)).fetchone()
    if kind is None or kind[0] != "table":
        return []
    return [str(row[1]) for row in file.execute(f"PRAGMA table_info({TABLE})")]


def _runs(file: sqlite3.Connection, where: str, asked: Asked) -> list[LogTable]:
    columns = _columns(file)
    run = "run_id" if "run_id" in columns else "run_name"
    names = dict(
        file.execute(f"SELECT {run}, MAX(run_name) FROM {TABLE} GROUP BY {run}").fetchall()
    )
    if len(names) > MOST_RUNS:
        rule = f"holds {len(names):,} runs, more than {MOST_RUNS:,}"
        raise unreadable(where, rule, "export the one that matters")
    total = int(file.execute(f"SELECT COUNT(*) FROM {TABLE}").fetchone()[0])
    runs = {one: Rows(where, str(called), _shared(asked, len(names)))
            for one, called in names.items()}  # fmt: skip
    size = Path(where).stat().st_size
    asking = f"SELECT {run}, step, {TABLE} FROM {TABLE} ORDER BY rowid"
    for number, (one, step, content) in enumerate(file.execute(asking), 1):
        runs[one].add({**_row(where, number, content), "step": step})
        if asked.progress is not None and number % OFTEN in (0, total % OFTEN):
            asked.progress(size * number // total, size)
    return list(_tables(runs.values()))


def _shared(asked: Asked, runs: int) -> Asked:
    return replace(asked, logs=asked.logs * max(runs, 1))


def _row(where: str, number: int, content: Any) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except (RecursionError, TypeError, ValueError):
        found = None
    if not isinstance(found, dict):
        raise unreadable(where, f"is damaged: row {number:,} is no JSON object", COPY)
    return found


def _tables(runs: Any) -> Iterator[LogTable]:
    """Return the tables of the runs; what one of several lacks does not matter."""
    errors: list[ScheduleError] = []
    count = 0
    for rows in runs:
        try:
            yield rows.table()
            count += 1
        except ScheduleError as error:
            errors.append(error)
    if errors and not count:
        raise errors[0]
