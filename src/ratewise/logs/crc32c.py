"""The Castagnoli checksum that TensorBoard writes behind every record, for many records at once.

Without its inversions the checksum is linear over xor: that of a message is the xor, over its
bytes, of what each would give alone with zeros behind it. So a table for each distance from the
end turns a matrix of messages into look-ups, column by column, and zeros in front change nothing,
by which messages of different lengths stand in one matrix. To begin with ones is to invert the
first four bytes. `plain` is the same byte by byte.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint32]

POLYNOMIAL = 0x82F63B78
ONES = 0xFFFFFFFF
WIDEST = 1024
"""Bytes of a row; longer messages are cut into such rows."""
MANY = 512
"""Rows from which on they are summed column by column."""


def _tables() -> Words:
    """Return by distance from the end what each byte adds, uint32[WIDEST, 256]."""
    byte = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        byte = byte >> 1 ^ np.where(byte & 1, np.uint32(POLYNOMIAL), np.uint32(0))
    made = np.empty((WIDEST, 256), dtype=np.uint32)
    made[0] = byte
    for i in range(1, len(made)):
        made[i] = made[i - 1] >> 8 ^ byte[made[i - 1] & 0xFF]
    return made


_TABLES = _tables()
_FLAT = _TABLES.reshape(-1)
_PLACES = np.arange(WIDEST - 1, -1, -1, dtype=np.int64) * 256
"""Where in the flat table that of each column of the widest row begins."""
_SHIFT: list[list[int]] = _TABLES[WIDEST - 4 :].tolist()
"""What `WIDEST` more bytes make of each byte of a sum, the highest byte first."""


def plain(content: bytes, begin: int = ONES) -> int:
    """Return the checksum of some bytes, one by one, before the last inversion."""
    table, found = _TABLES[0], begin
    for byte in content:
        found = int(table[(found ^ byte) & 0xFF]) ^ found >> 8
    return found


def masked(found: Any) -> Any:
    """Return checksums as records have them: inverted, turned by 15 bits, a constant added."""
    found = np.asarray(found, dtype=np.uint64) ^ np.uint64(ONES)
    turned = (found >> np.uint64(15) | found << np.uint64(17)) & np.uint64(ONES)
    return ((turned + np.uint64(0xA282EAD8)) & np.uint64(ONES)).astype(np.uint32)


def of_rows(rows: Bytes) -> Words:
    """Return the linear part of the checksums of the rows of a matrix, uint8[n, width]."""
    if len(rows) < MANY:
        return np.bitwise_xor.reduce(_FLAT.take(_PLACES[-rows.shape[1] :] + rows), axis=1)
    found = np.zeros(len(rows), dtype=np.uint32)
    columns = np.ascontiguousarray(rows.T)
    for distance, column in enumerate(reversed(columns)):
        found ^= _TABLES[distance].take(column)
    return found


def of_many(content: Bytes, starts: Any, lengths: Any) -> Words:
    """Return the checksums of some parts of a content, before the last inversion.

    Args:
        content: Bytes, of which the first `WIDEST` belong to no part.
        starts: Where each part begins, int64[n].
        lengths: How long each is, int64[n].
    """
    found = np.empty(len(starts), dtype=np.uint32)
    width = 8
    done = (lengths < 4) | (lengths > WIDEST)
    while width <= WIDEST:
        now = ~done & (lengths <= width)
        if now.any():
            found[now] = _of_some(content, starts[now], lengths[now], width)
            done |= now
        width *= 2
    for i in np.flatnonzero((lengths < 4) | (lengths > WIDEST)):
        found[i] = of_long(content[starts[i] : starts[i] + lengths[i]])
    return found


def _of_some(content: Bytes, starts: Any, lengths: Any, width: int) -> Words:
    windows = np.lib.stride_tricks.sliding_window_view(content, width)
    rows = windows[starts + lengths - width]
    before = width - lengths
    if before.any():
        rows[np.arange(width) < before[:, None]] = 0
    at = np.arange(len(rows))
    for i in range(4):
        rows[at, before + i] ^= 0xFF
    return of_rows(rows)


def of_long(content: Bytes, begin: int = ONES) -> int:
    """Return the checksum of bytes of any length, which goes on from `begin`."""
    if len(content) < 4:
        return plain(content.tobytes(), begin)
    missing = -len(content) % WIDEST
    rows = np.zeros(missing + len(content), dtype=np.uint8)
    rows[missing:] = content
    rows[missing : missing + 4] ^= np.frombuffer(begin.to_bytes(4, "little"), np.uint8)
    found = 0
    fourth, third, second, lowest = _SHIFT
    for one in of_rows(rows.reshape(-1, WIDEST)).tolist():
        high = fourth[found >> 24] ^ third[found >> 16 & 0xFF]
        found = one ^ high ^ second[found >> 8 & 0xFF] ^ lowest[found & 0xFF]
    return found
