"""Generators of random numbers that objects hold: read, written and seeded in place."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from ratewise._extras import require

torch = require("torch", extra="torch")

Generators = random.Random | np.random.Generator | np.random.RandomState
"""Generators that can be copied; those of torch cannot."""


def generators_of(loader: Any) -> Iterator[Any]:
    """Yield the random generators that a loader, its samplers and its dataset hold, each once."""
    inner = getattr(loader, "batch_sampler", None)
    things = [
        loader,
        getattr(loader, "sampler", None),
        inner,
        getattr(inner, "sampler", None),
        getattr(loader, "dataset", None),
    ]
    held = [value for thing in things for value in getattr(thing, "__dict__", {}).values()]
    kinds = torch.Generator | Generators
    yield from {id(value): value for value in held if isinstance(value, kinds)}.values()


def read(generator: Any) -> Any:
    """Return the state of a generator."""
    if isinstance(generator, random.Random):
        return generator.getstate()
    if isinstance(generator, np.random.Generator):
        return copy.deepcopy(generator.bit_generator.state)
    return generator.get_state()


def write(generator: Any, state: Any) -> None:
    """Put a generator into a state."""
    if isinstance(generator, random.Random):
        generator.setstate(state)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = copy.deepcopy(state)
    else:
        generator.set_state(state)


def seed(generator: Any, number: int) -> None:
    """Put a generator into the state that a seed gives."""
    if isinstance(generator, torch.Generator):
        generator.manual_seed(number)
    elif isinstance(generator, random.Random):
        generator.seed(number)
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = type(generator.bit_generator)(number).state
    else:
        generator.seed(number % 2**32)
