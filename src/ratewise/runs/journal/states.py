"""A state as bytes: plain values, which nothing is run for; anything else signed by its writer."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from ratewise.runs.journal.owner import SIZE, Owner
from ratewise.runs.journal.pickled import from_pickle, to_pickle
from ratewise.tasks.encoding import Decoder, Encoder, NotPlain

MAGIC = b"ratewise state 1"
PLAIN, CODE = b"P", b"C"

MORE = {"torch": "ratewise.tasks.torch.encoding"}
"""What encodes values of a framework: only where it is loaded, or was when they were written."""


class StrangersState(Exception):
    """A state that only running code can read, and that another user has written, or nobody."""


def pack(name: str, state: Any, owner: Owner) -> bytes:
    """Return a state as bytes."""
    used = {first: _kind(first) for first in MORE if first in sys.modules}
    try:
        return MAGIC + PLAIN + Encoder(used).bytes_of(state)
    except NotPlain:
        content = to_pickle(state)
        return MAGIC + CODE + owner.sign(f"state {name}", content) + content


def unpack(name: str, data: bytes, owner: Owner, trust: bool = False) -> Any:
    """Return the state in some bytes, which are known to be those that were written.

    Raises:
        StrangersState: it would take code to read it, and neither this user wrote it nor is
            whoever did so trusted.
        ValueError: it is no state.
    """
    head = len(MAGIC)
    kind, content = data[head : head + 1], memoryview(data)[head + 1 :]
    if data[:head] == MAGIC and kind == PLAIN:
        return Decoder(dict.fromkeys(MORE, _kind)).value_of(content)
    if data[:head] == MAGIC and kind == CODE:
        signature, code = bytes(content[:SIZE]), bytes(content[SIZE:])
        if not trust and not owner.signed(f"state {name}", code, signature):
            raise StrangersState
        return from_pickle(code)
    raise ValueError("no state")


def _kind(first: str) -> Any:
    return importlib.import_module(MORE[first])
