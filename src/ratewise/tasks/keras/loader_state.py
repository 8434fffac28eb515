"""Batches for Keras by their position, and random numbers of one's own on any backend."""

from __future__ import annotations

import hashlib
import random
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np

from ratewise._extras import require
from ratewise.schedule import ScheduleError

keras = require("keras", extra="keras")

_DATA = 1
_WHO = "KerasTask(data=…)"


def stream(seed: int) -> Any:
    """Return random numbers of one's own, with torch's on that backend."""
    if keras.backend.backend() != "torch":
        return Stream(seed)
    from ratewise.tasks.torch.random_stream import RandomStream

    return RandomStream(seed, settings=True)


class Stream:
    """A stream of random numbers that goes on where it stopped, whatever else draws.

    Inside `with stream:` the generators of `random` and `numpy.random` are this stream's; outside
    they are as if nothing had been drawn. Not to be entered twice at once.

    Args:
        seed: Seed of both generators.

    Attributes:
        state: The stream where it stands; plain values, never changed in place.
    """

    def __init__(self, seed: int) -> None:
        self.state = self._outside = _read()
        with self:
            random.seed(seed)
            np.random.seed(seed % 2**32)

    def __enter__(self) -> Self:
        self._outside = _read()
        _write(self.state)
        return self

    def __exit__(self, *_: object) -> None:
        self.state = _read()
        _write(self._outside)


def _read() -> Any:
    return random.getstate(), np.random.get_state()


def _write(state: Any) -> None:
    random.setstate(state[0])
    np.random.set_state(state[1])


class Batches:
    """The batches of one seed, by position; what is at a position never changes.

    They are drawn under random numbers of their own, so they depend on the seed and the position
    alone. Going back is free while the tape reaches, and otherwise means to call `data(seed)`
    again and to skip.

    Args:
        data: Returns the batches for a seed: a dataset, a list, anything that can be iterated.
            When it ends it begins again.
        seed: What `data` is called with.
        tape_bytes: Memory for recent batches, in bytes; the last one is kept whatever it takes.

    Attributes:
        source: What `data` returned.

    Raises:
        ScheduleError: there is no batch, it is no batches, or the same seed gives others.
    """

    def __init__(self, data: Callable[[int], Any], seed: int, tape_bytes: int) -> None:
        self._data, self._seed, self._limit = data, seed, tape_bytes
        self._first: str | None = None
        self._rewind()

    def __getitem__(self, position: int) -> Any:
        start = self._next - len(self._tape)
        if position < start:
            self._rewind()
        while self._next <= position:
            self._draw()
        return self._tape[position - self._next][0]

    def _rewind(self) -> None:
        self._stream = stream(derived(self._seed, _DATA))
        self._tape: deque[tuple[Any, int]] = deque()
        self._bytes = self._next = 0
        with self._stream:
            self.source = _checked(self._data(self._seed))
            self._iterator = _batches(self.source)
        first = fingerprint(self[0])
        if self._first not in (None, first):
            rule = f"gave other batches when it was called with {self._seed} again"
            raise ScheduleError(_WHO, rule, "shuffle with the seed that data(seed) is given")
        self._first = first

    def _draw(self) -> None:
        with self._stream:
            batch = self._pull()
        size = sum(int(getattr(leaf, "nbytes", 64)) for leaf in keras.tree.flatten(batch))
        self._tape.append((batch, size))
        self._next += 1
        self._bytes += size
        while self._bytes > self._limit and len(self._tape) > 1:
            self._bytes -= self._tape.popleft()[1]

    def _pull(self) -> Any:
        """Return the next batch; behind the last comes the first of the next round."""
        for batch in self._iterator:
            return batch
        self._iterator = _batches(self.source)
        for batch in self._iterator:
            return batch
        self.source = _checked(self._data(self._seed))  # it could be iterated only once
        self._iterator = _batches(self.source)
        for batch in self._iterator:
            return batch
        fix = "return an iterable with at least one batch, a new one at every call"
        raise ScheduleError(_WHO, f"gave no batch for seed {self._seed}", fix)


def fingerprint(batch: Any) -> str:
    """Return a hash that is equal for equal batches."""
    digest = hashlib.sha256()
    for leaf in keras.tree.flatten(batch):
        value = as_numpy(leaf)
        digest.update(value.tobytes() if value.dtype != object else repr(value).encode())
    return digest.hexdigest()


def as_numpy(value: Any) -> Any:
    """Return a tensor of the backend, or anything else, as a new array."""
    if keras.backend.backend() == "tensorflow" and hasattr(value, "numpy"):
        return np.array(value.numpy())  # without the warning that numpy 2 gives of its tensors
    return np.array(keras.ops.convert_to_numpy(value))


def derived(seed: int, purpose: int) -> int:
    """Return another seed in [0, 2**63), for a stream that has nothing to do with the first."""
    return int(np.random.SeedSequence([seed, purpose]).generate_state(1, np.uint64)[0] >> 1)


def _checked(source: Any) -> Any:
    """Refuse arrays, which would be taken for batches."""
    if isinstance(source, tuple) and source and all(hasattr(one, "shape") for one in source):
        rule, fix = "returned arrays", "cut them: [(x[i : i + 32], y[i : i + 32]) for i in …]"
        raise ScheduleError(_WHO, rule, fix)
    if not hasattr(source, "__iter__") and not hasattr(source, "__getitem__"):
        rule = "cannot be iterated"
        raise ScheduleError(_WHO, rule, "return a dataset, or a list of batches", given=source)
    return source


def _batches(source: Any) -> Iterator[Any]:
    """Yield the batches of one epoch."""
    if not isinstance(source, keras.utils.PyDataset):
        yield from source
        return
    for index in range(source.num_batches):
        yield source[index]
    source.on_epoch_end()
