"""Cells of a text as numbers: a column at a time, and what of it are none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ratewise._arrays import Floats
from ratewise.schedule.errors import shorten

MISSING = {"", "-", "--", "na", "n/a", "none", "null", "nil", "?"}
"""What stands where there is no number, in small letters."""
WRITTEN_NAN = {"nan", "+nan", "-nan", "1.#ind", "-1.#ind"}
_NUMBER = re.compile(
    r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?|[+-]?inf(?:inity)?", re.I | re.A
)
_DECIMAL_COMMA = re.compile(r"([+-]?\d*),(\d)")
BLANKS = " \t\r\n"
ODD = "_\x0b\x0c\x1c\x1d\x1e\x1f"
LONGEST = 400
"""Characters of a number."""
FEW = 10
"""Empty cells are told of where fewer than one in so many is; else it is how the log is kept."""


class Cells(NamedTuple):
    """Some rows, as wide as the header.

    Args:
        columns: The cells of each column.
        lines: The line of each row.
        plain: Whether no cell has a character that numbers are not written with, but letters.
    """

    columns: Sequence[Sequence[str]]
    lines: Sequence[int]
    plain: bool


Bools = NDArray[np.bool_]


class Column:
    """One column as its cells come in; with a comma, decimal commas are taken too.

    Attributes:
        rows: How many cells there were.
        empty: How many of them hold nothing.
        bad: How many of the others are no numbers.
        first: The line of the first of these, and what is in it.
    """

    def __init__(self, comma: bool = False) -> None:
        self.comma = comma
        self.rows = self.empty = self.bad = 0
        self.first = (0, "")

    def numbers(self, part: Cells, place: int) -> tuple[Floats, Bools | None]:
        """Return the numbers of some cells, NaN for none, and which cells say something.

        A NaN that is written says something. Where all do, no array says it.

        Args:
            part: Some rows.
            place: Which of their columns it is.
        """
        cells, plain = part.columns[place], part.plain
        self.rows += len(cells)
        if not plain:
            plain = is_plain("".join(cells), self.comma)
        if plain:
            try:
                found = np.fromiter(map(float, cells), np.float64, len(cells))
                if not np.isinf(found).any():  # else it may have more digits than a number has
                    return found, None
            except ValueError:
                pass
        return self._one_by_one(cells, part.lines)

    def _one_by_one(self, cells: Sequence[str], lines: Sequence[int]) -> tuple[Floats, Bools]:
        values = np.full(len(cells), np.nan)
        says = np.zeros(len(cells), dtype=bool)
        for place, cell in enumerate(cells):
            cell = cell.strip(BLANKS)
            if self.comma:
                cell = _DECIMAL_COMMA.sub(r"\1.\2", cell, count=1)
            if cell and is_number(cell) and not is_beyond(cell):
                values[place], says[place] = float(cell), True
            elif cell.lower() in MISSING:
                self.empty += 1
            elif cell.lower() in WRITTEN_NAN:
                says[place] = True
            else:
                self.bad += 1
                if self.bad == 1:
                    self.first = lines[place], cell
        return values, says

    def flaws(self, name: str) -> tuple[str, ...]:
        """Return what is said of cells that are no numbers, and of few that are empty."""
        said: list[str] = []
        if self.bad:
            cells = "1 cell is no number" if self.bad == 1 else f"{self.bad:,} cells are no numbers"
            line, cell = self.first
            said.append(f"in {name} {cells}, line {line:,} the first: {shorten(cell, 30)}")
        if is_rare(self.empty, self.rows):
            said.append(f"in {name} {self.empty:,} of {self.rows:,} cells are empty")
        return tuple(said)


def is_beyond(cell: str) -> bool:
    """Whether a number is larger than any float, and does not call itself infinite."""
    return "inf" not in cell.lower() and abs(float(cell)) == float("inf")


def is_rare(count: int, among: int) -> bool:
    """Whether something happens so rarely that it is an accident, and is to be told of."""
    return count == 1 < among or 0 < count * FEW < among


def is_plain(text: str, comma: bool) -> bool:
    """Whether there is nothing in a text that `float` takes as a part of a number and logs do not.

    That is an underscore, a digit of another script, and control characters around a number.
    """
    odd = any(one in text for one in ODD)
    return text.isascii() and not odd and not (comma and "," in text)


def is_number(cell: str) -> bool:
    """Whether a cell is a number as logs have them: `1_000` and digits of other scripts are not."""
    return len(cell) <= LONGEST and _NUMBER.fullmatch(cell) is not None
