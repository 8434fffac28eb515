"""Keras' schedules and callbacks, read: their forms, what is noted and what is refused."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert.live.keras import FORMATS
from ratewise.convert.reading import guess, read

keras = pytest.importorskip("keras")

(FORMAT,) = FORMATS
S = keras.optimizers.schedules
N = 32


def plan_of(source: Any, total: int | None = N, **horizon: Any) -> rw.Plan:
    """What the format makes of a source."""
    return read(source, format="keras", total=total, **horizon)


def config_plan(name: str, config: Any) -> rw.Plan:
    """The plan of a serialised schedule."""
    return plan_of({"class_name": name, "config": config})


def test_a_whole_rate_is_explained() -> None:
    """The note names the argument that lost its fraction, and the way out."""
    plan = plan_of(S.ExponentialDecay(1, 10, 0.9))
    assert any("decay_rate=0.9 counts as 0" in note for note in plan.notes)
    assert plan.rates(4).tolist() == [1, 0, 0, 0]
    assert plan_of(S.ExponentialDecay(1.0, 10, 0.9)).notes == ()


# Forms --------------------------------------------------------------------------------------

LIVE = [
    S.ExponentialDecay(0.1, 10, 0.96, staircase=True),
    S.InverseTimeDecay(0.1, 10, 0.5),
    S.PolynomialDecay(0.1, 20, 0.001, power=0.5, cycle=True),
    S.CosineDecay(0.0, 20, alpha=0.1, warmup_target=1e-3, warmup_steps=5),
    S.CosineDecayRestarts(0.1, 4, t_mul=2.0, m_mul=0.9, alpha=0.05),
    S.PiecewiseConstantDecay([5, 10], [0.1, 0.01, 0.001]),
]


@pytest.mark.parametrize("schedule", LIVE, ids=lambda s: type(s).__name__)
def test_a_live_schedule_and_its_config_are_one_plan(schedule: Any) -> None:
    """An object, its serialised form and the JSON of that give one plan, with Keras' rates."""
    plan = plan_of(schedule)
    np.testing.assert_array_equal(plan_of(schedule, total=None).rates(N), plan.rates(N))
    serialised = S.serialize(schedule)
    assert guess(schedule) == guess(serialised) == FORMAT
    assert plan_of(serialised) == plan
    assert plan_of(json.loads(json.dumps(serialised))) == plan
    theirs = [float(schedule(t)) for t in range(N)]
    np.testing.assert_allclose(plan.rates(N), theirs, rtol=1e-6, atol=1e-9)
    assert rw.parse(repr(plan.lr)) == plan.lr


def test_the_shapes_are_written_as_a_person_would() -> None:
    """Common schedules read as one would write them by hand."""
    assert plan_of(LIVE[3]).lr == rw.Warmup(5, start=0) >> rw.Cosine(to=0.1, over=20)
    assert plan_of(LIVE[0]).lr == rw.ExponentialDecay(0.96, 10, staircase=True)
    assert plan_of(S.PolynomialDecay(0.1, 20, 0.0), total=None).lr == rw.Linear(to=0, over=20)


def test_a_decay_longer_than_the_run_is_cut() -> None:
    """A decay over 1,000 updates in a run of 32 is its first 32 updates, not squeezed."""
    plan = plan_of(S.CosineDecay(0.1, 1000))
    assert plan.rates(N)[-1] == pytest.approx(0.1 * (1 + np.cos(np.pi * 0.031)) / 2)


# Notes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        (S.PiecewiseConstantDecay([10, 20], [0.1, 0.01, 0.001]), "begins at update 11"),
        (S.CosineDecay(0.1, 20, warmup_steps=5), "warmup_steps=5 has no effect"),
        (S.CosineDecay(0.0, 20, warmup_target=0.1, warmup_steps=5), "Update 0 uses a rate of 0"),
        (S.CosineDecay(0.01, 20, warmup_target=0.1), "is never used"),
        (S.PolynomialDecay(0.1, 20, cycle=True), "Behind update 20 the rate jumps up"),
        (S.CosineDecayRestarts(0.1, 5), "logarithm in float32"),
        (S.ExponentialDecay(0.1, 5, 0.0), "0 from update 1 on"),
    ],
)
def test_quirks_are_noted_with_their_update(schedule: Any, says: str) -> None:
    """What a reader would not expect is said, and where it happens."""
    assert any(says in note for note in plan_of(schedule).notes)


# Callbacks ----------------------------------------------------------------------------------


def test_a_function_of_the_epoch_is_called_once_for_each() -> None:
    """A `LearningRateScheduler` becomes a function that stays the same through an epoch."""
    callback = keras.callbacks.LearningRateScheduler(lambda epoch: 0.1 * 0.5**epoch)
    plan = plan_of(callback, total=12, epoch=4)
    expected = np.float32(0.1 * 0.5 ** np.repeat(np.arange(3), 4))
    np.testing.assert_array_equal(plan.rates(12), expected)
    assert any("cannot be written down" in note for note in plan.notes)


def test_a_function_of_the_current_rate_starts_from_the_optimizers() -> None:
    """A function of epoch and rate sees the rate of the epoch before it, as in `fit`."""
    callback = keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr * 0.5)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(0.3), loss="mse")
    x = np.zeros((4, 1), dtype="float32")
    history = model.fit(x, x, batch_size=2, epochs=3, verbose=0, callbacks=[callback])
    rates = plan_of(callback, total=6, epoch=2, lr=0.3).rates(6)
    np.testing.assert_array_equal(rates[::2], np.float32(history.history["learning_rate"]))


def test_what_a_function_needs_is_asked_for() -> None:
    """Without the length of an epoch, or the first rate where it matters, the error asks."""
    halving = keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr * 0.5)
    with pytest.raises(rw.ScheduleError, match="epoch="):
        plan_of(halving, lr=0.1)
    with pytest.raises(rw.ScheduleError, match="lr="):
        plan_of(halving, epoch=4)
    whole = keras.callbacks.LearningRateScheduler(lambda epoch: 1)
    with pytest.raises(rw.ScheduleError, match="gives floats"):
        plan_of(whole, epoch=4)


def test_a_schedule_of_ones_own_is_called() -> None:
    """A subclass of `LearningRateSchedule` is run, not guessed at."""

    class Halving(S.ExponentialDecay):
        def __call__(self, step: Any) -> float:
            return 0.1 * 0.5 ** float(step)

    plan = plan_of(Halving(0.1, 1, 0.9))
    assert plan.rates(3).tolist() == [0.1, 0.05, 0.025]
    assert any("Halving" in note for note in plan.notes)


# Refusals -----------------------------------------------------------------------------------


def test_a_serialised_plateau_is_refused() -> None:
    """Callbacks have no serialised form, and the error says so."""
    with pytest.raises(rw.ScheduleError, match="give the callback itself"):
        plan_of({"class_name": "ReduceLROnPlateau", "config": {}})


GOOD = {"initial_learning_rate": 0.1, "decay_steps": 10}


@pytest.mark.parametrize(
    ("name", "config", "says"),
    [
        ("CosineDecy", GOOD, "did you mean CosineDecay"),
        ("CosineDecay", {**GOOD, "warmup_step": 3}, "did you mean warmup_steps"),
        ("CosineDecay", {"decay_steps": 10}, "has no initial_learning_rate"),
        ("CosineDecay", {**GOOD, "decay_steps": 0}, "needs decay_steps"),
        ("CosineDecay", {**GOOD, "alpha": -0.1}, "needs alpha"),
        ("CosineDecay", {**GOOD, "initial_learning_rate": "0.1"}, "needs initial_learning_rate"),
        ("CosineDecay", [1], "give a dict"),
        ("PolynomialDecay", {**GOOD, "cycle": "yes"}, "True or False"),
        ("PiecewiseConstantDecay", {"boundaries": [5], "values": [0.1]}, "one value more"),
        ("PiecewiseConstantDecay", {"boundaries": [5, 3], "values": [1, 2, 3]}, "rising order"),
        ("PiecewiseConstantDecay", {"boundaries": 5, "values": [0.1]}, "a list of numbers"),
        ("PiecewiseConstantDecay", {"boundaries": [], "values": [0.1]}, "one or more"),
        (
            "CosineDecayRestarts",
            {"initial_learning_rate": 0.1, "first_decay_steps": 4, "t_mul": 0.5},
            "from update 8 on the rate is NaN",
        ),
    ],
)
def test_a_bad_config_is_refused_by_name(name: str, config: Any, says: str) -> None:
    """The message names the argument, what it holds and what to write."""
    with pytest.raises(rw.ScheduleError, match=says):
        config_plan(name, config)


def test_other_things_do_not_match() -> None:
    """Optimizers, other callbacks, dicts and functions are not taken for Keras schedules."""
    others = [keras.optimizers.SGD(0.1), keras.callbacks.History(), {"class_name": "Adam"}, len]
    assert not any(FORMAT.matches(other) for other in others)
