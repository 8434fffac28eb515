"""Finding the rate in a state, however it is nested."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest

import ratewise as rw
from ratewise.optax import current_rate, inject, schedule
from tests.optax.traces import LR, PLAN, expected, ones, params, rounded

RATE = schedule(PLAN, LR, total=40)
RATES = rounded(expected(PLAN, 40))
NESTS = {
    "bare": lambda tx: tx,
    "chain": lambda tx: optax.chain(optax.clip(1.0), optax.chain(tx, optax.identity())),
    "named_chain": lambda tx: optax.named_chain(("clip", optax.clip(1.0)), ("opt", tx)),
    "finite": lambda tx: optax.apply_if_finite(tx, 3),
    "multi": lambda tx: optax.MultiSteps(tx, 1),
    "masked": lambda tx: optax.masked(tx, {"w": True, "b": True}),
    "partition": lambda tx: optax.partition({"g": tx}, {"w": "g", "b": "g"}),
    "all": lambda tx: optax.MultiSteps(optax.apply_if_finite(optax.chain(tx), 3), 1),
}
STYLES = {
    "inside": lambda: optax.adam(RATE),
    "inject_hyperparams": lambda: optax.inject_hyperparams(optax.adam)(learning_rate=RATE),
    "inject": lambda: inject(PLAN, optax.adam, total=40, learning_rate=LR),
}


@pytest.mark.parametrize("nest", NESTS.values(), ids=NESTS)
@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
def test_it_is_found_wherever_it_is(style, nest):
    """Before the first update it is f(0), after update t it is what t used, in every nest."""
    optimizer = nest(style())
    state = optimizer.init(params())
    assert current_rate(state, RATE) == RATES[0]
    update, look = jax.jit(optimizer.update), jax.jit(lambda s: current_rate(s, RATE))
    for t in range(6):
        _, state = update(ones(params()), state, params())
        assert current_rate(state, RATE) == look(state) == RATES[t]


@pytest.mark.parametrize("style", ["inject_hyperparams", "inject"])
def test_a_rate_in_the_state_needs_no_schedule(style):
    """Where the state keeps the rate it is read off, a constant one too."""
    state = STYLES[style]().init(params())
    assert current_rate(state) == RATES[0]
    constant = optax.inject_hyperparams(optax.adam)(learning_rate=LR)
    assert current_rate(constant.init(params())) == np.float32(LR)


def test_other_keys_are_found_by_both_names():
    """A key is found by the plan's name and by Optax's."""
    plan = rw.Plan(lr=PLAN, momentum=rw.Hold(0.5), peak={"lr": LR})
    state = inject(plan, optax.adamw, total=40).init(params())
    assert current_rate(state, key="momentum") == current_rate(state, key="b1") == np.float32(0.45)
    assert current_rate(state, key="learning_rate") == RATES[0]
    with pytest.raises(rw.ScheduleError, match="found no rate"):
        current_rate(state, key="weight_decay")


def test_with_a_new_count_the_start_counts():
    """A schedule with start= is looked up from there."""
    later = schedule(PLAN, LR, total=40, start=20)
    optimizer = optax.sgd(later)
    state = optimizer.init(params())
    for t in range(20, 25):
        _, state = optimizer.update(ones(params()), state, params())
        assert current_rate(state, later) == RATES[t]


def test_what_cannot_be_known_is_refused():
    """No rate, a count alone, several rates and levels for rates are each refused with advice."""
    count = optax.adam(RATE).init(params())
    twice = (count, count)
    parts = {"a": STYLES["inject"](), "b": STYLES["inject_hyperparams"]()}
    groups = optax.partition(parts, {"w": "a", "b": "b"}).init(params())
    wrong = [
        (lambda: current_rate(optax.adam(LR).init(params())), "found no rate and no count"),
        (lambda: current_rate(()), "found no rate"),
        (lambda: current_rate(count), r"current_rate\(opt_state, rate\)"),
        (lambda: current_rate(count, PLAN), "give schedule"),
        (lambda: current_rate(count, LR), "give schedule"),
        (lambda: current_rate(twice, RATE), "found 2 of them"),
        (lambda: current_rate(groups), "group=, one of a, b"),
        (lambda: current_rate(groups, group="c"), "known are a, b"),
    ]
    for look, words in wrong:
        with pytest.raises(rw.ScheduleError, match=words):
            look()
    assert current_rate(groups, group="a") == current_rate(groups, group="b") == RATES[0]


def test_a_schedule_of_optax_is_looked_up_too():
    """The second argument may be any schedule that the optimizer was made with."""
    theirs = optax.linear_schedule(1.0, 0.0, 10)
    optimizer = optax.sgd(theirs)
    state = optimizer.init(params())
    for t in range(4):
        _, state = optimizer.update(ones(params()), state, params())
        assert current_rate(state, theirs) == theirs(t)
