"""The one place where a file of others is opened for reading: ordinary ones, never waited for."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

Progress = Callable[[int, int], None]
"""What is told how far the reading of a file is: bytes read, and bytes in all."""


def open_ordinary(path: str | os.PathLike[str]) -> BinaryIO:
    """Return an ordinary file, opened for reading in binary; links are followed.

    A pipe, a socket or a device is not opened at all: to open a pipe waits for whoever writes it,
    a terminal or a tape may act on it, and `/dev/zero` has no end.

    Raises:
        OSError: there is no such file, or it is no ordinary one; `strerror` says which.
    """
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _not_ordinary(path)
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        file = os.fdopen(os.open(path, flags), "rb")
    except ValueError as error:  # a zero or half a character in the path
        raise OSError(0, f"No path ({error})") from None
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # it may have been replaced
        file.close()
        raise _not_ordinary(path)
    return file


def read_up_to(path: str | os.PathLike[str], most: int) -> bytes:
    """Return the first bytes of an ordinary file.

    Raises:
        OSError: as `open_ordinary`.
    """
    with open_ordinary(path) as file:
        return file.read(most)


def size_of(file: BinaryIO) -> int:
    """Return the bytes of an open file."""
    return os.fstat(file.fileno()).st_size


def _not_ordinary(path: str | os.PathLike[str]) -> OSError:
    return OSError(0, "Is a directory" if Path(path).is_dir() else "Is no ordinary file")
