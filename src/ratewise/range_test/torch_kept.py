"""What a PyTorch loop changes, set aside and put back to the last bit."""

from __future__ import annotations

import copy
import random
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from ratewise._extras import require
from ratewise.schedule import ScheduleError
from ratewise.tasks.torch.random_stream import derived
from ratewise.tasks.torch.snapshot import (
    restore_model,
    restore_optimizer,
    save_model,
    save_optimizer,
)

torch = require("torch", extra="torch")

_ORDER = 1


class Kept:
    """The state of models, an optimizer, a loader and more, as it was when this was made.

    Args:
        models: Modules; their gradients are set aside, too.
        optimizer: The optimizer, or None.
        batches: A loader: the generators that it, its samplers and its dataset hold are kept.
        also: More, each with `state_dict` and `load_state_dict`.
        dataset: A dataset whose generators are kept.
    """

    def __init__(
        self,
        models: Sequence[Any],
        optimizer: Any,
        batches: Any = None,
        also: Iterable[Any] = (),
        dataset: Any = None,
    ) -> None:
        self._models = models
        self._optimizer = optimizer
        self._also = [thing for thing in (*also, batches) if has_state(thing)]
        self._random = [*generators(batches), *generators(dataset)]
        self._gradients = [(one, one.grad) for one in _parameters(models, optimizer)]
        for parameter, _ in self._gradients:
            parameter.grad = None  # so that nothing is added to the ones set aside
        self._state = self._read()

    def back(self) -> None:
        """Put everything back but the gradients, which are None."""
        models, optimizer, more, states = self._state
        for model, state in zip(self._models, models, strict=True):
            restore_model(model, state)
        if self._optimizer is not None:
            restore_optimizer(self._optimizer, optimizer)
        for thing, state in zip(self._also, more, strict=True):
            reset(thing, copy.deepcopy(state))
        for one, state in zip(self._random, states, strict=True):
            write(one, state)
        for parameter, _ in self._gradients:
            parameter.grad = None

    def back_with_gradients(self) -> None:
        """Put everything back."""
        self.back()
        for parameter, gradient in self._gradients:
            parameter.grad = gradient

    def reseed(self, seed: int) -> None:
        """Let the loader's own generators start from a seed."""
        for place, one in enumerate(self._random):
            seeded(one, derived(seed, _ORDER + place))

    def _read(self) -> tuple[list[Any], Any, list[Any], list[Any]]:
        models = [save_model(model) for model in self._models]
        optimizer = None if self._optimizer is None else save_optimizer(self._optimizer)
        more = [copy.deepcopy(thing.state_dict()) for thing in self._also]
        return models, optimizer, more, [read(one) for one in self._random]


def has_state(thing: Any) -> bool:
    """Whether a thing gives its state and takes it back."""
    return all(callable(getattr(thing, name, None)) for name in ("state_dict", "load_state_dict"))


def reset(thing: Any, state: Any) -> None:
    """Load a state; a scaler that was stopped between two calls forgets what it began."""
    if isinstance(thing, torch.amp.GradScaler) and thing.is_enabled():
        one = torch.ones((), device=next(iter(_devices(thing)), "cpu"))
        thing.scale(one)  # makes its tensors, if no loss has been scaled yet
        thing.update(float(state["scale"]))
    thing.load_state_dict(state)


def _devices(scaler: Any) -> Iterator[str]:
    if torch.cuda.is_available():
        yield "cuda"


def _parameters(models: Sequence[Any], optimizer: Any) -> Iterator[Any]:
    groups = [] if optimizer is None else optimizer.param_groups
    held = [one for group in groups for one in group["params"]]
    found = [one for model in models for one in model.parameters()]
    yield from {id(one): one for one in [*found, *held]}.values()


# Generators that a loader holds ------------------------------------------------------------------


def generators(batches: Any) -> Iterator[Any]:
    """Yield the random generators that a loader, its samplers and its dataset hold, each once."""
    inner = getattr(batches, "batch_sampler", None)
    things = [
        batches,
        getattr(batches, "sampler", None),
        inner,
        getattr(inner, "sampler", None),
        getattr(batches, "dataset", None),
    ]
    held = [value for thing in things for value in getattr(thing, "__dict__", {}).values()]
    kinds = (torch.Generator, random.Random, np.random.Generator, np.random.RandomState)
    yield from {id(one): one for one in held if isinstance(one, kinds)}.values()


def read(one: Any) -> Any:
    """Return the state of a generator."""
    if isinstance(one, random.Random):
        return one.getstate()
    if isinstance(one, np.random.Generator):
        return copy.deepcopy(one.bit_generator.state)
    return one.get_state()


def write(one: Any, state: Any) -> None:
    """Put a generator into a state."""
    if isinstance(one, random.Random):
        one.setstate(state)
    elif isinstance(one, np.random.Generator):
        one.bit_generator.state = copy.deepcopy(state)
    else:
        one.set_state(state)


def seeded(one: Any, seed: int) -> None:
    """Put a generator into the state that a seed gives."""
    if isinstance(one, torch.Generator):
        one.manual_seed(seed)
    elif isinstance(one, random.Random):
        one.seed(seed)
    elif isinstance(one, np.random.Generator):
        one.bit_generator.state = type(one.bit_generator)(seed).state
    else:
        one.seed(seed % 2**32)


# Checks ------------------------------------------------------------------------------------------


def check_batches(batches: Any) -> None:
    """Refuse what cannot be iterated, and what can be only once."""
    if not hasattr(batches, "__iter__") and not hasattr(batches, "__getitem__"):
        rule = "cannot be iterated"
        raise ScheduleError(
            "find(batches=…)", rule, "give a loader, or a list of batches", given=batches
        )
    if hasattr(batches, "__next__"):
        rule = "can be iterated only once, so it cannot be put back"
        raise ScheduleError("find(batches=…)", rule, "give the loader itself, or a list of batches")


def check_also(also: Iterable[Any]) -> None:
    """Refuse what cannot be put back."""
    for thing in also:
        if not has_state(thing):
            rule = "has no state_dict and load_state_dict"
            raise ScheduleError(
                "find(also=…)", rule, "give what has both, such as a GradScaler", given=thing
            )


@contextmanager
def kept(*parts: Any, **more: Any) -> Generator[Kept]:
    """Set aside, and put back at the end, whatever happens between."""
    aside = Kept(*parts, **more)
    try:
        yield aside
    finally:
        aside.back_with_gradients()
