"""A compiled Keras model: every variable is put back to the bit.

`tests/keras/test_backends.py` holds it on the other backends.
"""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np
import pytest

from ratewise import ScheduleError
from ratewise.choose import find

# Keras itself asks numpy in a way that numpy 2 does not like.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LADDER: dict[str, Any] = {"rungs": 12, "updates": 1, "seeds": 2}


def data() -> tuple[Any, Any]:
    random = np.random.default_rng(0)
    x = random.normal(size=(160, 4)).astype("float32")
    return x, (x.sum(1) > 0).astype("int32")


def made(optimizer: Any = None, loss: Any = None) -> Any:
    layers = keras.layers
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            *(layers.Dense(16, activation="relu"), layers.Dropout(0.2)),
            *(layers.BatchNormalization(), layers.Dense(2)),
        ]
    )
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    return model


def state(model: Any) -> Any:
    held = [*model.variables, *model.optimizer.variables]
    values = [keras.ops.convert_to_numpy(one.value).tobytes() for one in held]
    metrics = [keras.ops.convert_to_numpy(one.value).tolist() for one in model.metrics_variables]
    values += [value for value in metrics if np.any(value)]  # the first batch makes them, as 0
    return values, random.getstate(), np.random.get_state()[1].tobytes(), model.stop_training


@pytest.mark.parametrize("fitted", [False, True])
def test_every_variable_is_as_it_was(fitted: bool) -> None:
    """Weights, moving means, seeds of dropout, moments, iterations, metrics, random numbers."""
    model, (x, y) = made(), data()
    model.optimizer.build(model.trainable_variables)
    if fitted:
        model.fit(x, y, epochs=2, verbose=0)
    was = state(model)
    find(model, batches=(x, y), **LADDER)
    assert state(model) == was
    assert float(keras.ops.convert_to_numpy(model.optimizer.learning_rate)) == np.float32(1e-3)


def test_training_goes_on_as_if_there_had_been_no_test() -> None:
    """Two models, of which one was tested in the middle, have the same weights afterwards."""
    ends = []
    for tested in (False, True):
        model, (x, y) = made(), data()
        model.fit(x, y, verbose=0, shuffle=False)
        if tested:
            find(model, batches=(x, y), **LADDER)
        model.fit(x, y, verbose=0, shuffle=False)
        ends.append([one.tobytes() for one in model.get_weights()])
    assert ends[0] == ends[1]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_nothing_behind(error: type[BaseException]) -> None:
    """One that comes from the data, in the middle of a sweep."""
    model, (x, y) = made(), data()
    model.optimizer.build(model.trainable_variables)
    was = state(model)

    class Fails:
        def __iter__(self) -> Any:
            yield from [(x[:32], y[:32])] * 7
            raise error

    with pytest.raises((ScheduleError, KeyboardInterrupt)) as caught:
        find(model, batches=Fails(), **LADDER)
    assert isinstance(caught.value.__cause__ or caught.value, error)
    assert state(model) == was


@pytest.mark.parametrize("several", [None, 2])
def test_the_rates_are_the_ladders_by_updates(several: int | None) -> None:
    """A model whose gradient is 1 moves by the rate of the ladder in every update."""
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), layer])
    optimizer = keras.optimizers.SGD(0.5, gradient_accumulation_steps=several)
    model.compile(optimizer, lambda true, given: keras.ops.mean(given, axis=-1))
    seen: list[float] = []

    class Watched:
        def __iter__(self) -> Any:
            seen.append(float(model.get_weights()[0][0, 0]))
            yield np.ones((2, 1), "float32"), np.ones((2, 1), "float32")

    ladder: Any = {"lowest": 1e-4, "highest": 1e-1, "rungs": 10, "updates": 1, "seeds": 1}
    found = find(model, batches=Watched(), **ladder)
    places = np.array(seen)[:: several or 1]
    np.testing.assert_allclose(
        -np.diff(places), found.ladder.all_rates[: len(places) - 1], rtol=1e-2
    )
    assert len(found.sweeps[0].losses) == 11
    assert model.get_weights()[0][0, 0] == 0


def test_updates_that_a_loss_scale_skips_are_no_rates_of_the_ladder() -> None:
    """A scale that overflows costs batches, not rungs, and is put back."""
    inner = keras.optimizers.SGD(0.5)
    scaled = keras.optimizers.LossScaleOptimizer(inner, initial_scale=2.0**127)
    model, (x, y) = made(scaled), data()
    scaled.build(model.trainable_variables)
    was, seen = state(model), 0

    class Counted:
        def __iter__(self) -> Any:
            nonlocal seen
            seen += 1
            yield 1e3 * x[:32], y[:32]

    found = find(model, batches=Counted(), lowest=1e-9, highest=1e-7, rungs=8, updates=1, seeds=1)
    assert seen > len(found.sweeps[0].losses) == 9
    assert state(model) == was


def test_it_finds_where_a_real_model_breaks() -> None:
    """There is an answer, and training at the suggestion ends better than it began."""
    model, (x, y) = made(), data()
    found = find(model, batches=(x, y), updates=2, highest=100.0)
    assert found.rate is not None
    begun = model.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    model.optimizer.learning_rate = found.rate
    model.fit(x, y, epochs=50, verbose=0)  # so many for the moving means
    assert model.evaluate(x, y, verbose=0, return_dict=True)["loss"] < begun


def test_what_cannot_be_tested_is_refused() -> None:
    """A model without an optimizer, a rate that is a schedule, batches that are used up."""
    x, y = data()
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    decay = keras.optimizers.schedules.CosineDecay(1e-3, 10)
    cases = [
        (plain, (x, y), "not compiled"),
        (made(keras.optimizers.SGD(decay)), (x, y), "schedule"),
        (made(), iter([(x, y)]), "again"),
        (made(), None, "again"),
        (made(), [], "no batch"),
    ]
    for model, batches, why in cases:
        with pytest.raises(ScheduleError, match=why):
            find(model, batches=batches)
