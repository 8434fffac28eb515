"""The task around a Keras model, on every backend: exact, and the same as `model.fit()`."""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

import ratewise as rw
from ratewise.choose import KerasTask, Run, Task, compare
from ratewise.keras import LearningRate

# Keras itself asks numpy in a way that numpy 2 does not like.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

HERE = Path(__file__).resolve()
BACKENDS = ["jax", "tensorflow", "torch"]
RATES = np.linspace(1e-2, 1e-3, 7)
LR = 3e-3
DRAWN = np.random.default_rng(0)
X = DRAWN.normal(size=(70, 4)).astype("float32")
Y = (X.sum(1) > 0).astype("int32")


def made(optimizer: Any = None) -> Any:
    """A compiled model with dropout and moving averages."""
    layers = keras.layers
    model = keras.Sequential(
        [
            *(layers.Dense(16, activation="relu"), layers.Dropout(0.2)),
            *(layers.BatchNormalization(), layers.Dense(2)),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer or keras.optimizers.Adam(LR), loss, metrics=["accuracy"])
    return model


def shuffled(seed: int) -> Any:
    """Batches of 16, in an order and with noise that come from the generators of the process."""

    class Rows:
        def __iter__(self) -> Any:
            order = list(range(len(X)))
            random.shuffle(order)
            for first in range(0, len(X), 16):
                some = order[first : first + 16]
                noise = np.random.normal(size=(len(some), 4)).astype("float32")
                yield X[some] + 0.1 * noise, Y[some]

    return Rows()


def once(seed: int) -> Any:
    """The same as a generator, which can be iterated only once."""
    yield from shuffled(seed)


class Sequence(keras.utils.PyDataset):
    """Keras' own kind of dataset, in order, which counts its epochs."""

    epoch = 0

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> Any:
        rows = slice(14 * index, 14 * index + 14)
        return X[rows] * (1 + self.epoch), Y[rows]

    def on_epoch_end(self) -> None:
        self.epoch += 1


def evaluated(model: Any) -> Any:
    return model.evaluate(X, Y, verbose=0, return_dict=True)


def task_of(**changes: Any) -> KerasTask:
    given: dict[str, Any] = {"model": made, "data": shuffled, "metric": evaluated}
    return KerasTask(**{"higher_is_better": ("accuracy",), **given, **changes})


def values(model: Any) -> list[bytes]:
    held = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(one.value).tobytes() for one in held]


def weights(model: Any) -> list[bytes]:
    return [one.tobytes() for one in model.get_weights()]


def accumulating() -> Any:
    return made(keras.optimizers.Adam(LR, gradient_accumulation_steps=2))


LAWS = pytest.mark.parametrize(
    "change",
    [
        {},
        {"tape_bytes": 0},
        {"data": once, "tape_bytes": 1000},
        {"data": lambda seed: Sequence(), "tape_bytes": 0},
        {"model": accumulating},
    ],
    ids=["tape", "again", "generator", "dataset", "accumulation"],
)


def test_the_ready_task_follows_the_protocols() -> None:
    """`KerasTask` is a `Task`, what it opens a `Run`, and the peak is the optimizer's rate."""
    assert isinstance(task_of(), Task)
    assert isinstance(task_of().open(0), Run)
    assert task_of().peak == LR


@LAWS
@pytest.mark.parametrize("cuts", [(3,), (1, 2, 3, 4, 5, 6)])
def test_training_in_pieces_is_training_in_one(
    change: dict[str, Any], cuts: tuple[int, ...]
) -> None:
    """Also across the end of an epoch, and with states saved and measured in between."""
    whole, pieces = task_of(**change).open(1), task_of(**change).open(1)
    expected = whole.train(RATES)
    losses: list[Any] = []
    for piece in np.split(RATES, cuts):
        losses.append(pieces.train(piece))
        pieces.save()
        pieces.measure()
    assert np.concatenate(losses).tobytes() == expected.tobytes()
    assert values(whole._model) == values(pieces._model)
    assert whole.measure() == pieces.measure()


@LAWS
@pytest.mark.parametrize("before", [0, 3, 6])
def test_a_state_survives_pickling_into_another_run(change: dict[str, Any], before: int) -> None:
    """A run opened elsewhere goes on from a pickled state, any number of times."""
    here, there = task_of(**change).open(3), task_of(**change).open(3)
    here.train(np.full(before, 1e-2))
    state = pickle.dumps(here.save())
    expected = here.train(RATES).tobytes(), values(here._model), here.measure()
    for run in (there, here, there):
        run.restore(pickle.loads(state))
        assert (run.train(RATES).tobytes(), values(run._model), run.measure()) == expected


def test_training_on_does_not_alter_a_saved_state() -> None:
    """A state is a copy: the same bytes before and after more training."""
    run = task_of().open(0)
    run.train(RATES)
    state = run.save()
    before = pickle.dumps(state)
    run.train(RATES)
    run.restore(state)
    run.train(RATES)
    assert pickle.dumps(state) == before


def test_measuring_disturbs_nothing() -> None:
    """A metric that draws, trains and breaks weights leaves no trace in the run."""

    def rude(model: Any) -> float:
        model(X, training=True)
        model.train_on_batch(X, Y)
        random.seed(0)
        np.random.seed(0)
        model.set_weights([9 + one for one in model.get_weights()])
        return 1.0

    quiet, disturbed = task_of().open(0), task_of(metric=rude).open(0)
    for run in (quiet, disturbed):
        run.train(RATES)
    disturbed.measure()
    assert quiet.train(RATES).tobytes() == disturbed.train(RATES).tobytes()
    assert values(quiet._model) == values(disturbed._model)


def test_sharing_changes_no_bit() -> None:
    """Every loss and metric of a comparison is that of the run trained alone in one go."""
    candidates = {
        "constant": rw.Warmup(3) >> rw.Hold(),
        "late": rw.Warmup(3) >> rw.Hold() >> rw.Linear(to=0, over=3),
        "cosine": rw.Warmup(3) >> rw.Cosine(to=0),
    }
    task = task_of()
    shared = compare(task, candidates, total=9, peaks=[1e-2], seeds=2)
    assert shared.sharing > 1.2
    for record in shared.runs:
        assert record.error is None
        run = task.open(record.seed)
        assert run.train(record.rates).tobytes() == record.losses.tobytes()
        assert run.measure() == record.metrics


@pytest.mark.parametrize(
    "options",
    [{}, {"gradient_accumulation_steps": 2}, {"clipnorm": 0.1}, {"use_ema": True}],
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
    plain = made(keras.optimizers.Adam(rate, **options))
    plain.fit(endless(), steps_per_epoch=batches, verbose=0)

    def bits(model: Any) -> dict[str, float]:
        found.append(weights(model))
        return {"none": 0.0}

    found: list[Any] = []
    optimizer = keras.optimizers.Adam
    task = task_of(model=lambda: made(optimizer(0.1, **options)), data=lambda seed: rows)
    run = KerasTask(task.model, task.data, bits).open(4)
    run.train(2**-6 * schedule.resolve(total).values(total))
    run.measure()
    assert found == [weights(plain)]


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
        places.append(float(run._model.get_weights()[0][0, 0]))
    np.testing.assert_allclose(-np.diff(places), RATES, rtol=1e-4)


def test_candidates_may_bring_optimizers() -> None:
    """The model trains with the optimizer that a candidate brings."""
    task = task_of().with_optimizer(lambda model: keras.optimizers.SGD(0.25))
    assert task.peak == 0.25
    run = task.open(0)
    run.train(RATES)
    assert isinstance(run._model.optimizer, keras.optimizers.SGD)


def test_the_process_keeps_its_random_numbers() -> None:
    """Drawing after a comparison gives what drawing without it would have given."""

    def draws() -> Any:
        return random.random(), float(np.random.rand())

    keras.utils.set_random_seed(1)
    expected = draws()
    keras.utils.set_random_seed(1)
    compare(task_of(), {"a": "Hold()"}, total=3)
    assert draws() == expected


def unsteady() -> Any:
    """Data that do not follow the seed."""
    calls = iter(range(9))
    return lambda seed: [(X[:4] + next(calls), Y[:4])]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": 3}, "is no function, got 3"),
        ({"model": made()}, "is no function"),
        ({"model": lambda: 3}, "returned no Keras model, got 3"),
        ({"model": lambda: keras.Sequential([keras.layers.Dense(1)])}, "is not compiled"),
        ({"optimizer": lambda model: keras.optimizers.SGD(0.0)}, "no learning rate above 0"),
        ({"optimizer": lambda model: keras.optimizers.SGD(LearningRate("Hold()", 1))}, "schedule"),
        ({"data": lambda seed: []}, "gave no batch"),
        ({"data": lambda seed: 3}, "cannot be iterated, got 3"),
        ({"data": lambda seed: (X, Y)}, "returned arrays"),
        ({"data": unsteady(), "tape_bytes": 0}, "gave other batches"),
        ({"higher_is_better": "accuracy"}, "needs a tuple of names"),
    ],
)
def test_a_task_that_cannot_work_is_refused(change: dict[str, Any], words: str) -> None:
    """What is wrong with the task comes as a `ScheduleError` that says what to write."""
    with pytest.raises(rw.ScheduleError, match=words):
        run = task_of(**change).open(0)
        state = run.save()
        run.train(RATES)
        run.restore(state)
        run.train(RATES)


@pytest.mark.slow
@pytest.mark.skipif("RATEWISE_ONE_BACKEND" in os.environ, reason="this is one of those runs")
@pytest.mark.parametrize("backend", [one for one in BACKENDS if one != keras.backend.backend()])
def test_the_same_holds_on_the_other_backends(backend: str) -> None:
    """The claims of this file, in a process of their own."""
    pytest.importorskip(backend)
    env = {**os.environ, "KERAS_BACKEND": backend, "RATEWISE_ONE_BACKEND": "1"}
    command = [sys.executable, "-m", "pytest", str(HERE), "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        command, env=env, cwd=HERE.parents[2], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "passed" in done.stdout
