"""Saving a state and going on: no update is lost, none is done twice."""

from __future__ import annotations

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ratewise as rw
from ratewise.optax import current_rate, inject, schedule
from tests.optax.traces import LR, PLAN, expected, ones, params, rounded, train

TOTAL = 24
RATES = rounded(expected(PLAN, TOTAL))
MAKERS = {
    "inside": lambda: optax.sgd(schedule(PLAN, LR, total=TOTAL)),
    "inject_hyperparams": lambda: optax.inject_hyperparams(optax.sgd)(
        learning_rate=schedule(PLAN, LR, total=TOTAL)
    ),
    "inject": lambda: inject(PLAN, optax.sgd, total=TOTAL, learning_rate=LR),
}
each = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


@each
def test_stopped_at_every_update(make):
    """A run that is stopped after each update and started from its pickle uses the same rates."""
    trace, state = [], make().init(params())
    for _ in range(TOTAL):
        state = pickle.loads(pickle.dumps(state))
        part, state = train(make(), 1, state)
        trace += part
        assert float(current_rate(state, schedule(PLAN, LR, total=TOTAL))) == trace[-1]
    assert np.array_equal(trace, RATES)


@each
@pytest.mark.parametrize("at", [1, 11, TOTAL - 1])
def test_restored_by_orbax(make, at, tmp_path):
    """A state that Orbax wrote and read goes on with the next rate."""
    ocp = pytest.importorskip("orbax.checkpoint")
    _, state = train(make(), at)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(tmp_path / "state", state)
        checkpointer.wait_until_finished()
        fresh = jax.tree.map(jnp.zeros_like, make().init(params()))
        restored = checkpointer.restore(tmp_path / "state", fresh)
    rest, _ = train(make(), TOTAL - at, restored)
    assert np.array_equal(rest, RATES[at:])


@pytest.mark.parametrize("at", range(0, TOTAL, 5))
def test_a_lost_state_goes_on_from_start(at):
    """With a new state, start= makes every wiring use the rates that are left."""
    rate = schedule(PLAN, LR, total=TOTAL, start=at)
    for optimizer in (
        optax.sgd(rate),
        optax.inject_hyperparams(optax.sgd)(learning_rate=rate),
        inject(PLAN, optax.sgd, total=TOTAL, learning_rate=LR, start=at),
    ):
        assert np.array_equal(train(optimizer, TOTAL - at)[0], RATES[at:])


def test_the_state_of_flax_serialisation():
    """The state survives Flax's own form and bytes."""
    serialization = pytest.importorskip("flax.serialization")
    optimizer = MAKERS["inject"]()
    _, state = train(optimizer, 7)
    restored = serialization.from_bytes(optimizer.init(params()), serialization.to_bytes(state))
    assert np.array_equal(train(optimizer, TOTAL - 7, restored)[0], RATES[7:])


@each
@pytest.mark.parametrize("read", [np.asarray, lambda leaf: np.asarray(leaf).tolist()])
def test_a_state_of_numpy_goes_on_outside_of_jit(make, read):
    """A state as a file gives it, arrays of numpy or plain numbers, needs no jit to go on."""
    optimizer = make()
    _, state = train(optimizer, 7)
    restored = jax.tree.map(read, state)
    updates, _ = optimizer.update(ones(params()), restored, params())
    assert float(-updates["w"][0]) == RATES[7]


def test_accumulation_is_resumed_in_the_middle_of_a_window():
    """A MultiSteps state saved between two commits goes on to the same trace."""
    optimizer = optax.MultiSteps(MAKERS["inject"](), 4)
    state, logged = optimizer.init(params()), []
    update = jax.jit(optimizer.update)
    for _ in range(4 * 6):
        state = pickle.loads(pickle.dumps(state))
        _, state = update(ones(params()), state, params())
        logged.append(float(current_rate(state)))
    assert np.array_equal(logged[3::4], RATES[:6])


def test_a_longer_run_is_a_new_schedule():
    """With another total the restored count goes on along the new schedule, at the same update."""
    _, state = train(MAKERS["inject"](), 10)
    longer = inject(PLAN, optax.sgd, total=2 * TOTAL, learning_rate=LR)
    want = rounded(expected(rw.Warmup(4) >> rw.Cosine(to=0.1), 2 * TOTAL))
    assert np.array_equal(train(longer, 5, state)[0], want[10:15])
