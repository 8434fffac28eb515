"""`ratewise status`: how far a comparison or a choice is, from its journal."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from ratewise import ScheduleError
from ratewise.cli.arguments import Json
from ratewise.cli.output import say, say_json
from ratewise.view.progress import duration


def status(
    journal: Annotated[Path, typer.Argument(help="The journal.")],
    as_json: Json = False,
) -> None:
    """Say how far a comparison, or a choice, is that keeps a journal, from any terminal."""
    from ratewise.runs.journal import status as read

    now = read(journal)
    if as_json:
        say_json(dataclasses.asdict(now))
    else:
        say(described(now, journal))


def described(now: Any, journal: Path) -> str:
    """Return how far what a journal keeps is, as text: a comparison, or a whole choice."""
    words = _asked(journal)
    command, over = str(words.get("command", "compare")), bool(words.get("ended"))
    lines = _of_choice(now, words, over) if command == "choose" else _of_comparison(now)
    if now.left is not None and command != "choose":
        lines.append(f"about {duration(now.left)} left; training {now.doing}")
    elif not over and not now.running and not (now.ended and command == "compare"):
        lines.append(f"go on with  ratewise {command} --resume {shlex.quote(str(journal))}")
    return "\n".join(lines)


def _of_comparison(now: Any) -> list[str]:
    state = "ended" if now.ended else "running" if now.running else "stopped"
    return [
        f"{state}: {now.finished} of {now.runs} runs finished, {now.failed} failed",
        f"{now.trained:,} of {now.planned:,} updates trained in {duration(now.seconds)}",
    ]


def _of_choice(now: Any, words: dict[str, Any], over: bool) -> list[str]:
    """Tell of a choice, which is many lists of runs, one after the other, within one budget.

    Between two lists, while it thinks, the last one has ended and nobody writes the journal: then
    it is not known whether the choice goes on.
    """
    state = "ended" if over else "running" if now.running else "stopped, or thinking"
    budget = _budget(words)
    of = f" of a budget of {budget:,} ({now.altogether / budget:.0%})" if budget else ""
    lines = [
        f"{state}: {now.altogether:,} updates trained{of} in {duration(now.since)}, "
        f"{now.failed} runs failed",
    ]
    if over:
        return lines
    if now.doing:
        lines.append(f"{'training' if now.running else 'last:'} {now.doing}")
    lines.append(f"{now.trained:,} of {now.planned:,} updates of list {now.lists} of its runs")
    if now.running and budget and now.altogether and now.since:
        left = max(budget - now.altogether, 0) * now.since / now.altogether
        lines.append(f"at most {duration(left)} left")
    return lines


def _budget(words: dict[str, Any]) -> int | None:
    """Return the updates that a choice may train, or None where its total is no number."""
    from ratewise.choose.api import USUAL

    if isinstance(words.get("budget"), int):
        return words["budget"]
    total = str(words.get("total", ""))
    return USUAL * int(total) if total.isdecimal() else None


def _asked(journal: Path) -> dict[str, Any]:
    """Return what was asked for on the command line; nothing where it was begun from Python."""
    from ratewise.runs.journal import told_of

    try:
        return told_of(journal)
    except ScheduleError:
        return {}
