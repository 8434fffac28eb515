"""TensorBoard's event files, read record by record, without a reader of ours."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Return the scalars in the event files of a folder, {tag: [(step, value), …]}.

    A record is its length, the checksum of that, its bytes and their checksum.
    """
    from tensorboardX.proto.event_pb2 import Event

    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.rglob("events.out.tfevents.*")):
        content, at = path.read_bytes(), 0
        while at < len(content):
            size = int.from_bytes(content[at : at + 8], "little")
            event = Event.FromString(content[at + 12 : at + 12 + size])
            at += size + 16
            for value in event.summary.value:
                number = _number(value)
                if number is not None:
                    found.setdefault(value.tag, []).append((event.step, number))
    return found


def _number(value: Any) -> float | None:
    """Return a scalar, also of those that TensorFlow writes as a tensor of float32."""
    if value.HasField("simple_value"):
        return value.simple_value
    content = value.tensor.tensor_content
    return struct.unpack("<f", content)[0] if len(content) == 4 else None
