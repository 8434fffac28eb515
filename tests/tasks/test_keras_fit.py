"""The task around a Keras model: the same as `model.fit()`, shared or not.

`tests/keras/test_backends.py` holds it on the other backends.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

import ratewise as rw
from ratewise.choose import KerasTask
from ratewise.keras import LearningRate
from tests.tasks.laws import check_sharing
from tests.tasks.models import RATES, X, Y, made, task_of, weights

# Keras itself asks numpy in a way that numpy 2 does not like.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.mark.parametrize(
    "options",
    [{}, {"gradient_accumulation_steps": 2, "clipnorm": 0.1}, {"use_ema": True}],
    ids=str,
)
def test_a_run_is_model_fit(options: dict[str, Any]) -> None:
    """Weights are those of `fit` with the schedule as the optimizer's rate, to the bit."""
    schedule, total = rw.Warmup(2) >> rw.Linear(to=0), 10
    rows = [(X[i : i + 14], Y[i : i + 14]) for i in range(0, 70, 14)]
    batches = total * options.get("gradient_accumulation_steps", 1)

    def endless() -> Any:
        for place in range(batches):
            yield rows[place % 5]

    keras.utils.set_random_seed(4)
    rate = LearningRate(schedule, 2**-6, total=total)
    plain = made(keras.optimizers.Adam(rate, **options), seed=5)
    plain.fit(endless(), steps_per_epoch=batches, verbose=0)

    def bits(model: Any) -> dict[str, float]:
        found.append(weights(model))
        return {"none": 0.0}

    found: list[Any] = []
    optimizer = keras.optimizers.Adam
    task = task_of(model=lambda: made(optimizer(0.1, **options), seed=5), data=lambda seed: rows)
    run = KerasTask(task.model, task.data, bits).open(4)
    run.train(2**-6 * schedule.resolve(total).values(total))
    run.measure()
    assert found == [weights(plain)]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="speaks of its datasets")
@pytest.mark.parametrize("whole", [False, True])
def test_a_run_on_a_dataset_is_model_fit(whole: bool) -> None:
    """A dataset's own sizes, any number of rows or always 16, are those that are compiled for."""
    import tensorflow

    def rows(seed: int) -> Any:
        data = tensorflow.data.Dataset.from_tensor_slices((X, Y))
        return data.shuffle(70, seed=seed).batch(16, drop_remainder=whole)

    total = 9
    schedule = rw.Warmup(2) >> rw.Linear(to=0)
    keras.utils.set_random_seed(4)
    plain = made(keras.optimizers.Adam(LearningRate(schedule, 2**-6, total=total)))
    plain.fit(rows(4).repeat(), steps_per_epoch=total, verbose=0)
    run = task_of(data=rows).open(4)
    run.train(2**-6 * schedule.resolve(total).values(total))
    assert weights(run.model) == weights(plain)


@pytest.mark.parametrize("several", [None, 3])
def test_rates_are_of_updates(several: int | None) -> None:
    """A model whose gradient is 1 moves by the rate, with accumulation, too."""

    def model() -> Any:
        layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
        one = keras.Sequential([keras.Input((1,)), layer])
        optimizer = keras.optimizers.SGD(0.5, gradient_accumulation_steps=several)
        one.compile(optimizer, lambda true, given: keras.ops.mean(given, axis=-1))
        return one

    ones = np.ones((2, 1), "float32")
    task = task_of(model=model, data=lambda seed: [(ones, ones)])
    run = task.open(0)
    places = [0.0]
    for rate in RATES:
        run.train(np.array([rate]))
        places.append(float(run.model.get_weights()[0][0, 0]))
    np.testing.assert_allclose(-np.diff(places), RATES, rtol=1e-4)


def test_sharing_changes_no_bit() -> None:
    """Every loss and metric of a comparison is that of the run trained alone in one go."""
    task = task_of(metric=lambda model: model.evaluate(X, Y, verbose=0, return_dict=True))
    check_sharing(task, 1e-2)
