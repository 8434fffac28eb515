"""Generators of random numbers as plain values."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

_BITS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        np.random.MT19937,
        np.random.PCG64,
        np.random.PCG64DXSM,
        np.random.Philox,
        np.random.SFC64,
    )
}
LAST = 624
"""Numbers that a Mersenne twister makes at once: it cannot stand behind them."""


def drawn(generator: Any) -> tuple[str, Any] | None:
    """Return the kind and the state of a generator; None of what is none that is known."""
    if type(generator) is random.Random:
        return "random", generator.getstate()
    if type(generator) is np.random.RandomState:
        state = generator.get_state(legacy=False)
        return ("legacy", state) if state["bit_generator"] == "MT19937" else None
    if type(generator) is np.random.Generator:
        bits = generator.bit_generator
        name = type(bits).__name__
        return (name, bits.state) if _BITS.get(name) is type(bits) else None
    return None


def redrawn(kind: str, state: Any) -> Any:
    """Return a generator in a state."""
    if kind == "random":
        python = random.Random()
        python.setstate(state)
        return python
    check_twister(state)
    if kind == "legacy":
        legacy = np.random.RandomState()
        legacy.set_state(state)
        return legacy
    bits = _BITS[kind]()
    bits.state = state
    return np.random.Generator(bits)


def check_twister(state: Any) -> None:
    """Refuse a state of numpy's Mersenne twister that stands nowhere, as numpy itself does not.

    Raises:
        ValueError: it would draw from behind its numbers.
    """
    if isinstance(state, dict):
        place: Any = state["state"].get("pos", 0)  # pyright: ignore[reportUnknownVariableType]
    else:
        place = state[2]
    if not 0 <= place <= LAST:
        raise ValueError(f"a generator stands at {place}, not in [0, {LAST}]")
