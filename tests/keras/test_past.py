"""A run that goes on past the end of its schedule at rate 0 is heard, and so is a second `fit`."""

from __future__ import annotations

import copy
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import ratewise as rw
from ratewise.keras import Callback, LearningRate
from tests.keras.tools import JITS, Moves, Sum, assert_close, fit, model, ones, rates, weight

SGD = keras.optimizers.SGD
FALL = rw.Linear(to=0)


def said(act: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        act()
    return [str(one.message) for one in found if "past the end" in str(one.message)]


@pytest.mark.parametrize("jit", JITS)
@pytest.mark.parametrize("window", [None, 2])
def test_a_second_fit_at_rate_0_is_refused_before_its_first_update(jit: Any, window: Any) -> None:
    """Compiled or not, with the same rate or with batches by hand; nothing is changed by it."""
    optimizer = SGD(LearningRate(FALL, 0.01, total=4), gradient_accumulation_steps=window)
    trained, moves, batches = model(optimizer, jit), Moves(), 4 * (window or 1)
    assert said(lambda: fit(trained, batches, moves)) == []
    counted, before = int(optimizer.iterations), weight(trained)
    for _ in range(2):
        with pytest.raises(rw.ScheduleError, match="compile the model with a new optimizer"):
            fit(trained, batches, moves)
        with pytest.raises(rw.ScheduleError, match="LearningRate is at its end: 4 updates"):
            trained.train_on_batch(*ones(1))
    assert (int(optimizer.iterations), weight(trained)) == (counted, before)
    assert float(optimizer.learning_rate) == 0
    trained.evaluate(*ones(2), verbose=0)
    if window is None:
        assert_close(moves.moved, rates(FALL, 4))


def test_fits_that_share_a_schedule_go_on() -> None:
    """One epoch a `fit`, as some loops have it, up to the last update."""
    trained, moves = model(SGD(LearningRate(FALL, 0.01, total=6))), Moves()
    assert said(lambda: [fit(trained, 2, moves) for _ in range(3)]) == []
    assert_close(moves.moved, rates(FALL, 6))


def test_a_fit_that_is_too_long_says_so_when_it_ends() -> None:
    """Once; what it trains at 0 is trained."""
    trained, moves = model(SGD(LearningRate(FALL, 0.01, total=4))), Moves()
    (warned,) = said(lambda: fit(trained, 4, moves, epochs=3))
    assert "update 12 is past the end of the schedule, at 4: 8 updates ran at lr=0" in warned
    assert_close(moves.moved, [*rates(FALL, 4), *[0.0] * 8])


def test_an_earlier_state_trains_again() -> None:
    """A checkpoint from before the end, loaded into a model that came to it."""
    trained, moves = model(SGD(LearningRate(FALL, 0.01, total=4))), Moves()
    fit(trained, 2, moves)
    kept = [np.array(variable) for variable in trained.optimizer.variables]
    fit(trained, 2, moves)
    for variable, value in zip(trained.optimizer.variables, kept, strict=True):
        variable.assign(value)
    fit(trained, 2, moves)
    assert_close(moves.moved[-2:], rates(FALL, 4)[2:])
    with pytest.raises(rw.ScheduleError, match="is at its end"):
        fit(trained, 2, moves)


def test_a_model_that_is_compiled_anew_trains_again() -> None:
    """What the refusal asks for; also with a rate of another kind."""
    trained, moves = model(SGD(LearningRate(FALL, 0.01, total=4))), Moves()
    fit(trained, 4, moves)
    for rate in (LearningRate(FALL, 0.01, total=4), 0.01):
        trained.compile(SGD(rate), Sum())
        fit(trained, 4, moves)
    assert_close(moves.moved, [*rates(FALL, 4), *rates(FALL, 4), *[0.01] * 4])


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


def test_a_model_at_its_end_is_saved_and_copied(tmp_path: Path) -> None:
    """What waits for the next `fit` is no part of the model."""
    trained = model(SGD(LearningRate(FALL, 0.01, total=4)))
    fit(trained, 4)
    trained.save(tmp_path / "a.keras")
    for again in (keras.models.load_model(tmp_path / "a.keras"), copy.deepcopy(trained)):
        assert weight(again) == weight(trained)
        again.compile(SGD(0.01), Sum())
        fit(again, 1)
