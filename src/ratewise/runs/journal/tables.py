"""The tables of a journal, and what may stand in each."""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import Any

from ratewise.runs.journal.table import LEDGER, Table
from ratewise.runs.journal.values import (
    is_digest,
    is_json,
    is_metrics,
    is_name,
    is_real,
    is_text,
    is_time,
    is_whole,
    or_none,
)

_TEXT, _MAYBE_TEXT = ("TEXT", is_text), ("TEXT", or_none(is_text))
_NAME, _COUNT = ("TEXT", is_name), ("INTEGER", is_whole)
_MAYBE_COUNT, _WHEN = ("INTEGER", or_none(is_whole)), ("REAL", is_time)

TASKS = Table("tasks", {"task": _TEXT, "name": _TEXT, "metrics": ("TEXT", is_json)}, ("task",))
RUNS = Table(
    "runs",
    {
        "run": _NAME,
        "task": _TEXT,
        "seed": _COUNT,
        "optimizer": _MAYBE_TEXT,
        "updates": _COUNT,
        "metrics": ("TEXT", is_metrics),
        "diverged": _MAYBE_COUNT,
        "error": _MAYBE_TEXT,
    },
    ("run",),
    "losses",
    lambda row: row["updates"],
)
RATES = Table("rates", {"run": _NAME, "name": _TEXT, "peak": ("REAL", is_real)}, ("run",), "rates")
STRETCHES = Table(
    "stretches",
    {
        "stop": _NAME,
        "start": _NAME,
        "task": _TEXT,
        "low": _COUNT,
        "high": _COUNT,
        "seconds": _WHEN,
        "host": _TEXT,
        "ended": _WHEN,
    },
    ("stop",),
    "losses",
    lambda row: row["high"] - row["low"],
)
CHECKPOINTS = Table(
    "checkpoints",
    {"state": _NAME, "root": _NAME, "updates": _COUNT, "bytes": _COUNT, "sha256": _NAME},
    ("state",),
    loose="needed",
)
COMMANDS = Table(
    "commands",
    {"command": _COUNT, "words": ("TEXT", is_json), "signed": ("BLOB", is_digest)},
    ("command",),
)
COMPARISONS = Table(
    "comparisons",
    {
        "comparison": _COUNT,
        "begun": _WHEN,
        "ended": ("REAL", or_none(is_time)),
        "host": _TEXT,
        "asked": _COUNT,
        "planned": _COUNT,
        "trained": _COUNT,
        "runs": _COUNT,
        "finished": _COUNT,
        "doing": _TEXT,
        "pid": _COUNT,
    },
    ("comparison",),
)
FINDINGS = Table(
    "findings", {"task": _TEXT, "what": _TEXT, "found": ("TEXT", is_json)}, ("task", "what")
)

MEASURED = (TASKS, RUNS, RATES, STRETCHES, CHECKPOINTS, FINDINGS)
"""What can be trained again if it is damaged."""
TABLES = (*MEASURED, COMMANDS, COMPARISONS, LEDGER)
INDEX = "CREATE INDEX checkpoints_by_root ON checkpoints (root, updates)"


@cache
def expected() -> frozenset[tuple[Any, ...]]:
    """Return the schema of a journal, as SQLite writes it down."""
    with sqlite3.connect(":memory:") as file:
        for statement in (*(table.sql for table in TABLES), INDEX):
            file.execute(statement)
        found = file.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
    file.close()
    return frozenset(found)
