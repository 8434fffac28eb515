"""The rate that each committed update used, read off the parameters."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ratewise as rw
from ratewise.optax import current_rate, inject, schedule
from tests.optax.traces import LR, PLAN, ULP, expected, ones, params, rounded, step_of, train, used

TOTAL = 40
RATES = rounded(expected(PLAN, TOTAL))
RATE = schedule(PLAN, LR, total=TOTAL)
INJECTED = inject(PLAN, optax.sgd, total=TOTAL, learning_rate=LR)
WIRED = {
    "inside": optax.sgd(RATE),
    "inject_hyperparams": optax.inject_hyperparams(optax.sgd)(learning_rate=RATE),
    "scale_by_schedule": optax.chain(optax.scale_by_schedule(RATE), optax.scale(-1.0)),
    "inject": INJECTED,
}
every_wiring = pytest.mark.parametrize("optimizer", WIRED.values(), ids=WIRED)


@every_wiring
def test_a_plain_loop(optimizer):
    """Update t uses lr·f(t), from f(0) on, as the nearest float32, under every wiring."""
    assert np.array_equal(train(optimizer, TOTAL)[0], RATES)


@every_wiring
def test_a_real_descent(optimizer):
    """The parameters end where the sum of the rates says, to float32 rounding of the sums."""
    step, p = step_of(optimizer), params()
    state, before = optimizer.init(p), p
    for t in range(TOTAL):
        p, state = step(p, state, ones(p))
        assert used(before, p) == pytest.approx(float(RATES[t]), abs=ULP * abs(float(p["w"][0])))
        before = p
    assert float(p["w"][1]) == pytest.approx(-expected(PLAN, TOTAL).sum(), rel=TOTAL * ULP)


@every_wiring
def test_a_scanned_loop(optimizer):
    """A loop inside one program gives the same trace to the bit."""
    zero = params()

    def body(state, _):
        updates, state = optimizer.update(ones(zero), state, zero)
        return state, (-updates["w"][0], current_rate(state, RATE))

    steps, logged = jax.lax.scan(body, optimizer.init(zero), None, length=TOTAL)[1]
    assert np.array_equal(steps, RATES)
    assert np.array_equal(logged, RATES)


@every_wiring
@pytest.mark.parametrize("window", [1, 4, 16])
def test_accumulation(optimizer, window):
    """With MultiSteps only committed updates count; a last window that is not full uses none."""
    wrapped = optax.MultiSteps(optimizer, window)
    step, zero, state = step_of(wrapped), params(), wrapped.init(params())
    trace = []
    for _ in range(window * 9 + window // 2):
        after, state = step(zero, state, ones(zero))
        if wrapped.has_updated(state):
            trace.append(used(zero, after))
    assert np.array_equal(trace, RATES[:9])
    assert current_rate(state, RATE) == RATES[8]


@every_wiring
@pytest.mark.parametrize("wrap", [False, True])
def test_skipped_updates(optimizer, wrap):
    """An update that apply_if_finite skips does not advance the clock, nor the rate in the log."""
    inner = optax.MultiSteps(optimizer, 2).gradient_transformation() if wrap else optimizer
    guarded = optax.apply_if_finite(inner, 100)
    step, zero, state = step_of(guarded), params(), guarded.init(params())
    trace = []
    for t in range(30):
        scale = jnp.nan if t % 3 == 1 else 1.0
        gradients = jax.tree.map(lambda g, scale=scale: g * scale, ones(zero))
        after, state = step(zero, state, gradients)
        if used(zero, after):
            trace.append(used(zero, after))
            assert current_rate(state, RATE) == RATES[len(trace) - 1]
    assert len(trace) == (10 if wrap else 20)
    assert np.array_equal(trace, RATES[: len(trace)])


@every_wiring
def test_past_the_end_it_holds(optimizer):
    """Updates after the total use the end level, without a rebound."""
    trace = train(optimizer, TOTAL + 5)[0]
    assert trace[TOTAL:] == [float(np.float32(LR * 0.1))] * 5


@every_wiring
def test_a_train_state_of_flax(optimizer):
    """A Flax train state uses the same rates, and the rate is found in it."""
    train_state = pytest.importorskip("flax.training.train_state")
    state = train_state.TrainState.create(apply_fn=lambda: None, params=params(), tx=optimizer)
    assert current_rate(state, RATE) == RATES[0]
    advance = jax.jit(lambda s: s.apply_gradients(grads=ones(s.params)))
    for t in range(10):
        state = advance(state.replace(params=params()))
        assert -float(state.params["w"][0]) == RATES[t]
        assert current_rate(state, RATE) == RATES[t]


def test_an_nnx_optimizer():
    """The rate is found in an optimizer of Flax NNX."""
    nnx = pytest.importorskip("flax.nnx")
    model = nnx.Linear(2, 2, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, INJECTED, wrt=nnx.Param)
    for t in range(3):
        optimizer.update(model, jax.tree.map(jnp.ones_like, nnx.state(model, nnx.Param)))
        assert float(current_rate(optimizer)) == RATES[t]


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("factory", [optax.sgd, optax.adamw, optax.lion, optax.rmsprop])
def test_small_floats(dtype, factory):
    """Parameters and states keep their small dtype in a scan; the rate is kept in float32."""
    optimizer = inject(PLAN, factory, total=TOTAL, learning_rate=LR)
    p = {"w": jnp.zeros(2, dtype)}

    def body(carry, _):
        updates, state = optimizer.update(ones(p), carry[1], carry[0])
        return (optax.apply_updates(carry[0], updates), state), current_rate(state)

    (after, _), logged = jax.lax.scan(body, (p, optimizer.init(p)), None, length=TOTAL)
    assert after["w"].dtype == dtype
    assert np.array_equal(logged, RATES)


def test_vmapped_runs():
    """Runs trained side by side, some with skipped updates, keep a clock each."""
    guarded = optax.apply_if_finite(INJECTED, 100)

    def run(bad):
        def body(state, nan):
            gradients = {"w": jnp.where(nan, jnp.nan, 1.0) * jnp.ones(2), "b": jnp.ones(())}
            return guarded.update(gradients, state, params())[1], None

        return current_rate(jax.lax.scan(body, guarded.init(params()), bad)[0])

    bad = jnp.stack([jnp.zeros(9, bool), jnp.arange(9) % 3 == 1])
    assert np.array_equal(jax.vmap(run)(bad), RATES[[8, 5]])


def test_restarts_use_the_peak_again():
    """The first update of each cycle uses the peak, and the log says so at that very update."""
    s = rw.Repeat(rw.Linear(to=0), every=5)
    optimizer = inject(s, optax.sgd, total=20, learning_rate=LR)
    state, logged = optimizer.init(params()), []
    for _ in range(20):
        _, state = optimizer.update(ones(params()), state, params())
        logged.append(float(current_rate(state)))
    assert [t for t, rate in enumerate(logged) if rate == np.float32(LR)] == [0, 5, 10, 15]
