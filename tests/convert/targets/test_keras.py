"""What is written for Keras."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert import write
from tests.convert.targets.samples import (
    EVERY_KIND,
    HORIZON,
    PAST,
    SINGLE,
    differ,
    expected,
    random_runs,
    run_alone,
)

pytest.importorskip("keras")

INSTALLED = [name for name in ("tensorflow", "jax", "torch") if importlib.util.find_spec(name)]
BACKENDS = [
    pytest.param(name, marks=pytest.mark.slow if index else ())
    for index, name in enumerate(INSTALLED)
]

LEVELS = """
import keras, numpy as np
from keras import ops

at = ops.arange(jobs.pop("n"), dtype="int32")
for name, source in jobs.items():
    schedule = written(source, name)["Schedule"](1.0)
    levels = schedule(at)
    assert keras.backend.standardize_dtype(levels.dtype) == "float32", (name, levels.dtype)
    results[name] = [float(x) for x in ops.convert_to_numpy(levels)]
    if not name.startswith("random"):
        one = ops.convert_to_numpy(schedule(ops.convert_to_tensor(7, "int32")))
        assert one.shape == () and abs(one - results[name][7]) < 1e-6 * max(1, abs(one)), name
"""

TRAINING = """
import keras, numpy as np
from keras import ops

class Rates(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.weights = []

    def on_train_batch_end(self, batch, logs=None):
        self.weights.append(float(np.ravel(self.model.get_weights()[0])[0]))

for name, source in jobs.items():
    schedule = written(source, name)["Schedule"](0.5)
    copy = keras.optimizers.schedules.deserialize(keras.optimizers.schedules.serialize(schedule))
    assert type(copy) is type(schedule) and copy.get_config() == {"peak": 0.5}
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    model = keras.Sequential([keras.Input((1,)), layer])
    model.compile(optimizer=keras.optimizers.SGD(copy), loss=lambda y, p: ops.mean(p - y))
    rates = Rates()
    data = np.ones((20, 1), "float32"), np.zeros((20, 1), "float32")
    model.fit(*data, batch_size=1, epochs=1, verbose=0, shuffle=False, callbacks=[rates])
    results[name] = rates.weights
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_levels_are_those_of_the_schedule(backend: str, tmp_path: Path) -> None:
    """On each backend, every kind, to two units of float32 at the peak, and 40 random
    compositions, whose factors add their own, to four: over the run and past its end, without
    ratewise.
    """
    schedules = {**EVERY_KIND, **random_runs()}
    jobs = {name: write(schedule, "keras", **HORIZON) for name, schedule in schedules.items()}
    got = run_alone(tmp_path, LEVELS, {**jobs, "n": PAST}, KERAS_BACKEND=backend)
    assert differ(got, EVERY_KIND, SINGLE) == {}
    assert differ(got, random_runs(), 2 * SINGLE) == {}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_model_is_trained_with_the_rates(backend: str, tmp_path: Path) -> None:
    """In `fit`, compiled as the backend does, with a gradient of 1 the weight after update t is
    minus the sum of the first t + 1 rates; the schedule survives serialisation.
    """
    names = ("warm-up", "shrinking cycles", "a long table")
    jobs = {name: write(EVERY_KIND[name], "keras", **HORIZON) for name in names}
    got = run_alone(tmp_path, TRAINING, jobs, KERAS_BACKEND=backend)
    for name in names:
        wanted = np.cumsum(0.5 * expected(EVERY_KIND[name], 20))
        np.testing.assert_allclose(-np.array(got[name]), wanted, rtol=3e-6, err_msg=name)


def test_a_peak_that_is_known_is_the_default() -> None:
    """With a peak in the plan, `Schedule()` has it; without one it must be given."""
    known = write(rw.Plan(lr=rw.Cosine(), peak={"lr": 3e-4}), "keras", total=10)
    assert "peak: float = 0.0003" in known
    assert "peak: float)" in write(rw.Cosine(), "keras", total=10)


def test_momentum_is_refused_or_left_out_aloud() -> None:
    """Keras schedules the rate alone: momentum is refused, or left out with a comment."""
    plan = rw.OneCycle()
    with pytest.raises(rw.ScheduleError, match="schedules momentum"):
        write(plan, "keras", total=10)
    assert "# Left out: momentum." in write(plan, "keras", total=10, approximate=True)
