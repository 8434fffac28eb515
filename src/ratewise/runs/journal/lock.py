"""One writer: a lock by the journal's name, for all machines, and one by the file it is."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ratewise.runs.journal.owner import own_folder
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Who

PATIENCE = 0.5
"""Seconds for which a journal is waited for: whoever asks how far it is holds it for a moment."""

LONGEST = 200
"""Bytes that are read of who writes."""


@contextmanager
def locked(path: Path, who: Who) -> Generator[None]:
    """Keep other writers away; the system lets them in when this process ends, however it ends.

    Who writes stands in a file of its own, as one that is locked cannot be read on every system.

    Raises:
        ScheduleError: another process writes, or a file beside the journal is no lock of ours.
    """
    writer = beside(path, "writer")
    for one in (beside(path, "lock"), writer):
        if os.path.lexists(one) and not ordinary(one):
            rule = f"has beside it {one.name!r}, which is no ordinary file"
            raise ScheduleError(who, rule, "remove that, or give another file")
    with ExitStack() as stack:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_held(beside(path, "lock")))
            _write(writer)
        except Timeout:
            raise _written(who, _read(writer)) from None
        stack.callback(_remove, writer)
        yield


@contextmanager
def file_locked(path: Path, who: Who) -> Generator[None]:
    """Keep writers away that come to the same file by another name, as it was moved or linked.

    Raises:
        ScheduleError: there is one.
    """
    folder, found = own_folder(), path.stat()
    with ExitStack() as stack:
        if folder is not None and found.st_ino:
            lock = folder / "locks" / f"{found.st_dev:x}-{found.st_ino:x}.lock"
            try:
                lock.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(_held(lock))
                stack.callback(_remove, lock)
            except Timeout:
                raise _written(who, "a process, by another name of the file") from None
            except OSError:  # the user's folder cannot be written: the lock by name is held
                pass
        yield


def is_written(path: Path) -> bool:
    """Tell whether a process writes a journal; where that may not be tried, it might."""
    lock = beside(path, "lock")
    if not ordinary(lock):
        return False
    try:
        with FileLock(lock, timeout=0):
            return False
    except OSError:  # held, or not ours to try
        return True


def beside(path: Path, ending: str) -> Path:
    """Return the file beside a journal with an ending behind its name."""
    return path.with_name(f"{path.name}.{ending}")


@contextmanager
def _held(path: Path) -> Generator[None]:
    lock = FileLock(path, timeout=PATIENCE, thread_local=False)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _written(who: Who, holder: str) -> ScheduleError:
    rule = f"is being written by another comparison ({holder})"
    return ScheduleError(who, rule, "wait for it, or give another file")


def ordinary(path: Path) -> bool:
    """Whether a file is one of its own: no link to another, no folder, no pipe, no device."""
    try:
        found = path.lstat()
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def _write(writer: Path) -> None:
    """Say who writes, in a new file: what is there may be a link that leads elsewhere."""
    writer.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(writer, flags, 0o666), "w", encoding="utf-8") as file:
        file.write(f"process {os.getpid()} on {socket.gethostname()}")


def _read(writer: Path) -> str:
    if not ordinary(writer):
        return "a process"
    with contextlib.suppress(OSError), writer.open("rb") as file:
        return file.read(LONGEST).decode("utf-8", "replace")
    return "a process"


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
