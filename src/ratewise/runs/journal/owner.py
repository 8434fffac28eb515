"""Whose a journal is: a key in the user's own folder signs what nobody else may have written."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import stat
import sys
from pathlib import Path
from typing import Any

SIZE = 32
"""Bytes of a key, and of a signature."""

OPEN = 0o077
"""Rights of others, none of which a key may have."""


def own_folder() -> Path | None:
    """Return where this user's settings of ratewise are; None where no folder is the user's own.

    That is `$XDG_CONFIG_HOME/ratewise`, else `~/.config/ratewise`, on Windows `ratewise` in
    `%APPDATA%`.
    """
    named = os.environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(named):
        named = os.environ.get("APPDATA", "") if sys.platform == "win32" else ""
    try:
        base = Path(named) if os.path.isabs(named) else Path.home() / ".config"
    except RuntimeError:  # nobody knows of a home
        return None
    return base / "ratewise" if base.is_absolute() else None


class Owner:
    """A user, known by a key.

    The key is made when it is first needed. Where it cannot be kept it is one of this process, and
    what it has signed is a stranger's in the next. It goes along to workers.

    Args:
        folder: Where it is; the user's own folder if not given.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = own_folder() if folder is None else folder
        self._key: bytes | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"_folder": None, "_key": self.key}

    @property
    def key(self) -> bytes:
        """The key, made if there is none yet."""
        if self._key is None:
            self._key = _kept_key(self._folder) or secrets.token_bytes(SIZE)
        return self._key

    def sign(self, purpose: str, content: bytes) -> bytes:
        """Return the signature of some content that serves a purpose."""
        text = len(purpose.encode()).to_bytes(8, "big") + purpose.encode()
        return hmac.new(self.key, text + content, hashlib.sha256).digest()

    def signed(self, purpose: str, content: bytes, signature: bytes) -> bool:
        """Tell whether this user has signed some content for a purpose."""
        return hmac.compare_digest(self.sign(purpose, content), signature)


def _kept_key(folder: Path | None) -> bytes | None:
    """Return the key in a folder, made if there is none; None if it cannot be kept there."""
    if folder is None:
        return None
    path = folder / "key"
    try:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        known = _read(path)
        if known is None and os.path.lexists(path):
            path.unlink()  # cut, or open to others: nothing that it has signed can be believed
        return known or _made(path)
    except OSError:
        return None


def _made(path: Path) -> bytes | None:
    """Return a new key, or the one that another process was sooner with."""
    part = path.with_name(f"{path.name}.{os.getpid()}-{secrets.token_hex(4)}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    try:
        with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
            file.write(secrets.token_bytes(SIZE))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            _move(part, path)
        return _read(path)
    finally:
        part.unlink(missing_ok=True)


def _move(part: Path, path: Path) -> None:
    """Give a file its name, which must be free: all of it is there at once, or none of it."""
    if sys.platform == "win32":
        part.rename(path)  # which fails there if the name is taken
        return
    try:
        os.link(part, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: two that are sooner than this agree on one
        part.replace(path)


def _read(path: Path) -> bytes | None:
    """Return a key that is whole and this user's alone, else None."""
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        file = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except OSError:
        return None
    try:
        found = os.fstat(file)
        uid = getattr(os, "getuid", None)
        own = uid is None or (found.st_uid == uid() and not found.st_mode & OPEN)
        if not (stat.S_ISREG(found.st_mode) and own and found.st_size == SIZE):
            return None
        return os.read(file, SIZE)
    finally:
        os.close(file)
