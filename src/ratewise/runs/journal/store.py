"""Checkpoints: written whole or not at all, and never read if they were damaged."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import stat
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from ratewise._extras import require
from ratewise.runs.journal.owner import Owner
from ratewise.runs.journal.states import pack, unpack
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix

UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}

_STATE = re.compile(r"([0-9a-f]{64})\.state")
_HALF = re.compile(r"[0-9a-f]{64}\.\d+\.new")
"""The files that are written here, and no others are cleared away."""


class Store(ABC):
    """States, each in a file of its own that is named after it.

    Args:
        trust: Whether states are read that take code to read, and that another user has written.
    """

    def __init__(self, trust: bool = False) -> None:
        self._trust, self._owner = trust, Owner()

    def write(self, name: str, state: Any) -> tuple[int, str]:
        """Write a state; return its size in bytes and its SHA-256.

        Raises:
            OSError: the disk is full, or cannot be written.
        """
        data = pack(name, state, self._owner)
        self._put(f"{name}.state", f"{name}.{os.getpid()}.new", data)
        return len(data), hashlib.sha256(data).hexdigest()

    def read(self, name: str, digest: str) -> tuple[bool, Any]:
        """Return whether a state is there and whole, and the state.

        Raises:
            StrangersState: it would take code to read it, and it is somebody else's.
        """
        try:
            data = self._get(f"{name}.state")
        except OSError:
            return False, None
        if hashlib.sha256(data).hexdigest() != digest:
            return False, None
        try:
            return True, unpack(name, data, self._owner, self._trust)
        except ValueError:
            return False, None

    def belong(self, owner: Owner) -> None:
        """Sign and believe as another process of the same user."""
        self._owner = owner

    def let_go(self, name: str) -> None:
        """Keep it all the same."""
        del name  # the journal says when a file goes

    def remove(self, name: str) -> None:
        """Remove a state, if it is there."""
        self._delete(f"{name}.state")

    def tidy(self, known: set[str]) -> None:
        """Remove what a killed process left: half-written files, and states nobody knows of."""
        for file in self._files():
            state = _STATE.fullmatch(file)
            if _HALF.fullmatch(file) or (state is not None and state[1] not in known):
                self._delete(file)

    @abstractmethod
    def _put(self, file: str, new: str, data: bytes) -> None:
        """Write a file under a new name and move it, so that its name stands for all of it."""

    @abstractmethod
    def _get(self, file: str) -> bytes: ...

    @abstractmethod
    def _delete(self, file: str) -> None: ...

    @abstractmethod
    def _files(self) -> list[str]: ...


class FolderStore(Store):
    """States in a folder."""

    def __init__(self, folder: Path, trust: bool = False) -> None:
        super().__init__(trust)
        self._folder = folder

    def _put(self, file: str, new: str, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        half = self._folder / new
        try:
            with half.open("wb") as opened:
                opened.write(data)
                opened.flush()
                os.fsync(opened.fileno())
            half.replace(self._folder / file)
        except OSError:
            half.unlink(missing_ok=True)
            raise

    def _get(self, file: str) -> bytes:
        path = self._folder / file
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise OSError(f"{file} is no ordinary file")
        return path.read_bytes()

    def _delete(self, file: str) -> None:
        with contextlib.suppress(OSError):
            (self._folder / file).unlink(missing_ok=True)

    def _files(self) -> list[str]:
        return [path.name for path in self._folder.iterdir()] if self._folder.is_dir() else []


class RemoteStore(Store):
    """States at an address that fsspec knows, such as `s3://bucket/runs` or `sftp://host/runs`.

    Raises:
        ScheduleError: fsspec knows no such kind of address.
        ImportError: fsspec, or what it needs for this kind of address, is not installed.
    """

    def __init__(self, url: str, trust: bool = False) -> None:
        super().__init__(trust)
        self._url = url.rstrip("/")
        core = require("fsspec", extra="search").core
        try:
            self._fs, self._root = core.url_to_fs(self._url)
        except ValueError as error:
            who = Call("compare", "checkpoints", url)
            rule = f"is no address that fsspec knows: {error}"
            raise ScheduleError(who, rule, "give a folder, or an address such as s3://…") from None

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self._url, self._trust, self._owner)

    def _put(self, file: str, new: str, data: bytes) -> None:
        self._fs.makedirs(self._root, exist_ok=True)
        self._fs.pipe_file(f"{self._root}/{new}", data)
        self._fs.mv(f"{self._root}/{new}", f"{self._root}/{file}")

    def _get(self, file: str) -> bytes:
        return self._fs.cat_file(f"{self._root}/{file}")

    def _delete(self, file: str) -> None:
        if self._fs.exists(f"{self._root}/{file}"):
            self._fs.rm_file(f"{self._root}/{file}")

    def _files(self) -> list[str]:
        if not self._fs.isdir(self._root):
            return []
        return [str(path).rpartition("/")[2] for path in self._fs.ls(self._root, detail=False)]


def open_store(place: str | os.PathLike[str], trust: bool = False) -> Store:
    """Return the store at a folder or an address."""
    text = os.fspath(place)
    return RemoteStore(text, trust) if "://" in text else FolderStore(Path(text), trust)


def _opened(url: str, trust: bool, owner: Owner) -> RemoteStore:
    """Return a store at an address in another process, for the same user."""
    store = RemoteStore(url, trust)
    store.belong(owner)
    return store


def read_size(size: Any) -> int:
    """Return a size as people write it, in bytes.

    Raises:
        ScheduleError: it is no size.

    >>> read_size("2GB"), read_size("1.5 MB"), read_size(0)
    (2000000000, 1500000, 0)
    """
    if isinstance(size, int) and not isinstance(size, bool) and size >= 0:
        return size
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([kMGT]?)B?", size) if isinstance(size, str) else None
    if match is None:
        fix = Fix("write bytes, or {disk}", disk='"2GB"')
        raise ScheduleError(Call("compare", "disk", size), "is no size", fix)
    return round(float(match[1]) * UNITS[match[2]])
