"""`ratewise status`: how far a comparison is, from its journal."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from ratewise import ScheduleError
from ratewise.cli.arguments import Json
from ratewise.cli.output import say, say_json


def status(
    journal: Annotated[Path, typer.Argument(help="The journal of a comparison.")],
    as_json: Json = False,
) -> None:
    """Say how far a comparison is that keeps a journal, from any terminal."""
    from ratewise.runs.journal import status as read

    now = read(journal)
    if as_json:
        say_json(dataclasses.asdict(now))
    else:
        say(described(now, journal))


def described(now: Any, journal: Path) -> str:
    """Return how far the last comparison of a journal is, as text."""
    command, over = _begun_by(journal)
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
        lines.append(f"go on with  ratewise {command} --resume {shlex.quote(str(journal))}")
    return "\n".join(lines)


def _begun_by(journal: Path) -> tuple[str, bool]:
    """Return the command that began what a journal holds, and whether it came to its end."""
    from ratewise.runs.journal import told_of

    try:
        words = told_of(journal)
    except ScheduleError:  # begun from Python
        return "compare", False
    return str(words.get("command", "compare")), bool(words.get("ended"))


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
