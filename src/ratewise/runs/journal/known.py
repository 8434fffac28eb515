"""What rows say of runs, where they say what can have been."""

from __future__ import annotations

import sqlite3

import numpy as np

from ratewise.runs.journal.table import Row
from ratewise.runs.journal.tables import STRETCHES
from ratewise.runs.keys import Way
from ratewise.tasks.protocols import Losses


def losses_between(file: sqlite3.Connection, task: str, way: Way, low: int) -> Losses | None:
    """Return the losses from update `low` to the end of a way, segment by segment from the end.

    None where one of them is missing, or does not begin where another ends.

    Raises:
        DamagedRow: one is not as it was written.
    """
    pieces: list[Losses] = []
    stop = len(way.rates)
    while True:
        row = STRETCHES.one(file, way.until(stop).key(task))
        if row is None or row["high"] != stop or row["low"] >= stop:
            return None
        if row["start"] != way.until(row["low"]).key(task):
            return None
        losses = floats(row["losses"])
        if not np.isfinite(losses).all():
            return None
        pieces.append(losses[max(low - row["low"], 0) :])
        if row["low"] <= low:
            return np.concatenate(pieces[::-1])
        stop = row["low"]


def could_be(row: Row, updates: int) -> bool:
    """Tell whether a run of so many updates can have ended as a row says."""
    losses, diverged = floats(row["losses"]), row["diverged"]
    if row["updates"] != updates or len(losses) != updates:
        return False
    good = np.isfinite(losses)
    if diverged is None:
        return bool(good.all())
    return diverged < updates and bool(good[:diverged].all()) and not good[diverged:].any()


def floats(content: bytes) -> Losses:
    """Return bytes as float64[k]."""
    return np.frombuffer(content, "<f8").astype(np.float64)
