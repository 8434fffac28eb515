"""Progress on the screen, results in files."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from ratewise import ScheduleError, __version__
from ratewise._extras import MissingExtra, require

_KINDS = (".pdf", ".png", ".svg")


def watched(train: Callable[..., Any]) -> tuple[Any, bool]:
    """Return a comparison made under the eyes of the user, and whether Ctrl-C ended it early."""
    from rich.console import Console

    from ratewise.cli.progress import View
    from ratewise.compare.comparison import Interrupted

    console = Console(stderr=True)
    try:
        if not console.is_terminal:
            return train(), False
        with View(console) as view:
            return train(progress=view), False
    except Interrupted as stop:
        return stop.comparison, True


def check_new(out: Path) -> None:
    """Refuse a folder that holds something or cannot be, before hours are spent on its content."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ScheduleError(f"--out {out}", "is there already", "give a new folder")
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        out.rmdir()


def check_figure(path: Path) -> None:
    """Refuse a figure that cannot be drawn or written, before minutes are spent on it."""
    require("matplotlib", extra="plot")
    if path.suffix.lower() not in _KINDS:
        rule, fix = f"is no kind of figure ({path.suffix!r})", "end it in .png, .svg or .pdf"
        raise ScheduleError(f"--figure {path}", rule, fix)
    if not path.resolve().parent.is_dir():
        raise ScheduleError(f"--figure {path}", "has no folder to be in", "give another place")


def save_figure(result: Any, path: Path) -> None:
    """Write the figure of a result."""
    with writing(path):
        result.figure().savefig(path, dpi=150)


@contextlib.contextmanager
def writing(path: Path) -> Generator[None]:
    """Say it in one line if a path cannot be written to."""
    try:
        yield
    except OSError as error:
        rule = f"cannot be written ({error.strerror})"
        raise ScheduleError(str(path), rule, "give another place") from None


def write_results(comparison: Any, out: Path) -> str:
    """Write results.json and figure.png, all or nothing; return what was written."""
    content = {"version": __version__, **comparison.to_dict()}
    text = json.dumps(content, indent=1, allow_nan=False)
    part = out.resolve().with_name(f".{out.name}-{os.getpid()}")
    part.mkdir()
    try:
        (part / "results.json").write_text(text + "\n", encoding="utf-8")
        try:
            comparison.figure().savefig(part / "figure.png", dpi=150)
            said = f"wrote {out / 'results.json'} and {out / 'figure.png'}"
        except MissingExtra as missing:
            said = f"wrote {out / 'results.json'}; no figure: {missing}"
        part.rename(out)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return said
