"""Plans: several hyperparameters and groups by one clock."""

from __future__ import annotations

import functools
import inspect
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import ratewise as rw
from ratewise.optax import PlanState, current_rate, inject, schedule
from tests.optax.traces import LR, PLAN, expected, ones, params, rounded, step_of, train

TOTAL = 40
CYCLE = rw.OneCycle()
DECAY = rw.Linear(to=0.1)


def test_several_keys_go_by_one_count():
    """Rate, momentum and weight decay each follow their schedule, logged as they were used."""
    plan = rw.Plan(lr=CYCLE.lr, momentum=CYCLE.momentum, weight_decay=DECAY, peak=CYCLE.peak)
    optimizer = inject(plan, optax.adamw, total=TOTAL, learning_rate=LR, weight_decay=0.1)
    state, step = optimizer.init(params()), step_of(optimizer)
    want = {
        "learning_rate": expected(CYCLE.lr, TOTAL),
        "b1": expected(CYCLE.momentum, TOTAL, 0.95),
        "weight_decay": expected(DECAY, TOTAL, 0.1),
    }
    for t in range(TOTAL):
        _, state = step(params(), state, ones(params()))
        assert {k: float(v) for k, v in state.hyperparams.items()} == {
            k: float(rounded(v)[t]) for k, v in want.items()
        }
    assert (state.count.dtype, int(state.count)) == (jnp.int32, TOTAL)


def test_it_trains_as_optax_does():
    """Parameters equal, to the bit, those of optax.adamw made anew with each update's values."""
    plan = rw.Plan(lr=PLAN, weight_decay=DECAY, peak={"lr": LR})
    optimizer = inject(plan, optax.adamw, total=TOTAL, weight_decay=0.1, b2=0.95)
    mine, state = {"w": jnp.array([0.3, -0.7])}, optimizer.init({"w": jnp.zeros(2)})
    theirs, inner = mine, optax.adamw(LR).init(mine)
    for t in range(TOTAL):
        gradients = {"w": jnp.array([np.cos(t), 1e-3 * t])}
        updates, state = optimizer.update(gradients, state, mine)
        mine = optax.apply_updates(mine, updates)
        lr, wd = rounded(expected(PLAN, TOTAL))[t], rounded(expected(DECAY, TOTAL, 0.1))[t]
        updates, inner = optax.adamw(lr, b2=0.95, weight_decay=wd).update(gradients, inner, theirs)
        theirs = optax.apply_updates(theirs, updates)
    assert np.array_equal(mine["w"], theirs["w"])


def test_a_default_of_the_optimizer_is_the_base():
    """A key without a peak scales what inject was told, or else the optimizer's default."""
    plan = rw.Plan(lr=rw.Hold(), momentum=rw.Hold(0.5), keys={"betas[1]": rw.Hold(0.5)})
    state = inject(plan, optax.adamw, total=9, learning_rate=LR).init(params())
    assert float(state.hyperparams["b1"]) == np.float32(0.45)
    assert float(state.hyperparams["b2"]) == np.float32(0.5 * 0.999)
    state = inject(plan, optax.adamw, total=9, learning_rate=LR, b1=0.8).init(params())
    assert float(state.hyperparams["b1"]) == np.float32(0.4)
    state = inject(rw.Plan(momentum=rw.Hold(0.5)), optax.sgd, learning_rate=LR, momentum=0.9)
    assert float(state.init(params()).hyperparams["momentum"]) == np.float32(0.45)


def test_a_partial_is_a_factory():
    """Arguments may be bound beforehand."""
    factory = functools.partial(optax.sgd, learning_rate=LR)
    assert np.array_equal(train(inject(PLAN, factory, total=9), 9)[0], rounded(expected(PLAN, 9)))


GROUPS = rw.Plan(
    lr=PLAN,
    groups={"head": rw.Plan(lr=rw.Linear(to=0), peak={"lr": 1e-2})},
    peak={"lr": LR},
)
TREE = {"body": {"w": "rest", "b": "bias"}, "head": "head"}


def test_a_pattern_means_several_labels():
    """The most specific one counts; one that fits no label is a misspelling."""
    tree = {"w": "layers.0", "b": "layers.1"}
    plan = rw.Plan(
        lr=rw.Hold(), groups={"layers.*": DECAY, "layers.1": rw.Hold(0.5)}, peak={"lr": LR}
    )
    optimizer = inject(plan, optax.sgd, total=TOTAL, labels=tree)
    state = train(optimizer, 3)[1]
    assert (
        float(state.hyperparams["layers.0"]["learning_rate"]) == rounded(expected(DECAY, TOTAL))[2]
    )
    assert float(state.hyperparams["layers.1"]["learning_rate"]) == np.float32(LR * 0.5)
    lost = rw.Plan(lr=rw.Hold(), groups={"block.*": DECAY}, peak={"lr": LR})
    with pytest.raises(rw.ScheduleError, match="is not a label"):
        train(inject(lost, optax.sgd, total=TOTAL, labels=tree), 1)


@pytest.mark.parametrize("labels", [TREE, lambda tree: TREE], ids=["tree", "function"])
def test_groups_by_label(labels):
    """A named group follows its own schedule and peak, every other label the plan's."""
    optimizer = inject(GROUPS, optax.sgd, total=TOTAL, labels=labels)
    zero = {"body": params(), "head": jnp.zeros(2)}
    state, step = optimizer.init(zero), step_of(optimizer)
    rest, head = rounded(expected(PLAN, TOTAL)), rounded(expected(rw.Linear(), TOTAL, 1e-2))
    for t in range(TOTAL):
        after, state = step(zero, state, ones(zero))
        assert -float(after["body"]["w"][0]) == -float(after["body"]["b"]) == rest[t]
        assert -float(after["head"][0]) == head[t]
        assert current_rate(state, group="head") == head[t]
        assert current_rate(state, group="rest") == current_rate(state, group="bias") == rest[t]
    assert int(state.count) == TOTAL


def test_groups_of_optax_keep_a_clock_each():
    """Under optax.partition each group has its rate, found by its label, also when frozen."""
    parts = {
        "a": inject(PLAN, optax.sgd, total=TOTAL, learning_rate=LR),
        "b": optax.adam(schedule(PLAN, 2 * LR, total=TOTAL)),
        "c": optax.set_to_zero(),
    }
    optimizer = optax.partition(parts, {"w": "a", "b": "b", "x": "c"})
    zero = {**params(), "x": jnp.zeros(1)}
    state = train_two(optimizer, zero)
    rates = expected(PLAN, TOTAL)
    assert float(current_rate(state, group="a")) == np.float32(rates[1])
    rate = schedule(PLAN, 2 * LR, total=TOTAL)
    assert float(current_rate(state, rate, group="b")) == np.float32(2 * rates[1])
    assert float(current_rate(state, rate, group="a")) == np.float32(rates[1])


def train_two(optimizer, zero):
    state = optimizer.init(zero)
    for _ in range(2):
        _, state = optimizer.update(ones(zero), state, zero)
    return state


def test_the_count_stops_and_does_not_overflow():
    """At 2**31 - 1 the count stays, and the rate with it."""
    optimizer = inject(PLAN, optax.sgd, total=TOTAL, learning_rate=LR, start=2**31 - 3)
    state = train(optimizer, 5)[1]
    assert int(state.count) == 2**31 - 1
    assert float(current_rate(state)) == np.float32(LR * 0.1)


def test_start_is_where_a_fresh_state_counts_from():
    """With start= a new state uses the rates that are left; a restored one has its own count."""
    later = inject(PLAN, optax.sgd, total=TOTAL, learning_rate=LR, start=25)
    rates = rounded(expected(PLAN, TOTAL))
    assert np.array_equal(train(later, 15)[0], rates[25:])
    saved = train(inject(PLAN, optax.sgd, total=TOTAL, learning_rate=LR), 30)[1]
    assert np.array_equal(train(later, 10, saved)[0], rates[30:])


def test_extra_arguments_reach_the_optimizer():
    """What an optimizer takes besides gradients is handed through, by keyword."""
    seen = []

    def factory(learning_rate):
        def update(updates, state, params=None, *, value):
            seen.append(value)
            return jax.tree.map(lambda u: -learning_rate * u, updates), state

        return optax.GradientTransformationExtraArgs(lambda p: (), update)

    optimizer = inject(PLAN, factory, total=9, learning_rate=LR)
    optimizer.update(ones(params()), optimizer.init(params()), params(), value=3.5)
    assert seen == [3.5]


def test_the_state_is_a_named_tuple_that_pickles():
    """The state is a PlanState of arrays alone and survives pickle."""
    state = train(inject(GROUPS, optax.adamw, total=9, labels={"w": "head", "b": "x"}), 3)[1]
    again = pickle.loads(pickle.dumps(state))
    assert isinstance(again, PlanState)
    assert jax.tree.structure(again) == jax.tree.structure(state)
    assert jax.tree.all(jax.tree.map(np.array_equal, again, state))


def test_bad_input_is_refused():
    """What an optimizer does not have, has twice or cannot scale is refused by name."""
    lr, both = rw.Plan(lr=PLAN), rw.Plan(momentum=PLAN, keys={"betas[0]": PLAN})
    wrong = [
        (lambda: inject(lr, optax.sgd, total=9), "has no peak"),
        (lambda: inject(lr, optax.sgd, total=9, learning_rate=0), "stays 0"),
        (lambda: inject(lr, optax.sgd, total=9, learning_rate=optax.constant_schedule(1)), "got"),
        (lambda: inject(lr, optax.sgd, learning_rate=1.0), "total"),
        (lambda: inject(lr, optax.sgd, total=9, learning_rat=1.0), "did you mean learning_rate"),
        (lambda: inject(lr, 3, total=9, learning_rate=1.0), "optax.adamw"),
        (lambda: inject("Cosne()", optax.sgd, total=9), "Cosine"),
        (lambda: inject(0.1, optax.sgd, total=9), "got 0.1"),
        (lambda: inject(both, optax.adamw, total=9), "a second time"),
        (lambda: inject(rw.Plan(weight_decay=PLAN), optax.sgd, total=9), "no weight_decay"),
        (lambda: inject(rw.Plan(keys={"epz": PLAN}), optax.adam, total=9), "did you mean eps"),
        (lambda: inject(GROUPS, optax.sgd, total=9), "labels="),
        (lambda: inject(lr, optax.sgd, total=2**31 + 1, learning_rate=1.0), r"2\*\*31"),
        (lambda: inject(lr, optax.sgd, total=9, learning_rate=1.0, start=-1), "start"),
        (lambda: inject(rw.Plan(lr=rw.Plateau()), optax.sgd, learning_rate=1.0), "metrics"),
    ]
    for make, words in wrong:
        with pytest.raises(rw.ScheduleError, match=words):
            make()


def test_a_group_without_parameters_is_refused():
    """A group of the plan that labels nothing is a misspelling, found when the state is made."""
    optimizer = inject(GROUPS, optax.sgd, total=9, labels={"w": "heat", "b": "body"})
    with pytest.raises(rw.ScheduleError, match="did you mean heat"):
        optimizer.init(params())


def test_no_argument_of_optax_is_hidden():
    """No optimizer of Optax has an argument by a name that inject keeps for itself."""
    mine = {"total", "epoch", "samples", "tokens", "start", "labels", "double"}
    for name in (
        "adam",
        "adamw",
        "sgd",
        "lion",
        "lamb",
        "lars",
        "rmsprop",
        "adafactor",
        "noisy_sgd",
    ):
        assert not mine & set(inspect.signature(getattr(optax, name)).parameters)
