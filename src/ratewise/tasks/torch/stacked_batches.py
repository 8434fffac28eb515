"""Batches of several seeds as one: what can be stacked with what, and how."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ratewise._extras import require
from ratewise.tasks.torch.batches import TorchTape, copied, leaves
from ratewise.tasks.torch.random_stream import TorchRandomStream

torch = require("torch", extra="torch")


class StackedBatch(NamedTuple):
    """A batch for each run of a stack.

    Args:
        tensors: What differs between the runs, each with the runs in front; empty if nothing does.
        build: Returns the batch of one run from its own tensors.
    """

    tensors: tuple[Any, ...]
    build: Callable[[Sequence[Any]], Any]


def kind_of(batch: Any) -> tuple[Any, ...]:
    """Return what two batches have to have in common to be stacked: all but their tensors."""
    return tuple(_kind(leaf) for leaf in leaves(batch))


def _kind(leaf: Any) -> Any:
    if isinstance(leaf, torch.Tensor):
        return "tensor", tuple(leaf.shape), leaf.dtype, str(leaf.device), leaf.layout
    if isinstance(leaf, np.ndarray) and not leaf.dtype.hasobject:
        return "array", leaf.shape, leaf.dtype.str, leaf.tobytes()
    if isinstance(leaf, bool | int | float | complex | str | bytes | None):
        return type(leaf), repr(leaf)
    return type(leaf), id(leaf)  # equal only to itself


def stacked(batches: Sequence[Any], counts: Sequence[int]) -> StackedBatch:
    """Return batches of one kind as one.

    Args:
        batches: The batch of each seed.
        counts: How many runs of each seed come one after the other.
    """
    first = batches[0]
    if len(batches) == 1:
        return StackedBatch((), lambda _: first)
    tensors = [
        [leaf for leaf in leaves(batch) if isinstance(leaf, torch.Tensor)] for batch in batches
    ]
    each = [place for place, count in enumerate(counts) for _ in range(count)]
    joined = tuple(
        torch.stack([same[place] for place in each]) for same in zip(*tensors, strict=True)
    )
    places = [id(tensor) for tensor in tensors[0]]

    def build(own: Sequence[Any]) -> Any:
        return copy.deepcopy(first, dict(zip(places, own, strict=True)))

    return StackedBatch(joined, build)


class TapeFeed:
    """The batches of a tape, which are drawn with random numbers of their own.

    Args:
        loss: Returns the loss of a model and a batch.
        tape: The batches.
        seed: The seed.
    """

    draws = False

    def __init__(self, loss: Callable[[Any, Any], Any], tape: TorchTape, seed: int) -> None:
        self.stream = TorchRandomStream(seed, settings=True)
        self.position = 0
        self._loss, self._tape = loss, tape

    def loss(self, model: Any, batch: Any) -> Any:
        return self._loss(model, batch)

    def stand(self, state: Mapping[str, Any]) -> None:
        self.position, self.stream.state = state["position"], state["random"]

    def draw(self, ahead: int) -> Iterator[list[Any]]:
        yield [copied(self._tape.at(self.position, self.position + ahead))]

    def advance(self) -> None:
        self.position += 1

    def place(self) -> dict[str, Any]:
        return {"position": self.position}

    def share(self, run: Any) -> None:
        """There is nothing to let go of: a tape has no model."""
