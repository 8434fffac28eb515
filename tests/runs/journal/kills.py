"""Drivers that are killed at random moments, again and again, until the comparison has ended.

    python -m tests.runs.journal.kills 50 0      # kills, workers

says how many there were, what was trained, and what of it was trained twice.
"""

from __future__ import annotations

import itertools
import multiprocessing
import random
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from ratewise.choose import compare
from tests.runs.journal.tasks import ASKED, SCHEDULES, Bowl, records


class Killed(NamedTuple):
    """What came of a comparison whose driver was killed so many times.

    Args:
        kills: How often it was killed.
        text: The records of the driver that ended it.
        committed: Updates that the journal had when each driver began, and at the end.
        made: Updates that each driver made, counted by the task itself.
    """

    kills: int
    text: str
    committed: list[int]
    made: list[int]


def drive(path: Path, notes: Path, workers: int, told: Connection) -> None:
    """Compare, in a process of its own; say when a piece was trained, and what came of it."""
    progress: Any = lambda done, planned, what: told.send(None)  # noqa: E731
    result = compare(
        Bowl(notes), SCHEDULES, **ASKED, workers=workers, journal=path, progress=progress
    )
    told.send(records(result))


def committed(path: Path) -> int:
    """The updates in a journal, counted without our own code."""
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path)) as file:
        return file.execute("SELECT COALESCE(SUM(high - low), 0) FROM stretches").fetchone()[0]


def killed(folder: Path, workers: int, chance: random.Random, most: int) -> Killed:
    """Compare, with so many drivers killed at most."""
    path, kills = folder / "runs.db", 0
    before, made = [0], list[int]()
    while True:
        here, there = multiprocessing.Pipe()
        notes = folder / f"notes-{len(made)}"
        context = multiprocessing.get_context("fork")
        process: Any = context.Process(target=drive, args=(path, notes, workers, there))
        process.start()
        there.close()
        pieces = chance.randrange(20) if kills < most else sys.maxsize
        text = _heard(here, pieces)
        if text is None:
            time.sleep(chance.random() * 0.05)
            process.kill()
            kills += 1
        process.join()
        here.close()
        made.append(len(notes.read_text().splitlines()) if notes.exists() else 0)
        before.append(committed(path))
        if text is not None:
            return Killed(kills, text, before, made)


def _heard(here: Connection, pieces: int) -> str | None:
    """Listen for so many pieces; return the end of it, if that comes before."""
    while pieces:
        text = here.recv()
        if text is not None:
            return text
        pieces -= 1
    return None


def check(one: Killed, truth: Any, workers: int) -> None:
    """Hold a comparison against the one that nobody disturbed."""
    assert one.text == records(truth)
    assert one.committed == sorted(one.committed)
    assert one.committed[-1] == truth.trained
    gained = [after - before for before, after in itertools.pairwise(one.committed)]
    lost = [made - gain for made, gain in zip(one.made, gained, strict=True)]
    assert lost[-1] == 0  # whoever was not killed trained what was not committed, and no more
    assert all(0 <= update <= 120 * max(workers, 1) for update in lost)


def main(count: int, workers: int) -> None:
    """Print figures."""
    truth = compare(Bowl(), SCHEDULES, **ASKED)
    kills = runs = lost = 0
    while kills < count:
        with tempfile.TemporaryDirectory() as folder:
            chance = random.Random(runs)
            one = killed(Path(folder), workers, chance, min(8, count - kills))
            check(one, truth, workers)
            kills, runs = kills + one.kills, runs + 1
            lost += sum(one.made) - truth.trained
    print(f"{kills} kills in {runs} comparisons with {workers} workers: all results equal,")
    print(f"{lost} of {runs * truth.trained} updates trained twice, none of them committed")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
