"""The file: an SQLite database with one writer, of which nothing is believed that is not sealed."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ratewise.runs.journal.lock import beside, file_locked, locked, ordinary
from ratewise.runs.journal.table import DamagedRow
from ratewise.runs.journal.tables import INDEX, MEASURED, TABLES, expected
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Who

VERSION = 3
"""1 named runs by fingerprints that could be the same for two tasks, 2 had no seals."""
APPLICATION = 0x7261_7465  # "rate"

CHECKED = 2**25
"""Bytes up to which a journal is checked from end to end before it is written."""

LARGEST = 2**24
"""Bytes in a row, beside those that the updates of a run take."""

STEPS = 1000
"""Steps of SQLite's machine between two looks at how many there were."""

PATIENT = 4000
"""So many of them whoever reads a journal waits for: about a second."""

_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: LARGEST,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 10_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 40,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 20,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 4,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}

_OF_A_ROW = re.compile(r"\S+ value in \w+\.\w+")
"""What SQLite says of a value of another kind than its column: its row has no right seal."""

_SETTINGS = ("trusted_schema=OFF", "cell_size_check=ON", "mmap_size=0")

GIVE = "give a file in a folder that can be written"


BROKEN = (sqlite3.Error, UnicodeDecodeError)
"""What is raised of a broken file: what SQLite says of one may itself be no text."""


class Connection(sqlite3.Connection):
    """A journal, open: rows up to a size that what is asked for decides."""

    _room = LARGEST

    def make_room(self, updates: int) -> None:
        """Let rows be as long as so many updates make them."""
        if LARGEST + 16 * updates > self._room:
            self._room = LARGEST + 16 * updates
            self.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, self._room)


@contextmanager
def written(path: Path) -> Generator[Connection]:
    """Open a journal for writing, making it if it is not there; meanwhile nobody else writes it.

    Raises:
        ScheduleError: it cannot be written, is no journal, damaged or of another version, or
            another process writes it.
    """
    who = Call("compare", "journal", str(path))
    with ExitStack() as stack:
        try:
            real = real_path(path)
            if _size(real, who):
                with closing(_reading(real)) as file:  # refused before a lock is put beside it
                    check(file, who)
            stack.enter_context(locked(real, who))
            if not _size(real, who):
                _make(real)
            if real.stat().st_nlink > 1:
                rule = "is one file under several names, each of which SQLite would write alone"
                raise ScheduleError(who, rule, "remove the other hard links, or give a copy")
            stack.enter_context(file_locked(real, who))
            file = stack.enter_context(closing(_writing(real, who)))
        except (sqlite3.Error, OSError, ValueError) as error:
            if isinstance(error, ScheduleError):
                raise
            raise unwritable(who, error) from None
        with reading(who):
            yield file


@contextmanager
def reading(who: Who) -> Generator[None]:
    """Tell what SQLite finds broken as one error.

    Raises:
        ScheduleError: the journal is damaged, or cannot be read.
    """
    try:
        yield
    except BROKEN as error:
        raise damaged(who, told(error)) from error


@contextmanager
def writable(file: sqlite3.Connection, who: Who) -> Generator[None]:
    """Write what is written within, or nothing of it.

    Raises:
        ScheduleError: there is no room, or the journal is damaged; what was committed is kept.
    """
    try:
        file.execute("BEGIN IMMEDIATE")
        yield
        file.execute("COMMIT")
    except BaseException as error:
        if file.in_transaction:
            file.execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError):
            rule = f"cannot write to the journal any more: {error}"
            fix = "make room, and compare with the same journal again; what was committed is kept"
            raise ScheduleError(who, rule, fix) from error
        if isinstance(error, BROKEN):
            raise damaged(who, told(error)) from error
        raise


@contextmanager
def read_only(path: str | os.PathLike[str], who: Who) -> Generator[Connection]:
    """Open a journal to look into it, without disturbing whoever writes it.

    Raises:
        ScheduleError: there is none, or it cannot be read.
    """
    fix = "give the journal of a comparison"
    try:
        real = real_path(path)
        if not real.exists():
            raise ScheduleError(who, "is no file", fix)
        if not _size(real, who):
            raise ScheduleError(who, "is empty", fix)
        file = _reading(real)
    except (sqlite3.Error, OSError, ValueError) as error:
        if isinstance(error, ScheduleError):
            raise
        raise ScheduleError(who, f"cannot be read: {told(error)}", fix) from None
    try:
        with closing(file):
            check(file, who)
            yield file
    except BROKEN as error:
        raise ScheduleError(who, f"cannot be read: {told(error)}", fix) from None


def real_path(path: str | os.PathLike[str]) -> Path:
    """Return the file that a path leads to, so that all links to it are one journal."""
    return Path(os.path.realpath(path))


def address(path: Path) -> str:
    """Return a file as an address, in which no character of its name means anything."""
    name = os.fsencode(path.absolute().as_posix())
    drive = b"" if name.startswith(b"/") else b"/"
    return "file://" + quote(drive + name, safe="/:")


def damaged(who: Who, what: str) -> ScheduleError:
    """Return the error about a journal that is not as it was written."""
    return ScheduleError(who, f"is damaged: {what}", "give a copy that is whole, or a new file")


def unwritable(who: Who, error: Exception) -> ScheduleError:
    """Return what to say when a journal cannot be written."""
    theirs = isinstance(error, sqlite3.OperationalError) or "not a database" in str(error)
    if isinstance(error, BROKEN) and not theirs:
        return damaged(who, told(error))
    return ScheduleError(who, f"cannot write there: {told(error)}", GIVE)


def told(error: Exception) -> str:
    """Return what an error of SQLite or the system says."""
    said = "it takes too long" if str(error) == "interrupted" else str(error)
    if isinstance(error, UnicodeDecodeError):
        said = "a text in it is no UTF-8"
    return f"{error.strerror}" if isinstance(error, OSError) and error.strerror else said


def _size(path: Path, who: Who) -> int:
    """Return the size of a file, 0 if there is none; refuse what is no ordinary one.

    SQLite would undo what a rollback journal beside a file says, which ours never have: that can
    name other files, to be deleted.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0
    if stat.S_ISDIR(found.st_mode):
        raise ScheduleError(who, "is a folder", "give a file")
    if not stat.S_ISREG(found.st_mode):
        raise ScheduleError(who, "is no ordinary file", "give the name of a file")
    other = path.with_name(path.name + "-journal")
    if os.path.lexists(other):
        rule = f"has {other.name!r} beside it, which no journal of ratewise has"
        raise ScheduleError(who, rule, "remove that, or give another file")
    for other in (path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        if os.path.lexists(other) and not ordinary(other):
            rule = f"has {other.name!r} beside it, which is no ordinary file"
            raise ScheduleError(who, rule, "remove that, or give another file")
    return found.st_size


def _reading(path: Path) -> Connection:
    """Open a file for reading; one that nobody writes is read where nothing can be written, too."""
    log = path.with_name(path.name + "-wal")
    still = not log.exists() or not log.stat().st_size
    file = _connected(path, "mode=ro&immutable=1" if still else "mode=ro")
    file.execute("PRAGMA query_only=ON")
    left = iter(range(PATIENT))
    file.set_progress_handler(lambda: next(left, None) is None, STEPS)
    return file


def _connected(path: Path, how: str) -> Connection:
    file = sqlite3.connect(
        f"{address(path)}?{how}", uri=True, isolation_level=None, factory=Connection
    )
    for limit, most in _LIMITS.items():
        file.setlimit(limit, most)
    file.text_factory = lambda raw: str(raw, "utf-8", "surrogateescape")
    for setting in _SETTINGS:
        file.execute(f"PRAGMA {setting}")
    return file


def _make(path: Path) -> None:
    """Make a journal beside its name and move it there, so that it is whole whenever it is seen."""
    part = beside(path, "new")
    for ending in ("", "-wal", "-shm", "-journal"):
        part.with_name(part.name + ending).unlink(missing_ok=True)
    with closing(_connected(part, "mode=rwc")) as file:
        file.execute("PRAGMA journal_mode=WAL")
        file.execute("BEGIN")
        for statement in (*(table.sql for table in TABLES), INDEX):
            file.execute(statement)
        file.execute(f"PRAGMA application_id={APPLICATION}")
        file.execute(f"PRAGMA user_version={VERSION}")
        file.execute("COMMIT")
    part.replace(path)


def _writing(path: Path, who: Who) -> Connection:
    with ExitStack() as stack:
        file = stack.enter_context(closing(_connected(path, "mode=rw")))
        check(file, who)
        file.execute("PRAGMA synchronous=FULL")
        file.execute("BEGIN IMMEDIATE")
        file.execute("UPDATE comparisons SET ended = ended WHERE 0")
        file.execute("COMMIT")
        if path.stat().st_size <= CHECKED:
            for (found,) in file.execute("PRAGMA quick_check(99)"):
                if found != "ok" and not _OF_A_ROW.match(found):
                    raise damaged(who, " ".join(found.rpartition("***")[2].split()))
        stack.pop_all()
        return file


def clear(file: Connection, path: Path, who: Who) -> int:
    """Remove what was measured and is not as it was written; return how many rows those were.

    What was asked for, and how far it was, is left as it is: whoever reads that refuses it.
    """
    small = path.stat().st_size <= CHECKED  # else what is long is looked at when it is needed
    file.make_room(CHECKED if small else 0)
    try:
        return sum(table.sweep(file, long=small) for table in MEASURED)
    except DamagedRow as error:
        raise damaged(who, f"too many rows of {error} are not as they were written") from None


def check(file: sqlite3.Connection, who: Who) -> None:
    """Refuse a file that is no journal, or not of this version, before a table of it is read."""
    (application,) = file.execute("PRAGMA application_id").fetchone()
    (version,) = file.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise ScheduleError(who, "is no journal of ratewise", "give another file")
    if version > VERSION:
        rule = f"is a journal of version {version}, and this is version {VERSION}"
        raise ScheduleError(who, rule, "upgrade ratewise, or give another file")
    if version < VERSION:
        rule = f"is of the older version {version}, whose rows have no seals"
        raise ScheduleError(who, rule, "give a new file, and compare again")
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT ?"
    if frozenset(file.execute(query, (2 * len(expected()),)).fetchall()) != expected():
        raise damaged(who, "its tables are not those of a journal")


def blob(values: Any) -> bytes:
    """Return float64[k] as bytes."""
    return values.astype("<f8").tobytes()
