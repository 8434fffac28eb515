"""Numbers other than the rate: momentum, betas, weight decay, and whatever an optimizer has."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
import pytest

import ratewise as rw
from ratewise.keras import Callback
from tests.keras.tools import BACKEND, JITS, Moves, fit, model, weight

HALF = rw.Linear(to=0.5)
OPTIMIZERS = keras.optimizers
CASES = [
    (OPTIMIZERS.SGD, {"momentum": 0.9}, "momentum"),
    (OPTIMIZERS.SGD, {"momentum": 0.9, "nesterov": True}, "momentum"),
    (OPTIMIZERS.SGD, {"weight_decay": 0.1}, "weight_decay"),
    (OPTIMIZERS.SGD, {"clipnorm": 0.5}, "clipnorm"),
    (OPTIMIZERS.RMSprop, {"momentum": 0.5}, "momentum"),
    (OPTIMIZERS.RMSprop, {}, "rho"),
    (OPTIMIZERS.Adam, {}, "beta_1"),
    (OPTIMIZERS.Adam, {}, "beta_2"),
    (OPTIMIZERS.Adam, {"epsilon": 0.1}, "epsilon"),
    (OPTIMIZERS.AdamW, {"weight_decay": 0.1}, "weight_decay"),
    (OPTIMIZERS.Adamax, {}, "beta_1"),
    (OPTIMIZERS.Nadam, {}, "beta_1"),
    (OPTIMIZERS.Lion, {}, "beta_1"),
    (OPTIMIZERS.Lamb, {}, "beta_1"),
    (OPTIMIZERS.Adagrad, {"epsilon": 0.1}, "epsilon"),
    (OPTIMIZERS.Adadelta, {}, "rho"),
]


class ByHand(keras.callbacks.Callback):
    """Sets a plain number before each batch, for a model that runs eagerly."""

    def __init__(self, key: str, values: Any) -> None:
        super().__init__()
        self.key, self.values = key, values

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        made: Any = self.model
        setattr(made.optimizer, self.key, float(self.values[batch]))


@functools.cache
def eagerly(case: int, followed: bool) -> float:
    """The weight after six batches with a number that is set by hand, or stays as it is."""
    kind, options, key = CASES[case]
    trained = model(kind(0.01, **options), False, run_eagerly=True)
    number = getattr(trained.optimizer, key)
    fit(trained, 6, *([ByHand(key, number * HALF.resolve(6).values())] if followed else []))
    return weight(trained)


@pytest.mark.parametrize("jit", JITS)
@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda case: str(CASES[case])[-60:-1])
def test_a_number_follows_its_schedule(case: int, jit: bool) -> None:
    """In a compiled step, every key gives the weights that setting it by hand, eagerly, gives."""
    kind, options, key = CASES[case]
    name = {"beta_1": "momentum"}.get(key, key)
    fields = {"momentum", "weight_decay"}
    plan = rw.Plan(**{name: HALF}) if name in fields else rw.Plan(keys={name: HALF})
    trained = model(kind(0.01, **options), jit)
    fit(trained, 6, Callback(plan, total=6))
    assert weight(trained) == pytest.approx(eagerly(case, followed=True), rel=1e-5)
    if kind not in (OPTIMIZERS.Lion, OPTIMIZERS.Lamb):  # one weight moves by a sign or a norm
        assert weight(trained) != pytest.approx(eagerly(case, followed=False), rel=1e-4)


def test_one_cycle_turns_the_momentum_along() -> None:
    """v = m(t)·v - lr(t) in every update, with both of the plan."""
    plan = rw.OneCycle()
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9)
    moves = Moves()
    fit(model(optimizer), 20, moves, Callback(plan))
    lr = 0.01 * plan.lr.resolve(20).values()
    momentum = 0.95 * plan.momentum.resolve(20).values()
    v, meant = 0.0, []
    for t in range(20):
        v = momentum[t] * v + lr[t]
        meant.append(v)
    np.testing.assert_allclose(moves.moved, meant, rtol=1e-5)
    assert optimizer.momentum == 0.9, "what is saved is the number that was given"


def test_a_plan_leaves_the_state_of_the_optimizer_as_it_is() -> None:
    """The optimizer has as many variables as without a plan, so that checkpoints fit."""
    plain, followed = keras.optimizers.AdamW(0.01), keras.optimizers.AdamW(0.01)
    plan = rw.Plan(lr=HALF, momentum=HALF, weight_decay=HALF)
    fit(model(plain), 2)
    fit(model(followed), 2, Callback(plan))
    assert len(plain.variables) == len(followed.variables)
    assert {k: v for k, v in plain.get_config().items() if k not in ("name", "learning_rate")} == {
        k: v for k, v in followed.get_config().items() if k not in ("name", "learning_rate")
    }


def test_detached_the_optimizer_keeps_its_rate() -> None:
    """After `detach()` the numbers are the optimizer's own, and the rate is the last one used."""
    optimizer = keras.optimizers.SGD(0.01)
    trained = model(optimizer)
    callback = Callback(rw.Linear(to=0), total=8)
    moves = Moves()
    fit(trained, 4, moves, callback)
    callback.detach()
    moves.moved.clear()
    fit(trained, 2, moves)
    np.testing.assert_allclose(moves.moved, [0.01 * 5 / 8] * 2, rtol=1e-5)


def test_the_backend_is_the_one_that_was_asked_for() -> None:
    """A guard for the run itself: the claims above speak of this backend."""
    import os

    asked = os.environ.get("KERAS_BACKEND") if "RATEWISE_ONE_BACKEND" in os.environ else None
    assert asked in (None, BACKEND)
