"""CSV with any separator, those of Lightning's CSVLogger too."""

from __future__ import annotations

import csv
import math
import re
from itertools import zip_longest
from pathlib import Path

from ratewise.logs.columns import MONITOR
from ratewise.logs.table import LogTable, from_rows, to_number, unreadable

SEPARATORS = ",;\t|"


def read(path: Path, name: str) -> LogTable:
    """Return a CSV as a table.

    The separator is the one that its first line has most of, else blanks. Lines that begin with #
    are left out, and headers that stand again further down; with semicolons a decimal comma may
    be. Lightning counts updates from 0 when it logs, so that its steps are one behind.

    Raises:
        ScheduleError: it is empty, no text, or has no header.
    """
    lines = _lines(path)
    separator = max(SEPARATORS, key=lines[0].count)
    if separator in lines[0]:
        cells = _cells(path, lines, separator)
    else:
        cells = [line.split() for line in lines]
    header, *rows = [[cell.strip() for cell in row] for row in cells]
    if all(map(_is_number, filter(None, header))):
        rule = f"has numbers in its first line ({lines[0][:40]!r}), and no header"
        raise unreadable(str(path), rule, "begin it with a line such as step,lr,loss")
    if separator == ";":
        rows = [[re.sub(r"^(-?\d*),(\d)", r"\1.\2", cell) for cell in row] for row in rows]
    kept = [row for row in rows if row != header]
    columns = from_rows(dict(zip_longest(header, row[: len(header)])) for row in kept)
    columns = {one: columns[one] for one in header if one and one in columns}
    if not kept or not columns:
        raise unreadable(str(path), "has a header and nothing below", "give the log of a run")
    lightning = "step" in columns and "epoch" in columns and any(map(MONITOR.match, columns))
    return LogTable(str(path), name, columns, early=int(lightning))


def _cells(path: Path, lines: list[str], separator: str) -> list[list[str]]:
    try:
        return list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    except csv.Error as error:
        raise unreadable(str(path), f"is no CSV ({error})") from None


def _is_number(cell: str) -> bool:
    return not math.isnan(to_number(cell)) or cell.lower() == "nan"


def _lines(path: Path) -> list[str]:
    """Return the lines that say something."""
    content = path.read_bytes()
    try:
        if b"\0" in content:
            raise ValueError
        text = content.decode("utf-8-sig")
    except ValueError:
        raise unreadable(str(path), "is no log of a known format") from None
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        raise unreadable(str(path), "is empty", "give the log of a run")
    return lines
