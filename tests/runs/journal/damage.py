"""Damaged journals, as many as one likes, and what is made of each.

    python -m tests.runs.journal.damage 1000

says how many were refused, trained again or unharmed, and what the worst one took.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import sqlite3
import sys
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import ratewise as rw
from ratewise.choose import compare, read_curves
from ratewise.compare.comparison import Interrupted
from ratewise.runs.journal import status, told_of
from ratewise.runs.journal.remembered import remember
from ratewise.schedule import ScheduleError
from tests.runs.journal.tasks import Bowl, records, stop_after

PLANS = {
    "constant": rw.Warmup(4) >> rw.Hold(),
    "late": rw.Warmup(4) >> rw.Hold() >> rw.Linear(to=0, over="20%"),
    "cosine": rw.Warmup(4) >> rw.Cosine(to=0),
}
ASKED: Any = {"total": 24, "peaks": [0.05, 5.0], "seeds": 1, "disk": "1MB"}
WORDS = {"command": "compare", "task": "mine.py:task", "specs": ["Hold()"], "seeds": 3}

PAGE = 4096


class Sound(NamedTuple):
    """A journal as it was, and all that can be read of it."""

    folder: Path
    looks: dict[str, Any]
    trained: int


class Looks:
    """What is read of a journal beside comparing with it."""

    @staticmethod
    def how_far(path: Path) -> Any:
        now = status(path)
        return now.runs, now.finished, now.failed, now.trained, now.planned, now.ended, now.doing

    @staticmethod
    def words(path: Path) -> Any:
        return told_of(path)

    @staticmethod
    def curves(path: Path) -> Any:
        return [
            (one.name, one.losses.tobytes(), one.every_rate.tobytes()) for one in read_curves(path)
        ]


LOOKS = (Looks.how_far, Looks.words, Looks.curves)


def made(folder: Path, stop: int | None, *, open_log: bool = False) -> Sound:
    """Make a journal: one that has ended, or was stopped; or as a power cut leaves it."""
    folder.mkdir()
    path = folder / "runs.db"
    remember(path, WORDS)
    task = Bowl()
    with contextlib.suppress(Interrupted):
        progress = None if stop is None else stop_after(stop)
        compare(task, PLANS, **ASKED, journal=path, progress=progress)
    if open_log:
        with contextlib.closing(sqlite3.connect(path)) as file:
            file.execute("PRAGMA wal_autocheckpoint=0")
            file.execute("UPDATE checkpoints SET needed = 1")
            file.commit()
            cut = folder.with_name(folder.name + "-cut")
            shutil.copytree(folder, cut)
        shutil.rmtree(folder)
        cut.rename(folder)
    looks = {look.__name__: look(path) for look in LOOKS if stop is None or look is not LOOKS[2]}
    again = Bowl()
    copy = folder.with_name(folder.name + "-again")
    shutil.copytree(folder, copy)
    compare(again, PLANS, **ASKED, journal=copy / "runs.db")
    shutil.rmtree(copy)
    return Sound(folder, looks, again.made)


# Damage ---------------------------------------------------------------------------------------


def _bytes_damage(data: bytearray, chance: random.Random) -> None:
    """Bits that flip, bytes that change, ends that are missing, pages that are lost or mixed up."""
    kind, size = chance.randrange(6), len(data)
    pages = max(size // PAGE, 1)
    if kind == 0:
        for _ in range(chance.choice([1, 1, 1, 3, 20])):
            data[chance.randrange(size)] ^= 1 << chance.randrange(8)
    elif kind == 1:
        start, long = chance.randrange(size), chance.choice([1, 2, 8, 64, 1000])
        data[start : start + long] = chance.randbytes(len(data[start : start + long]))
    elif kind == 2:
        del data[chance.choice([chance.randrange(size), chance.randrange(pages) * PAGE]) :]
    elif kind == 3:
        page = chance.randrange(pages) * PAGE
        data[page : page + PAGE] = bytes(len(data[page : page + PAGE]))
    else:
        one, other = (chance.randrange(pages) * PAGE for _ in range(2))
        first, second = data[one : one + PAGE], data[other : other + PAGE]
        if len(first) == len(second):
            data[other : other + PAGE] = first
            if kind == 4:
                data[one : one + PAGE] = second


def harm_file(path: Path, chance: random.Random) -> None:
    """Damage the bytes of the journal, its log, or a checkpoint."""
    checkpoints = list(path.parent.glob("*.checkpoints/*"))
    files = [path, path, path, path.with_name("runs.db-wal"), *chance.sample(checkpoints, 1)]
    file = chance.choice([one for one in files if one.exists() and one.stat().st_size])
    data = bytearray(file.read_bytes())
    if file.suffix == ".state" and chance.random() < 0.3:
        other = chance.choice(checkpoints)
        data = bytearray(other.read_bytes())
    else:
        _bytes_damage(data, chance)
    file.write_bytes(data)


def _changed(value: Any, chance: random.Random) -> Any:
    """Return another value in place of one, of its kind more often than not."""
    strange = [None, -1, 2**62, 0, 0.5, 1e308, float("inf"), "", "x", "1", b"", b"\0" * 8]
    if chance.random() < 0.3 or value is None:
        return chance.choice(strange)
    if isinstance(value, int):
        return chance.choice([value + 1, value - 1, -value, value * 2, 0, value ^ 4])
    if isinstance(value, float):
        return chance.choice([value * 1.0000001, value + 1, -value, 0.0, float("inf")])
    content = bytearray(value.encode() if isinstance(value, str) else value)
    if content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    if isinstance(value, bytes):
        return bytes(content)
    return content.decode("utf-8", "replace") if chance.random() < 0.8 else bytes(content)


def harm_rows(path: Path, chance: random.Random) -> None:
    """Change values, swap them between rows, or copy and lose rows, all of it in good SQL."""
    with contextlib.closing(sqlite3.connect(path)) as file:
        tables = [
            row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        filled = [
            name
            for name in tables
            if file.execute(f"SELECT 1 FROM {name}").fetchone() and name != "comparisons"
        ] + ["comparisons"] * 1
        table = chance.choice(filled)
        columns = [row[1] for row in file.execute(f"PRAGMA table_info({table})")]
        rows = file.execute(f"SELECT * FROM {table}").fetchall()
        for _ in range(chance.choice([1, 1, 2])):
            _harm_row(file, table, columns, rows, chance)
        file.commit()
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _harm_row(
    file: Any, table: str, columns: list[str], rows: list[Any], chance: random.Random
) -> None:
    key = columns[: 2 if table == "findings" else 1]
    row, other = chance.choice(rows), chance.choice(rows)
    where = " AND ".join(f"{name} IS ?" for name in key)
    this, that = row[: len(key)], other[: len(key)]
    kind, column = chance.randrange(5), chance.choice(columns)
    place = columns.index(column)
    with contextlib.suppress(sqlite3.IntegrityError, OverflowError):
        set_to = f"UPDATE {table} SET {column} = ? WHERE {where}"
        if kind <= 1:
            file.execute(set_to, (_changed(row[place], chance), *this))
        elif kind == 2:  # the values of two rows, or all but their keys
            names = columns[len(key) :] if chance.random() < 0.5 else [column]
            for name in names:
                set_to = f"UPDATE {table} SET {name} = ? WHERE {where}"
                file.execute(set_to, (other[columns.index(name)], *this))
                file.execute(set_to, (row[columns.index(name)], *that))
        elif kind == 3 and table not in ("commands", "comparisons"):  # what is lost there is unseen
            file.execute(f"DELETE FROM {table} WHERE {where}", this)
        else:
            marks = ", ".join("?" * len(columns))
            copied = (_changed(row[0], chance), *row[1:])
            file.execute(f"INSERT OR REPLACE INTO {table} VALUES ({marks})", copied)


# What is made of it ---------------------------------------------------------------------------


def tried(sound: Sound, truth: str, folder: Path, seed: int) -> tuple[str, str]:
    """Damage a copy of a journal, read it and compare with it; return what came of it, and how."""
    chance = random.Random(seed)
    shutil.copytree(sound.folder, folder)
    path = folder / "runs.db"
    harm: Callable[[Path, random.Random], None] = chance.choice([harm_file, harm_rows])
    harm(path, chance)
    for look in LOOKS:
        with contextlib.suppress(ScheduleError):
            found = look(path)
            if look.__name__ in sound.looks and found != sound.looks[look.__name__]:
                return "different", f"{seed}: {harm.__name__}, {look.__name__}"
    task = Bowl()
    try:
        result = compare(task, PLANS, **ASKED, journal=path)
    except ScheduleError as error:
        return "refused", str(error)
    if records(result) != truth:
        return "different", f"{seed}: {harm.__name__}"
    return ("unharmed" if task.made == sound.trained else "trained again"), ""


def every(count: int, folder: Path) -> Iterator[tuple[str, str]]:
    """Yield what came of so many damaged journals; a raw exception comes out as it is."""
    truth = records(compare(Bowl(), PLANS, **ASKED))
    sounds = [
        made(folder / "ended", None),
        made(folder / "stopped", 60),
        made(folder / "cut", 40, open_log=True),
    ]
    for seed in range(count):
        copy = folder / "copy"
        try:
            yield tried(sounds[seed % len(sounds)], truth, copy, seed)
        except Exception as error:
            raise AssertionError(f"damage {seed}: {error!r}") from error
        finally:
            shutil.rmtree(copy, ignore_errors=True)


def main(count: int) -> None:
    """Print figures."""
    came: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    worst, most, began = 0.0, 0, time.process_time()
    tracemalloc.start()
    with tempfile.TemporaryDirectory() as folder:
        for outcome, said in every(count, Path(folder)):
            came[outcome] += 1
            rules[said.partition(") ")[2][:60]] += outcome == "refused"
            worst, began = max(worst, time.process_time() - began), time.process_time()
            most = max(most, tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()
            if outcome == "different":
                print(said)
    print(dict(came), f"worst {worst:.2f} s of CPU, {most / 1e6:.0f} MB")
    print(*rules.most_common(20), sep="\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
