"""CSV with any separator and of any length, those of Lightning's CSVLogger too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np

from ratewise.logs.cells import Column
from ratewise.logs.columns import Asked
from ratewise.logs.lines import Lines
from ratewise.logs.rows import Body, Cells, Header, Texts
from ratewise.logs.series import Series, share_of
from ratewise.logs.table import LogTable, thinning, unreadable
from ratewise.schedule.errors import shorten


def read(path: Path, name: str, asked: Asked) -> LogTable:
    """Return a CSV as a table, read in memory that does not grow with it.

    The separator is the one that its first line has most of, else blanks. Lines that begin with #
    are left out, and headers that stand again further down; with semicolons a decimal comma may
    be. Lightning counts updates from 0 when it logs, so that its steps are one behind.

    Raises:
        ScheduleError: it is empty, no text, or has no header or no column of updates.
    """
    where, lines = str(path), Lines(path, asked.progress)
    header, rest = _begin(where, iter(lines))
    body = Body(header)
    cells = body.cells(rest)
    begin = next(cells, None)
    if begin is None:
        rule = next(body.said(), "has a header and nothing below")
        raise unreadable(where, rule, "give the log of a run")
    step = asked.step_of(where, header.names)
    columns = _read(chain([begin], cells), header, step, asked)
    points = {one: series.points() for one, (series, _) in columns.items() if one != step}
    flaws = {
        one: (*cells.flaws(one), *thinning(one, series)) for one, (series, cells) in columns.items()
    }
    said = tuple(f"{where}: {one}" for one in _said(header, body, lines))
    early = int(header.lightning)
    return LogTable(where, name, points, step, header.names, early, said=said, flaws=flaws)


def _begin(where: str, texts: Texts) -> tuple[Header, Texts]:
    """Return the header of some texts, and what is behind it."""
    for number, text in texts:
        rest = text.lstrip("\n")
        while rest and not rest.partition("\n")[0].strip():
            rest = rest.partition("\n")[2].lstrip("\n")
        if rest:
            line, _, rest = rest.partition("\n")
            number += text.count("\n") - rest.count("\n")
            return Header(where, line), chain([(number, rest)] if rest else [], texts)
    raise unreadable(where, "is empty", "give the log of a run")


def _read(
    parts: Iterable[Cells], header: Header, step: str, asked: Asked
) -> dict[str, tuple[Series, Column]]:
    """Return the series of all columns that are wanted, and of that of the steps its flaws."""
    names = [one for one in header.names if asked.keeps(one) and one != step]
    columns = {one: (Series(), Column(header.comma)) for one in (step, *names)}
    most, last = share_of(len(names), asked.logs), header.width - 1
    places = {one: last - header.cells[::-1].index(one) for one in columns}
    for part in parts:
        steps, counted = columns[step][1].numbers(part, places[step])
        known = None if counted is None else np.isfinite(steps)
        for one in names:
            series, column = columns[one]
            values, says = column.numbers(part, places[one])
            kept = known if says is None else says if known is None else says & known
            if kept is None:
                series.add(steps, values, most)
            else:
                series.add(steps[kept], values[kept], most)
    return columns


def _said(header: Header, body: Body, lines: Lines) -> Iterator[str]:
    """Return what is said of the whole file."""
    yield from body.said()
    for one in header.twice()[:1]:
        yield f"the column {shorten(one)} is there twice, and the last counts"
    count, first = lines.comments
    if count:
        what = "1 line that begins" if count == 1 else f"{count:,} lines that begin"
        yield f"{what} with # left out, line {first:,} the first"
