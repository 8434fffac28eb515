"""Files as texts: ordinary ones of a sensible size, opened without waiting for anyone."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ratewise._files import read_up_to
from ratewise.convert.sources.limits import LARGEST, LARGEST_TEXT, too_large
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Who

_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz")
_TEXTS = (".json", ".yaml", ".yml", ".toml", ".py")
_MAGIC = (b"\x80", b"PK\x03\x04")


def path_of(source: Any) -> Path | None:
    """Return the path that a source is: of a file that is there, or of one that would be."""
    if isinstance(source, Path):
        return source
    if not isinstance(source, str) or len(source) > 1000 or "\n" in source:
        return None
    path = Path(source)
    try:
        exists = path.is_file()
    except (OSError, ValueError):
        return None
    named = path.suffix.lower() in (*_PICKLES, *_TEXTS) and not re.search(r"[\s({=]", source)
    return path if exists or named else None


def called(path: Path) -> Call:
    """Return what messages call a file."""
    shown = str(path)
    return Call("read", value=shown if len(shown) <= 50 else f"…/{path.name}")


def text_of(path: Path) -> str:
    """Return the text of a file.

    Raises:
        ScheduleError: it is not there, no ordinary file, too large, a pickle, or not in UTF-8.
    """
    who, suffix = called(path), path.suffix.lower()
    if suffix in _PICKLES:
        refuse_pickle(who)
    most = LARGEST.get(".yaml" if suffix == ".yml" else suffix, LARGEST_TEXT)
    try:
        content = read_up_to(path, most + 1)
    except OSError as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise ScheduleError(
            who, f"cannot be opened ({reason})", "give the path of a file"
        ) from None
    if content.startswith(_MAGIC):
        refuse_pickle(who)
    if len(content) > most:
        raise too_large(who, most, "bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise ScheduleError(who, "is not a text in UTF-8", "give a config file")
    return text


def refuse_pickle(who: Who) -> None:
    """Refuse what can run code when it is opened."""
    rule = "is a pickle or an archive, which can run code when it is opened, and is not opened"
    fix = "give the live scheduler, or the config of the run"
    raise ScheduleError(who, rule, fix)
