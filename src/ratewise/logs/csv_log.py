"""CSV with any separator and of any length, those of Lightning's CSVLogger too."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np

from ratewise.logs.cells import WRITTEN_NAN, Column, is_number
from ratewise.logs.columns import MONITOR, Asked
from ratewise.logs.lines import Lines
from ratewise.logs.series import Series, share_of
from ratewise.logs.table import LogTable, thinning, unreadable
from ratewise.schedule.errors import shorten

SEPARATORS = ",;\t|"
BATCH = 8192
"""Rows that are taken together."""
HABIT = 4
"""Short rows are the habit of a file if one in so many of the first batch is short: then what is
missing is empty. In any other file a short row is damage, and it is left out."""
MOST_COLUMNS = 10_000

Batch = list[list[str]]


class Header:
    """The first line: what separates cells, and the names of the columns."""

    def __init__(self, where: str, line: str) -> None:
        self.where = where
        self.separator = max(SEPARATORS, key=line.count)
        self.blanks = self.separator not in line
        row = line.split() if self.blanks else next(self.rows([line]), [])
        self.cells = [cell.strip() for cell in row]
        if all(is_number(cell) or cell.lower() in WRITTEN_NAN for cell in filter(None, self.cells)):
            rule = f"has numbers in its first line ({line.rstrip()[:40]!r}), and no header"
            raise unreadable(where, rule, "begin it with a line such as step,lr,loss")
        while not self.cells[-1]:
            self.cells.pop()
        self.width = len(self.cells)
        if self.width > MOST_COLUMNS:
            rule = f"has {self.width:,} columns, more than {MOST_COLUMNS:,}"
            raise unreadable(where, rule, "give a log with those of losses and rates")
        self.names = tuple(dict.fromkeys(filter(None, self.cells)))
        self.lightning = "step" in self.names and "epoch" in self.names
        self.lightning = self.lightning and any(map(MONITOR.match, self.names))

    def rows(self, lines: Iterator[str] | Sequence[str]) -> Iterator[list[str]]:
        """Return the rows of some lines; an empty line is an empty row."""
        if self.blanks:
            return (line.split() for line in lines)
        return csv.reader(lines, delimiter=self.separator, skipinitialspace=True, strict=True)


class Rows:
    """The rows below a header, in batches, and what was left out of them."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.count = self.short = self.long = self.first = 0
        self.padded: bool | None = None

    def batches(self, lines: Iterator[str], line: int) -> Iterator[tuple[Batch, Sequence[int]]]:
        """Return rows as wide as the header, and the line of each; the first line is `line`.

        Raises:
            ScheduleError: the lines are no CSV.
        """
        rows = self.header.rows(lines)
        try:
            while batch := list(islice(rows, BATCH)):
                kept, numbers = self._kept(batch, range(line, line + len(batch)))
                line += len(batch)
                self.count += len(kept)
                if kept:
                    yield kept, numbers
        except csv.Error as error:
            rule = f"is no CSV behind line {line - 1:,} ({error})"
            raise unreadable(self.header.where, rule) from None

    def _kept(self, batch: Batch, numbers: Sequence[int]) -> tuple[Batch, Sequence[int]]:
        width, cells = self.header.width, self.header.cells
        if self.padded is None:
            short = sum(len(row) < width for row in batch if row)
            self.padded = HABIT * short > len(batch)
        if all(len(row) == width and row[0].strip() != cells[0] for row in batch):
            return batch, numbers
        kept: Batch = []
        lines: list[int] = []
        for row, line in zip(batch, numbers, strict=True):
            stripped = [cell.strip() for cell in row]
            if not any(stripped) or stripped[:width] == cells:
                continue
            short, long = len(row) < width, any(stripped[width:])
            self.short, self.long = self.short + short, self.long + long
            self.first = self.first or (line if short or long else 0)
            if not (long or (short and not self.padded)):
                kept.append(row[:width] + [""] * (width - len(row)))
                lines.append(line)
        return kept, lines

    def said(self) -> Iterator[str]:
        """Return what was left out, or filled up."""
        for count, fewer in ((self.short, True), (self.long, False)):
            if count:
                lines = "1 line has" if count == 1 else f"{count:,} lines have"
                told = f"{lines} {'fewer' if fewer else 'more'} cells than the header"
                what = "what is missing is empty" if fewer and self.padded else "left out"
                yield f"{told}, {what}; the first such line is {self.first:,}"


def read(path: Path, name: str, asked: Asked) -> LogTable:
    """Return a CSV as a table, read in memory that does not grow with it.

    The separator is the one that its first line has most of, else blanks. Lines that begin with #
    are left out, and headers that stand again further down; with semicolons a decimal comma may
    be. Lightning counts updates from 0 when it logs, so that its steps are one behind.

    Raises:
        ScheduleError: it is empty, no text, or has no header or no column of updates.
    """
    where, lines = str(path), Lines(path, asked.progress)
    every = iter(lines)
    number, first = next(((i, one) for i, one in enumerate(every, 1) if one.strip()), (0, ""))
    if not first:
        raise unreadable(where, "is empty", "give the log of a run")
    header = Header(where, first)
    rows = Rows(header)
    batches = rows.batches(every, number + 1)
    begin = next(batches, None)
    if begin is None:
        rule = next(rows.said(), "has a header and nothing below")
        raise unreadable(where, rule, "give the log of a run")
    step = asked.step_of(where, header.names)
    columns = _read(chain([begin], batches), header, step, asked)
    points = {one: series.points() for one, (series, _) in columns.items() if one != step}
    flaws = {
        one: (*cells.flaws(one), *thinning(one, series)) for one, (series, cells) in columns.items()
    }
    said = tuple(f"{where}: {one}" for one in _said(header, rows, lines))
    early = int(header.lightning)
    return LogTable(where, name, points, step, header.names, early, said=said, flaws=flaws)


def _read(
    batches: Iterable[tuple[Batch, Sequence[int]]], header: Header, step: str, asked: Asked
) -> dict[str, tuple[Series, Column]]:
    """Return the series of all columns that are wanted, and of that of the steps its flaws."""
    comma = header.separator == ";"
    names = [one for one in header.names if asked.keeps(one) and one != step]
    columns = {one: (Series(), Column(comma)) for one in (step, *names)}
    most, last = share_of(len(names), asked.logs), header.width - 1
    places = {one: last - header.cells[::-1].index(one) for one in columns}
    for batch, lines in batches:
        cells = list(zip(*batch, strict=True))
        steps, counted = columns[step][1].numbers(cells[places[step]], lines)
        known = np.isfinite(steps) if counted is not None else None
        for one in names:
            series, column = columns[one]
            values, says = column.numbers(cells[places[one]], lines)
            kept = known if says is None else says if known is None else says & known
            if kept is None:
                series.add(steps, values, most)
            else:
                series.add(steps[kept], values[kept], most)
    return columns


def _said(header: Header, rows: Rows, lines: Lines) -> Iterator[str]:
    """Return what is said of the whole file."""
    yield from rows.said()
    twice = [one for one in header.names if header.cells.count(one) > 1]
    if twice:
        yield f"the column {shorten(twice[0])} is there twice, and the last counts"
    if lines.comments[0]:
        count, first = lines.comments
        what = "1 line that begins" if count == 1 else f"{count:,} lines that begin"
        yield f"{what} with # left out, line {first:,} the first"
