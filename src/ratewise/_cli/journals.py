"""Journals on the command line: what was asked for, and how far it is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ratewise import ScheduleError
from ratewise.choose.journal import asked_for, remember, status


def asked(given: Mapping[str, Any], resume: Path | None, journal: Path | None) -> dict[str, Any]:
    """Return what a comparison is asked for, completed by what a journal remembers of the last.

    Raises:
        ScheduleError: there is nothing to resume, or a task and schedules are missing.
    """
    known = {} if resume is None else asked_for(resume)
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
    state = "ended" if now.ended else "running" if now.running else "stopped"
    lines = [
        f"{state}: {now.finished} of {now.runs} runs finished, {now.failed} failed",
        f"{now.trained:,} of {now.planned:,} updates trained in {_time(now.seconds)}",
    ]
    if now.left is not None:
        lines.append(f"about {_time(now.left)} left; training {now.doing}")
    elif not now.ended:
        lines.append(f"go on with  ratewise compare --resume {path}")
    return "\n".join(lines)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
