"""Scalars of events, in the protocol buffers that TensorBoard's records hold.

Event{2: step, 5: Summary{1: Value{1: tag, 2: number, 8: tensor}}}. Most events of a file have one
layout: `layout_of` reads where in a message its numbers are, and whatever message agrees with it
in all other bytes is read at one stroke with it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ratewise._arrays import Floats
from ratewise.logs.crc32c import Bytes
from ratewise.logs.records import Block

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
FLOATS = {1: "f", 2: "d"}
"""Types of a tensor that a scalar may have, as TensorFlow numbers them, and how they are packed."""
WIDEST = 512
"""Bytes of a message that is compared with others."""
FEW = 16
"""Messages that have to agree with a layout for it to be worth the comparison."""
LONGEST_TAG = 1000
"""Bytes of a tag."""

Span = tuple[int, int]


class Malformed(Exception):
    """A message that is no event."""


class Scalar(NamedTuple):
    """Where in a message a number and its tag are; `code` is how it is packed."""

    tag: Span
    place: int
    code: str


@dataclass(frozen=True)
class EventLayout:
    """Where in a message its step, its time and its scalars are."""

    step: Span
    times: tuple[Span, ...]
    scalars: tuple[Scalar, ...]


class Found(NamedTuple):
    """Scalars of some records, in the order in which they were written.

    Args:
        tags: Their different tags.
        which: The tag of each scalar, by its place in `tags`, int64[n].
        steps: Its step, float64[n].
        values: Its number, float64[n].
    """

    tags: list[bytes]
    which: Any
    steps: Floats
    values: Floats


def scalars_of(block: Block) -> Found:
    """Return the scalars in some records.

    Raises:
        Malformed: a record is no event; its number in the block is the first argument.
    """
    tags: dict[bytes, int] = {}
    parts = list(_parts(block, tags))
    if not parts:
        return Found([], np.empty(0, np.int64), np.empty(0), np.empty(0))
    record, place, which, steps, values = (np.concatenate(one) for one in zip(*parts, strict=True))
    order = np.lexsort((place, record))
    return Found(list(tags), which[order], steps[order], values[order])


def _parts(block: Block, tags: dict[bytes, int]) -> Iterator[tuple[Any, ...]]:
    """Return scalars by record, place in it, tag, step and number; those of one layout together."""
    for length in np.unique(block.lengths).tolist():
        left = np.flatnonzero(block.lengths == length)
        lonely = length > WIDEST or len(left) < FEW
        windows = None
        while len(left):
            layout = _layout(block, int(left[0]))
            if lonely:
                same, left = left[:1], left[1:]
            else:
                if windows is None:
                    windows = np.lib.stride_tricks.sliding_window_view(block.content, length)
                rows = windows[block.starts[left]]
                agree = _agree(rows, layout)
                same, left = left[agree], left[~agree]
                lonely = len(same) < FEW
            if layout.scalars:
                rows = block.content[block.starts[same][:, None] + np.arange(length)]
                yield from _read(rows, layout, same, tags)


def _layout(block: Block, record: int) -> EventLayout:
    start = int(block.starts[record])
    message = block.content[start : start + int(block.lengths[record])].tobytes()
    try:
        return layout_of(message)
    except Malformed:
        raise Malformed(record) from None


def _agree(rows: Bytes, layout: EventLayout) -> Any:
    """Whether some messages of equal length have the layout of the first of them."""
    free = [*layout.times, *(one.tag for one in layout.scalars)]
    free += [(one.place, one.place + struct.calcsize(one.code)) for one in layout.scalars]
    ruled = np.full(rows.shape[1], 0xFF, dtype=np.uint8)
    ruled[slice(*layout.step)] = 0x80  # whether the number goes on
    for span in free:
        ruled[slice(*span)] = 0
    return (((rows ^ rows[0]) & ruled) == 0).all(axis=1)


def _read(rows: Bytes, layout: EventLayout, records: Any, tags: dict[bytes, int]) -> Iterator[Any]:
    first, last = layout.step
    steps = np.zeros(len(rows), dtype=np.uint64)
    for i in range(first, last):
        steps |= (rows[:, i].astype(np.uint64) & np.uint64(0x7F)) << np.uint64(7 * (i - first))
    counted = steps.view(np.int64).astype(np.float64)
    for place, one in enumerate(layout.scalars):
        width = struct.calcsize(one.code)
        cells = np.ascontiguousarray(rows[:, one.place : one.place + width])
        values = cells.view(f"<{one.code}").reshape(-1).astype(np.float64)
        begin, end = one.tag
        text = np.ascontiguousarray(rows[:, begin:end]).tobytes()
        size = end - begin
        names = (
            [text[i : i + size] for i in range(0, len(text), size)] if size else [b""] * len(rows)
        )
        which = np.array([tags.setdefault(name, len(tags)) for name in names], dtype=np.int64)
        yield records, np.full(len(rows), place), which, counted, values


# One message ------------------------------------------------------------------------------------


def layout_of(message: bytes) -> EventLayout:
    """Return where in an event its step and its scalars are; the last of several steps counts.

    Raises:
        Malformed: it is no protocol buffer.
    """
    step: Span = (0, 0)
    times: list[Span] = []
    scalars: list[Scalar] = []
    for number, kind, span in _fields(message, (0, len(message))):
        if number == 1 and kind == FIXED64:
            times.append(span)
        elif number == 2 and kind == VARINT:
            step = span
        elif number == 5 and kind == BYTES:
            parts = [part for one, how, part in _fields(message, span) if (one, how) == (1, BYTES)]
            scalars += [one for part in parts if (one := _scalar(message, part)) is not None]
    return EventLayout(step, tuple(times), tuple(scalars))


def _scalar(message: bytes, span: Span) -> Scalar | None:
    """Return where a value has its number, or None if it is a picture, a text or a histogram."""
    tag: Span = (span[0], span[0])
    number: tuple[int, str] | None = None
    for field, kind, part in _fields(message, span):
        if field == 1 and kind == BYTES:
            tag = part
        elif field == 2 and kind == FIXED32:
            number = part[0], "f"
        elif field == 8 and kind == BYTES:
            number = _of_tensor(message, part)
    if number is None:
        return None
    if tag[1] - tag[0] > LONGEST_TAG:
        raise Malformed
    return Scalar(tag, *number)


def _of_tensor(message: bytes, span: Span) -> tuple[int, str] | None:
    """Return where in a tensor its one number is, 4: its bytes, 5 and 6: a list."""
    code = ""
    for field, kind, part in _fields(message, span):
        if field == 1 and kind == VARINT:
            code = FLOATS.get(_varint(message, part[0], part[1])[0], "")
        elif field in (4, 5, 6) and code and kind != VARINT and _size(part) == _packed(code):
            return part[0], code
    return None


def _size(span: Span) -> int:
    return span[1] - span[0]


def _packed(code: str) -> int:
    return struct.calcsize(code)


def _fields(message: bytes, span: Span) -> Iterator[tuple[int, int, Span]]:
    """Return the fields of a protocol buffer: number, kind, and where its content is."""
    at, end = span
    while at < end:
        key, at = _varint(message, at, end)
        kind, begin = key & 7, at
        if kind == VARINT:
            _, at = _varint(message, at, end)
        elif kind == BYTES:
            length, begin = _varint(message, at, end)
            at = begin + length
        elif kind in (FIXED64, FIXED32):
            at += 8 if kind == FIXED64 else 4
        else:
            raise Malformed
        if at > end:
            raise Malformed
        yield key >> 3, kind, (begin, at)


def _varint(message: bytes, at: int, end: int) -> tuple[int, int]:
    """Return a number of 64 bits at most, and where it ends."""
    value = shift = 0
    while at < end and shift < 70:
        byte = message[at]
        at, value, shift = at + 1, value | (byte & 0x7F) << shift, shift + 7
        if not byte & 0x80:
            return value & 0xFFFFFFFFFFFFFFFF, at
    raise Malformed
