"""A run that goes on past the end of its schedule at rate 0 is heard, and so is a second `fit`."""

from __future__ import annotations

import warnings
from typing import Any

import keras
import pytest

import ratewise as rw
from ratewise.keras import Callback, LearningRate
from tests.keras.tools import JITS, Moves, assert_close, fit, model, rates

SGD = keras.optimizers.SGD
FALL = rw.Linear(to=0)


def said(act: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        act()
    return [str(one.message) for one in found if "past the end" in str(one.message)]


@pytest.mark.parametrize("jit", JITS)
@pytest.mark.parametrize("window", [None, 2])
def test_a_second_fit_with_the_same_rate_says_that_it_trained_at_0(jit: Any, window: Any) -> None:
    """Compiled or not, when the `fit` ends, and once; what the updates used is held by a test."""
    optimizer = SGD(LearningRate(FALL, 0.01, total=4), gradient_accumulation_steps=window)
    trained, moves, batches = model(optimizer, jit), Moves(), 4 * (window or 1)
    assert said(lambda: fit(trained, batches, moves)) == []
    (warned,) = said(lambda: [fit(trained, batches, moves, epochs=3) for _ in range(2)])
    assert "update 16 is past the end of the schedule, at 4: 12 updates ran at lr=0" in warned
    assert "compile the model with a new optimizer" in warned
    if window is None:
        assert_close(moves.moved, [*rates(FALL, 4), *[0.0] * 24])


def test_a_new_optimizer_starts_again_in_silence() -> None:
    """As the warning says; one rate may serve several optimizers, one after another."""
    rate = LearningRate(FALL, 0.01, total=4)

    def act() -> None:
        for _ in range(2):
            moves = Moves()
            fit(model(SGD(rate)), 4, moves)
            assert_close(moves.moved, rates(FALL, 4))

    assert said(act) == []


@pytest.mark.parametrize("plan", [rw.Linear(to=0.5), rw.Hold()])
def test_a_rate_above_0_may_be_held(plan: Any) -> None:
    """Fits that go on at the last level are what was asked for."""
    trained = model(SGD(LearningRate(plan, 0.01, total=4)))
    assert said(lambda: [fit(trained, 4) for _ in range(3)]) == []


def test_averages_are_still_put_in_place() -> None:
    """What Keras does at the end of a `fit`, the optimizer's averages, is still done."""
    made = {}
    for name, rate in (("mine", LearningRate(FALL, 0.01, total=4)), ("theirs", 0.01)):
        trained = model(SGD(rate, use_ema=True, ema_momentum=0.5))
        fit(trained, 4)
        made[name] = abs(float(trained.trainable_variables[0].numpy()[0, 0]))
    assert 0 < made["mine"] < 0.025 < made["theirs"] < 0.04


def test_a_loss_scale_around_it_is_seen_through() -> None:
    """The warning comes from the optimizer inside as well."""
    inner = SGD(LearningRate(FALL, 0.01, total=2))
    trained = model(keras.optimizers.LossScaleOptimizer(inner, initial_scale=1.0))
    (warned,) = said(lambda: fit(trained, 4, epochs=2))
    assert "update 8 is past the end" in warned


def test_a_callback_says_so_in_the_epoch_in_which_it_happens() -> None:
    """Once; not for an update or two, nor where the last rate is not 0."""
    (warned,) = said(lambda: fit(model(SGD(0.01)), 4, Callback(FALL, total=6), epochs=4))
    assert warned.startswith("Callback: update 12 is past the end of the schedule, at 6")
    assert said(lambda: fit(model(SGD(0.01)), 4, Callback(FALL, total=6), epochs=2)) == []
    plan = rw.Linear(to=0.1)
    assert said(lambda: fit(model(SGD(0.01)), 4, Callback(plan, total=6), epochs=4)) == []


def test_a_plan_is_no_function_of_the_epoch() -> None:
    """`LearningRateScheduler(plan)` is refused as a schedule is, and so is an optimizer's rate."""
    plan = rw.Plan(lr=FALL, peak={"lr": 0.01})
    for given in (plan, plan.resolve(9)):
        trained = model(SGD(3e-4))
        with pytest.raises(rw.ScheduleError, match=r"LearningRateScheduler\(by_epoch\("):
            fit(trained, 4, keras.callbacks.LearningRateScheduler(given))
        assert int(trained.optimizer.iterations) == 0
    with pytest.raises(rw.ScheduleError, match="take one schedule of it"):
        fit(model(SGD(plan)), 4)
