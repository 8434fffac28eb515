"""A journal while it is written: how far it is, what runs, and the best so far."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratewise.runs.journal import Status, status, told_of
from ratewise.runs.journal.database import read_only
from ratewise.runs.journal.table import DamagedRow
from ratewise.runs.journal.tables import RATES, RUNS, TASKS
from ratewise.schedule import ScheduleError

MOST_RUNS = 20_000
"""Finished runs that are looked at."""
SHOWN = 8
"""Runs that are listed, the best first."""


@dataclass(frozen=True)
class FinishedRun:
    """One run that ended well.

    Attributes:
        name: Name of its schedule.
        peak: Its peak rate.
        seed: Its seed.
        metric: What it is ranked by.
        value: The value of that at its end.
    """

    name: str
    peak: float
    seed: int
    metric: str
    value: float


@dataclass(frozen=True)
class Following:
    """What a journal says now.

    Attributes:
        command: What writes it: "compare", "choose", or whatever began it.
        now: How far its last comparison is; None if none has begun.
        best: The best finished runs, the best first.
        finished: Finished runs in all.
        lines: The same in words.
    """

    command: str
    now: Status | None
    best: tuple[FinishedRun, ...]
    finished: int
    lines: tuple[str, ...]

    @property
    def share(self) -> float:
        """How much of what was planned is trained, in [0, 1]."""
        if self.now is None or not self.now.planned:
            return 0.0
        return min(self.now.trained / self.now.planned, 1.0)


def follow(path: str | Path, more: bool | None = None) -> Following:
    """Return what a journal says now; nothing in it is changed, and whoever writes it goes on.

    Args:
        path: The journal.
        more: Whether more of the metric is better; left out, its name tells.

    Raises:
        ScheduleError: it is no journal, or it is damaged.
    """
    command = _command(path)
    try:
        now = status(path)
    except ScheduleError as error:
        if "holds no comparison" not in error.rule:
            raise
        now = None
    best, finished = _finished(path, more)
    return Following(command, now, best, finished, _lines(command, now, best, finished, more))


def _command(path: str | Path) -> str:
    try:
        return str(told_of(path).get("command", "compare"))
    except ScheduleError:  # begun from Python
        return "compare"


def _finished(path: str | Path, more: bool | None) -> tuple[tuple[FinishedRun, ...], int]:
    """Return the best of the runs that ended well, and how many there are."""
    who = f"Journal {Path(path).name!r}"
    found: list[FinishedRun] = []
    try:
        with read_only(path, who) as file:
            first = {row["task"]: _first(row["metrics"]) for row in TASKS.every(file)}
            names = {row["run"]: row for row in RATES.every(file)}
            for row in RUNS.every(file):
                good = row["diverged"] is None and row["error"] is None and row["run"] in names
                run = _run(row, names[row["run"]], first.get(row["task"], "")) if good else None
                found += [] if run is None else [run]
                if len(found) > MOST_RUNS:
                    rule = f"holds more than {MOST_RUNS:,} runs"
                    raise ScheduleError(who, rule, "look at it with  ratewise status")
    except DamagedRow as error:
        rule = f"is damaged: rows of {error} are not as they were written"
        raise ScheduleError(who, rule, "compare with it again, which trains them anew") from None
    found.sort(key=lambda one: -one.value if more_is_better(one.metric, more) else one.value)
    return tuple(found[:SHOWN]), len(found)


def more_is_better(metric: str, told: bool | None = None) -> bool:
    """Tell whether more of a metric is better, by its name if nobody says.

    >>> more_is_better("accuracy"), more_is_better("val_loss")
    (True, False)
    """
    if told is not None:
        return told
    return re.search(r"acc|auc|f1|bleu|rouge|score|precision|recall|r2", metric.lower()) is not None


def _first(text: str) -> str:
    """Return the name of a task's first metric, which decides if nobody says."""
    names: Any = json.loads(text)
    return str(names[0]) if isinstance(names, list) and names else ""


def _run(row: Any, told: Any, metric: str) -> FinishedRun | None:
    """Return a run with the metric it is ranked by, None if it has no number."""
    values: dict[str, Any] = json.loads(row["metrics"])
    name = metric if metric in values else next(iter(values), "")
    value = values.get(name)
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return FinishedRun(told["name"], told["peak"], row["seed"], name, float(value))


def _lines(
    command: str,
    now: Status | None,
    best: tuple[FinishedRun, ...],
    finished: int,
    more: bool | None,
) -> tuple[str, ...]:
    if now is None:
        return (f"{command}: has begun, and nothing is trained yet",)
    state = "ended" if now.ended else "running" if now.running else "stopped"
    lines = [
        f"{command}: {state}; {now.finished} of {now.runs} runs finished, {now.failed} failed",
        f"{now.trained:,} of {now.planned:,} updates trained in {duration(now.seconds)}",
    ]
    if now.running and now.doing:
        lines.append(f"training {now.doing}")
    if now.left is not None:
        lines.append(f"about {duration(now.left)} left")
    if best:
        first = best[0]
        which = "highest" if more_is_better(first.metric, more) else "lowest"
        lines.append(f"best so far, the {which} {first.metric}: {first.value:.5g} by {first.name} "
                     f"at {first.peak:g}, of {finished} finished")  # fmt: skip
    return tuple(lines)


def duration(seconds: float) -> str:
    """Return a time in words.

    >>> duration(75), duration(4000)
    ('1 min 15 s', '1 h 6 min')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
