"""The range test on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ratewise import ScheduleError
from ratewise.cli.output import writing
from ratewise.cli.tasks import load_task

_KINDS = (".pdf", ".png", ".svg")


def found_as_text(task: str, as_json: bool, figure: Path | None, **options: Any) -> str:
    """Return what a range test of the task that MODULE:TASK names has found, drawn or as JSON.

    Raises:
        ScheduleError: an option or the task is not what it should be, before anything is trained.
    """
    from ratewise.choose import find

    if figure is not None:
        check_figure(figure)
    found = find(load_task(task), **{k: v for k, v in options.items() if v is not None})
    if figure is not None:
        with writing(figure):
            found.figure().savefig(figure, dpi=150)
    if as_json:
        return json.dumps(found.to_dict(), allow_nan=False)
    return found.text()


def check_figure(path: Path) -> None:
    """Refuse a figure that cannot be drawn or written, before minutes are spent on it."""
    from ratewise._extras import require

    require("matplotlib", extra="plot")
    if path.suffix.lower() not in _KINDS:
        rule, fix = f"is no kind of figure ({path.suffix!r})", "end it in .png, .svg or .pdf"
        raise ScheduleError(f"--figure {path}", rule, fix)
    if not path.resolve().parent.is_dir():
        raise ScheduleError(f"--figure {path}", "has no folder to be in", "give another place")
