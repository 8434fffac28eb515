"""A table of a journal: rows in and out, each under seal, and a ledger that misses what is gone."""

from __future__ import annotations

import hmac
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ratewise.runs.journal.seals import seal, seal_of
from ratewise.runs.journal.values import MOST, Fits, is_digest, is_numbers, is_text, is_whole

Row = dict[str, Any]

MOST_BROKEN = 1000
"""Rows of a table that are cleared away at once."""


class Table(NamedTuple):
    """A table: its columns, each with its kind in SQL and what may stand in it.

    Behind them stand `digest` and what it is the seal of, if there is something long; then, not
    sealed, what says no more than what may be cleared away; then the seal.

    Args:
        name: Its name.
        columns: What is sealed.
        key: The columns that tell rows apart; a single whole number counts them.
        long: Name of what is long, float64 by update, or "".
        length: How many updates that has, of a row.
        loose: A whole number that is not sealed, or "".
    """

    name: str
    columns: Mapping[str, tuple[str, Fits]]
    key: tuple[str, ...]
    long: str = ""
    length: Callable[[Row], int] | None = None
    loose: str = ""

    @property
    def sql(self) -> str:
        """What makes it, to the letter."""
        lines = [f"{name} {kind}" for name, (kind, _) in self.columns.items()]
        lines += [f"{self.loose} INTEGER"] if self.loose else []
        lines += ["seal BLOB"]
        lines += ["digest BLOB", f"{self.long} BLOB"] if self.long else []
        counted = self.columns[self.key[0]][0] == "INTEGER"
        lines.append(f"PRIMARY KEY ({', '.join(self.key)})")
        return f"CREATE TABLE {self.name} ({', '.join(lines)}){'' if counted else ' WITHOUT ROWID'}"

    def read(
        self, file: sqlite3.Connection, rest: str = "", values: tuple[Any, ...] = (), *, long: bool
    ) -> Iterator[Row | None]:
        """Yield rows, None for each that is not as it was written.

        Args:
            file: The journal.
            rest: Which rows, in SQL.
            values: What is marked in it.
            long: Whether what is long is read, too.
        """
        for row in self._rows(file, rest, values, long):
            yield row if self._whole(row) else None

    def _rows(
        self, file: sqlite3.Connection, rest: str, values: tuple[Any, ...], long: bool
    ) -> Iterator[Row]:
        names = [*self.columns, *filter(None, [self.loose]), "seal"]
        names += ["digest"] if self.long else []
        names += [self.long] if self.long and long else []
        for found in file.execute(f"SELECT {', '.join(names)} FROM {self.name} {rest}", values):
            yield dict(zip(names, found, strict=True))

    def one(self, file: sqlite3.Connection, *key: Any, long: bool = True) -> Row | None:
        """Return the row of a key; None if there is none.

        Raises:
            DamagedRow: there is one, and it is not as it was written.
        """
        try:
            for row in self.read(file, f"WHERE {self._asked}", key, long=long):
                if row is None or tuple(row[name] for name in self.key) != key:
                    raise DamagedRow(self.name)
                return row
        except sqlite3.DataError:  # larger than any that could be it
            raise DamagedRow(self.name) from None
        return None

    def every(self, file: sqlite3.Connection) -> Iterator[Row]:
        """Yield all rows, without what is long.

        Raises:
            DamagedRow: one is not as it was written, or some are missing.
        """
        total = 0
        for row in self.read(file, long=False):
            if row is None:
                raise DamagedRow(self.name)
            total += _number(row["seal"])
            yield row
        if total % WRAP != _entry(file, self.name)[0]:
            raise DamagedRow(self.name)

    def last(self, file: sqlite3.Connection) -> Row | None:
        """Return the last row of a table that counts its rows, or None.

        Raises:
            DamagedRow: it is not as it was written, or there were more.
        """
        (key,) = self.key
        found = None
        for row in self.read(file, f"ORDER BY {key} DESC LIMIT 1", long=False):
            if row is None:
                raise DamagedRow(self.name)
            found = row
        if _entry(file, self.name)[1] != (found[key] if found else 0):
            raise DamagedRow(self.name)
        return found

    def next_number(self, file: sqlite3.Connection) -> int:
        """Return the number of the next row of a table that counts its rows."""
        (last,) = file.execute(f"SELECT MAX({self.key[0]}) FROM {self.name}").fetchone()
        try:
            known = _entry(file, self.name)[1]
        except DamagedRow:
            known = 0
        return max(known, last if is_whole(last) and last < MOST else 0) + 1

    def write(self, file: sqlite3.Connection, row: Row) -> None:
        """Write a row, in place of one with the same key."""
        told = self.sealed(row)
        self._account(file, [told[name] for name in self.key], told["seal"])
        marks = ", ".join("?" * len(told))
        file.execute(
            f"INSERT OR REPLACE INTO {self.name} ({', '.join(told)}) VALUES ({marks})",
            tuple(told.values()),
        )

    def sealed(self, row: Row) -> Row:
        """Return a row with its seal."""
        told = {name: _written(row[name]) for name in self.columns}
        if self.long:
            told |= {"digest": seal_of(row[self.long]), self.long: row[self.long]}
        told["seal"] = self._seal(told)
        if self.loose:
            told[self.loose] = row[self.loose]
        return told

    def remove(self, file: sqlite3.Connection, *key: Any) -> None:
        """Delete the row of a key, if there is one."""
        self._account(file, key, None)
        file.execute(f"DELETE FROM {self.name} WHERE {self._asked}", key)

    @property
    def _asked(self) -> str:
        return " AND ".join(f"{name} = ?" for name in self.key)

    def _account(self, file: sqlite3.Connection, key: Sequence[Any], mark: bytes | None) -> None:
        """Enter a row that is written, or deleted, into the ledger, in place of that of before."""
        if self.name == LEDGER.name:
            return
        asked = f"SELECT seal FROM {self.name} WHERE {self._asked}"
        before = file.execute(asked, tuple(key)).fetchone()
        try:
            total, number = _entry(file, self.name)
        except DamagedRow:
            total, number = 0, 0
        total += (0 if mark is None else _number(mark)) - (_number(before[0]) if before else 0)
        if self.columns[self.key[0]][0] == "INTEGER":
            number = max(number, key[0])
        _enter(file, self.name, total, number)

    def sweep(self, file: sqlite3.Connection, *, long: bool) -> int:
        """Delete the rows that are not as they were written; return how many there were.

        Some may be missing, which counts for one.

        Raises:
            DamagedRow: so many are not that nothing is worth keeping.
        """
        broken: list[list[Any]] = []
        total = 0
        for row in self._rows(file, "", (), long):
            if self._whole(row):
                total += _number(row["seal"])
            else:
                broken.append([row[name] for name in self.key])
            if len(broken) > MOST_BROKEN:
                raise DamagedRow(self.name)
        for key in broken:
            marks = [("CAST(? AS TEXT)" if isinstance(one, str) else "?") for one in key]
            asked = " AND ".join(f"{n} IS {m}" for n, m in zip(self.key, marks, strict=True))
            file.execute(f"DELETE FROM {self.name} WHERE {asked}", [_raw(one) for one in key])
        try:
            missing = _entry(file, self.name)[0] != total % WRAP
        except DamagedRow:
            missing = True
        if missing:
            _enter(file, self.name, total, 0)
        return len(broken) or int(missing)

    def _seal(self, row: Row) -> bytes:
        sealed = [*self.columns, *(["digest"] if self.long else [])]
        return seal(self.name, [row[name] for name in sealed])

    def _whole(self, row: Row) -> bool:
        """Tell whether a row is as it was written, and could have been written."""
        mark = row["seal"]
        if not isinstance(mark, bytes) or not hmac.compare_digest(mark, self._seal(row)):
            return False
        if not all(fits(row[name]) for name, (_, fits) in self.columns.items()):
            return False
        if self.long in row and self.long:
            content = row[self.long]
            if not is_numbers(content) or row["digest"] != seal_of(content):
                return False
            return self.length is None or len(content) == 8 * self.length(row)
        return True


class DamagedRow(Exception):
    """A row that is not as it was written."""


def _written(value: Any) -> Any:
    """Return a value as SQLite takes it; half characters in a text are written as escapes."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


def _raw(value: Any) -> Any:
    """Return a text as the bytes that it was read from, which may be no UTF-8."""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value


LEDGER = Table(
    "ledger",
    {"name": ("TEXT", is_text), "total": ("BLOB", is_digest), "number": ("INTEGER", is_whole)},
    ("name",),
)
"""Of each table the sum of all seals in it, and the number of its last row, so that rows that are
gone are missed."""

WRAP = 2**128


def _entry(file: sqlite3.Connection, name: str) -> tuple[int, int]:
    """Return what the ledger says of a table: the sum of its seals, and its last row's number."""
    row = LEDGER.one(file, name)
    return (0, 0) if row is None else (_number(row["total"]), row["number"])


def _enter(file: sqlite3.Connection, name: str, total: int, number: int) -> None:
    content = (total % WRAP).to_bytes(16, "big")
    LEDGER.write(file, {"name": name, "total": content, "number": number})


def _number(mark: Any) -> int:
    return int.from_bytes(mark, "big") if isinstance(mark, bytes) else 0
