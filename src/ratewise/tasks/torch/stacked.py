"""Runs of one task that are trained together: many models in one call, by `torch.func`.

Parameters and buffers of the runs stand in tensors with the runs in front. `vmap` calls the loss of
all of them at once; the gradient of the sum of the losses is that of each run, as no run's loss
depends on another's parameters. Each has its own rates, seed, batches and buffers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise._extras import require
from ratewise.tasks.torch.batches import TorchTape
from ratewise.tasks.torch.random_stream import TorchRandomStream
from ratewise.tasks.torch.stacked_batches import kind_of, stacked
from ratewise.tasks.torch.stacked_state import (
    all_equal,
    joined,
    places_of,
    with_tensors,
    without_tensors,
)
from ratewise.tasks.torch.stacked_steps import OneStep, OwnSteps, StackStep

torch = require("torch", extra="torch")

SAME, DIFFERENT, NONE = "same", "different", "none"
"""What random numbers runs draw: those of their seed, others each, or none."""

LARGE = 2**14
"""Numbers of a buffer that no update changes, from which on it is one for all runs."""


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


class LossModule(torch.nn.Module):
    """The loss as a module, so that whatever it does with the model sees the run's parameters."""

    def __init__(self, model: Any, loss: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.model, self._loss = model, loss

    def forward(self, batch: Any) -> Any:
        return self._loss(self.model, batch)


class Stack:
    """Runs that stand behind the same number of updates, and are trained together.

    Args:
        open_run: Opens a run of the task for a seed.
        run: One that is open; its model is called, and what it holds itself does not matter.
        states: The states of the runs, as a run alone has saved them.
        seeds: The seed of each.
        tapes: The batches of each seed.
        stacking: How they are stacked.

    Attributes:
        position: Updates that each of them has made.
    """

    def __init__(
        self,
        open_run: Callable[[int], Any],
        run: Any,
        states: Sequence[Mapping[str, Any]],
        seeds: Sequence[int],
        tapes: Mapping[int, TorchTape],
        stacking: Stacking,
    ) -> None:
        parts = run.stack_parts
        order = sorted(range(len(seeds)), key=lambda i: seeds[i])
        self._slot = {run: slot for slot, run in enumerate(order)}
        self._states = [states[i] for i in order]
        self._seeds = [seeds[i] for i in order]
        self._order = order
        self._tapes, self._how, self._clip = tapes, stacking, parts.clip
        self.position: int = states[0]["position"]
        self._module = LossModule(parts.model, parts.loss)
        self._lay_out(parts)
        self._step = self._stepper(open_run, parts)
        self._streams = {seed: self._stream(i) for i, seed in enumerate(self._seeds)}
        buffers = {(one.module, one.own) for one in self._places if one.name in self._varied}
        held = set(self._among.values())
        self._states = [without_tensors(state, held, buffers) for state in self._states]
        self._step.keep(self._states)

    # Laying out -------------------------------------------------------------------------------

    def _lay_out(self, parts: Any) -> None:
        """Stack what is trained and what is not the same in all runs; the rest is shared."""
        named = dict(parts.model.named_parameters())
        groups = parts.optimizer.param_groups
        held = {id(p): i for i, p in enumerate(p for group in groups for p in group["params"])}
        self._trained: dict[str, Any] = {}
        self._shared: dict[str, Any] = {}
        self._varied: dict[str, Any] = {}
        self._among: dict[str, int] = {}
        self._held: list[int] = []
        for place, (name, parameter) in enumerate(named.items()):
            kept = [state["model"]["parameters"][place] for state in self._states]
            if parameter.requires_grad and id(parameter) in held:
                self._trained[name] = joined(kept).requires_grad_()
                self._held.append(held[id(parameter)])
            elif all_equal(kept):
                self._shared[name] = kept[0].back()
                continue
            else:
                self._varied[name] = joined(kept)
            self._among[name] = place
        self._places = places_of(parts.model)
        for place in self._places:
            kept = [s["model"]["modules"][place.module]["buffers"][place.own] for s in self._states]
            large = kept[0].value.numel() >= LARGE
            if large and place.name in self._how.still and all_equal(kept):
                self._shared[place.name] = kept[0].back()
            elif place.name not in self._varied:
                self._varied[place.name] = joined(kept)

    def _stepper(self, open_run: Callable[[int], Any], parts: Any) -> StackStep:
        whole = list(self._trained.values())
        if self._how.own_steps:
            return OwnSteps(open_run, self._seeds, list(self._trained), whole, self._states)
        shares = [share.share for share in parts.groups.shares]
        return OneStep(parts.optimizer, shares, self._held, whole, self._states)

    def _stream(self, run: int) -> TorchRandomStream:
        stream = TorchRandomStream(self._seeds[run], settings=True)
        stream.state = self._states[run]["random"]
        return stream

    # Training ---------------------------------------------------------------------------------

    def train(self, rates: Floats) -> Floats:
        """Make one update per column; return the losses.

        A run whose loss is no longer finite has NaN from there on, and the others go on.

        Args:
            rates: float64[runs, k], in the order of the states that were given.

        Returns float64[runs, k].
        """
        count = rates.shape[1]
        columns = rates[self._order].T.tolist()
        seeds = list(dict.fromkeys(self._seeds))
        losses: list[Any] = []
        with torch.inference_mode(False), torch.enable_grad(), self._settled(), quiet():
            batches = zip(*(self._tapes[s].take(self.position, count) for s in seeds), strict=True)
            for column, each in zip(columns, batches, strict=True):
                losses.append(self._update(column, dict(zip(seeds, each, strict=True))))
                self.position += 1
        if not losses:
            return np.empty((len(self._seeds), 0))
        made = torch.stack(losses, dim=1).to(torch.float64).cpu().numpy()
        return blanked(made[[self._slot[run] for run in range(len(made))]])

    def _settled(self) -> ExitStack:
        """Enter the random numbers of the first seed, if they are not to be swapped on the way."""
        within = ExitStack()
        if not self._swaps:
            within.enter_context(self._streams[self._seeds[0]])
        return within

    @property
    def _swaps(self) -> bool:
        return self._how.randomness == SAME and len(self._streams) > 1

    def _update(self, rates: Sequence[float], batches: Mapping[int, Any]) -> Any:
        found = [self._descend(span, batches) for span in self._spans(batches)]
        losses = [loss for loss, _ in found]
        if len(found) == 1:
            gradients = found[0][1]
        else:
            gradients = [
                _joined_gradients(each) for each in zip(*(g for _, g in found), strict=True)
            ]
        with self._streams[self._seeds[0]] if self._swaps else ExitStack(), torch.no_grad():
            if self._clip is not None:
                gradients = clipped(gradients, self._clip)
            self._step.make(rates, gradients)
        return torch.cat(losses)

    def _spans(self, batches: Mapping[int, Any]) -> Iterator[tuple[int, int]]:
        """Yield from where to where runs can be in one call of the model."""
        if len(batches) == 1:
            yield 0, len(self._seeds)
            return
        alike: dict[Any, int] = {}
        kinds = {
            seed: seed if self._how.randomness == SAME else alike.setdefault(kind_of(batch), seed)
            for seed, batch in batches.items()
        }
        low = 0
        for _, some in groupby(self._seeds, key=lambda seed: kinds[seed]):
            high = low + len(list(some))
            yield low, high
            low = high

    def _descend(self, span: tuple[int, int], batches: Mapping[int, Any]) -> tuple[Any, list[Any]]:
        """Return the losses of some runs, and the gradient of each stacked parameter."""
        low, high = span
        counts = {seed: len(list(some)) for seed, some in groupby(self._seeds[low:high])}
        batch = stacked([batches[seed] for seed in counts], list(counts.values()))
        trained = {n: p.detach()[low:high].requires_grad_() for n, p in self._trained.items()}
        varied = {name: one[low:high] for name, one in self._varied.items()}

        def loss(own: Any, other: Any, tensors: Any) -> Any:
            state = {
                f"model.{n}": v for part in (self._shared, own, other) for n, v in part.items()
            }
            found = torch.func.functional_call(self._module, state, (batch.build(tensors),))
            return found.reshape(()), {name: state[f"model.{name}"] for name in other}

        drawn = DIFFERENT if self._how.randomness == NONE else self._how.randomness
        many = torch.func.vmap(loss, randomness=drawn)
        with self._streams[self._seeds[low]] if self._swaps else ExitStack():
            losses, changed = many(trained, varied, batch.tensors)
        with torch.no_grad():
            for name, value in changed.items():
                if value.data_ptr() != varied[name].data_ptr():
                    varied[name].copy_(value)
        gradients = torch.autograd.grad(losses.sum(), list(trained.values()), allow_unused=True)
        # As parameters are in memory: fused steps take that for granted.
        return losses.detach(), [None if one is None else one.contiguous() for one in gradients]

    # Taking apart -----------------------------------------------------------------------------

    def state(self, run: int) -> dict[str, Any]:
        """Return the state of a run, as one alone would save it."""
        slot = self._slot[run]
        state = self._step.state(slot)
        whole = {**self._trained, **self._varied}
        parameters = {place: whole[name][slot] for name, place in self._among.items()}
        buffers = {
            (place.module, place.own): self._varied[place.name][slot]
            for place in self._places
            if place.name in self._varied
        }
        stream = self._streams[self._seeds[slot if self._swaps else 0]]
        told = {"position": self.position, "random": stream.state}
        return {**with_tensors(state, parameters, buffers), **told}


@contextmanager
def quiet() -> Generator[None]:
    """Say nothing of what vmap does one by one, as whether that pays is measured."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop")
        yield


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


def _joined_gradients(each: Sequence[Any]) -> Any:
    return None if any(one is None for one in each) else torch.cat(list(each))
