"""States of runs joined into tensors with the runs in front, and taken apart again.

A run of a stack is saved as a run alone is: either goes on from what the other has saved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ratewise._extras import require
from ratewise.tasks.torch.generators import Generators, read
from ratewise.tasks.torch.snapshot import GeneratorSnapshot, TensorSnapshot, set_aside

torch = require("torch", extra="torch")

COMMON = ("step", "mu_product")
"""What optimizers count, the same for all runs that have made as many updates."""


class BufferPlace(NamedTuple):
    """Where a buffer is: the module's name, its own name there, and its name in the model."""

    module: str
    own: str
    name: str


def places_of(model: Any) -> list[BufferPlace]:
    """Return where the buffers of a model are; one that is in several modules has one name."""
    first: dict[int, str] = {}
    found: list[BufferPlace] = []
    for module, one in model.named_modules():
        for own, buffer in one.named_buffers(recurse=False):
            name = first.setdefault(id(buffer), f"{module}.{own}" if module else own)
            found.append(BufferPlace(module, own, name))
    return found


def joined(kept: Sequence[TensorSnapshot]) -> Any:
    """Return tensors that were set aside as one, with the runs in front, where they were."""
    device = kept[0].device
    return torch.stack([one.value for one in kept]).to(device)


def all_equal(kept: Sequence[TensorSnapshot]) -> bool:
    """Tell whether tensors that were set aside are the same in all runs."""
    first = kept[0].value
    return all(one.value is first or torch.equal(one.value, first) for one in kept[1:])


def kind_of_state(state: Mapping[str, Any]) -> Any:
    """Return what two states have to have in common to be in one stack, as a text.

    That is the plain attributes of the modules, what the optimizer counts, and which parts of its
    state there are; both have made as many updates.
    """
    modules = {name: attributes_of(one) for name, one in state["model"]["modules"].items()}
    counted = [
        (place, sorted(map(str, kept)), {n: _plain(kept[n]) for n in COMMON if n in kept})
        for place, _, kept in state["optimizer"]["state"]
        if isinstance(kept, Mapping)
    ]
    return repr((modules, counted))


def alike(one: Any, other: Any) -> bool:
    """Tell whether two things that were set aside are the same, to the last bit."""
    kind = type(one)
    if kind is not type(other):
        return False
    if issubclass(kind, TensorSnapshot):
        return one.device == other.device and alike(one.value, other.value)
    if issubclass(kind, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if issubclass(kind, np.ndarray):
        return bool(np.array_equal(one, other))
    if issubclass(kind, GeneratorSnapshot):
        return alike(one.state, other.state)
    if issubclass(kind, Generators):
        return alike(read(one), read(other))
    if issubclass(kind, Mapping):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if issubclass(kind, list | tuple | deque):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == other or (one != one and other != other))  # a NaN is like a NaN


def attributes_of(module: Mapping[str, Any]) -> Any:
    """Return what is kept of a module beside parameters and buffers; equal ones look the same."""
    return _plain([module["attributes"], module["extra"]])


def _plain(value: Any) -> Any:
    """Return a value such that equal ones look the same."""
    if isinstance(value, TensorSnapshot):
        return value.device, value.value.tolist() if value.value.numel() <= SEEN else id(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in sorted(value.items(), key=lambda x: str(x[0]))}
    if isinstance(value, GeneratorSnapshot):
        return value.state.tolist()
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


SEEN = 2**16
"""Numbers of a plain attribute that are looked at."""


def with_tensors(
    state: Mapping[str, Any], parameters: Mapping[int, Any], buffers: Mapping[tuple[str, str], Any]
) -> dict[str, Any]:
    """Return a state with other parameters and buffers.

    Args:
        state: The state.
        parameters: Tensors by the place of a parameter.
        buffers: Tensors by module and name.
    """
    kept = list(state["model"]["parameters"])
    for place, tensor in parameters.items():
        kept[place] = TensorSnapshot.of(tensor)
    modules = {name: {**one} for name, one in state["model"]["modules"].items()}
    for (module, own), tensor in buffers.items():
        own_buffers = {**modules[module]["buffers"], own: TensorSnapshot.of(tensor)}
        modules[module]["buffers"] = own_buffers
    return {**state, "model": {**state["model"], "parameters": kept, "modules": modules}}


def without_tensors(
    state: Mapping[str, Any], parameters: Collection[int], buffers: Collection[tuple[str, str]]
) -> dict[str, Any]:
    """Return a state without what `with_tensors` is to put back, and without moments.

    Args:
        state: The state.
        parameters: Places of parameters.
        buffers: Buffers by module and name.
    """
    kept = state["model"]["parameters"]
    left = [None if place in parameters else one for place, one in enumerate(kept)]
    modules = {
        name: {
            **one,
            "buffers": {n: b for n, b in one["buffers"].items() if (name, n) not in buffers},
        }
        for name, one in state["model"]["modules"].items()
    }
    return {
        **state,
        "model": {**state["model"], "parameters": left, "modules": modules},
        "optimizer": {**state["optimizer"], "state": []},
    }


def aside(value: Any, run: int, shape: Any) -> Any:
    """Return the part of a stacked optimizer's state that is of one run, set aside.

    Args:
        value: A tensor with the runs in front, or what is common to all.
        run: Which run.
        shape: Shape of the stacked parameter.
    """
    if isinstance(value, torch.Tensor) and value.shape == shape:
        return TensorSnapshot.of(value[run])
    return set_aside(value)
