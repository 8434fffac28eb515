"""The `.wandb` file in a local run folder of W&B, read without W&B, in bounded memory.

It begins with `:W&B`, 0xBEE1 and a version, and is a log as LevelDB has them: blocks of 32 KiB, in
each of them pieces with a checksum (4 bytes), a length (2) and a kind (1: whole, or the first, a
middle or the last piece of a record). A record is a protocol buffer; the rows that were logged are
its field 2: items (1) with a key (1, or 2 for each part of a nested one) and a value as JSON (16),
and the step (2).
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ratewise._files import Progress, open_ordinary, size_of
from ratewise.logs.columns import Asked
from ratewise.logs.gathered import Rows
from ratewise.logs.table import LogTable, unreadable

MAGIC = b":W&B\xe1\xbe"
BLOCK, HEAD = 32_768, 7
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4
LARGEST = 16_000_000
"""Bytes of a record."""
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
HISTORY, ITEM, STEP = 2, 1, 2
KEY, NESTED, VALUE, COUNT = 1, 2, 16, 1
COPY = "give a copy that is whole, or a history that was exported"
OFTEN = 32
"""Blocks between two tellings of how far the reading is."""


class NoMessage(Exception):
    """Bytes that are no protocol buffer."""


def read(path: Path, name: str, asked: Asked) -> LogTable:
    """Return the history of a run in a `.wandb` file as a table.

    One that is still being written, or that a crash has cut, is read up to there.

    Raises:
        ScheduleError: it is none, or damaged, or nothing was logged.
    """
    where, rows = str(path), Rows(str(path), name, asked)
    records = Pieces(path, asked.progress)
    for number, record in enumerate(records, 1):
        try:
            for field, kind, value in fields(record):
                if field == HISTORY and kind == BYTES:
                    rows.add(row_of(value))
        except NoMessage:
            raise unreadable(where, f"is damaged: record {number:,} is none", COPY) from None
    if not rows.count:
        raise unreadable(where, "has no history: nothing was logged", "give the log of a run")
    return rows.table(tuple(f"{where}: {one}" for one in records.said))


class Pieces:
    """The records of a file, each put together from its pieces.

    Attributes:
        said: What was left out, in words.
    """

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self._path, self._progress = path, progress
        self.said: list[str] = []

    def __iter__(self) -> Iterator[bytes]:
        """Return the records.

        Raises:
            ScheduleError: it is no such file, or a piece is not as it was written.
        """
        parts: list[bytes] = []
        for kind, piece in self._pieces():
            if kind in (WHOLE, FIRST):
                parts = []
            parts.append(piece)
            if sum(map(len, parts)) > LARGEST:
                rule = f"has a record of more than {LARGEST:,} bytes"
                raise unreadable(str(self._path), rule, COPY)
            if kind in (WHOLE, LAST):
                yield b"".join(parts)
                parts = []
        if parts:
            self.said.append("the last record is not whole and left out")

    def _pieces(self) -> Iterator[tuple[int, bytes]]:
        with open_ordinary(self._path) as file:
            total, number = size_of(file), 0
            while block := file.read(BLOCK):
                at = HEAD if not number else 0
                if not number and not block.startswith(MAGIC):
                    raise unreadable(str(self._path), "is no run of W&B")
                yield from self._of_block(block, at, number)
                number += 1
                if self._progress is not None and number % OFTEN == 1:
                    self._progress(file.tell(), max(total, file.tell()))
            if self._progress is not None:
                self._progress(total, max(total, 1))

    def _of_block(self, block: bytes, at: int, number: int) -> Iterator[tuple[int, bytes]]:
        while at + HEAD <= len(block):
            told = int.from_bytes(block[at : at + 4], "little")
            length, kind = int.from_bytes(block[at + 4 : at + 6], "little"), block[at + 6]
            end = at + HEAD + length
            if not any(block[at : at + HEAD]):  # room that was not written to
                return
            if end > len(block) and len(block) < BLOCK:
                break
            piece = block[at + HEAD : end]
            if zlib.crc32(piece, zlib.crc32(block[at + 6 : at + 7])) != told or kind > LAST:
                rule = f"is damaged: byte {number * BLOCK + at:,} is not as it was written"
                raise unreadable(str(self._path), rule, COPY)
            yield kind, piece
            at = end
        if at < len(block) < BLOCK:
            left = len(block) - at
            self.said.append(f"the last {left:,} bytes are left out, as they are being written")


# Protocol buffers -----------------------------------------------------------------------------


def row_of(history: bytes) -> dict[str, Any]:
    """Return a row that was logged, with its step.

    Raises:
        NoMessage: it is none.
    """
    row: dict[str, Any] = {}
    for field, kind, value in fields(history):
        if field == ITEM and kind == BYTES:
            key, told = _item(value)
            if key:
                row[key] = told
        elif field == STEP and kind == BYTES:
            for name, sort, count in fields(value):
                if name == COUNT and sort == VARINT:
                    row.setdefault("_step", count)
    return row


def _item(content: bytes) -> tuple[str, Any]:
    key, told = "", b"null"
    for field, kind, value in fields(content):
        if kind != BYTES:
            continue
        if field == KEY:
            key = value.decode("utf-8", errors="backslashreplace")
        elif field == NESTED:
            part = value.decode("utf-8", errors="backslashreplace")
            key = f"{key}.{part}" if key else part
        elif field == VALUE:
            told = value
    try:
        return key, json.loads(told)
    except (RecursionError, ValueError):
        return key, None


def fields(content: bytes) -> Iterator[tuple[int, int, Any]]:
    """Return the fields of a protocol buffer: number, kind, and an int or bytes.

    Raises:
        NoMessage: it is none.
    """
    at, end = 0, len(content)
    while at < end:
        key, at = _varint(content, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _varint(content, at)
        elif kind in (BYTES, FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
            if kind == BYTES:
                length, at = _varint(content, at)
            value, at = content[at : at + length], at + length
        else:
            raise NoMessage
        if at > end:
            raise NoMessage
        yield key >> 3, kind, value


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for byte in islice(content, at, at + 10):
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise NoMessage
