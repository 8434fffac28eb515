"""Rows that come in one by one, whatever wrote them, as the series of a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ratewise.logs.columns import MONITOR, STEPS, Asked, plain
from ratewise.logs.series import Series, share_of
from ratewise.logs.table import LogTable, thinning, to_number, unreadable
from ratewise.schedule.errors import shorten

MANY = 1000
"""Rows that are taken together; what the first of them are called decides what counts updates."""
MOST_NAMES = 10_000
_OF = re.compile(r"(\d{1,15}) ?/ ?(\d{1,15})", re.ASCII)
DEEPEST = 4
"""Dicts in dicts whose numbers are taken."""


class Rows:
    """The rows of one run as they come in: of the columns that were asked for, in bounded memory.

    Attributes:
        count: How many rows there were.
    """

    def __init__(self, where: str, name: str, asked: Asked) -> None:
        self._where, self._name, self._asked = where, name, asked
        self._names: dict[str, None] = {}
        self._waiting: list[dict[str, Any]] = []
        self._series: dict[str, Series] = {}
        self._bad: dict[str, tuple[int, str]] = {}
        self._step = ""
        self.count = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row; numbers in dicts of it are called by both names, `a.b`."""
        flat = dict(_flat(row))
        for name in flat:
            if name not in self._names:
                self._names[name] = None
                if len(self._names) > MOST_NAMES:
                    rule = f"has more than {MOST_NAMES:,} columns"
                    raise unreadable(self._where, rule, "give the log of one run")
        self.count += 1
        self._waiting.append(flat)
        if len(self._waiting) >= MANY:
            self._take()

    def table(self, said: tuple[str, ...] = ()) -> LogTable:
        """Return what was taken.

        Lightning counts updates from 0 when it logs, so that its steps are one behind.

        Raises:
            ScheduleError: there is no column of updates.
        """
        self._take()
        names = tuple(self._names)
        points = {one: series.points() for one, series in self._series.items() if series.count}
        flaws = {one: thinning(one, series) for one, series in self._series.items()}
        for one, (count, first) in self._bad.items():
            many = "1 value is no number" if count == 1 else f"{count:,} values are no numbers"
            flaws[one] = (f"in {one} {many}, the first {first}", *flaws.get(one, ()))
        early = int(any(map(MONITOR.match, names)))
        return LogTable(
            self._where, self._name, points, self._step, names, early, said=said, flaws=flaws
        )

    def _take(self) -> None:
        if not self._step:
            self._step = self._asked.step_of(self._where, list(self._names))
        rows, self._waiting = self._waiting, []
        steps = np.array([self._number(row, self._step) for row in rows], dtype=np.float64)
        kept = [one for one in self._names if one != self._step and self._asked.keeps(one)]
        most = share_of(len(kept), self._asked.logs)
        for one in kept:
            here = np.array([one in row and row[one] is not None for row in rows], dtype=bool)
            here &= np.isfinite(steps)
            if not here.any():
                continue
            found = [self._number(row, one) for row, is_here in zip(rows, here, strict=True)
                     if is_here]  # fmt: skip
            values = np.array(found, dtype=np.float64)
            wrote = ~np.isneginf(values)
            self._series.setdefault(one, Series()).add(steps[here][wrote], values[wrote], most)

    def _number(self, row: dict[str, Any], name: str) -> float:
        """Return a number, NaN where one was written, -inf where there is something else."""
        value = row.get(name)
        found = to_number(value)
        if found == found or value is None or value != value:
            return found
        if isinstance(value, str) and value.strip().lower() in ("nan", "-nan"):
            return found
        count, first = self._bad.get(name, (0, shorten(value, 30)))
        self._bad[name] = count + 1, first
        return float("-inf") if name != self._step else found


def _flat(row: Mapping[Any, Any], before: str = "", deep: int = DEEPEST) -> Iterator[Any]:
    for name, value in row.items():
        if isinstance(value, Mapping):
            if deep:
                yield from _flat(value, f"{before}{name}.", deep - 1)
        elif isinstance(value, str) and (found := _OF.fullmatch(value)):
            yield from _of_all(f"{before}{name}", *found.groups())
        elif not isinstance(value, list | tuple):
            yield f"{before}{name}", value


def _of_all(name: str, made: str, all_of_them: str) -> Iterator[tuple[str, int]]:
    """Return what a counter says that is written as 10/400: how far it is, and how far it goes.

    >>> dict(_of_all("global_step/max_steps", "10", "400"))
    {'global_step': 10, 'max_steps': 400}
    >>> dict(_of_all("step", "10", "400"))
    {'step': 10, 'total_steps': 400}
    """
    first, cut, second = name.partition("/")
    if not cut:
        second = "total_steps" if plain(first) in STEPS else f"{first} of"
    yield first, int(made)
    yield second, int(all_of_them)
