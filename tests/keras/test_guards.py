"""What is refused: two writers, an epoch that is not the optimizer's, and bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import ratewise as rw
from ratewise.keras import Callback, LearningRate, by_epoch
from tests.keras.tools import PLAN, fit, model, ones

SGD = keras.optimizers.SGD
SCHEDULER = keras.callbacks.LearningRateScheduler
HALF = rw.Linear(to=0.5)
PLATEAU = keras.callbacks.ReduceLROnPlateau


def refused(match: str) -> Any:
    return pytest.raises(rw.ScheduleError, match=match)


def test_a_rate_in_the_optimizer_and_a_callback_are_two_writers() -> None:
    """A schedule in the optimizer, ours or Keras' own, and a callback of ours do not mix."""
    own = keras.optimizers.schedules.CosineDecay(0.1, 10)
    for rate in (LearningRate(PLAN, 0.1, total=20), own):
        with refused("schedule of its own"):
            fit(model(SGD(rate)), 4, Callback(PLAN, total=20))


def test_two_callbacks_are_two_writers() -> None:
    """Two of our callbacks in one `fit` are refused before the first update."""
    trained = model(SGD(0.1))
    with refused("another Callback"):
        fit(trained, 4, Callback(PLAN, total=20), Callback(PLAN, total=20))
    assert int(trained.optimizer.iterations) == 0


@pytest.mark.parametrize("first", [True, False])
def test_a_scheduler_of_keras_beside_is_found(first: bool) -> None:
    """`LearningRateScheduler` before or behind ours is refused before the first update."""
    trained = model(SGD(0.1))
    pair = [SCHEDULER(lambda epoch, lr: 0.5), Callback(PLAN, total=20)]
    with refused("LearningRateScheduler"):
        fit(trained, 4, *(pair if first else pair[::-1]))
    assert int(trained.optimizer.iterations) == 0


@pytest.mark.parametrize("first", [True, False])
def test_a_plateau_of_keras_beside_is_found_when_it_reduces(first: bool) -> None:
    """`ReduceLROnPlateau` before or behind ours is refused as soon as it writes."""
    x, y = ones(4)
    trained = model(SGD(0.1))
    pair = [PLATEAU(patience=1, min_delta=1e9), Callback(PLAN, total=40)]
    with refused("ReduceLROnPlateau"):
        trained.fit(
            x,
            y,
            batch_size=1,
            epochs=10,
            verbose=0,
            validation_data=(x, y),
            callbacks=pair if first else pair[::-1],
        )
    assert int(trained.optimizer.iterations) == 8


@pytest.mark.parametrize("given", [HALF, rw.Warmup(2), LearningRate(HALF, 0.1, total=9)])
def test_a_scheduler_of_keras_wants_a_function_of_the_epoch(given: Any) -> None:
    """Levels taken for rates, or epochs for updates, are refused before the first update."""
    trained = model(SGD(3e-4))
    resolved = given if isinstance(given, LearningRate) else given.resolve(9)
    with refused(r"write LearningRateScheduler\(by_epoch\(schedule"):
        fit(trained, 4, SCHEDULER(resolved), epochs=3)
    assert int(trained.optimizer.iterations) == 0
    fit(trained, 4, SCHEDULER(by_epoch(HALF, 3e-4, epochs=3)), epochs=3)
    assert int(trained.optimizer.iterations) == 12


def test_a_schedule_is_no_rate_of_an_optimizer() -> None:
    """An optimizer that was given a bare schedule is told what to write."""
    with refused(r"LearningRate\(schedule, lr="):
        fit(model(SGD(HALF.resolve(9))), 4)


def test_an_epoch_to_begin_with_that_the_optimizer_is_not_at() -> None:
    """`initial_epoch=2` with an optimizer that lost its count is refused, and so is the reverse."""
    trained = model(SGD(0.1))
    with refused("begins at update 8, and the optimizer has made 0"):
        fit(trained, 4, Callback(PLAN, total=20), initial_epoch=2, epochs=4)
    callback = Callback(PLAN, total=20)
    fit(trained, 4, callback, epochs=2)
    with refused("begins at update 0, and the optimizer has made 8"):
        fit(trained, 4, callback, epochs=2)
    fit(trained, 4, callback, initial_epoch=2, epochs=4)
    assert int(trained.optimizer.iterations) == 16


def test_another_run_on_an_optimizer_that_has_trained(tmp_path: Path) -> None:
    """Another `fit` that begins at epoch 0, longer than all that came before, is refused, too."""
    trained = model(SGD(0.1))
    fit(trained, 4, Callback(PLAN, total=20))
    trained.save(tmp_path / "m.keras")
    x, y = ones(1)
    stream = ((x, y) for _ in range(9))
    mine = {"verbose": 0, "shuffle": False, "callbacks": [Callback(PLAN, lr=0.1, total=20)]}
    with refused("begins at update 0, and the optimizer has made 4"):
        fit(trained, 9, Callback(PLAN, lr=0.1, total=20))
    with refused("begins at update 0, and the optimizer has made 4"):
        trained.fit(stream, **mine)
    assert int(trained.optimizer.iterations) == 4
    loaded = keras.saving.load_model(tmp_path / "m.keras")  # which goes on where it was
    fit(loaded, 9, Callback(PLAN, lr=0.1, total=20))
    assert int(loaded.optimizer.iterations) == 13


def test_resuming_needs_the_rate_at_level_1() -> None:
    """An optimizer that has made updates holds a rate, not the base; it has to be given."""
    trained = model(SGD(0.1))
    fit(trained, 4)
    with refused("does not know the rate at level 1"):
        fit(trained, 4, Callback(PLAN, total=20), initial_epoch=1, epochs=2)
    fit(trained, 4, Callback(PLAN, lr=0.1, total=20), initial_epoch=1, epochs=2)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: LearningRate(PLAN, total=9), "no rate at level 1"),
        (lambda: LearningRate(PLAN, -1.0, total=9), "needs lr in"),
        (lambda: LearningRate(PLAN, float("nan"), total=9), "needs lr in"),
        (lambda: LearningRate(PLAN, 0.1), "total"),
        (lambda: LearningRate(PLAN, 0.1, total=3), "total=3"),
        (lambda: LearningRate(3, 0.1, total=9), "needs a schedule"),
        (lambda: LearningRate("Cosin(to=0)", 0.1, total=9), "did you mean Cosine"),
        (lambda: LearningRate(rw.OneCycle(), 0.1, total=9), "momentum"),
        (lambda: LearningRate(rw.Plan(lr=PLAN, peak={"lr": 1}), 2, total=9), "one of them"),
        (lambda: LearningRate(PLAN, 0.1, total=9)(-1), "needs the update"),
        (lambda: LearningRate(PLAN, 0.1, total=9)(1.5), "needs the update"),
        (lambda: LearningRate(rw.Function(abs), 0.1), "give total"),
        (lambda: LearningRate(rw.Function(abs), 0.1, total=9).get_config(), "written down"),
        (lambda: Callback(7), "needs a schedule"),
        (lambda: Callback(PLAN, lr=0.0), "needs lr in"),
        (lambda: Callback(PLAN, total=3), "total=3"),
        (lambda: Callback(PLAN, observations=3), "names no file"),
        (lambda: Callback(PLAN, observations=""), "names no file"),
        (lambda: Callback(PLAN, observations=Path()), "names no file"),
        (lambda: by_epoch(PLAN, 0.1, epochs=0), "epochs"),
        (lambda: by_epoch(rw.OneCycle(), 0.1, epochs=9), "momentum"),
    ],
)
def test_bad_input_is_refused_by_name(make: Any, match: str) -> None:
    """What cannot work is a ScheduleError that names it, at construction."""
    with refused(match):
        make()


@pytest.mark.parametrize(
    ("plan", "optimizer", "match"),
    [
        (rw.Plan(momentum=HALF), SGD(0.1), "momentum=0.9"),
        (rw.Plan(weight_decay=HALF), SGD(0.1), "multiplies a weight_decay of None"),
        (rw.Plan(keys={"epsilom": HALF}), keras.optimizers.Adam(0.1), "did you mean eps"),
        (rw.Plan(groups={"head": HALF}), SGD(0.1), "has none"),
        (rw.Plan(momentum=HALF, keys={"beta_1": HALF}), keras.optimizers.Adam(), "both mean"),
        (rw.Warmup(9) >> rw.Cosine(to=0), SGD(0.1), "total=4"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused_when_fit_begins(
    plan: Any, optimizer: Any, match: str
) -> None:
    """Keys and lengths are checked against the optimizer and the run, before any update."""
    with refused(match):
        fit(model(optimizer), 4, Callback(plan))
    assert int(optimizer.iterations) == 0


def test_a_model_without_an_optimizer_is_refused() -> None:
    """A model that was not compiled has nothing to schedule."""
    with refused("compile"):
        Callback(PLAN, total=9).set_model(keras.Sequential([keras.layers.Dense(1)]))


def test_the_texts_are_code() -> None:
    """`repr` says what was given."""
    assert repr(LearningRate("Linear(to=0)", 0.1, total=9)) == (
        "LearningRate(Linear(to=0), lr=0.1, total=9)"
    )
    assert repr(by_epoch("Linear(to=0)", 0.1, 4)) == (
        "by_epoch(Linear(to=0, over=4), lr=0.1, epochs=4)"
    )
    assert np.isclose(by_epoch("Linear(to=0)", 0.1, 4)(1), 0.075)
