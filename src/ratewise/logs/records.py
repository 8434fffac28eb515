"""The records of an event file, many at a time, each held against both of its checksums.

A record is its length (8 bytes), a checksum of that (4), the content, a checksum of that (4).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ratewise._files import Progress, open_ordinary, size_of
from ratewise.logs import crc32c
from ratewise.logs.crc32c import WIDEST, Bytes
from ratewise.logs.table import unreadable
from ratewise.schedule import ScheduleError

HEAD, TAIL = 12, 4
BLOCK = 1 << 20
"""Bytes that are read at a time."""
LARGEST = 16_000_000
"""Bytes of a record that is looked into; of a larger one only the checksums are."""
COPY = "give a copy that is whole, or the files without this one"

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True, eq=False)
class Block:
    """Some records that stand behind each other.

    Args:
        content: Bytes that hold them.
        starts: Where the content of each begins, int64[n].
        lengths: How long it is, int64[n].
        first: The number of the first in its file, from 1.
    """

    content: Bytes
    starts: Any
    lengths: Any
    first: int


class Records:
    """The records of a file.

    Attributes:
        said: What was left out, in words.
    """

    def __init__(self, path: Path, progress: Progress | None = None) -> None:
        self._path, self._progress = path, progress
        self._count = self._at = 0
        self._total = 0
        self.said: list[str] = []

    def __iter__(self) -> Iterator[Block]:
        """Return the records in blocks.

        Raises:
            ScheduleError: the file is none of events, or a record is not as it was written.
        """
        with open_ordinary(self._path) as file:
            self._total = size_of(file)
            rest = b""
            while more := file.read(max(BLOCK, self._wanted(rest))):
                left = self._skipped(rest + more, file)
                if left is None:
                    return
                rest = left
                block, rest = self._block(rest)
                if len(block.starts):
                    yield block
                if self._progress is not None:
                    self._progress(file.tell(), max(self._total, file.tell()))
                if not self._begins_well(rest, file):
                    return
            if rest:
                self._cut(len(rest))

    def _wanted(self, rest: bytes) -> int:
        """Return how many bytes are missing to a record that has begun."""
        if len(rest) < HEAD:
            return 0
        return min(HEAD + _LENGTH.unpack_from(rest)[0] + TAIL - len(rest), 2 * LARGEST)

    def _block(self, content: bytes) -> tuple[Block, bytes]:
        """Return the whole records at the beginning of a content, and what is behind them."""
        at, end = 0, len(content) - HEAD - TAIL
        starts: list[int] = []
        lengths: list[int] = []
        unpack = _LENGTH.unpack_from
        while at <= end:
            (length,) = unpack(content, at)
            if at + length > end or (not length and not any(content[at : at + HEAD])):
                break
            starts.append(at + HEAD)
            lengths.append(length)
            at += HEAD + length + TAIL
        padded = np.zeros(WIDEST + at, dtype=np.uint8)
        padded[WIDEST:] = np.frombuffer(content, np.uint8, at)
        begin, long = np.array(starts, dtype=np.int64), np.array(lengths, dtype=np.int64)
        block = Block(padded, begin + WIDEST, long, self._count + 1)
        self._check(block)
        self._count += len(starts)
        self._at += at
        return block, content[at:]

    def _check(self, block: Block) -> None:
        starts, lengths = block.starts, block.lengths
        if not len(starts):
            return
        heads = crc32c.of_many(block.content, starts - HEAD, np.full(len(starts), 8))
        bad = crc32c.masked(heads) != _words(block.content, starts - 4)
        until = int(np.argmax(bad)) if bad.any() else len(starts)
        sums = crc32c.of_many(block.content, starts[:until], lengths[:until])
        wrong = crc32c.masked(sums) != _words(block.content, (starts + lengths)[:until])
        if wrong.any():
            until = int(np.argmax(wrong))
        if until < len(starts):
            begin = self._at + int(starts[until]) - HEAD - WIDEST
            raise self._damaged(self._count + until + 1, begin)

    def _begins_well(self, rest: bytes, file: BinaryIO) -> bool:
        """Whether what is behind the last whole record is another; nothing but zeros is none.

        Raises:
            ScheduleError: it is neither.
        """
        if len(rest) < HEAD or _is_head(rest):
            return True
        if not any(rest):
            count = len(rest)
            while more := file.read(BLOCK):
                count += len(more)
                if any(more):
                    raise self._damaged(self._count + 1, self._at)
            self.said.append(f"ends in {count:,} zeros behind record {self._count:,}, left out")
            return False
        raise self._damaged(self._count + 1, self._at)

    def _skipped(self, content: bytes, file: BinaryIO) -> bytes | None:
        """Return a content without a record at its beginning that is too large to be looked into.

        Its checksums are computed piece by piece. If the file ends within it, nothing is left.
        """
        if len(content) < HEAD or not _is_head(content):
            return content
        (length,) = _LENGTH.unpack_from(content)
        if length <= LARGEST:
            return content
        found, missing, rest = crc32c.ONES, length, content[HEAD:]
        while True:
            part, rest = rest[:missing], rest[missing:]
            found = crc32c.of_long(np.frombuffer(part, np.uint8), found)
            missing -= len(part)
            if not missing:
                break
            rest = file.read(min(BLOCK, missing))
            if not rest:
                self._cut(HEAD + length - missing)
                return None
        rest += file.read(TAIL)
        if len(rest) < TAIL:
            self._cut(HEAD + length + len(rest))
            return None
        if int(crc32c.masked(found)) != int.from_bytes(rest[:TAIL], "little"):
            raise self._damaged(self._count + 1, self._at)
        self._count, self._at = self._count + 1, self._at + HEAD + length + TAIL
        self.said.append(f"record {self._count:,}, of {length:,} bytes, is not looked into")
        return rest[TAIL:]

    def _cut(self, count: int) -> None:
        if not self._count:
            raise unreadable(str(self._path), "is no event file of TensorBoard")
        told = f"the last {count:,} bytes are left out: record {self._count + 1:,} is not whole"
        self.said.append(f"{told}, as it is being written or was cut")

    def _damaged(self, record: int, byte: int) -> ScheduleError:
        if record == 1:
            rule = "is no event file of TensorBoard, or its first record is damaged"
            return unreadable(str(self._path), rule, COPY)
        rule = f"is damaged: record {record:,}, from byte {byte:,} on, is not as it was written"
        return unreadable(str(self._path), rule, COPY)


def _is_head(content: bytes) -> bool:
    told = int.from_bytes(content[8:HEAD], "little")
    return int(crc32c.masked(crc32c.plain(content[:8]))) == told


def _words(content: Bytes, places: Any) -> Any:
    """Return the numbers of four bytes at some places, uint32[n]."""
    windows = np.lib.stride_tricks.sliding_window_view(content, 4)
    return windows[places].reshape(-1).view("<u4")
