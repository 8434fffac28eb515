"""Runs of one task that are trained together: many models in one call, by `torch.func`.

Parameters and buffers of the runs stand in tensors with the runs in front. `vmap` calls the loss of
all of them at once; the gradient of the sum of the losses is that of each run, as no run's loss
depends on another's parameters. Each has its own rates, seed, batches and buffers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise._extras import require
from ratewise.tasks.random_stream import STACK, derived
from ratewise.tasks.torch.random_stream import TorchRandomStream
from ratewise.tasks.torch.stacked_batches import kind_of, stacked
from ratewise.tasks.torch.stacked_model import Span, StackedModel, quiet
from ratewise.tasks.torch.stacked_parts import (
    Stackable,
    StackFeed,
    StackParts,
    Unstackable,
    is_out_of_memory,
)
from ratewise.tasks.torch.stacked_steps import OneStep, OwnSteps, StackStep

torch = require("torch", extra="torch")

SAME, DIFFERENT, NONE = "same", "different", "none"
"""What random numbers runs draw: those of their seed, others each, or none."""


@dataclass(frozen=True)
class Stacking:
    """How runs of a task are stacked.

    Args:
        randomness: "none", "same" for the random numbers of each run's own seed, which takes a
            call of the model for each seed, or "different" for numbers of its own.
        own_steps: Whether each run has an optimizer of its own.
        still: Names of the buffers that no update changes.
    """

    randomness: str = NONE
    own_steps: bool = False
    still: tuple[str, ...] = ()


class Stack:
    """Runs that stand behind the same number of updates, and are trained together.

    Args:
        open_run: Opens a run of the task for a seed.
        run: One that is open; its model is called, and what it holds itself does not matter.
        states: The states of the runs, as a run alone has saved them.
        seeds: The seed of each.
        feeds: The batches of each seed.
        stacking: How they are stacked.
        begun: What the parameters of the open run were set aside as, if they were: what is still
            the same there need not be compared.
    """

    def __init__(
        self,
        open_run: Callable[[int], Any],
        run: Stackable,
        states: Sequence[Mapping[str, Any]],
        seeds: Sequence[int],
        feeds: Mapping[int, StackFeed],
        stacking: Stacking,
        begun: Sequence[Any] = (),
    ) -> None:
        parts = run.stack_parts
        self._order = sorted(range(len(seeds)), key=lambda i: seeds[i])
        self._slot = {run: slot for slot, run in enumerate(self._order)}
        self._seeds = [seeds[i] for i in self._order]
        own = [states[i] for i in self._order]
        self._feeds = {seed: feeds[seed] for seed in dict.fromkeys(self._seeds)}
        for seed, state in zip(self._seeds, own, strict=True):
            self._feeds[seed].stand(state)
        self._how, self._clip = stacking, parts.clip
        self._model = StackedModel(parts, own, stacking.still, begun)
        self._step = self._stepper(open_run, parts, own)
        self._states = [self._model.without(state) for state in own]
        self._step.keep(self._states)
        self._stream = self._drawn_from(own[0])
        self._apart: bool | None = None

    @property
    def position(self) -> int:
        """Updates that each of them has made."""
        return self._feeds[self._seeds[0]].position

    def _stepper(
        self, open_run: Callable[[int], Any], parts: StackParts, states: Sequence[Any]
    ) -> StackStep:
        whole = list(self._model.trained.values())
        if self._how.own_steps:
            return OwnSteps(open_run, self._seeds, list(self._model.trained), whole, states)
        shares = [share.share for share in parts.groups.shares]
        return OneStep(parts.optimizer, shares, self._model.held, whole, states)

    # Random numbers ---------------------------------------------------------------------------

    def _drawn_from(self, state: Mapping[str, Any]) -> TorchRandomStream | None:
        """Return what all calls of the model draw from, or None: those of each seed, in turn.

        Numbers of their own come from a stream that the first seed and the place begin, so that
        what the data draw does not depend on who is in the stack.
        """
        first = self._seeds[0]
        if self._how.randomness == SAME and len(self._feeds) > 1:
            return None
        if self._how.randomness != DIFFERENT:
            return self._feeds[first].stream
        stream = TorchRandomStream(first, settings=True)
        stream.state = state["random"]
        with stream:
            torch.manual_seed(derived(derived(first, STACK), self.position))
        return stream

    def _inside(self, seed: int) -> AbstractContextManager[Any]:
        """Return what brings in the random numbers of a seed, if others are there."""
        return nullcontext() if self._stream is not None else self._feeds[seed].stream

    def _drawing(self, seed: int) -> AbstractContextManager[Any]:
        """Return what brings in the random numbers that the data of a seed draw from."""
        feed = self._feeds[seed]
        return feed.stream if feed.draws and feed.stream is not self._stream else nullcontext()

    # Training ---------------------------------------------------------------------------------

    def train(self, rates: Floats) -> Floats:
        """Make one update per column; return the losses.

        A run whose loss is no longer finite has NaN from there on, and the others go on.

        Args:
            rates: float64[runs, k], in the order of the states that were given.

        Returns float64[runs, k].
        """
        columns = rates[self._order].T.tolist()
        losses: list[Any] = []
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            quiet(),
            self._stream or nullcontext(),
        ):
            for made, column in enumerate(columns):
                losses.append(self._update(column, len(columns) - made))
        if not losses:
            return np.empty((len(self._seeds), 0))
        each = torch.stack(losses, dim=1).to(torch.float64).cpu().numpy()
        return blanked(each[[self._slot[run] for run in range(len(each))]])

    def _drawn(self, ahead: int) -> Iterator[dict[int, Any]]:
        """Yield the parts of the next update's batch, of each those of all seeds.

        Raises:
            Unstackable: there are more of them with one seed than with another.
        """
        drawn = {seed: feed.draw(ahead) for seed, feed in self._feeds.items()}
        while True:
            each: list[list[Any]] = []
            for seed, batch in drawn.items():
                with self._drawing(seed):
                    each.append(next(batch, []))
            if len({len(parts) for parts in each}) > 1:
                raise Unstackable("an update has more batches with one seed than with another")
            if not each[0]:
                return
            for parts in zip(*each, strict=True):
                yield dict(zip(drawn, parts, strict=True))

    def _update(self, rates: Sequence[float], ahead: int = 1) -> Any:
        """Make one update; return the losses.

        Args:
            rates: The rate of each run.
            ahead: How many updates come, this one included.
        """
        losses: Any = 0.0
        gradients: list[Any] = [None] * len(self._model.trained)
        for batches in self._drawn(ahead):
            more, others = self._descend(batches)
            losses = losses + more
            gradients = [_sum(*pair) for pair in zip(gradients, others, strict=True)]
        with self._inside(self._seeds[0]), torch.no_grad():
            if self._clip is not None:
                gradients = clipped(gradients, self._clip)
            self._step.make(rates, gradients)
        for feed in self._feeds.values():
            feed.advance()
        return losses

    def _descend(self, batches: Mapping[int, Any]) -> tuple[Any, list[Any]]:
        """Return the losses of all runs, and the gradient of each stacked parameter or None.

        Where one call with the batches of several seeds does not work, as a model may look at a
        mask, each seed has a call of its own.
        """
        if self._apart is None and len(list(self._spans(batches))) < len(batches):
            kept = self._model.buffers()
            try:
                found = self._called(batches)
            except Exception as error:
                if is_out_of_memory(error):
                    raise
                self._model.put_buffers(kept)
                self._apart = True
            else:
                self._apart = False
                return found
        return self._called(batches)

    def _called(self, batches: Mapping[int, Any]) -> tuple[Any, list[Any]]:
        found = [self._call(span, batches) for span in self._spans(batches)]
        if len(found) == 1:
            return found[0]
        gradients = zip(*(own for _, own in found), strict=True)
        return torch.cat([loss for loss, _ in found]), [_joined(each) for each in gradients]

    def _spans(self, batches: Mapping[int, Any]) -> Iterator[Span]:
        """Yield from where to where runs can be in one call of the model."""
        if len(batches) == 1:
            yield 0, len(self._seeds)
            return
        each = self._apart or self._how.randomness == SAME
        alike: dict[Any, int] = {}
        kinds = {
            seed: seed if each else alike.setdefault(kind_of(batch), seed)
            for seed, batch in batches.items()
        }
        low = 0
        for _, some in groupby(self._seeds, key=lambda seed: kinds[seed]):
            high = low + len(list(some))
            yield low, high
            low = high

    def _call(self, span: Span, batches: Mapping[int, Any]) -> tuple[Any, list[Any]]:
        """Return the losses of some runs, and their gradients."""
        low, high = span
        counts = {seed: len(list(some)) for seed, some in groupby(self._seeds[low:high])}
        batch = stacked([batches[seed] for seed in counts], list(counts.values()))
        drawn = DIFFERENT if self._how.randomness == NONE else self._how.randomness
        first = self._seeds[low]
        with self._inside(first):
            return self._model.descend(self._feeds[first].loss, span, batch, drawn)

    # Taking apart -----------------------------------------------------------------------------

    def state(self, run: int) -> dict[str, Any]:
        """Return the state of a run, as one alone would save it."""
        slot = self._slot[run]
        feed = self._feeds[self._seeds[slot]]
        state = self._model.within(self._step.state(slot), slot)
        return {**state, **feed.place(), "random": feed.stream.state}


def blanked(losses: Floats) -> Floats:
    """Return losses, float64[runs, k], with NaN behind the first of a run that is not finite."""
    broken = np.cumsum(~np.isfinite(losses), axis=1)
    behind = np.pad(broken, ((0, 0), (1, 0)))[:, :-1] > 0
    return np.where(behind, np.nan, losses)


def clipped(gradients: Sequence[Any], largest: float) -> list[Any]:
    """Return gradients with the runs in front, those of each run scaled to a norm at most.

    g ← g · min(1, c / (‖g‖ + 1e-6)), the norm over all parameters of a run: what
    `torch.nn.utils.clip_grad_norm_` does with each alone.
    """
    there = [one for one in gradients if one is not None]
    norms = [torch.linalg.vector_norm(one.reshape(len(one), -1), dim=1) for one in there]
    whole = torch.linalg.vector_norm(torch.stack([one.to(norms[0]) for one in norms]), dim=0)
    factor = (largest / (whole + 1e-6)).clamp(max=1.0)

    def scaled(one: Any) -> Any:
        return one * factor.to(one.dtype).reshape(-1, *[1] * (one.dim() - 1))

    return [None if one is None else scaled(one) for one in gradients]


def _joined(each: Sequence[Any]) -> Any:
    """Return the gradient of a parameter in all runs, from those of some; None if no run has one.

    Raises:
        Unstackable: some have none, where a step would leave the parameter as it is.
    """
    there = [one for one in each if one is not None]
    if not there:
        return None
    if len(there) < len(each):
        raise Unstackable("a parameter is used with the batches of one seed, and not of another")
    return torch.cat(there)


def _sum(one: Any, other: Any) -> Any:
    """Return the sum of two gradients, of which there may be none."""
    return other if one is None else one if other is None else one + other
