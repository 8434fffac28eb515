"""Batches of torch by position, and what a batch is made of."""

from __future__ import annotations

import copy
import hashlib
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from ratewise._extras import require
from ratewise.tasks.batches import BatchTape
from ratewise.tasks.random_stream import RandomStream
from ratewise.tasks.torch.random_stream import TorchRandomStream

torch = require("torch", extra="torch")


class TorchTape(BatchTape):
    """The batches of one seed for torch; what is handed out is a copy, which can be changed."""

    who = "TorchTask(data=…)"
    repeat = "make the loader, its generator and its random numbers inside data(seed)"
    ahead = 8  # as swapping random numbers in and out costs per swap

    def _stream(self, seed: int) -> RandomStream:
        return TorchRandomStream(seed)

    def _recorded(self, batch: Any) -> tuple[Any, int]:
        batch = copied(batch)  # as what draws next may write into the same memory
        tensors = torch.Tensor | np.ndarray
        sizes = (
            leaf.nbytes if isinstance(leaf, tensors) else sys.getsizeof(leaf)
            for leaf in leaves(batch)
        )
        return batch, sum(sizes)

    def _fingerprint(self, batch: Any) -> str:
        """Return a hash that is equal for equal batches; what it cannot read it leaves out."""
        digest = hashlib.sha256()
        for leaf in leaves(batch):
            if isinstance(leaf, torch.Tensor) and leaf.layout == torch.strided:
                raw = leaf.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
                digest.update(raw.numpy().tobytes())
            elif isinstance(leaf, np.ndarray) and leaf.dtype != object:
                digest.update(leaf.tobytes())
            elif isinstance(leaf, int | float | str | bytes | bool | None):
                digest.update(repr(leaf).encode())
        return digest.hexdigest()

    def take(self, position: int, count: int) -> Iterator[Any]:
        """Yield copies of the batches at `position` … `position + count - 1`."""
        for place in range(position, position + count):
            yield copied(self.at(place, position + count))


def copied(value: Any) -> Any:
    """Return a copy that shares no memory; a tensor that is a view brings only what it shows."""
    tensors = [leaf for leaf in leaves(value) if isinstance(leaf, torch.Tensor)]
    done = {id(one): one.detach().clone().requires_grad_(one.requires_grad) for one in tensors}
    return copy.deepcopy(value, done)


def leaves(value: Any) -> Iterator[Any]:
    """Yield the tensors, arrays and plain values that a batch is made of, each once, in order."""
    seen: set[int] = set()
    stack = [value]
    while stack:
        item = stack.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        parts = _parts(item)
        if parts is None:
            yield item
        else:
            stack.extend(reversed(parts))


def _parts(value: Any) -> list[Any] | None:
    """Return what a container holds; None if the value is a leaf."""
    if isinstance(value, Mapping):
        return [part for pair in value.items() for part in pair]
    if isinstance(value, list | tuple | deque):
        return list(value)
    if hasattr(value, "__dict__") and not callable(value) and not isinstance(value, torch.Tensor):
        return list(vars(value).values())
    return None
