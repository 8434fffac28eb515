"""Inside one compiled program nothing asks the host, and nothing is compiled anew."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import assume, given, settings

import ratewise as rw
from ratewise.optax import current_rate, inject, listen, observe, schedule
from tests.optax.traces import LR, PLAN, expected, ones, params, rounded
from tests.schedule.strategies import runs

TOTAL = 30
WIRED: dict[str, Any] = {
    "inside": lambda: optax.adamw(schedule(PLAN, LR, total=TOTAL)),
    "inject": lambda: inject(PLAN, optax.adamw, total=TOTAL, learning_rate=LR),
    "a table": lambda: optax.sgd(
        schedule(rw.Function(lambda t: 1 / (t + 1)), LR, total=TOTAL)
    ),
    "listening": lambda: listen(rw.Warmup(4) >> rw.Plateau("loss"), optax.sgd, learning_rate=LR),
}  # fmt: skip


def effects(function: Any, *arguments: Any) -> tuple[set[str], str]:
    """What a program does beside its results, and the program."""
    program = jax.make_jaxpr(function)(*arguments)
    return {str(effect) for effect in program.effects}, str(program)


@pytest.mark.parametrize("name", WIRED)
def test_no_wiring_asks_the_host(name: str) -> None:
    """Not one that listens either: what it was shown is in the state."""
    optimizer, p = WIRED[name](), params()
    found, program = effects(optimizer.update, ones(p), optimizer.init(p), p)
    assert found == set()
    assert "callback" not in program


@settings(max_examples=40)
@given(runs())
def test_no_shape_asks_the_host(plan: rw.Schedule) -> None:
    """Any composition, traced as a function of the count."""
    try:
        rate = schedule(plan, LR, total=400, epoch=20, samples=4, tokens=64)
    except rw.ScheduleError:
        assume(False)
    found, program = effects(rate, jnp.int32(1))
    assert found == set()
    assert "callback" not in program


@pytest.mark.parametrize("name", WIRED)
def test_donated_buffers_and_one_program(name: str) -> None:
    """The state is given away at each call; one program serves the run, past its end too."""
    optimizer, traced = WIRED[name](), []

    def step(p: Any, state: Any) -> Any:
        traced.append(1)
        updates, state = optimizer.update(ones(p), state, p)
        return optax.apply_updates(p, updates), state

    donating = jax.jit(step, donate_argnums=(0, 1))
    p = params()
    state = optimizer.init(p)
    for _ in range(TOTAL + 5):
        p, state = donating(p, state)
        if name == "listening":
            state = observe(state, {"loss": 1.0})
    assert len(traced) == 1
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(p))


def test_a_scan_with_donated_buffers_uses_the_rates_of_the_host() -> None:
    """A whole run in one program."""
    optimizer = inject(PLAN, optax.sgd, total=TOTAL, learning_rate=LR)

    def body(state: Any, _: Any) -> Any:
        updates, state = optimizer.update(ones(params()), state, params())
        return state, (-updates["w"][0], current_rate(state))

    whole = jax.jit(lambda state: jax.lax.scan(body, state, None, length=TOTAL), donate_argnums=0)
    _, (steps, logged) = whole(optimizer.init(params()))
    assert np.array_equal(steps, rounded(expected(PLAN, TOTAL)))
    assert np.array_equal(logged, steps)
