"""Journals on the command line: what was asked for, and how far it is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratewise import ScheduleError
from ratewise.runs.journal import asked_for, remember, status


def asked(given: Mapping[str, Any], resume: Path | None, journal: Path | None) -> dict[str, Any]:
    """Return what a comparison is asked for, completed by what a journal remembers of the last.

    Raises:
        ScheduleError: there is nothing to resume, or a task and schedules are missing.
    """
    known = {} if resume is None else asked_for(resume)
    if known.get("command") == "choose" and not given["specs"]:
        fix = f"write ratewise choose --resume {resume}, or give a task and schedules"
        raise ScheduleError(f"--resume {resume}", "was begun by choose, not by compare", fix)
    chosen = {
        name: known.get(name) if value in (None, []) else value for name, value in given.items()
    }
    if not chosen["task"] or not chosen["specs"]:
        fix = "write ratewise compare MODULE:TASK SPEC…, or --resume runs.db"
        raise ScheduleError("ratewise compare", "needs a task and schedules", fix)
    chosen["seeds"] = 3 if chosen["seeds"] is None else chosen["seeds"]
    chosen["journal"] = journal or resume
    if chosen["journal"] is not None:
        kept = {name: value for name, value in chosen.items() if name != "journal"}
        remember(chosen["journal"], kept)
    return chosen


def described(path: Path, as_json: bool) -> str:
    """Return how far the last comparison of a journal is, as text."""
    now = status(path)
    if as_json:
        return json.dumps(dataclasses.asdict(now))
    command, over = _begun_by(path)
    state = "ended" if now.ended else "running" if now.running else "stopped"
    if command == "choose":  # it is many comparisons, one after the other
        state = "ended" if over else "in its last comparison so far, " + state
    lines = [
        f"{state}: {now.finished} of {now.runs} runs finished, {now.failed} failed",
        f"{now.trained:,} of {now.planned:,} updates trained in {_time(now.seconds)}",
    ]
    if now.left is not None:
        lines.append(f"about {_time(now.left)} left; training {now.doing}")
    elif not over and not (now.ended and command == "compare"):
        lines.append(f"go on with  ratewise {command} --resume {path}")
    return "\n".join(lines)


def _begun_by(path: Path) -> tuple[str, bool]:
    """Return the command that began what a journal holds, and whether it came to its end."""
    try:
        words = asked_for(path)
    except ScheduleError:  # begun from Python
        return "compare", False
    return str(words.get("command", "compare")), bool(words.get("ended"))


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
