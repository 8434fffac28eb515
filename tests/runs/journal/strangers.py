"""Journals that a stranger made, to do harm to whoever opens them.

Each function takes a journal that is in order, in a folder of its own, and makes it an evil one.
Rows get seals that are right: a stranger can compute them as well as anyone.

    python -m tests.runs.journal.strangers

says what each of them costs whoever reads it or compares with it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import sqlite3
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ratewise.choose import compare, read_curves
from ratewise.runs.journal import status, told_of
from ratewise.runs.journal.table import LEDGER, Table
from ratewise.runs.journal.tables import TABLES
from ratewise.schedule import ScheduleError
from tests.runs.journal.damage import ASKED, PLANS, made
from tests.runs.journal.tasks import Bowl

Evil = Callable[[Path], Any]
TABLE = {table.name: table for table in TABLES}
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n"
DEEP = "[" * 100_000 + "]" * 100_000
MANY = 30_000
LARGE = bytes(20 * 2**20)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(path)) as file:
        yield file
        file.commit()
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def with_schema(*statements: str) -> Evil:
    """Change what the tables are."""

    def change(path: Path) -> None:
        with opened(path) as file:
            file.executescript("PRAGMA writable_schema=ON;" + ";".join(statements))

    return change


def balance(file: sqlite3.Connection, table: Table) -> None:
    """Let the ledger say of a table what is in it."""
    file.row_factory = None
    seals = file.execute(f"SELECT seal FROM {table.name}").fetchall()
    (last,) = file.execute(f"SELECT MAX({table.key[0]}) FROM {table.name}").fetchone()
    total = sum(int.from_bytes(seal, "big") for (seal,) in seals) % 2**128
    number = last if table.name in ("commands", "comparisons") else 0
    row = {"name": table.name, "total": total.to_bytes(16, "big"), "number": number}
    LEDGER.write(file, row)


def with_rows(name: str, *, first: int | None = None, **changes: Any) -> Evil:
    """Change all rows of a table, or the first few, and seal them anew."""

    def change(path: Path) -> None:
        table = TABLE[name]
        with opened(path) as file:
            file.row_factory = sqlite3.Row
            rows = [dict(row) for row in file.execute(f"SELECT * FROM {name}")]
            file.execute(f"DELETE FROM {name}")
            for row in rows[:first]:
                told = {n: c(row) if callable(c) else c for n, c in changes.items()}
                new = table.sealed(row | told)
                marks = ", ".join("?" * len(new))
                columns = ", ".join(new)
                file.execute(
                    f"INSERT OR REPLACE INTO {name} ({columns}) VALUES ({marks})",
                    list(new.values()),
                )
            balance(file, table)

    return change


def in_sql(*statements: str) -> Evil:
    """Change the file in SQL, seals as they are."""

    def change(path: Path) -> None:
        with opened(path) as file:
            for statement in statements:
                file.execute(statement)

    return change


def many(name: str, count: int) -> Evil:
    """Make a table long."""

    def change(path: Path) -> None:
        with opened(path) as file:
            columns = [row[1] for row in file.execute(f"PRAGMA table_info({name})")]
            first = "printf('%064x', x)" if name != "comparisons" else "x + 10"
            told = ", ".join([first, *columns[1:]])
            file.execute(
                f"INSERT OR IGNORE INTO {name} SELECT {told} FROM (SELECT * FROM {name} LIMIT 1), "
                f"(WITH RECURSIVE n(x) AS "
                f"(SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {count}) SELECT x FROM n)"
            )

    return change


def beside(ending: str, make: Callable[[Path], Any]) -> Evil:
    """Put something beside a journal."""
    return lambda path: make(path.with_name(path.name + ending))


def victim(path: Path) -> None:
    """Let a file lead to another one, which is not to be touched."""
    other = path.with_name("victim")
    other.write_text("precious")
    path.unlink(missing_ok=True)
    path.symlink_to(other)


def pipe(path: Path) -> None:
    """Let a file be a pipe, whose reader waits for someone to write."""
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def no_folder(path: Path) -> None:
    """Let a file stand in place of the folder of checkpoints."""
    folder = path.with_name("runs.db.checkpoints")
    shutil.rmtree(folder)
    folder.write_text("x")


def raw(change: Callable[[bytes], bytes]) -> Evil:
    """Change its bytes."""
    return lambda path: path.write_bytes(change(path.read_bytes()))


def tree_without_end(name: str) -> Evil:
    """Make a table a tree of 18 floors, on each of which every branch leads to the same next."""

    def change(path: Path) -> None:
        with opened(path) as file:
            query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
            (root,) = file.execute(query, (name,)).fetchone()
        data = bytearray(path.read_bytes())
        size = int.from_bytes(data[16:18], "big")
        leaf = bytes(data[(root - 1) * size : root * size])
        count = len(data) // size
        floors = [root, *range(count + 1, count + 19)]
        pages = {floors[-1]: leaf}
        for this, below in itertools.pairwise(floors):
            page = bytearray(size)
            cell = below.to_bytes(4, "big") + b"\x01"
            start = size - 5
            page[0:12] = b"\x05\0\0" + (100).to_bytes(2, "big") + start.to_bytes(2, "big") + b"\0"
            page[8:12] = below.to_bytes(4, "big")
            page[start:size] = cell
            for at in range(100):
                page[12 + 2 * at : 14 + 2 * at] = start.to_bytes(2, "big")
            pages[this] = bytes(page)
        data += bytes(size * 18)
        for number, page in pages.items():
            data[(number - 1) * size : number * size] = page
        data[28:32] = (len(data) // size).to_bytes(4, "big")
        path.write_bytes(data)

    return change


EVIL: dict[str, Evil] = {
    "a view without end": with_schema("DROP TABLE runs", f"CREATE VIEW runs AS {ENDLESS}"),
    "a view that looks at itself": with_schema(
        "DROP TABLE comparisons", "CREATE VIEW comparisons AS SELECT * FROM comparisons"
    ),
    "a trigger": with_schema(
        "CREATE TRIGGER t AFTER UPDATE ON comparisons BEGIN DELETE FROM runs; END"
    ),
    "a virtual table": with_schema(
        "DROP TABLE runs", "CREATE VIRTUAL TABLE runs USING fts5(run, task)"
    ),
    "a column that is made": with_schema(
        "DROP TABLE rates",
        "CREATE TABLE rates (run TEXT PRIMARY KEY, name TEXT, peak REAL, seal BLOB, digest BLOB, "
        "rates BLOB AS (zeroblob(900000000)))",
    ),
    "a default that is large": with_schema(
        "CREATE TABLE more (x, y DEFAULT (zeroblob(900000000)))"
    ),
    "an index on a long sum": with_schema("CREATE INDEX i ON runs (seed + 1 + 1 + 1)"),
    "tables by the thousand": with_schema(*(f"CREATE TABLE t{i} (x)" for i in range(500))),
    "a table of another form": with_schema(
        "DROP TABLE tasks", "CREATE TABLE tasks (task TEXT PRIMARY KEY, name, metrics, seal)"
    ),
    "a schema that is nonsense": with_schema(
        "UPDATE sqlite_master SET sql = 'CREATE TABLE runs (' WHERE name = 'runs'"
    ),
    "two tables in one place": with_schema(
        "UPDATE sqlite_master SET rootpage = 3 WHERE type = 'table'"
    ),
    "a table in no place": with_schema(
        "UPDATE sqlite_master SET rootpage = 99999 WHERE name = 'runs'"
    ),
    "a tree without end": tree_without_end("comparisons"),
    "a tree of commands without end": tree_without_end("commands"),
    "time goes back": with_rows("comparisons", begun=2e9, ended=1.0),
    "time is far ahead": with_rows("comparisons", begun=1e12, ended=None),
    "time is endless": with_rows("comparisons", begun=float("inf"), ended=float("inf")),
    "time is negative": with_rows("comparisons", begun=-1e300, ended=None),
    "time is a text": in_sql("UPDATE comparisons SET begun = 'now', ended = x'00'"),
    **{
        f"pid {pid!r}": with_rows("comparisons", pid=pid)
        for pid in (0, -1, 2**62, 2.0**70, "1; rm", None, b"1")
    },
    "more trained than planned": with_rows("comparisons", trained=2**61, planned=1),
    "counts below nothing": with_rows("comparisons", trained=-5, runs=-1, finished=2**62),
    "a name that drives": with_rows("comparisons", doing="\x1b]0;x\x07\x1b[2J\u202e", ended=None),
    "a name without end": with_rows("comparisons", doing="x" * 5_000_000),
    "words that are no words": with_rows("commands", words="[1]"),
    "words that are deep": with_rows("commands", words=DEEP),
    "words that are nothing": with_rows("commands", words="", signed=b""),
    "texts that are no texts": in_sql("UPDATE rates SET name = CAST(x'ff00fe' AS TEXT)"),
    "tasks that are no texts": in_sql("UPDATE runs SET task = CAST(x'ff00fe' AS TEXT)"),
    "metrics that are deep": with_rows("runs", metrics=DEEP),
    "metrics of no numbers": with_rows("runs", metrics='{"loss": NaN}'),
    "metrics too large": with_rows("runs", metrics='{"loss": 1' + "0" * 5000 + "}"),
    "metrics of another name": with_rows("runs", metrics='{"other": 1.0}'),
    "metrics in a list": with_rows("runs", metrics="[]"),
    "losses of no number": with_rows("runs", losses=lambda row: b"\xff" * len(row["losses"])),
    "losses too few": with_rows("runs", losses=b"\0" * 8),
    "losses that are cut": with_rows("runs", losses=lambda row: row["losses"][:-3]),
    "losses that are a text": in_sql("UPDATE runs SET losses = 'x'"),
    "losses that are large": with_rows("runs", first=1, losses=LARGE, updates=20 * 2**17),
    "rates that are large": with_rows("rates", first=1, rates=LARGE),
    "diverged behind the end": with_rows("runs", diverged=2**40),
    "diverged before the start": with_rows("runs", diverged=-1),
    "stretches in a circle": with_rows("stretches", start=lambda row: row["stop"]),
    "stretches backwards": with_rows(
        "stretches", low=lambda row: row["high"], high=lambda row: row["low"]
    ),
    "stretches from afar": with_rows("stretches", low=2**62),
    "stretches of nothing": with_rows("stretches", low=lambda row: row["high"], losses=b""),
    "states elsewhere": with_rows("checkpoints", state="../../../victim"),
    "states without a number": with_rows("checkpoints", updates="x", bytes=-(2**60), needed=0),
    "states that are huge": with_rows("checkpoints", bytes=2**62, needed=0),
    "findings of nonsense": with_rows("findings", found='{"a": [1, {}]}'),
    "stretches by the ten thousand": many("stretches", MANY),
    "runs by the ten thousand": many("runs", MANY),
    "checkpoints by the ten thousand": many("checkpoints", MANY),
    "comparisons by the ten thousand": many("comparisons", MANY),
    "no byte behind the head": raw(lambda data: data[:100]),
    "a head and zeros": raw(lambda data: data[:100] + bytes(len(data) - 100)),
    "pages of another size": raw(lambda data: data[:16] + b"\x02\0" + data[18:]),
    "more pages than there are": raw(lambda data: data[:28] + b"\x7f" * 4 + data[32:]),
    "a rollback journal": beside(
        "-journal", lambda path: path.write_bytes(b"\xd9\xd5\x05\xf9" * 99)
    ),
    "a log of nonsense": beside("-wal", lambda path: path.write_bytes(b"\x37\x7f\x06\x82" * 9999)),
    "a lock that is a link": beside(".lock", victim),
    "a writer that is a link": beside(".writer", victim),
    "a lock that is a folder": beside(
        ".lock", lambda path: (path.unlink(missing_ok=True), path.mkdir())
    ),
    "states that are a file": no_folder,
}

if hasattr(os, "mkfifo"):
    EVIL |= {
        "a lock that is a pipe": beside(".lock", pipe),
        "a writer that is a pipe": beside(".writer", pipe),
        "a log that is a pipe": beside("-wal", pipe),
        "a pipe": pipe,
        "states that are pipes": lambda path: [
            pipe(one) for one in path.parent.glob("*.checkpoints/*.state")
        ],
    }


def looks(path: Path) -> dict[str, Callable[[], Any]]:
    """All that one can do with a journal."""
    return {
        "status": lambda: status(path),
        "words": lambda: told_of(path),
        "curves": lambda: read_curves(path),
        "compare": lambda: compare(Bowl(), PLANS, **ASKED, journal=path),
    }


def main() -> None:
    """Print what each costs."""
    tracemalloc.start()
    with tempfile.TemporaryDirectory() as folder:
        sound = made(Path(folder) / "sound", 60).folder
        for name, evil in EVIL.items():
            if sys.argv[1:] and name not in sys.argv[1:]:
                continue
            copy = Path(folder) / "copy"
            shutil.copytree(sound, copy)
            evil(copy / "runs.db")
            told: list[Any] = []
            for what, look in looks(copy / "runs.db").items():
                tracemalloc.reset_peak()
                began = time.process_time()
                try:
                    look()
                    said = "well"
                except ScheduleError as error:
                    said = str(error).rpartition("runs.db")[2][:70]
                spent, most = time.process_time() - began, tracemalloc.get_traced_memory()[1]
                told.append((what, round(spent, 2), round(most / 1e6), said))
            print(json.dumps({name: told}, ensure_ascii=True), flush=True)
            shutil.rmtree(copy)


if __name__ == "__main__":
    main()
