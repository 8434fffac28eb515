"""Batches by position: a tape of the recent ones, whatever the framework."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from ratewise.schedule import ScheduleError
from ratewise.tasks.random_stream import DATA, RandomStream, derived

TAPE_BYTES = 256 * 2**20
"""Memory for recent batches, in bytes, where a task does not say."""


class BatchTape(ABC):
    """The batches of one seed, by position; what is at a position never changes.

    They are drawn under random numbers of their own, so they depend on the seed and the position
    alone, not on the model. Going back is free while the tape reaches, and otherwise means to
    call `data(seed)` again and to skip.

    Args:
        data: Returns the iterable of batches for a seed. When it ends it is iterated again; one
            that can be iterated only once (a generator) is asked for again.
        seed: What `data` is called with.
        tape_bytes: Memory for recent batches, in bytes; the last few are kept whatever they take.

    Attributes:
        source: What `data` returned.
        held_bytes: Memory that the tape takes now, in bytes.

    Raises:
        ScheduleError: there is no batch, or the same seed gives other batches than before.
    """

    who: ClassVar[str]
    """What to call the data in an error."""
    repeat: ClassVar[str]
    """What to do so that a seed gives the same batches again."""
    ahead: ClassVar[int] = 1
    """Batches drawn at once, at most."""

    def __init__(self, data: Callable[[int], Any], seed: int, tape_bytes: int) -> None:
        self._data, self._seed, self._limit = data, seed, tape_bytes
        self._first: str | None = None
        self._rewind()

    @abstractmethod
    def _stream(self, seed: int) -> RandomStream:
        """Return the random numbers that the data draw from."""

    @abstractmethod
    def _recorded(self, batch: Any) -> tuple[Any, int]:
        """Return what to keep of a batch, and the bytes that it takes."""

    @abstractmethod
    def _fingerprint(self, batch: Any) -> str:
        """Return a hash that is equal for equal batches."""

    def _open(self) -> Any:
        """Return what `data` returns for the seed."""
        source = self._data(self._seed)
        if not hasattr(source, "__iter__") and not hasattr(source, "__getitem__"):
            fix = "return a loader, a dataset or a list of batches"
            raise ScheduleError(self.who, "cannot be iterated", fix, given=source)
        return source

    def _read(self, source: Any) -> Iterator[Any]:
        """Return the batches of one round."""
        return iter(source)

    def at(self, position: int, end: int | None = None) -> Any:
        """Return the batch at a position; those before `end` may be drawn with it."""
        if position < self._start:
            self._rewind()
        if position >= self._next:
            self._skip_to(position)
            self._draw(position + 1, min(position + self.ahead, end or 0))
        self._forget(before=position)
        return self._tape[position - self._start][0]

    def _rewind(self) -> None:
        """Begin at position 0 again, in the state of the random numbers that it had then."""
        self._own = self._stream(derived(self._seed, DATA))
        self._tape: deque[tuple[Any, int]] = deque()
        self.held_bytes = self._start = self._next = 0
        with self._own:
            self.source = self._open()
            self._iterator = self._read(self.source)
        self._draw(1, 1)
        first = self._fingerprint(self._tape[0][0])
        if self._first not in (None, first):
            rule = f"gave other batches when it was called with {self._seed} again"
            raise ScheduleError(self.who, rule, self.repeat)
        self._first = first

    def _skip_to(self, position: int) -> None:
        if position == self._next:
            return
        with self._own:
            for _ in range(position - self._next):
                self._pull()
        self._tape.clear()
        self.held_bytes, self._start, self._next = 0, position, position

    def _draw(self, low: int, high: int) -> None:
        """Put batches on the tape until it reaches `low`, and on to `high` while they are small."""
        drawn = 0
        with self._own:
            while self._next < low or (self._next < high and drawn < self._limit // self.ahead):
                self._tape.append(self._recorded(self._pull()))
                size = self._tape[-1][1]
                self._next += 1
                self.held_bytes += size
                drawn += size

    def _pull(self) -> Any:
        """Return the next batch; behind the last comes the first of the next round."""
        for batch in self._iterator:
            return batch
        self._iterator = self._read(self.source)
        for batch in self._iterator:
            return batch
        self.source = self._open()  # it could be iterated only once
        self._iterator = self._read(self.source)
        for batch in self._iterator:
            return batch
        fix = "return an iterable with at least one batch, a new one at every call"
        raise ScheduleError(self.who, f"gave no batch for seed {self._seed}", fix)

    def _forget(self, before: int) -> None:
        while self.held_bytes > self._limit and self._start < before:
            self.held_bytes -= self._tape.popleft()[1]
            self._start += 1


def endless(batches: Callable[[], Iterable[Any]]) -> Iterator[Any]:
    """Yield batches, and start again when they end."""
    while True:
        empty = True
        for batch in batches():
            empty = False
            yield batch
        if empty:
            raise ScheduleError("find(batches=…)", "gave no batch", "give at least one")
