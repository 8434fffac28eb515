"""Plans that listen: what is measured between updates decides, and compiles nothing anew."""

from __future__ import annotations

import json
import math
import pickle

import flax.serialization
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.optax import (
    ListenState,
    current_rate,
    finished,
    inject,
    listen,
    observe,
    replay,
    schedule,
)
from ratewise.schedule import ScheduleError

LR = 3e-4
PLATEAU = rw.Plateau("val_loss", factor=0.5, patience=1)
PLAN = rw.Warmup(5) >> PLATEAU
PARAMS = {"w": jnp.ones(3)}
ONES = {"w": jnp.ones(3)}
losses = st.lists(st.floats(0, 2) | st.just(math.nan), min_size=1, max_size=12)


def made(plan=PLAN, factory=optax.sgd, **options):
    return listen(plan, factory, learning_rate=LR, window=64, **options)


def run(optimizer, shown, every=3, state=None, heard=0):
    """Train with an evaluation after every few updates; return the rates used, and the state."""
    step = jax.jit(optimizer.update)
    state = optimizer.init(PARAMS) if state is None else state
    used = []
    for i, value in enumerate(shown):
        for _ in range(every):
            _, state = step(ONES, state)
            used.append(float(current_rate(state)))
        if i >= heard and value is not None:
            state = observe(state, {"val_loss": value})
    return used, state


def meant(plan, shown, every=3):
    """The rates of the pure machine, rounded once."""
    machine = plan.resolve().machine()
    state, levels = machine.init(), []
    for i, value in enumerate(shown):
        t = i * every
        levels += [machine.level(state, u) for u in range(t, t + every)]
        if value is not None:
            state = machine.observe(state, t + every, {"val_loss": value})
    return [float(np.float32(LR * level)) for level in levels]


@settings(max_examples=25, deadline=None)
@given(losses, st.sampled_from([PLAN, PLATEAU * 0.5, PLATEAU * rw.Cosine(to=0, over=30)]))
def test_it_follows_the_machine(shown, plan):
    """Whatever is measured, every update uses the level of the pure machine, rounded once."""
    used, state = run(made(plan), shown)
    assert used == meant(plan, shown)
    assert int(state.count) == len(used)


@pytest.mark.parametrize("schedule_", [rw.Greedy("val_loss"), rw.Divergence("val_loss")])
def test_other_schedules_listen_too(schedule_):
    """Greedy and Divergence follow their machine."""
    shown = [1.0, 0.9, 0.8, 50.0, 1.2, math.nan, 0.7, 0.7, 0.7]
    used, _ = run(made(schedule_), shown)
    assert used == meant(schedule_, shown)


@settings(max_examples=10, deadline=None)
@given(losses.filter(lambda shown: len(shown) > 2), st.data())
def test_it_resumes_in_the_middle_of_a_patience(shown, data):
    """Saved and restored at any evaluation, by pickle or by Flax, it goes on as if never ended."""
    whole, _ = run(made(), shown)
    k = data.draw(st.integers(1, len(shown) - 1))
    first, state = run(made(), shown[:k])
    host = jax.tree.map(np.asarray, state)
    assert all(isinstance(leaf, np.ndarray) for leaf in jax.tree.leaves(host))
    again = pickle.loads(pickle.dumps(host))
    flax_bytes = flax.serialization.to_bytes(state)
    flaxed = flax.serialization.from_bytes(made().init(PARAMS), flax_bytes)
    for restored in (again, flaxed):
        state = jax.tree.map(jnp.asarray, restored)
        rest, _ = run(made(), shown[k:], state=state)
        assert first + rest == whole


def test_a_decision_compiles_nothing():
    """One program serves all updates, before and after the rate was cut."""
    optimizer, traced = made(rw.Plateau("val_loss", patience=0)), []

    @jax.jit
    def step(state):
        traced.append(1)
        return optimizer.update(ONES, state)[1]

    state = optimizer.init(PARAMS)
    seen = set()
    with jax.check_tracer_leaks():
        for _ in range(10):
            state = observe(step(state), {"val_loss": 1.0})
            seen.add(float(current_rate(state)))
    assert len(traced) == 1
    assert len(seen) > 5


def test_replay_is_the_run():
    """The open-loop plan of a run, trained again, uses the same rates."""
    shown = [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5]
    used, state = run(made(), shown)
    plan = replay(state)
    assert plan.peak == {"lr": LR}
    assert not plan.lr.listens
    again = inject(plan, optax.sgd)
    state = again.init(PARAMS)
    for rate in used:
        _, state = again.update(ONES, state)
        assert float(current_rate(state)) == rate


def test_micro_batches_and_skipped_updates_do_not_count():
    """Inside MultiSteps and apply_if_finite the clock counts what was committed."""
    inner = optax.chain(optax.clip(1.0), made(rw.Plateau("val_loss", patience=0)))
    optimizer = optax.apply_if_finite(optax.MultiSteps(inner, 2), 5)
    state = optimizer.init(PARAMS)
    for i in range(12):
        value = jnp.nan if i in (3, 7) else 1.0
        _, state = optimizer.update({"w": jnp.full(3, value)}, state, PARAMS)
    state = observe(state, {"val_loss": 1.0})
    (own,) = [s for s in jax.tree.leaves(state, is_leaf=_own) if _own(s)]
    assert int(own.count) == 5
    assert int(own.first) == 5


def _own(node):
    return isinstance(node, ListenState)


def test_several_keys_and_groups_listen():
    """Rate and weight decay, group by group: some listen, some do not; replay has them all."""
    plan = rw.Plan(
        lr=rw.Warmup(2) >> rw.Linear(to=0, over=20),
        groups={"head": rw.Plan(lr=rw.Plateau("val_loss", factor=0.1, patience=0))},
        weight_decay=rw.Hold(0.5),
        peak={"lr": LR, "weight_decay": 0.1},
    )
    labels = {"w": "body", "h": "head"}
    tree = {"w": jnp.ones(2), "h": jnp.ones(2)}
    optimizer = listen(plan, optax.adamw, labels=labels)
    state = optimizer.init(tree)
    for _ in range(3):
        _, state = optimizer.update(tree, state, tree)
        state = observe(state, val_loss=jnp.float32(1.0))
    _, state = optimizer.update(tree, state, tree)
    assert float(current_rate(state, group="head")) == np.float32(LR * 0.1 * 0.1)
    assert float(current_rate(state, group="body")) == np.float32(LR * plan.lr.resolve()(3))
    assert set(replay(state).groups) == {"body", "head"}


def test_a_run_can_find_its_own_end():
    """EarlyCool cools down after a plateau, and says when it is done."""
    plan = rw.EarlyCool("val_loss", patience=1, decay=4, over=100)
    optimizer = made(plan)
    state = optimizer.init(PARAMS)
    used = []
    while not finished(state):
        _, state = optimizer.update(ONES, state)
        used.append(float(current_rate(state)))
        state = observe(state, {"val_loss": 1.0})
    assert used[:3] == [np.float32(LR)] * 3
    assert used[3:] == [np.float32(LR * level) for level in (1, 0.75, 0.5, 0.25)]


def test_a_missing_metric_changes_nothing_and_a_misspelt_one_is_refused():
    """An evaluation without the metric is none; a name that never comes is refused, with those
    that were seen."""
    optimizer = made(rw.Plateau("val_loss", patience=0))
    state = optimizer.init(PARAMS)
    for _ in range(3):
        _, state = optimizer.update(ONES, state)
        state = observe(state, {"val_loss": 1.0})
        heard = json.loads(bytes(np.asarray(state.memory)))
        again = observe(state, {})
        assert json.loads(bytes(np.asarray(again.memory))) == heard
    misspelt = made(rw.Plateau("val_los", patience=0))
    state = observe(misspelt.init(PARAMS), {"val_loss": 1.0})
    _, state = misspelt.update(ONES, state)
    with pytest.raises(ScheduleError, match=r"val_los, but measured were val_loss"):
        observe(state, {"val_loss": 1.0})


def test_metrics_of_any_precision():
    """A metric may be a Python number, or an array of JAX or numpy with one element."""
    for value in (1.0, 1, np.float64(1), jnp.float32(1), jnp.bfloat16(1), np.array([1.0])):
        state = observe(made().init(PARAMS), {"val_loss": value})
        assert isinstance(state, ListenState)
    for value in (jnp.ones(2), "much", None):
        with pytest.raises(ScheduleError, match="show it a number"):
            observe(made(PLATEAU).init(PARAMS), {"val_loss": value})


def test_bad_input_is_refused():
    """Each with what to write instead."""
    with pytest.raises(ScheduleError, match=r"ratewise\.optax\.listen"):
        observe(optax.adam(LR).init(PARAMS), {"val_loss": 1.0})
    with pytest.raises(ScheduleError, match=r"write ratewise\.optax\.listen"):
        schedule(PLAN, lr=LR)
    with pytest.raises(ScheduleError, match="has no peak"):
        listen(PLAN, optax.sgd)
    with pytest.raises(ScheduleError, match="Function"):
        made(rw.Function(lambda t: 1.0) * PLATEAU)
    with pytest.raises(ScheduleError, match="traced function"):
        jax.jit(lambda s, x: observe(s, {"val_loss": x}))(made(PLATEAU).init(PARAMS), 1.0)
    late = listen(PLATEAU, optax.sgd, learning_rate=LR, window=4)
    state = late.init(PARAMS)
    for _ in range(5):
        _, state = late.update(ONES, state)
    with pytest.raises(ScheduleError, match=r"5 updates, and looks 4 ahead.*window=10"):
        observe(state, {"val_loss": 1.0})
    damaged = made().init(PARAMS)._replace(memory=jnp.zeros(8, jnp.uint8))
    with pytest.raises(ScheduleError, match="cannot be read"):
        observe(damaged, {"val_loss": 1.0})


def test_memory_grows_when_it_is_full():
    """A run of many decisions keeps them all."""
    optimizer = made(rw.Plateau("val_loss", factor=0.999, patience=0))
    state = optimizer.init(PARAMS)
    room = state.memory.shape
    step = jax.jit(optimizer.update)
    for _ in range(300):
        _, state = step(ONES, state)
        state = observe(state, {"val_loss": 1.0})
    assert state.memory.shape > room
    assert not replay(state).lr.listens


@pytest.mark.parametrize("whole", [True, False], ids=["the optimizer", "its state"])
def test_it_is_heard_in_an_optimizer_of_nnx(whole):
    """The optimizer of Flax NNX, whose state stands in variables, is shown what was measured."""
    nnx = pytest.importorskip("flax.nnx")
    shown = [1.0, 1.0, 1.0, 0.5, 0.9, 0.9]
    model = nnx.Linear(1, 1, rngs=nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, made(), wrt=nnx.Param)
    used = []

    @nnx.jit
    def step(model, optimizer):
        optimizer.update(model, nnx.grad(lambda one: one(jnp.ones((1, 1))).sum())(model))

    for value in shown:
        for _ in range(3):
            model.bias.set_value(jnp.zeros(1))
            step(model, optimizer)
            used.append(float(-model.bias.get_value()[0]))
        if whole:
            optimizer = observe(optimizer, val_loss=value)
        else:
            optimizer.opt_state = observe(optimizer.opt_state, val_loss=value)
    assert used == meant(PLAN, shown)
    assert float(current_rate(optimizer)) == used[-1]
