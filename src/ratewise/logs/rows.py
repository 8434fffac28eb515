"""The header of a CSV, and the cells below it, column by column."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice

from ratewise.logs.cells import BLANKS, WRITTEN_NAN, Cells, is_number, is_plain, is_rare
from ratewise.logs.columns import MONITOR
from ratewise.logs.table import unreadable
from ratewise.schedule.errors import shorten

SEPARATORS = ",;\t|"
HABIT = 4
"""Short rows are the habit of a file if one in so many of the first text is short: then what is
missing is empty. In any other file a short row is damage, and it is left out."""
MOST_COLUMNS = 10_000
MOST_CELLS = 100_000
"""Cells that are taken together where cells may hold ends of lines."""

Texts = Iterator[tuple[int, str]]
Rows = list[list[str]]


class Header:
    """The first line: what separates cells, and the names of the columns."""

    def __init__(self, where: str, line: str) -> None:
        self.where = where
        self.separator = max(SEPARATORS, key=line.count)
        self.blanks = self.separator not in line
        try:
            row = next(iter(self.rows([line])), [])
        except csv.Error as error:
            raise unreadable(where, f"is no CSV ({error} in its first line)") from None
        self.cells = [cell.strip(BLANKS) for cell in row]
        said = [cell for cell in self.cells if cell]
        numbers = sum(is_number(cell) or cell.lower() in WRITTEN_NAN for cell in said)
        if 2 * numbers > len(said) or not said:
            rule = f"has numbers in its first line ({shorten(line.strip(), 42)}), and no header"
            raise unreadable(where, rule, "begin it with a line such as step,lr,loss")
        while not self.cells[-1]:
            self.cells.pop()
        self.width = len(self.cells)
        if self.width > MOST_COLUMNS:
            rule = f"has {self.width:,} columns, more than {MOST_COLUMNS:,}"
            raise unreadable(where, rule, "give a log with those of losses and rates")
        self.names = tuple(dict.fromkeys(filter(None, self.cells)))
        self.comma = self.separator == ";" and not self.blanks
        both = "step" in self.names and "epoch" in self.names
        self.lightning = both and any(map(MONITOR.match, self.names))

    def rows(self, lines: Iterator[str] | Sequence[str]) -> Iterator[list[str]]:
        """Return the rows of some lines; an empty line is an empty row."""
        if self.blanks:
            return (re.findall(r"[^ \t\n]+", line) for line in lines)
        return csv.reader(lines, delimiter=self.separator, skipinitialspace=True, strict=True)

    def twice(self) -> list[str]:
        """Return the names that several columns have."""
        return [one for one in self.names if self.cells.count(one) > 1]


class Body:
    """What is below a header, and what was left out of it.

    Attributes:
        count: How many rows there are.
    """

    def __init__(self, header: Header) -> None:
        self._header = header
        self.count = 0
        self._short = self._long = self._first = self._blank = 0
        self._padded: bool | None = None

    def cells(self, texts: Texts) -> Iterator[Cells]:
        """Return the cells of some texts, which are taken one by one as long as no cell is quoted.

        Raises:
            ScheduleError: the lines are no CSV.
        """
        for line, text in texts:
            found = self._at_once(text, line) or self._by_rows(text, line)
            if found is None:
                rest = chain.from_iterable(_lines(one) for _, one in chain([(line, text)], texts))
                yield from filter(len, self._quoted(rest, line))
                return
            if found.lines:
                self.count += len(found.lines)
                yield found

    def _at_once(self, text: str, line: int) -> Cells | None:
        """Return the cells of lines that are as wide as the header, all of them, if they are.

        Between two lines stands a cell with the end of the line: if every such cell is as far
        behind the last as the header is wide, so is every line.
        """
        header, mark = self._header, self._header.separator
        if header.blanks or '"' in text or header.names[0] in text:
            return None
        count, each = text.count("\n"), header.width + 1
        flat = text.replace("\n", f"{mark}\n{mark}").split(mark)
        ends = flat[header.width :: each]
        if len(flat) != count * each + 1 or len(ends) != count or ends.count("\n") != count:
            return None
        columns = [flat[i:-1:each] for i in range(header.width)]
        plain = is_plain(text, header.comma)
        if self._padded is None:
            self._padded = False
        return Cells(columns, range(line, line + count), plain)

    def _by_rows(self, text: str, line: int) -> Cells | None:
        if '"' in text and not self._header.blanks:
            return None
        lines = _lines(text)
        try:
            rows = list(self._header.rows(lines))
        except csv.Error as error:
            raise self._none(line, error) from None
        return self._kept(rows, range(line, line + len(lines)))

    def _quoted(self, lines: Iterator[str], line: int) -> Iterator[Cells]:
        rows = self._header.rows(lines)
        many = max(MOST_CELLS // self._header.width, 1)
        try:
            while some := list(islice(rows, many)):
                found = self._kept(some, range(line, line + len(some)))
                line += len(some)
                self.count += len(found.lines)
                if found.lines:
                    yield found
        except csv.Error as error:
            raise self._none(line, error) from None

    def _none(self, line: int, error: csv.Error) -> Exception:
        rule = f"is no CSV ({error} from line {line:,} on)"
        return unreadable(self._header.where, rule)

    def _kept(self, rows: Rows, numbers: Sequence[int]) -> Cells:
        """Return the cells of rows, without those that say nothing or are damaged."""
        width, header = self._header.width, self._header.cells
        if self._padded is None:
            short = sum(len(row) < width for row in rows if row)
            self._padded = HABIT * short > len(rows)
        kept: Rows = []
        lines: list[int] = []
        for row, line in zip(rows, numbers, strict=True):
            if len(row) != width or row[0].strip(BLANKS) == header[0]:
                stripped = [cell.strip(BLANKS) for cell in row]
                if not any(stripped) or stripped[:width] == header:
                    continue
                short, long = len(row) < width, any(stripped[width:])
                self._blank += len(row) > width and not long
                self._short, self._long = self._short + short, self._long + long
                self._first = self._first or (line if short or long else 0)
                if long or (short and not self._padded):
                    continue
                row = row[:width] + [""] * (width - len(row))
            kept.append(row)
            lines.append(line)
        return Cells(list(zip(*kept, strict=True)), lines, plain=False)

    def said(self) -> Iterator[str]:
        """Return what was left out, or filled up."""
        if is_rare(self._blank, self.count):
            lines = "1 line ends" if self._blank == 1 else f"{self._blank:,} lines end"
            yield f"{lines} in an empty cell that the header has not"
        for count, fewer in ((self._short, True), (self._long, False)):
            if count:
                lines = "1 line has" if count == 1 else f"{count:,} lines have"
                told = f"{lines} {'fewer' if fewer else 'more'} cells than the header"
                what = "what is missing is empty" if fewer and self._padded else "left out"
                yield f"{told}, {what}; the first such line is {self._first:,}"


def _lines(text: str) -> list[str]:
    r"""Return the lines of a text whose lines end in \n."""
    lines = text.split("\n")
    del lines[-1]
    return [f"{line}\n" for line in lines]
