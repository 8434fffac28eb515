"""One model for many runs: what differs between them with the runs in front, the rest once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ratewise._extras import require
from ratewise.tasks.torch.snapshot import TensorSnapshot
from ratewise.tasks.torch.stacked_batches import StackedBatch
from ratewise.tasks.torch.stacked_parts import StackParts
from ratewise.tasks.torch.stacked_state import (
    all_equal,
    joined,
    places_of,
    with_tensors,
    without_tensors,
)

torch = require("torch", extra="torch")

LARGE = 2**14
"""Numbers of a buffer that no update changes, from which on it is one for all runs."""

Span = tuple[int, int]
"""From which run to which, the last not included."""


class LossModule(torch.nn.Module):
    """The loss as a module, so that whatever it does with the model sees the run's parameters."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, loss: Callable[[Any, Any], Any], batch: Any) -> Any:
        return loss(self.model, batch)


class StackedModel:
    """The parameters and buffers of many runs, and the loss and gradient of some of them.

    Stacked is what is trained, and what is not the same in all runs. All else is shared: what is
    trained of a model with adapters is small, and its base there once, in the model itself.

    Args:
        parts: What a run is made of; its model is called.
        states: The states of the runs.
        still: Names of the buffers that no update changes.
        begun: What the parameters of that model were set aside as, if they were.

    Attributes:
        trained: What is trained, by name, with the runs in front.
        held: Places of these among the optimizer's parameters.
    """

    def __init__(
        self,
        parts: StackParts,
        states: Sequence[Mapping[str, Any]],
        still: Sequence[str],
        begun: Sequence[TensorSnapshot] = (),
    ) -> None:
        self._module = LossModule(parts.model)
        groups = parts.optimizer.param_groups
        held = {id(p): i for i, p in enumerate(p for group in groups for p in group["params"])}
        self.trained: dict[str, Any] = {}
        self.held: list[int] = []
        self._shared: dict[str, Any] = {}
        self._varied: dict[str, Any] = {}
        self._among: dict[str, int] = {}
        for place, (name, parameter) in enumerate(parts.model.named_parameters()):
            kept = [state["model"]["parameters"][place] for state in states]
            if parameter.requires_grad and id(parameter) in held:
                self.trained[name] = joined(kept).requires_grad_()
                self.held.append(held[id(parameter)])
            elif all_equal(kept):
                same = place < len(begun) and kept[0] is begun[place]
                own = same or _equal(parameter, kept[0])
                self._shared[name] = parameter.detach() if own else kept[0].back()
                continue
            else:
                self._varied[name] = joined(kept)
            self._among[name] = place
        self._places = places_of(parts.model)
        for place in self._places:
            kept = [s["model"]["modules"][place.module]["buffers"][place.own] for s in states]
            large = kept[0].value.numel() >= LARGE
            if large and place.name in still and all_equal(kept):
                self._shared[place.name] = kept[0].back()
            elif place.name not in self._varied:
                self._varied[place.name] = joined(kept)

    def descend(
        self, loss: Callable[[Any, Any], Any], span: Span, batch: StackedBatch, randomness: str
    ) -> tuple[Any, list[Any]]:
        """Return the losses of some runs, and the gradient of each stacked parameter or None."""
        low, high = span
        trained = {n: p.detach()[low:high].requires_grad_() for n, p in self.trained.items()}
        varied = {name: one[low:high] for name, one in self._varied.items()}

        def called(own: Any, other: Any, tensors: Any) -> Any:
            state = {
                f"model.{n}": v for part in (self._shared, own, other) for n, v in part.items()
            }
            given = loss, batch.build(tensors)
            found = torch.func.functional_call(self._module, state, given)
            return found.reshape(()), {name: state[f"model.{name}"] for name in other}

        many = torch.func.vmap(called, randomness=randomness)
        losses, changed = many(trained, varied, batch.tensors)
        with torch.no_grad():
            for name, value in changed.items():
                if value.data_ptr() != varied[name].data_ptr():
                    varied[name].copy_(value)
        gradients = torch.autograd.grad(losses.sum(), list(trained.values()), allow_unused=True)
        # As parameters are in memory: fused steps take that for granted.
        return losses.detach(), [None if one is None else one.contiguous() for one in gradients]

    def buffers(self) -> dict[str, Any]:
        """Return a copy of what a call of the model may write."""
        return {name: one.clone() for name, one in self._varied.items()}

    def put_buffers(self, kept: Mapping[str, Any]) -> None:
        """Bring back what was written."""
        for name, one in kept.items():
            self._varied[name].copy_(one)

    # States -----------------------------------------------------------------------------------

    def without(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the state of a run without what is stacked here."""
        buffers = {(one.module, one.own) for one in self._places if one.name in self._varied}
        return without_tensors(state, set(self._among.values()), buffers)

    def within(self, state: Mapping[str, Any], run: int) -> dict[str, Any]:
        """Return such a state with what is stacked here of a run."""
        whole = {**self.trained, **self._varied}
        parameters = {place: whole[name][run] for name, place in self._among.items()}
        buffers = {
            (place.module, place.own): self._varied[place.name][run]
            for place in self._places
            if place.name in self._varied
        }
        return with_tensors(state, parameters, buffers)


def _equal(parameter: Any, kept: TensorSnapshot) -> bool:
    """Tell whether a parameter is what was set aside."""
    own = parameter.detach()
    same = own.dtype == kept.value.dtype and own.shape == kept.value.shape
    return same and torch.equal(own, kept.value.to(own.device))


@contextmanager
def quiet() -> Generator[None]:
    """Say nothing of what vmap does one by one, as whether that pays is measured."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "There is a performance drop")
        yield
