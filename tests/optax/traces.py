"""What the tests share: training loops that write down the rate each committed update used."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

import ratewise as rw

PLAN = rw.Warmup(4) >> rw.Cosine(to=0.1)
LR = 3e-4
ULP = float(np.finfo(np.float32).eps)


def expected(schedule: rw.Schedule, total: int, lr: float = LR) -> np.ndarray:
    """The rates of a run, float64."""
    return lr * schedule.resolve(total=total).values()


def rounded(rates: Any) -> np.ndarray:
    """The nearest float32 of each rate."""
    return np.asarray(rates, np.float64).astype(np.float32)


def params() -> dict[str, jax.Array]:
    return {"w": jnp.zeros(2), "b": jnp.zeros(())}


def ones(like: Any) -> Any:
    return jax.tree.map(jnp.ones_like, like)


def step_of(optimizer: Any) -> Any:
    """A jitted training step: (parameters, state, gradients) to the next two."""

    @jax.jit
    def step(p: Any, state: Any, gradients: Any) -> Any:
        updates, state = optimizer.update(gradients, state, p)
        return optax.apply_updates(p, updates), state

    return step


def used(before: Any, after: Any) -> float:
    """The rate that plain gradient descent on gradients of 1 must have used for this change."""
    return float(before["w"][0]) - float(after["w"][0])


def train(optimizer: Any, updates: int, state: Any = None) -> tuple[list[float], Any]:
    """Train on gradients of 1, each update from zero so that its rate is read off exactly."""
    step, zero = step_of(optimizer), params()
    state = optimizer.init(zero) if state is None else state
    trace: list[float] = []
    for _ in range(updates):
        after, state = step(zero, state, ones(zero))
        trace.append(used(zero, after))
    return trace, state
