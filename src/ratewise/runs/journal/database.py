"""The file: an SQLite database with one writer."""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
from pathlib import Path
from typing import Any

from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Who

VERSION = 1
APPLICATION = 0x7261_7465  # "rate"

SCHEMA = """
CREATE TABLE tasks (task TEXT PRIMARY KEY, name TEXT, metrics TEXT);
CREATE TABLE runs (
    run TEXT PRIMARY KEY, task TEXT REFERENCES tasks, seed INTEGER, optimizer TEXT,
    updates INTEGER, metrics TEXT, losses BLOB, diverged INTEGER, error TEXT
) WITHOUT ROWID;
CREATE TABLE stretches (
    stop TEXT PRIMARY KEY, start TEXT, task TEXT REFERENCES tasks, low INTEGER, high INTEGER,
    losses BLOB, seconds REAL, host TEXT, ended REAL
) WITHOUT ROWID;
CREATE TABLE checkpoints (
    state TEXT PRIMARY KEY, root TEXT, updates INTEGER, bytes INTEGER, digest TEXT, needed INTEGER
) WITHOUT ROWID;
CREATE INDEX checkpoints_by_root ON checkpoints (root, updates);
CREATE TABLE commands (command INTEGER PRIMARY KEY, words TEXT);
CREATE TABLE comparisons (
    comparison INTEGER PRIMARY KEY, begun REAL, ended REAL, host TEXT, asked INTEGER,
    planned INTEGER, trained INTEGER, runs INTEGER, finished INTEGER, doing TEXT, pid INTEGER
);
"""

LATER = (
    "CREATE TABLE IF NOT EXISTS rates "
    "(run TEXT PRIMARY KEY, name TEXT, peak REAL, rates BLOB) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS findings "
    "(task TEXT, what TEXT, found TEXT, PRIMARY KEY (task, what)) WITHOUT ROWID",
)
"""Made in journals of before, too: what a run was called and the rate of every update of it, and
what range tests have found."""


def connect(path: Path) -> sqlite3.Connection:
    """Open a journal for writing, making it if it is not there.

    Raises:
        ScheduleError: it cannot be written, is no journal, or is of a newer version.
    """
    who = Call("compare", "journal", str(path))
    try:
        new = not path.exists() or not path.stat().st_size
        file = sqlite3.connect(path, isolation_level=None)
        if new:
            file.execute("PRAGMA journal_mode=WAL")
            file.executescript(
                f"BEGIN; {SCHEMA} PRAGMA application_id={APPLICATION};"
                f"PRAGMA user_version={VERSION}; COMMIT;"
            )
        check(file, who)
        for statement in LATER:
            file.execute(statement)
        file.execute("PRAGMA synchronous=FULL")
        file.execute("PRAGMA foreign_keys=ON")
        file.execute("BEGIN IMMEDIATE")
        file.execute("UPDATE comparisons SET ended = ended WHERE 0")
        file.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        rule = f"cannot write there: {error}"
        raise ScheduleError(who, rule, "give a file in a folder that can be written") from None
    return file


def check(file: sqlite3.Connection, who: Who) -> None:
    """Refuse a file that is no journal, or of a newer version."""
    (application,) = file.execute("PRAGMA application_id").fetchone()
    (version,) = file.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise ScheduleError(who, "is no journal of ratewise", "give another file")
    if version > VERSION:
        rule = f"is a journal of version {version}, and this is version {VERSION}"
        raise ScheduleError(who, rule, "upgrade ratewise, or give another file")


class Lock:
    """Keeps other drivers away from a journal; let go when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            who, rule = Call("compare", "journal", str(path)), f"cannot write there: {error}"
            fix = "give a file in a folder that can be written"
            raise ScheduleError(who, rule, fix) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 200).decode(errors="replace").strip()
            os.close(self._file)
            who = Call("compare", "journal", str(path))
            rule = f"is being written by another comparison ({holder})"
            raise ScheduleError(who, rule, "wait for it, or give another file") from None
        os.ftruncate(self._file, 0)
        os.write(self._file, f"process {os.getpid()} on {socket.gethostname()}\n".encode())

    def release(self) -> None:
        """Let others in."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def blob(values: Any) -> bytes:
    """Return float64[k] as bytes."""
    return values.astype("<f8").tobytes()
