"""A damaged state of `listen` is refused on the host, in one error, or it works."""

from __future__ import annotations

import json
import random

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ratewise as rw
from ratewise.optax import finished, listen, observe, replay
from tests.mutations import check_told, mutated, seeds

PARAMS = {"body": jnp.ones(2), "head": jnp.ones(3)}
LABELS = {"body": "body", "head": "head"}
PLANS = {
    "one": (rw.Warmup(3) >> rw.Plateau("loss", patience=1, smoothing=0.5), None),
    "its own length": (rw.EarlyCool("loss", patience=0, decay=5), None),
    "groups": (
        rw.Plan(lr=rw.Linear(to=0, over=50), groups={"head": rw.Greedy("loss", patience=0)}),
        LABELS,
    ),
}


def made(name):
    plan, labels = PLANS[name]
    return listen(plan, optax.sgd, learning_rate=0.1, window=32, labels=labels)


def begun(name):
    """A run that has gone on for a while, and been shown its metrics."""
    state = made(name).init(PARAMS)
    for value in (0.9, 0.9, 1.2, float("nan")):
        state = observe(state._replace(count=state.count + 2), {"loss": value})
    return state


STATES = {name: begun(name) for name in PLANS}
UPDATES = {name: jax.jit(made(name).update) for name in PLANS}


def memory(state):
    return json.loads(np.asarray(state.memory).tobytes())


def packed(content):
    text = json.dumps(content, default=lambda odd: str(type(odd))).encode()
    return jnp.asarray(np.frombuffer(text.ljust(4096), np.uint8))


def damaged(rng, name):
    """A state with something wrong in its memory, its bytes, its counts or its shapes."""
    state = STATES[name]
    what = rng.choice(["memory"] * 6 + ["bytes", "counts", "shapes"])
    if what == "memory":
        strangers = [memory(other) for other in STATES.values()]
        try:
            return state._replace(memory=packed(mutated(rng, memory(state), strangers)))
        except (TypeError, ValueError):  # no JSON can say it
            what = "bytes"
    if what == "bytes":
        content = bytearray(np.asarray(state.memory).tobytes())
        for _ in range(rng.choice([1, 2, 20])):
            content[rng.randrange(600)] ^= 1 << rng.randrange(8)
        cut = rng.choice([len(content)] * 3 + [0, 10, 300])
        return state._replace(memory=np.frombuffer(bytes(content[:cut]), np.uint8))
    odd = rng.choice(
        [-1, 0, 2**31 - 1, 2**40, 0.5, np.nan, None, np.ones(2, np.int32), "1", np.int64(9), True]
    )
    if what == "counts":
        return state._replace(**{rng.choice(["count", "first"]): odd})
    ahead = rng.choice([odd, {}, {"learning_rate": jnp.ones(5)}, {"head": {}}, [1], jnp.ones(32)])
    return state._replace(**{rng.choice(["ahead", "memory"]): ahead})


@pytest.mark.parametrize("name", PLANS)
def test_a_damaged_state_is_refused_or_works(name):
    """A seeded corpus; a number of cases comes from the environment."""
    refused = 0
    for seed in seeds(60):
        state = damaged(random.Random(f"{name} {seed}"), name)
        try:
            state = observe(state, {"loss": 0.5})
        except rw.ScheduleError as error:
            check_told(error)
            refused += 1
            continue
        assert finished(state) in (True, False)
        assert isinstance(replay(state), rw.Plan)
        for _ in range(2):
            _, state = UPDATES[name](jax.tree.map(jnp.ones_like, PARAMS), state)
            rates = np.array([float(one) for one in jax.tree.leaves(state.hyperparams)])
            assert np.isfinite(rates).all()
            assert (rates >= 0).all()
            state = observe(state, {"loss": 0.4})
    assert refused > len(seeds(60)) / 3


def test_what_is_no_state_of_a_run_is_refused_by_each_verb():
    """Of which each reads a state for itself."""
    state = STATES["one"]._replace(memory=jnp.zeros(9, jnp.uint8))
    for verb in (lambda s: observe(s, {"loss": 1.0}), replay, finished):
        with pytest.raises(rw.ScheduleError, match="memory that cannot be read"):
            verb(state)
