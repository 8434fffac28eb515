"""The file: an SQLite database with one writer."""

from __future__ import annotations

import contextlib
import os
import socket
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Who

VERSION = 2
"""1 named runs by fingerprints that could be the same for two tasks; it can still be read."""
APPLICATION = 0x7261_7465  # "rate"
MAGIC = b"SQLite format 3\0"
"""How every database of SQLite begins."""

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

PATIENCE = 0.5
"""Seconds for which a journal is waited for: whoever asks how far it is holds it for a moment."""


@contextmanager
def written(path: Path) -> Generator[sqlite3.Connection]:
    """Open a journal for writing, making it if it is not there; meanwhile nobody else writes it.

    Raises:
        ScheduleError: it cannot be written, is no journal or of a newer version, or another
            process writes it.
    """
    who, real = Call("compare", "journal", str(path)), real_path(path)
    _refuse_other(real, who)
    with _locked(real, who), closing(_connect(real, who)) as file:
        yield file


def _refuse_other(path: Path, who: Who) -> None:
    """Refuse a file that is no database before a lock is put beside it."""
    if path.is_dir():
        raise ScheduleError(who, "is a folder", "give a file")
    if path.is_file():
        try:
            with path.open("rb") as file:
                begins = file.read(len(MAGIC))
        except OSError as error:
            raise _unwritable(who, error) from None
        if begins and begins != MAGIC:
            raise _unwritable(who, sqlite3.DatabaseError("file is not a database"))


@contextmanager
def read_only(path: str | os.PathLike[str], who: Who) -> Generator[sqlite3.Connection]:
    """Open a journal to look into it, without disturbing whoever writes it.

    Raises:
        ScheduleError: there is none, or it cannot be read.
    """
    fix = "give the journal of a comparison"
    if not Path(path).is_file():
        raise ScheduleError(who, "is no file", fix)
    try:
        address = f"{Path(path).absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as file:
            check(file, who)
            yield file
    except sqlite3.Error as error:
        raise ScheduleError(who, f"cannot be read: {error}", fix) from None


def real_path(path: str | os.PathLike[str]) -> Path:
    """Return the file that a path leads to, so that all links to it are one journal."""
    return Path(os.path.realpath(path))


def is_written(path: str | os.PathLike[str]) -> bool:
    """Tell whether a process writes a journal; where that may not be tried, it might."""
    lock = _beside(real_path(path), "lock")
    if not lock.exists():
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except OSError:  # held, or not ours to try
        return True


@contextmanager
def _locked(path: Path, who: Who) -> Generator[None]:
    """Keep other writers away; the system lets them in when this process ends, however it ends.

    Who writes stands in a file of its own, as one that is locked cannot be read on every system.
    """
    lock, writer = FileLock(_beside(path, "lock"), thread_local=False), _beside(path, "writer")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE)
        writer.write_text(f"process {os.getpid()} on {socket.gethostname()}", encoding="utf-8")
    except Timeout:
        holder = writer.read_text(encoding="utf-8") if writer.exists() else "a process"
        rule = f"is being written by another comparison ({holder})"
        raise ScheduleError(who, rule, "wait for it, or give another file") from None
    except OSError as error:
        lock.release()
        raise _unwritable(who, error) from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            writer.unlink(missing_ok=True)
        lock.release()


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.name}.{ending}")


def _connect(path: Path, who: Who) -> sqlite3.Connection:
    file: sqlite3.Connection | None = None
    try:
        new = not path.exists() or not path.stat().st_size
        if not new and path.stat().st_nlink > 1:
            rule = "is one file under several names, each of which SQLite would write on its own"
            raise ScheduleError(who, rule, "remove the other hard links, or give a copy")
        file = sqlite3.connect(path, isolation_level=None)
        if new:
            file.execute("PRAGMA journal_mode=WAL")
            file.executescript(
                f"BEGIN; {SCHEMA} PRAGMA application_id={APPLICATION};"
                f"PRAGMA user_version={VERSION}; COMMIT;"
            )
        if check(file, who) < VERSION:
            rule = "is of an older version, whose names of runs do not tell all tasks apart"
            raise ScheduleError(who, rule, "give a new file; this one can still be read as a log")
        for statement in LATER:
            file.execute(statement)
        file.execute("PRAGMA synchronous=FULL")
        file.execute("PRAGMA foreign_keys=ON")
        file.execute("BEGIN IMMEDIATE")
        file.execute("UPDATE comparisons SET ended = ended WHERE 0")
        file.execute("COMMIT")
    except BaseException as error:
        if file is not None:
            file.close()
        if isinstance(error, sqlite3.Error | OSError):
            raise _unwritable(who, error) from None
        raise
    return file


def check(file: sqlite3.Connection, who: Who) -> int:
    """Return the version of a journal; refuse a file that is none, or of a newer version."""
    (application,) = file.execute("PRAGMA application_id").fetchone()
    (version,) = file.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise ScheduleError(who, "is no journal of ratewise", "give another file")
    if version > VERSION:
        rule = f"is a journal of version {version}, and this is version {VERSION}"
        raise ScheduleError(who, rule, "upgrade ratewise, or give another file")
    return version


def _unwritable(who: Who, error: Exception) -> ScheduleError:
    fix = "give a file in a folder that can be written"
    return ScheduleError(who, f"cannot write there: {error}", fix)


def blob(values: Any) -> bytes:
    """Return float64[k] as bytes."""
    return values.astype("<f8").tobytes()
