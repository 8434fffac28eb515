"""Progress on the screen, results in files."""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import sys
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import typer

from ratewise import ScheduleError, __version__
from ratewise._extras import MissingExtra, require
from ratewise._printable import printable
from ratewise.schedule.errors import Call
from ratewise.show.files import write_folder, writing
from ratewise.view.style import to_bytes

_KINDS = (".pdf", ".png", ".svg")
_COLOUR = re.compile(r"(\033\[[\d;]*m)")


def say(text: str, *, err: bool = False, coloured: bool = False) -> None:
    """Print a text; whatever else would drive the terminal is shown, not sent.

    Args:
        text: ProgressLines of text.
        err: Whether they go to standard error.
        coloured: Whether the colours in it are ours; those in the words of others are escaped
            by whoever draws them.
    """
    parts = _COLOUR.split(text) if coloured else [text]
    safe = [part if i % 2 else printable(part, keep="\n") for i, part in enumerate(parts)]
    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
    fitting = (
        "".join(safe).encode(encoding, "replace").decode(encoding)
    )  # consoles are not all UTF-8
    typer.echo(fitting, err=err, color=coloured or None)


def say_json(value: Any) -> None:
    """Print a value as one line of JSON; the one character that `json` leaves is escaped too."""
    typer.echo(json.dumps(value, allow_nan=False).replace("\x7f", "\\u007f"))


@contextlib.contextmanager
def shown_progress(quiet: bool = False) -> Generator[Any]:
    """Yield what is told how far something is: a bar, lines where there is no terminal, or None."""
    from rich.console import Console

    from ratewise.cli.progress import View
    from ratewise.view.progress import ProgressLines

    console = Console(stderr=True)
    if quiet:
        yield None
        return
    with View(console) if console.is_terminal else ProgressLines() as view:
        yield view


def watched(train: Callable[..., Any], quiet: bool = False) -> tuple[Any, bool]:
    """Return a comparison made under the eyes of the user, and whether Ctrl-C ended it early."""
    from ratewise.compare.comparison import Interrupted

    try:
        with shown_progress(quiet) as view:
            return train(progress=view), False
    except Interrupted as stop:
        return stop.comparison, True


CHATTER = {
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}
"""What frameworks read when they are imported: no bars of theirs, and no news but errors."""


def keep_quiet() -> None:
    """Keep bars and news of frameworks out of what a command shows, unless the user wants them."""
    for name, value in CHATTER.items():
        os.environ.setdefault(name, value)


def check_failures(comparison: Any, only: bool = False) -> None:
    """Raise what has failed in a comparison: in its runs, or in its metric.

    Args:
        comparison: The comparison.
        only: Whether to do so only if no run has a number at its end.
    """
    from ratewise.compare.comparison import failed
    from ratewise.tasks.failures import TaskError

    runs, failures = comparison.runs, comparison.failures
    finished = any(math.isfinite(run.metrics[comparison.metric]) for run in runs)
    if not failures or (only and finished):
        return
    broken = next((run for run in failures if run.error is not None), None)
    told = " and ".join(note.rstrip(".") for note in failed(runs, comparison.metric))
    rule = f"has not all it was asked for: {told}"
    if broken is not None:
        raise broken.as_error(Call("compare"), rule)
    raise TaskError(Call("compare"), rule, "look at the metric")


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
    with writing(str(path)):
        result.figure().savefig(path, dpi=150)


def write_results(comparison: Any, out: Path) -> str:
    """Write results.json and figure.png, all or nothing; return what was written."""
    content = {"version": __version__, **comparison.to_dict()}
    text = json.dumps(content, indent=1, allow_nan=False)
    files = {"results.json": f"{text}\n".encode()}
    try:
        files["figure.png"] = to_bytes(comparison.figure(), 150)
        said = f"wrote {out / 'results.json'} and {out / 'figure.png'}"
    except MissingExtra as missing:
        said = f"wrote {out / 'results.json'}; no figure: {missing}"
    write_folder(f"--out {out}", out, files)
    return said
