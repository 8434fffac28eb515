"""Seals: a digest beside every row of a journal, so that what was damaged is known as damaged."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterable

Value = str | int | float | bytes | None
"""What SQLite keeps."""

SIZE = 16
"""Bytes of a seal: one in 2**128 damaged rows is taken for whole."""


def seal(table: str, values: Iterable[Value]) -> bytes:
    """Return the seal of a row: BLAKE2b over the name of its table and all of its values.

    Each value says its kind and how long it is, so that no part can be told in another way. The
    row's own key is among the values, so that a row cannot take the place of another.

    >>> seal("runs", ["a", "bc"]) == seal("runs", ["ab", "c"])
    False
    >>> seal("runs", [1]) == seal("rates", [1]) or seal("runs", [1]) == seal("runs", [1.0])
    False
    """
    digest = hashlib.blake2b(digest_size=SIZE, person=b"ratewise journal")
    for value in (table, *values):
        kind, content = _bytes_of(value)
        digest.update(kind + len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.digest()


def seal_of(content: bytes) -> bytes:
    """Return the seal of something long, which stands in its row among the other values."""
    return hashlib.blake2b(content, digest_size=SIZE).digest()


def _bytes_of(value: Value) -> tuple[bytes, bytes]:
    if value is None:
        return b"n", b""
    if isinstance(value, str):  # of a damaged file it may be no UTF-8
        return b"t", value.encode("utf-8", "surrogateescape")
    if isinstance(value, bytes):
        return b"b", value
    if isinstance(value, float):
        return b"r", struct.pack(">d", value)
    return b"i", str(value).encode()
