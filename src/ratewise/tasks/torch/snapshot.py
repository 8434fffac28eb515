"""The exact state of a model and an optimizer: out as plain values, back to the last bit.

`load_state_dict` is not enough for that: it leaves out buffers that are not persistent, and casts
the optimizer's state to the types of the parameters.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise._extras import require

torch = require("torch", extra="torch")

_Plain = bool | int | float | complex | str | bytes | None
_Generators = random.Random | np.random.Generator | np.random.RandomState


@dataclass(frozen=True, eq=False)
class TensorSnapshot:
    """A tensor set aside in main memory, and where it was."""

    value: Any
    device: str

    @classmethod
    def of(cls, tensor: Any) -> TensorSnapshot:
        return cls(tensor.detach().to("cpu", copy=True), str(tensor.device))

    def back(self) -> Any:
        return self.value.to(self.device, copy=True)


@dataclass(frozen=True, eq=False)
class GeneratorSnapshot:
    """The state of a torch generator that a module holds."""

    state: Any


def save_model(model: Any) -> dict[str, Any]:
    """Return all that the model's next step depends on, as plain values.

    That is every parameter and every buffer, what modules return as extra state, and their plain
    attributes (numbers, texts, flags such as `training`, tensors, generators). Not seen is what is
    kept elsewhere: in lists, in closures, in global variables.
    """
    parameters = [TensorSnapshot.of(parameter) for parameter in model.parameters()]
    modules = {name: _save_module(module) for name, module in model.named_modules()}
    return {"parameters": parameters, "modules": modules}


def restore_model(model: Any, state: dict[str, Any]) -> None:
    """Put a saved state back; parameters and buffers keep their identity where they can."""
    with torch.no_grad():
        for parameter, kept in zip(model.parameters(), state["parameters"], strict=True):
            parameter.copy_(kept.value)
            parameter.grad = None
        for name, module in model.named_modules():
            _restore_module(module, state["modules"][name])


def save_optimizer(optimizer: Any) -> dict[str, Any]:
    """Return the optimizer's state by the place of each parameter, and its groups' settings."""
    places = {id(parameter): i for i, parameter in enumerate(_parameters(optimizer))}
    state = [
        (places.get(id(key)), None if id(key) in places else key, _set_aside(value))
        for key, value in optimizer.state.items()
    ]
    groups = [
        {key: _set_aside(value) for key, value in group.items() if key != "params"}
        for group in optimizer.param_groups
    ]
    return {"state": state, "groups": groups, "attributes": _attributes(optimizer)}


def restore_optimizer(optimizer: Any, saved: dict[str, Any]) -> None:
    """Put a saved state back; nothing is cast, and tensors in groups keep their identity."""
    parameters = list(_parameters(optimizer))
    optimizer.state.clear()
    for place, key, value in saved["state"]:
        optimizer.state[key if place is None else parameters[place]] = _bring_back(value)
    with torch.no_grad():
        for group, kept in zip(optimizer.param_groups, saved["groups"], strict=True):
            for key in [key for key in group if key != "params" and key not in kept]:
                del group[key]
            for key, value in kept.items():
                group[key] = _into(group.get(key), value)
        _restore_attributes(optimizer, saved["attributes"])


def _parameters(optimizer: Any) -> Iterator[Any]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"])


def _save_module(module: Any) -> dict[str, Any]:
    buffers = module.named_buffers(recurse=False)
    extra = type(module).get_extra_state is not torch.nn.Module.get_extra_state
    return {
        "buffers": {name: TensorSnapshot.of(buffer) for name, buffer in buffers},
        "attributes": _attributes(module),
        "extra": copy.deepcopy(module.get_extra_state()) if extra else None,
    }


def _restore_module(module: Any, saved: dict[str, Any]) -> None:
    now = dict(module.named_buffers(recurse=False))
    for name in now.keys() - saved["buffers"].keys():
        setattr(module, name, None)
    for name, kept in saved["buffers"].items():
        back = _into(now.get(name), kept)
        if back is not now.get(name):
            setattr(module, name, back)
    _restore_attributes(module, saved["attributes"])
    if saved["extra"] is not None:
        module.set_extra_state(copy.deepcopy(saved["extra"]))


def _attributes(thing: Any) -> dict[str, Any]:
    """Return a module's or an optimizer's plain attributes, set aside."""
    return {name: _set_aside(value) for name, value in vars(thing).items() if _is_plain(value)}


def _restore_attributes(thing: Any, saved: dict[str, Any]) -> None:
    content = vars(thing)
    for name in [name for name in content if name not in saved and _is_plain(content[name])]:
        del content[name]
    for name, value in saved.items():
        content[name] = _into(content.get(name), value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return not value.requires_grad and not isinstance(value, torch.nn.Parameter)
    return isinstance(value, _Plain | _Generators | torch.Generator)


def _set_aside(value: Any) -> Any:
    """Return a value as what can be pickled, sharing nothing with the original."""
    if isinstance(value, torch.Tensor):
        return TensorSnapshot.of(value)
    if isinstance(value, torch.Generator):
        return GeneratorSnapshot(value.get_state())
    if type(value) is dict:
        return {key: _set_aside(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_set_aside(item) for item in value)
    return copy.deepcopy(value)


def _bring_back(value: Any) -> Any:
    """Return a fresh original of what was set aside."""
    if isinstance(value, TensorSnapshot):
        return value.back()
    if type(value) is dict:
        return {key: _bring_back(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_bring_back(item) for item in value)
    return copy.deepcopy(value)


def _into(now: Any, kept: Any) -> Any:
    """Return what was kept, inside the tensor or generator that is there now if it fits."""
    if isinstance(kept, GeneratorSnapshot):
        now = now if isinstance(now, torch.Generator) else torch.Generator()
        now.set_state(kept.state)
        return now
    if isinstance(kept, TensorSnapshot) and isinstance(now, torch.Tensor) and _fits(now, kept):
        return now.copy_(kept.value)
    return _bring_back(kept)


def _fits(now: Any, kept: TensorSnapshot) -> bool:
    same = (now.shape, now.dtype, str(now.device)) == (
        kept.value.shape,
        kept.value.dtype,
        kept.device,
    )
    apart = all(stride or size == 1 for size, stride in zip(now.shape, now.stride(), strict=True))
    return same and apart and not now.is_inference()
