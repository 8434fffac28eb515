"""The exact state of a model and an optimizer: out as plain values, back to the last bit.

`load_state_dict` is not enough for that: it leaves out buffers that are not persistent, and casts
the optimizer's state to the types of the parameters.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from ratewise._extras import require
from ratewise.tasks.protocols import LiveRun, Opener, Over, Rates
from ratewise.tasks.random_stream import derived
from ratewise.tasks.torch.generators import Generators, generators_of, read, seed, write
from ratewise.tasks.torch.random_stream import TorchRandomStream

torch = require("torch", extra="torch")

_ORDER = 1
_Plain = bool | int | float | complex | str | bytes | None


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
    """The state of a torch generator, which cannot be copied by itself."""

    state: Any


def save_training(model: Any, optimizer: Any) -> dict[str, Any]:
    """Return all that the next update depends on, random numbers and data aside."""
    return {"model": save_model(model), "optimizer": save_optimizer(optimizer)}


def restore_training(model: Any, optimizer: Any, state: Mapping[str, Any]) -> None:
    """Put a saved state of a model and its optimizer back; the state stays usable."""
    restore_model(model, state["model"])
    restore_optimizer(optimizer, state["optimizer"])


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
        (places.get(id(key)), None if id(key) in places else key, set_aside(value))
        for key, value in optimizer.state.items()
    ]
    groups = [
        {key: set_aside(value) for key, value in group.items() if key != "params"}
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
                group[key] = put_into(group.get(key), value)
        _restore_attributes(optimizer, saved["attributes"])


class Snapshot:
    """The state of models, an optimizer, a loader and more, as it was when this was made.

    They are there already and belong to someone: inside `with snapshot:` their gradients are None,
    and at the end everything is as it was.

    Args:
        models: Modules; their gradients are set aside, too.
        optimizer: The optimizer, or None.
        loader: A loader: the generators that it, its samplers and its dataset hold are kept.
        also: More, each with `state_dict` and `load_state_dict`.
        dataset: A dataset whose generators are kept.
    """

    def __init__(
        self,
        models: Sequence[Any],
        optimizer: Any,
        loader: Any = None,
        also: Iterable[Any] = (),
        dataset: Any = None,
    ) -> None:
        self._models, self._optimizer = models, optimizer
        self._also = [thing for thing in (*also, loader) if has_state(thing)]
        self._generators = [*generators_of(loader), *generators_of(dataset)]
        groups = [] if optimizer is None else optimizer.param_groups
        held = [parameter for group in groups for parameter in group["params"]]
        found = [parameter for model in models for parameter in model.parameters()]
        each = {id(parameter): parameter for parameter in [*found, *held]}.values()
        self._gradients = [(parameter, parameter.grad) for parameter in each]
        self._drop_gradients()  # so that nothing is added to the ones set aside
        self._saved = [save_model(model) for model in models]
        self._moments = None if optimizer is None else save_optimizer(optimizer)
        self._states = [copy.deepcopy(thing.state_dict()) for thing in self._also]
        self._drawn = [read(generator) for generator in self._generators]

    def restore(self) -> None:
        """Put everything back but the gradients, which are None."""
        for model, state in zip(self._models, self._saved, strict=True):
            restore_model(model, state)
        if self._moments is not None:
            restore_optimizer(self._optimizer, self._moments)
        for thing, state in zip(self._also, self._states, strict=True):
            _load(thing, copy.deepcopy(state))
        for generator, state in zip(self._generators, self._drawn, strict=True):
            write(generator, state)
        self._drop_gradients()

    def opener(self, train_until: Callable[[Rates, Over], None]) -> Opener:
        """Return what opens runs from here, with random numbers that the run's seed decides."""

        def open_run(number: int) -> LiveRun:
            self.restore()
            for place, generator in enumerate(self._generators):
                seed(generator, derived(number, _ORDER + place))

            def train_seeded(rates: Rates, over: Over) -> None:
                with TorchRandomStream(number, settings=True):
                    train_until(rates, over)

            return LiveRun(train_seeded)

        return open_run

    def _drop_gradients(self) -> None:
        for parameter, _ in self._gradients:
            parameter.grad = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.restore()
        for parameter, gradient in self._gradients:
            parameter.grad = gradient


def has_state(thing: Any) -> bool:
    """Whether a thing gives its state and takes it back."""
    return all(callable(getattr(thing, name, None)) for name in ("state_dict", "load_state_dict"))


def _load(thing: Any, state: Any) -> None:
    """Load a state; a scaler that was stopped between two calls forgets what it began."""
    if isinstance(thing, torch.amp.GradScaler) and thing.is_enabled():
        ones = torch.ones((), device="cuda" if torch.cuda.is_available() else "cpu")
        thing.scale(ones)  # makes its tensors, if no loss has been scaled yet
        thing.update(float(state["scale"]))
    thing.load_state_dict(state)


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
        back = put_into(now.get(name), kept)
        if back is not now.get(name):
            setattr(module, name, back)
    _restore_attributes(module, saved["attributes"])
    if saved["extra"] is not None:
        module.set_extra_state(copy.deepcopy(saved["extra"]))


def _attributes(thing: Any) -> dict[str, Any]:
    return {name: set_aside(value) for name, value in vars(thing).items() if _is_plain(value)}


def _restore_attributes(thing: Any, saved: dict[str, Any]) -> None:
    content = vars(thing)
    for name in [name for name in content if name not in saved and _is_plain(content[name])]:
        del content[name]
    for name, value in saved.items():
        content[name] = put_into(content.get(name), value)


def _is_plain(value: Any) -> bool:
    if isinstance(value, torch.Tensor):
        return not value.requires_grad and not isinstance(value, torch.nn.Parameter)
    return isinstance(value, _Plain | Generators | torch.Generator)


def set_aside(value: Any) -> Any:
    """Return a value as what can be pickled, sharing nothing with the original."""
    if isinstance(value, torch.Tensor):
        return TensorSnapshot.of(value)
    if isinstance(value, torch.Generator):
        return GeneratorSnapshot(value.get_state())
    if type(value) is dict:
        return {key: set_aside(item) for key, item in value.items()}
    if type(value) in (list, tuple):
        return type(value)(set_aside(item) for item in value)
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


def put_into(now: Any, kept: Any) -> Any:
    """Return what was kept, inside the tensor or generator that is there now if it fits.

    Others may hold that tensor or generator, too: a sampler and its loader share one, for example.
    """
    if isinstance(kept, GeneratorSnapshot):
        now = now if isinstance(now, torch.Generator) else torch.Generator()
        write(now, kept.state)
        return now
    if isinstance(kept, Generators) and _same_kind(now, kept):
        write(now, read(kept))
        return now
    if isinstance(kept, TensorSnapshot) and isinstance(now, torch.Tensor) and _fits(now, kept):
        return now.copy_(kept.value)
    return _bring_back(kept)


def _same_kind(now: Any, kept: Any) -> bool:
    inner = [type(getattr(generator, "bit_generator", None)) for generator in (now, kept)]
    return type(now) is type(kept) and inner[0] is inner[1]


def _fits(now: Any, kept: TensorSnapshot) -> bool:
    kind = (kept.value.shape, kept.value.dtype, kept.device)
    same = (now.shape, now.dtype, str(now.device)) == kind
    apart = all(stride or size == 1 for size, stride in zip(now.shape, now.stride(), strict=True))
    return same and apart and not now.is_inference()
