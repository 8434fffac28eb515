"""TensorBoard's event files, read without TensorBoard: records, and of these the scalars.

A record is its length (8 bytes), a checksum of that (4), the content, a checksum of that (4). The
content is a protocol buffer: Event{2: step, 5: Summary{1: Value{1: tag, 2: number, 8: tensor}}}.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ratewise.logs.columns import MONITOR
from ratewise.logs.table import LogTable, from_rows, unreadable

HEAD, TAIL = 12, 4
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FLOATS = {1: "f", 2: "d"}
"""Types of a tensor that a scalar may have, as TensorFlow numbers them, and how they are packed."""


def read(folder: Path, paths: Sequence[Path], name: str) -> LogTable:
    """Return the event files of one run as a table, a row for each scalar.

    A file that a crash has cut in the middle of a record is read up to there. Lightning counts
    updates from 0 when it logs.

    Raises:
        ScheduleError: a file is none of events, or there is no scalar in any.
    """
    rows: list[dict[str, Any]] = []
    for path in sorted(paths, key=lambda one: (_born(one), one.name)):
        for event in _records(path):
            try:
                step, scalars = _scalars(event)
            except struct.error:
                raise unreadable(str(path), "is damaged", "give a copy that is whole") from None
            rows += [{"step": step, tag: value} for tag, value in scalars]
    if not rows:
        raise unreadable(str(folder), "holds no scalars", "give the log of a run")
    columns = from_rows(rows)
    return LogTable(str(folder), name, columns, early=int(any(map(MONITOR.match, columns))))


def _born(path: Path) -> int:
    """Return the second in which a file was begun, that its name says."""
    match = re.search(r"tfevents\.(\d+)", path.name)
    return int(match[1]) if match else 0


def _records(path: Path) -> Iterator[bytes]:
    content = path.read_bytes()
    at = 0
    while at + HEAD <= len(content):
        head = content[at : at + HEAD]
        length, told = struct.unpack("<QI", head)
        if told != _masked(head[:8]):
            if not at:
                raise unreadable(str(path), "is no event file of TensorBoard")
            return
        at += HEAD
        if at + length + TAIL > len(content):
            return
        yield content[at : at + length]
        at += length + TAIL


def _table() -> list[int]:
    """Return the table of the Castagnoli checksum, whose polynomial is 0x82F63B78."""
    made: list[int] = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        made.append(byte)
    return made


_TABLE = _table()


def _masked(content: bytes) -> int:
    """Return the checksum as records have it: turned by 15 bits, and a constant added."""
    sum_ = 0xFFFFFFFF
    for byte in content:
        sum_ = _TABLE[(sum_ ^ byte) & 0xFF] ^ sum_ >> 8
    sum_ ^= 0xFFFFFFFF
    return ((sum_ >> 15 | sum_ << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _fields(message: bytes) -> Iterator[tuple[int, int, Any]]:
    """Return the fields of a protocol buffer: number, kind, and an int or bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _varint(message, at)
        elif kind in (FIXED64, FIXED32, BYTES):
            length = {FIXED64: 8, FIXED32: 4}.get(kind)
            if length is None:
                length, at = _varint(message, at)
            value, at = message[at : at + length], at + length
        else:
            return
        yield key >> 3, kind, value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message):
        byte = message[at]
        at, value, shift = at + 1, value | (byte & 0x7F) << shift, shift + 7
        if not byte & 0x80:
            break
    return value, at


def _scalars(event: bytes) -> tuple[int, list[tuple[str, float]]]:
    """Return the step of an event, and its scalars by tag."""
    step = 0
    found: list[tuple[str, float]] = []
    for number, kind, value in _fields(event):
        if number == 2 and kind == VARINT:
            step = value if value < 2**63 else value - 2**64
        elif number == 5 and kind == BYTES:
            values = [part for one, _, part in _fields(value) if one == 1]
            found += [scalar for part in values if (scalar := _scalar(part)) is not None]
    return step, found


def _scalar(message: bytes) -> tuple[str, float] | None:
    """Return tag and number of a value, or None if it is a picture, a text or a histogram."""
    tag, number = "", None
    for field, kind, value in _fields(message):
        if field == 1 and kind == BYTES:
            tag = value.decode("utf-8", errors="replace")
        elif field == 2 and kind == FIXED32:
            (number,) = struct.unpack("<f", value)
        elif field == 8 and kind == BYTES:
            number = _of_tensor(value)
    return None if number is None else (tag, number)


def _of_tensor(message: bytes) -> float | None:
    """Return the number in a tensor that holds one, 4: its bytes, 5 and 6: a list."""
    code = ""
    for field, kind, value in _fields(message):
        if field == 1 and kind == VARINT:
            code = FLOATS.get(value, "")
        elif field in (4, 5, 6) and code and kind != VARINT and len(value) == struct.calcsize(code):
            return float(struct.unpack(f"<{code}", value)[0])
    return None
