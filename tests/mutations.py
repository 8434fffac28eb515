"""States that were real once: what a flipped bit, a bad disk or a stranger may make of them."""

from __future__ import annotations

import copy
import os
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

CASES = int(os.environ.get("RATEWISE_FUZZ", "0"))
"""How many states of each kind to try; 0 for as many as the usual run of the tests does."""


def seeds(usual: int) -> range:
    """The seeds of a corpus: always the same ones first."""
    return range(CASES or usual)


NUMBERS: list[Any] = [
    *(-1, 0, 1, 2, 7, 2**31, 2**53 + 1, 2**62, 2**63, 2**64, -(2**63), 10**400, 10**5000),
    *(0.0, -0.0, 0.5, -0.5, 1.0, 1e-320, 1e300, 1.7e308, -1e300),
    *(float("nan"), float("inf"), float("-inf"), 1 + 1j),
]
OTHERS: list[Any] = [
    *(None, True, False, "", "1", "5%", "a\x1b[31m\n\x00", "\ud800", "x" * 10_000, b"x"),
    *(
        [],
        [1],
        {},
        {"a": 1},
        {1: 2},
        (),
        (1, 2),
        {"type": "Cosine"},
        {"type": "Hold", "over": "5%"},
    ),
    *(np.float64(0.5), np.float32(0.5), np.int64(3), np.bool_(True), np.array(0.5), np.ones(3)),
    *(object(), len, int, range(3), {1, 2}),
]


def tensors() -> list[Any]:
    """What PyTorch may have put in the place of a number."""
    try:
        import torch
    except ImportError:
        return []
    return [torch.tensor(0.5), torch.tensor(3), torch.ones(2), torch.tensor(float("nan"))]


def check_told(error: Exception) -> None:
    """Assert that an error can be shown anywhere, however odd what it is about."""
    message = str(error)
    assert message.isprintable()
    assert len(message) < 5000


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every (dict or list, key) of a state, as deep as it goes."""
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        yield value, key
        if isinstance(value[key], dict | list):
            yield from places(value[key])


def mutated(rng: random.Random, state: Any, strangers: list[Any]) -> Any:
    """A copy of a state with something wrong in one place, now and then in two.

    Args:
        rng: What decides.
        state: A real one.
        strangers: Other real ones, whose parts may stand in the place of its own.
    """
    state = copy.deepcopy(state)
    for _ in range(rng.choice([1, 1, 1, 2])):
        found = list(places(state))
        if not found:
            break
        inside, key = rng.choice(found)
        _change(rng, inside, key, strangers)
    return state


def _change(rng: random.Random, inside: Any, key: Any, strangers: list[Any]) -> None:
    old = inside[key]
    number = isinstance(old, int | float) and not isinstance(old, bool)
    what = rng.choice(["number", "number", "other", "gone", "more", "like", "elsewhere"])
    if what == "gone":
        del inside[key]
    elif what == "more" and isinstance(inside, dict):
        extra = rng.choice(["extra", "lr", "0", "type", "\ud800", "a\x00", 5])
        inside[extra] = rng.choice([1, None, {}, old])
    elif what == "more":
        inside.insert(key, copy.deepcopy(old))
    elif what == "like" and number:
        inside[key] = rng.choice([-old, old + 1, old * 2, old / 3, str(old), bool(old), [old]])
    elif what == "like" and isinstance(old, list | dict):
        inside[key] = rng.choice([list(old), list(old)[:1], [old, old], tuple(old), None])
    elif what == "like" and isinstance(old, str):
        inside[key] = rng.choice([old.upper(), old + "\x07", old[:-1], old[::-1], f"{old}\ud800"])
    elif what == "elsewhere" and strangers:
        others = [one[at] for one, at in places(rng.choice(strangers)) if at == key]
        inside[key] = copy.deepcopy(rng.choice(others)) if others else rng.choice(OTHERS)
    elif what == "number":
        inside[key] = rng.choice(NUMBERS)
    else:
        inside[key] = copy.copy(rng.choice([*OTHERS, *tensors()]))
