"""What a path leads to: which files are logs, and of which format."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

from ratewise._files import read_up_to
from ratewise.logs import (
    csv_log,
    journal,
    json_log,
    printed,
    tensorboard,
    trackio,
    wandb_csv,
    wandb_store,
)
from ratewise.logs.columns import Asked
from ratewise.logs.table import LogTable, unreadable
from ratewise.schedule import ScheduleError

STATE, METRICS, EVENTS = "trainer_state.json", "metrics.csv", "tfevents"
HISTORY = "files/wandb-history.jsonl"
"""Where W&B has kept the rows of a run, in versions of before its `.wandb` files."""
JSON_LINES = (".jsonl", ".ndjson")
TABLES = (".csv", ".tsv")
LOGS = (".csv", ".tsv", ".wandb", *JSON_LINES)
"""Ends of names that the logs in a folder have."""
DEEPEST = 6
"""Folders that are looked into below the one given."""
MOST_ENTRIES = 20_000
"""Files and folders in one of them."""
MOST_LOGS = 1000
"""Logs in all of them."""
ANY = Asked()

Reader = Callable[[Asked], list[LogTable]]


def read_tables(
    path: str | os.PathLike[str], asked: Asked = ANY
) -> tuple[list[LogTable], list[str]]:
    """Return the logs that a path leads to, and what of a folder could not be read.

    Raises:
        ScheduleError: there is none, or a file that was named itself cannot be read.
    """
    place = Path(path)
    if not place.exists():
        raise unreadable(str(path), "is not found", "give the path of a log")
    try:
        if not place.is_dir():
            return read_file(place, asked), []
        return _gathered(place, asked)
    except OSError as error:
        raise unreadable(str(path), f"cannot be read ({error.strerror})") from None


def read_file(path: Path, asked: Asked = ANY) -> list[LogTable]:
    """Return the logs in one file, whose format its first bytes and its name tell."""
    begin = read_up_to(path, 512)
    if not begin.strip():
        raise unreadable(str(path), "is empty", "give the log of a run")
    if begin.startswith(b"SQLite format 3\0"):
        return trackio.read(path, asked) if trackio.holds_metrics(path) else journal.read(path)
    if begin.startswith(wandb_store.MAGIC):
        return [wandb_store.read(path, _name(path), asked)]
    if EVENTS in path.name:
        return [tensorboard.read(path, [path], _name(path), asked)]
    if path.suffix in (".json", *JSON_LINES) or re.match(rb"\s*(\[\s*)?\{\s*[\"}]", begin):
        kind = json_log.read_lines if json_log.is_lines(path) else json_log.read
        return [kind(path, _name(path), asked)]
    if path.suffix not in TABLES and printed.is_printed(read_up_to(path, printed.LOOKED_AT)):
        return [printed.read(path, _name(path), asked)]
    return wandb_csv.runs_in(csv_log.read(path, _name(path), asked))


def _gathered(folder: Path, asked: Asked) -> tuple[list[LogTable], list[str]]:
    """Return the logs in a folder; those that cannot be read are told of if others can."""
    found: list[LogTable] = []
    errors: list[ScheduleError] = []
    readers = _logs(folder, DEEPEST)
    if len(readers) > MOST_LOGS:
        rule = f"holds {len(readers):,} logs, more than {MOST_LOGS:,}"
        raise unreadable(str(folder), rule, "give the folders of the runs that matter")
    asked = replace(asked, logs=asked.logs * max(len(readers), 1))
    for read in readers:
        try:
            found += read(asked)
        except ScheduleError as error:
            errors.append(error)
    if not found:
        if errors:
            raise errors[0]
        names = ", ".join(one.name for one in _inside(folder)[:8]) or "nothing"
        raise unreadable(str(folder), f"holds no log, but {names}")
    return found, [str(error) for error in errors]


def _logs(folder: Path, deep: int) -> list[Reader]:
    """Return what reads the logs in a folder, in the order of their names.

    Of a Trainer's folder the last checkpoint counts, which holds the whole log.
    """
    inside = _inside(folder)
    states = [one / STATE for one in inside if re.fullmatch(r"checkpoint-\d+", one.name)]
    states = [one for one in states if one.is_file()]
    if (folder / STATE).is_file():
        return [partial(read_file, folder / STATE)]
    if states:
        last = max(states, key=lambda one: int(one.parent.name.partition("-")[2]))
        return [partial(read_file, last)]
    if (folder / METRICS).is_file():
        return [partial(read_file, folder / METRICS)]
    if (folder / HISTORY).is_file():
        return [partial(read_file, folder / HISTORY)]
    found: list[Reader] = []
    files = [one for one in inside if one.is_file()]
    if written := [one for one in files if EVENTS in one.name]:
        name = folder.resolve().name
        found.append(lambda asked: [tensorboard.read(folder, written, name, asked)])
    found += [partial(read_file, one) for one in files if one.suffix in LOGS or _is_trackio(one)]
    if deep:
        below = [one for one in inside if one.is_dir() and not one.is_symlink()]
        found += [read for one in below for read in _logs(one, deep - 1)]
    return found


def _is_trackio(path: Path) -> bool:
    return path.suffix == ".db" and trackio.holds_metrics(path)


def _inside(folder: Path) -> list[Path]:
    """Return what is in a folder, by name."""
    found = sorted(islice(folder.iterdir(), MOST_ENTRIES + 1))
    if len(found) > MOST_ENTRIES:
        rule = f"holds more than {MOST_ENTRIES:,} files"
        raise unreadable(str(folder), rule, "give the folder of a run, or a log itself")
    return found


def _name(path: Path) -> str:
    """Return what the run of a file is called: the file, or its folder if all have that name."""
    folder = path.resolve().parent
    if path.name == STATE and re.fullmatch(r"checkpoint-\d+", folder.name):
        return folder.parent.name
    if path.name == "wandb-history.jsonl" and folder.name == "files":
        return folder.parent.name
    named = path.name in (STATE, METRICS) or EVENTS in path.name or path.suffix == ".wandb"
    return folder.name if named else path.stem
