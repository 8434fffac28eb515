"""Checkpoints in a folder: written whole or not at all, and never read if they were damaged."""

from __future__ import annotations

import hashlib
import os
import pickle
from pathlib import Path
from typing import Any


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
        new = self.path(name).with_suffix(".new")
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
        if hashlib.sha256(data).hexdigest() != digest:
            return False, None
        return True, pickle.loads(data)

    def remove(self, name: str) -> None:
        """Remove a state, if it is there."""
        self.path(name).unlink(missing_ok=True)

    def tidy(self, known: set[str]) -> None:
        """Remove what a killed process left: half-written files, and states nobody knows of."""
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                if path.suffix == ".new" or (path.suffix == ".state" and path.stem not in known):
                    path.unlink(missing_ok=True)
