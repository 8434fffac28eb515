"""Histories as W&B and Trackio keep them, written by the rules of their files."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
BLOCK = 32_768


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def field(number: int, content: bytes | int) -> bytes:
    """A field of a protocol buffer."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    return varint(number << 3 | 2) + varint(len(content)) + content


def record_of(number: int, row: Row) -> bytes:
    """A row of a history; a name with a dot is a nested one."""
    items = b""
    for name, value in row.items():
        parts = name.split(".")
        keys = [field(1, name.encode())] if len(parts) == 1 else [
            field(2, part.encode()) for part in parts
        ]  # fmt: skip
        items += field(1, b"".join(keys) + field(16, json.dumps(value).encode()))
    step = field(2, field(1, int(row.get("_step", number))))
    return field(1, number) + field(2, items + step)


def framed(records: Iterable[bytes]) -> bytes:
    """Records as W&B's log has them: pieces in blocks, each with a checksum."""
    found = bytearray(b":W&B\xe1\xbe\x00")
    for record in records:
        first = True
        while True:
            room = BLOCK - len(found) % BLOCK
            if room < 7:
                found += bytes(room)
                room = BLOCK
            piece, record = record[: room - 7], record[room - 7 :]
            kind = (1 if first else 4) if not record else (2 if first else 3)
            check = zlib.crc32(piece, zlib.crc32(bytes([kind])))
            found += check.to_bytes(4, "little") + len(piece).to_bytes(2, "little")
            found += bytes([kind]) + piece
            first = False
            if not record:
                break
    return bytes(found)


def write_wandb(path: Path, rows: Iterable[Row]) -> Path:
    """Write a run of W&B, with records of other kinds between the rows."""
    records: list[bytes] = [field(1, 1) + field(16, b"\x0a\x02hi")]
    for number, row in enumerate(rows, 2):
        records += [record_of(number, row), field(1, number) + field(3, b"")]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(framed(records))
    return path


def write_trackio(path: Path, runs: Mapping[str, Iterable[Row]], ids: bool = True) -> Path:
    """Write the database of a project, as of a version with ids of the runs or of one before."""
    own = "run_id TEXT NOT NULL, " if ids else ""
    columns = f"id INTEGER PRIMARY KEY, {own}timestamp TEXT, run_name TEXT, step INTEGER, "
    with closing(sqlite3.connect(path)) as file, file:
        file.execute(f"CREATE TABLE metrics ({columns}metrics TEXT NOT NULL)")
        file.execute("CREATE TABLE configs (id INTEGER PRIMARY KEY, config TEXT)")
        for name, rows in runs.items():
            for row in rows:
                told = {key: _word(value) for key, value in row.items() if key != "step"}
                content = json.dumps(told).encode()
                values = (*((f"id of {name}",) if ids else ()), "2026", name, row["step"], content)
                names = ("run_id, " if ids else "") + "timestamp, run_name, step, metrics"
                marks = ", ".join("?" * len(values))
                file.execute(f"INSERT INTO metrics ({names}) VALUES ({marks})", values)
    return path


def _word(value: Any) -> Any:
    return "NaN" if value != value else value
