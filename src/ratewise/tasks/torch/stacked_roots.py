"""Where the runs of a task begin that are to be stacked, by their seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ratewise._extras import require
from ratewise.tasks.calls import opened
from ratewise.tasks.protocols import Task
from ratewise.tasks.torch.snapshot import TensorSnapshot
from ratewise.tasks.torch.stacked import Stack, Stacking
from ratewise.tasks.torch.stacked_parts import Stackable, StackFeed

torch = require("torch", extra="torch")


class StackRoots:
    """The first states of the seeds of a task and their batches, with one model for all.

    Each seed is opened once. What is equal in their first states, as the base of a model with
    adapters is, is there once.

    Args:
        task: The task.
    """

    def __init__(self, task: Task) -> None:
        self._task = task
        self._run: Stackable | None = None
        self._first: dict[int, dict[str, Any]] = {}
        self._feeds: dict[int, StackFeed] = {}

    def first(self, seed: int) -> dict[str, Any]:
        """Return the state of a seed's runs before their first update."""
        if seed not in self._first:
            run: Any = opened(self._task, seed)
            state, feed = run.save(), run.stack_parts.feed
            if self._run is None:
                self._run = run
            else:
                feed.share(self._run)
                state = with_equals(state, next(iter(self._first.values())))
            self._first[seed], self._feeds[seed] = state, feed
        return self._first[seed]

    def stack(
        self, states: Sequence[Mapping[str, Any]], seeds: Sequence[int], stacking: Stacking
    ) -> Stack:
        """Return a stack of runs.

        Args:
            states: The state of each.
            seeds: The seed of each.
            stacking: How they are stacked.
        """
        for seed in seeds:
            self.first(seed)
        assert self._run is not None
        begun = next(iter(self._first.values()))["model"]["parameters"]
        told = self._task.open, self._run, states, seeds, self._feeds, stacking
        return Stack(*told, begun)


def with_equals(state: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state in which parameters that are equal to those of another are the same object."""
    pairs = zip(state["model"]["parameters"], other["model"]["parameters"], strict=False)
    kept = [theirs if _equal(own, theirs) else own for own, theirs in pairs]
    same = len(kept) == len(state["model"]["parameters"])
    return {**state, "model": {**state["model"], "parameters": kept}} if same else state


def _equal(one: TensorSnapshot, other: TensorSnapshot) -> bool:
    kinds = [(own.value.dtype, own.value.shape, own.device) for own in (one, other)]
    return kinds[0] == kinds[1] and torch.equal(one.value, other.value)
