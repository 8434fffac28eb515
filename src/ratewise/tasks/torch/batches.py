"""Batches by position: a tape of the recent ones, and what a batch is made of."""

from __future__ import annotations

import copy
import hashlib
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from ratewise._extras import require
from ratewise.schedule import ScheduleError
from ratewise.tasks.torch.random_stream import RandomStream, derived

torch = require("torch", extra="torch")

AHEAD = 8
"""Batches drawn at once, at most, as swapping random numbers in and out costs per swap."""

_DATA = 1


class Batches:
    """The batches of one seed, by position; what is at a position never changes.

    They are drawn under random numbers of their own, so they depend on the seed and the position
    alone, not on the model. Going back is free while the tape reaches, and otherwise means to
    call `data(seed)` again and to skip. What is handed out is a copy: it can be changed.

    Args:
        data: Returns the iterable of batches for a seed. When it ends it is iterated again; one
            that can be iterated only once (a generator) is asked for again.
        seed: What `data` is called with.
        tape_bytes: Memory for recent batches, in bytes; the last few are kept whatever they take.

    Raises:
        ScheduleError: there is no batch, or the same seed gives other batches than before.
    """

    def __init__(self, data: Callable[[int], Iterable[Any]], seed: int, tape_bytes: int) -> None:
        self._data = data
        self._seed = seed
        self._limit = tape_bytes
        self._first: str | None = None
        self._rewind()

    def take(self, position: int, count: int) -> Iterator[Any]:
        """Yield copies of the batches at `position` … `position + count - 1`."""
        for place in range(position, position + count):
            if place < self._start:
                self._rewind()
            if place >= self._next:
                self._skip_to(place)
                self._draw(place + 1, min(place + AHEAD, position + count))
            self._forget(before=place)
            yield copied(self._tape[place - self._start][0])

    def _rewind(self) -> None:
        """Begin at position 0 again, in the state of the random numbers that it had then."""
        self._own = RandomStream(derived(self._seed, _DATA))
        self._tape: deque[tuple[Any, int]] = deque()
        self._bytes = self._start = self._next = 0
        with self._own:
            self._source = self._data(self._seed)
            self._iterator = iter(self._source)
        self._draw(1, 1)
        first = fingerprint(self._tape[0][0])
        if self._first not in (None, first):
            rule = f"gave other batches when it was called with {self._seed} again"
            fix = "make the loader, its generator and its random numbers inside data(seed)"
            raise ScheduleError("TorchTask(data=…)", rule, fix)
        self._first = first

    def _skip_to(self, place: int) -> None:
        if place == self._next:
            return
        with self._own:
            for _ in range(place - self._next):
                self._pull()
        self._tape.clear()
        self._bytes, self._start, self._next = 0, place, place

    def _draw(self, low: int, high: int) -> None:
        """Put batches on the tape until it reaches `low`, and on to `high` while they are small."""
        drawn = 0
        with self._own:
            while self._next < low or (self._next < high and drawn < self._limit // AHEAD):
                batch = copied(self._pull())
                size = sum(weight(leaf) for leaf in leaves(batch))
                self._tape.append((batch, size))
                self._next += 1
                self._bytes += size
                drawn += size

    def _pull(self) -> Any:
        """Return the next batch; behind the last comes the first of the next round."""
        for batch in self._iterator:
            return batch
        self._iterator = iter(self._source)
        for batch in self._iterator:
            return batch
        self._source = self._data(self._seed)  # it could be iterated only once
        self._iterator = iter(self._source)
        for batch in self._iterator:
            return batch
        fix = "return an iterable with at least one batch, a new one at every call"
        raise ScheduleError("TorchTask(data=…)", f"gave no batch for seed {self._seed}", fix)

    def _forget(self, before: int) -> None:
        while self._bytes > self._limit and self._start < before:
            self._bytes -= self._tape.popleft()[1]
            self._start += 1


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


def weight(leaf: Any) -> int:
    """Return the bytes that a leaf takes."""
    if isinstance(leaf, torch.Tensor | np.ndarray):
        return int(leaf.nbytes)
    return sys.getsizeof(leaf)


def fingerprint(batch: Any) -> str:
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
