"""TensorBoard's event files, read without TensorBoard, in memory that does not grow with them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ratewise.logs.columns import MONITOR, Asked
from ratewise.logs.events import Found, Malformed, scalars_of
from ratewise.logs.records import COPY, Records
from ratewise.logs.series import Series, share_of
from ratewise.logs.table import LogTable, thinning, unreadable

MOST_TAGS = 10_000
"""Different tags of a run."""
STEP = "step"


def read(folder: Path, paths: Sequence[Path], name: str, asked: Asked) -> LogTable:
    """Return the event files of one run as a table.

    Every record is held against its checksums. A file that is still being written, or that a
    crash has cut in the middle of a record, is read up to there. Lightning counts updates from 0
    when it logs.

    Raises:
        ScheduleError: a file is none of events or damaged, or there is no scalar in any.
    """
    kept = Scalars(str(folder), asked)
    said: list[str] = []
    for path in sorted(paths, key=lambda one: (_born(one), one.name)):
        records = Records(path, asked.progress)
        for block in records:
            try:
                kept.add(scalars_of(block))
            except Malformed as error:
                number = block.first + int(error.args[0])
                rule = f"is no event file of TensorBoard: record {number:,} is no event"
                raise unreadable(str(path), rule, COPY) from None
        said += [f"{path}: {one}" for one in records.said]
    if not kept.names:
        raise unreadable(str(folder), "holds no scalars", "give the log of a run")
    names = (STEP, *(one for one in kept.names if one != STEP))
    asked.step_of(str(folder), names)
    series = kept.series
    points = {one: found.points() for one, found in series.items()}
    flaws = {one: thinning(one, found) for one, found in series.items()}
    early = int(any(map(MONITOR.match, names)))
    return LogTable(str(folder), name, points, STEP, names, early, said=tuple(said), flaws=flaws)


class Scalars:
    """The scalars of a run as they come in: those that were asked for, and the names of all.

    Attributes:
        names: All tags, in the order in which they came.
        series: The points of those that may be losses or rates.
    """

    def __init__(self, where: str, asked: Asked) -> None:
        self._where, self._asked = where, asked
        self._known: dict[bytes, str] = {}
        self.names: dict[str, None] = {}
        self.series: dict[str, Series] = {}

    def add(self, found: Found) -> None:
        """Take the scalars of some records."""
        for place, tag in enumerate(found.tags):
            name = self._name(tag)
            if name in self.series:
                here = np.flatnonzero(found.which == place)
                most = share_of(len(self.series), self._asked.logs)
                self.series[name].add(found.steps[here], found.values[here], most)

    def _name(self, tag: bytes) -> str:
        if tag not in self._known:
            name = tag.decode("utf-8", errors="backslashreplace")
            self._known[tag] = name
            self.names[name] = None
            if len(self._known) > MOST_TAGS:
                rule = f"has scalars of more than {MOST_TAGS:,} names"
                raise unreadable(self._where, rule, "give the log of one run")
            if name != STEP and self._asked.keeps(name):
                self.series[name] = Series()
        return self._known[tag]


def _born(path: Path) -> int:
    """Return the second in which a file was begun, that its name says."""
    match = re.search(r"tfevents\.(\d{1,18})", path.name)
    return int(match[1]) if match else 0
