"""Folders of results: refused before they are needed, written all or nothing."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Generator, Mapping
from pathlib import Path

from ratewise.schedule import ScheduleError


@contextlib.contextmanager
def writing(who: str) -> Generator[None]:
    """Say it in one line if something cannot be written."""
    try:
        yield
    except OSError as error:
        rule = f"cannot be written ({error.strerror})"
        raise ScheduleError(who, rule, "give another place") from None


def check_new(who: str, folder: Path) -> None:
    """Refuse a folder that holds something or cannot be, before hours are spent on its content."""
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ScheduleError(who, "is there already", "give a new folder")
    with writing(who):
        made = [one for one in (folder, *folder.parents) if not one.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for one in made:
            one.rmdir()


def write_folder(who: str, folder: str | os.PathLike[str], files: Mapping[str, bytes]) -> None:
    """Write files into a new folder, all or nothing.

    Raises:
        ScheduleError: it is there already and is not empty, or cannot be written.
    """
    out = Path(folder)
    check_new(who, out)
    part = out.resolve().with_name(f".{out.name}-{os.getpid()}")
    try:
        with writing(who):
            part.mkdir(parents=True)
            for name, content in files.items():
                (part / name).write_bytes(content)
            if out.is_dir():
                out.rmdir()  # it is empty
            part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
