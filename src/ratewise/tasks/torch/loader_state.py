"""Batches of a loader in their order, and back to any of them: what a framework's own loop eats."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

from ratewise._extras import require
from ratewise.tasks.random_stream import DATA, derived
from ratewise.tasks.torch.generators import Generators
from ratewise.tasks.torch.random_stream import TorchRandomStream
from ratewise.tasks.torch.snapshot import put_into, set_aside

torch = require("torch", extra="torch")

_Kept = bool | int | float | str | Generators | torch.Generator | None


class SwappedState:
    """The plain attributes and the random generators of some things, as a run sees them.

    Inside `with swapped:` they are as this run left them, outside as if it had not been there, so
    runs may share a dataset, a sampler or a collator with a generator in it.

    Args:
        things: What is kept; only attributes that are numbers, texts, flags or generators.

    Attributes:
        state: What was kept; plain values, never changed in place.
    """

    def __init__(self, things: Iterable[Any]) -> None:
        found = [thing for thing in things if hasattr(thing, "__dict__")]
        self._things = list({id(thing): thing for thing in found}.values())
        self.state = self._read()
        self._outside = self.state

    def __enter__(self) -> Self:
        self._outside = self._read()
        self.put(self.state)
        return self

    def __exit__(self, *_: object) -> None:
        self.state = self._read()
        self.put(self._outside)

    def _read(self) -> list[dict[str, Any]]:
        return [
            {
                name: set_aside(value)
                for name, value in vars(thing).items()
                if isinstance(value, _Kept)
            }
            for thing in self._things
        ]

    def put(self, state: list[dict[str, Any]]) -> None:
        """Put a state into the things, to stay there."""
        for thing, saved in zip(self._things, state, strict=True):
            content = vars(thing)
            for name, value in saved.items():
                content[name] = put_into(content.get(name), value)


class StatefulLoader:
    """The batches of a loader, epoch after epoch, with the random numbers that training has.

    It is an iterator over the current epoch, to be used while `own` is entered. An epoch begins,
    and its first batch is drawn, with the run's own random numbers, as in a plain loop, where the
    order is drawn there. What the other batches draw comes from a stream that the seed and the
    epoch decide. So a place in an epoch is reached again by reading from its beginning, whatever
    training has drawn since.

    Args:
        loader: What is iterated once per epoch.
        own: The random numbers of the run.
        seed: Seed of the stream.

    Attributes:
        epoch: Epochs that have ended.
        drawn: Batches that were taken in this one.
    """

    def __init__(self, loader: Any, own: TorchRandomStream, seed: int) -> None:
        self.loader = loader
        self.epoch = self.drawn = 0
        self._own, self._seed = own, seed
        self._held = SwappedState(_around(loader))
        self._iterator: Iterator[Any] | None = None
        self._stream: TorchRandomStream | None = None
        self._begin: tuple[Any, Any, Any] | None = None
        self._unread: list[Any] = []
        self._repeats = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._iterator is None:
            self._open()
        if self._unread:
            return self._unread.pop()
        if not self.drawn and self._begin is not None:  # others may have drawn since it began
            self._begin = (*self._begin[:2], self._own.note())
        batch = self._draw()
        self.drawn += 1
        return batch

    def begin(self) -> None:
        """Begin the epoch now, and not with its first batch."""
        if self._iterator is None and self._begin is None:
            self._open()

    def end(self) -> None:
        """Let the next batch be the first of the next epoch."""
        self.epoch, self.drawn = self.epoch + 1, 0
        self._iterator = self._begin = None
        self._unread, self._repeats = [], False

    def save(self, unread: bool = False) -> dict[str, Any]:
        """Return the place, and what the current epoch began with.

        Args:
            unread: Whether the last batch was drawn ahead, and is to come again.
        """
        unread = unread or self._repeats or bool(self._unread)
        place = {"epoch": self.epoch, "drawn": self.drawn, "unread": unread}
        return {**place, "begin": self._begin, "held": self._held.state}

    def restore(self, state: dict[str, Any]) -> None:
        """Go to a place; it is read up to there when the next batch is asked for."""
        self.epoch, self.drawn = state["epoch"], state["drawn"]
        self._begin, self._held.state = state["begin"], state["held"]
        self._iterator, self._unread = None, []
        self._repeats = state["unread"]

    def _open(self) -> None:
        """Begin the epoch, or read it again up to where it was left."""
        if self._begin is None:
            self._begin = self._own.note(), self._held.state, None
            self._iterator = self._first()
            return
        again, held = TorchRandomStream(0, settings=True), self._held.state
        again.state, self._held.state, first = self._begin
        with again:
            self._iterator, count, self.drawn = self._first(), self.drawn, 0
        again.state = first or again.state
        with again:
            for self.drawn in range(count):
                batch = self._draw()
                self._unread = [batch] if self._repeats else []
        self.drawn, self._repeats = count, False
        self._held.state = held

    def _first(self) -> Iterator[Any]:
        self._stream = TorchRandomStream(derived(derived(self._seed, DATA), self.epoch))
        with self._held:
            for thing in _ordering(self.loader):
                if callable(getattr(thing, "set_epoch", None)):
                    thing.set_epoch(self.epoch)
            return iter(self.loader)

    def _draw(self) -> Any:
        assert self._iterator is not None
        assert self._stream is not None
        if not self.drawn:
            with self._held:
                return next(self._iterator)
        with self._held, self._stream:
            return next(self._iterator)


def _ordering(loader: Any) -> Iterator[Any]:
    """Yield a loader and what decides about its order."""
    yield loader
    sampler, batches = getattr(loader, "sampler", None), getattr(loader, "batch_sampler", None)
    yield from (sampler, batches, getattr(batches, "sampler", None))
    inner = getattr(batches, "batch_sampler", None)
    yield from (inner, getattr(inner, "sampler", None))


def _around(loader: Any) -> Iterator[Any]:
    """Yield what a loader is made of, as far as it may have a state."""
    yield from _ordering(loader)
    collate = getattr(loader, "collate_fn", None)
    yield from (getattr(loader, "dataset", None), collate, getattr(collate, "data_collator", None))
