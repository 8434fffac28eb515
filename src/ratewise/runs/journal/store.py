"""Checkpoints: written whole or not at all, and never read if they were damaged."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any

from ratewise._extras import require
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call


class Store:
    """A folder of states, each in a file of its own that is named after it.

    States are pickled: a store is to be trusted as the code is that reads it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Return where a state is kept."""
        return self.folder / f"{name}.state"

    def write(self, name: str, state: Any) -> tuple[int, str]:
        """Write a state; return its size in bytes and its SHA-256.

        Raises:
            OSError: the disk is full, or cannot be written; nothing is left behind.
        """
        data = pickle.dumps(state, protocol=5)
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self.folder / f"{name}.{os.getpid()}.new"
        try:
            with new.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path(name))
        except OSError:
            new.unlink(missing_ok=True)
            raise
        return len(data), hashlib.sha256(data).hexdigest()

    def read(self, name: str, digest: str) -> tuple[bool, Any]:
        """Return whether a state is there and whole, and the state."""
        try:
            data = self.path(name).read_bytes()
        except OSError:
            return False, None
        return _whole(data, digest)

    def let_go(self, name: str) -> None:
        """Nothing: the journal says when a file goes."""

    def remove(self, name: str) -> None:
        """Remove a state, if it is there."""
        self.path(name).unlink(missing_ok=True)

    def tidy(self, known: set[str]) -> None:
        """Remove what a killed process left: half-written files, and states nobody knows of."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.suffix == ".new" or (path.suffix == ".state" and path.stem not in known):
                    path.unlink(missing_ok=True)


class RemoteStore:
    """The same at an address that fsspec knows, such as `s3://bucket/runs` or `sftp://host/runs`.

    A state is put in place under another name and moved, so that a name stands for a whole file.

    Raises:
        ScheduleError: fsspec knows no such kind of address.
        ImportError: fsspec, or what it needs for this kind of address, is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        core = require("fsspec", extra="search").core
        try:
            self._fs, self._root = core.url_to_fs(self.url)
        except ValueError as error:
            who = Call("compare", "checkpoints", url)
            rule = f"is no address that fsspec knows: {error}"
            raise ScheduleError(who, rule, "give a folder, or an address such as s3://…") from None

    def __reduce__(self) -> tuple[Any, ...]:
        return RemoteStore, (self.url,)

    def path(self, name: str) -> str:
        """Return where a state is kept."""
        return f"{self._root}/{name}.state"

    def write(self, name: str, state: Any) -> tuple[int, str]:
        """Write a state; return its size in bytes and its SHA-256.

        Raises:
            OSError: it cannot be written.
        """
        data = pickle.dumps(state, protocol=5)
        new = f"{self._root}/{name}.{os.getpid()}.new"
        self._fs.makedirs(self._root, exist_ok=True)
        self._fs.pipe_file(new, data)
        self._fs.mv(new, self.path(name))
        return len(data), hashlib.sha256(data).hexdigest()

    def read(self, name: str, digest: str) -> tuple[bool, Any]:
        """Return whether a state is there and whole, and the state."""
        try:
            data = self._fs.cat_file(self.path(name))
        except OSError:
            return False, None
        return _whole(data, digest)

    def let_go(self, name: str) -> None:
        """Nothing: the journal says when a file goes."""

    def remove(self, name: str) -> None:
        """Remove a state, if it is there."""
        if self._fs.exists(self.path(name)):
            self._fs.rm_file(self.path(name))

    def tidy(self, known: set[str]) -> None:
        """Remove what a killed process left: half-written files, and states nobody knows of."""
        if self._fs.isdir(self._root):
            for path in self._fs.ls(self._root, detail=False):
                name, _, ending = str(path).rpartition("/")[2].rpartition(".")
                if ending == "new" or (ending == "state" and name not in known):
                    self._fs.rm_file(path)


def open_store(place: str | os.PathLike[str]) -> Store | RemoteStore:
    """Return the store at a folder or an address."""
    text = os.fspath(place)
    return RemoteStore(text) if "://" in text else Store(Path(text))


def _whole(data: bytes, digest: str) -> tuple[bool, Any]:
    if hashlib.sha256(data).hexdigest() != digest:
        return False, None
    return True, pickle.loads(data)
