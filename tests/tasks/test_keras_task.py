"""The task around a Keras model: exact, isolated, and it says what it cannot do."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

import ratewise as rw
from ratewise.choose import Run, Task, compare
from ratewise.keras import LearningRate
from tests.tasks.laws import check_pickled_state, check_pieces, check_saved_state
from tests.tasks.models import LR, RATES, Sequence, X, Y, accumulating, made, once, task_of, values

# Keras itself asks numpy in a way that numpy 2 does not like.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

BACKEND = keras.backend.backend()
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
def test_training_in_pieces_is_training_in_one(change: dict[str, Any]) -> None:
    """Also across the end of an epoch, and with states saved and measured in between."""
    whole, pieces = task_of(**change).open(1), task_of(**change).open(1)
    check_pieces(whole, pieces, RATES, (1, 2, 3, 4, 6), lambda run: values(run.model))


def check_states(here: Run, there: Run, *before: int) -> None:
    """Two runs are one from states that are saved behind so many updates, one after the other."""
    start = here.save()
    for count in before:
        here.restore(start)
        check_pickled_state(here, there, np.full(count, 1e-2), RATES, lambda run: values(run.model))


@LAWS
def test_a_state_survives_pickling_into_another_run(change: dict[str, Any]) -> None:
    """A run opened elsewhere goes on from a pickled state, also with a smaller batch first."""
    check_states(task_of(**change).open(3), task_of(**change).open(3), 4, 0)


def test_the_state_of_a_run_that_has_not_trained_survives_pickling() -> None:
    """Into one that has trained nothing either."""
    check_states(task_of().open(3), task_of().open(3), 0)


def test_training_on_does_not_alter_a_saved_state() -> None:
    """A state is a copy: the same bytes before and after more training."""
    check_saved_state(task_of().open(0), RATES)


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
    assert values(quiet.model) == values(disturbed.model)


def test_candidates_may_bring_optimizers() -> None:
    """The model trains with the optimizer that a candidate brings."""
    task = task_of().with_optimizer(lambda model: keras.optimizers.SGD(0.25))
    assert task.peak == 0.25
    run = task.open(0)
    run.train(RATES)
    assert isinstance(run.model.optimizer, keras.optimizers.SGD)


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

    def train_twice() -> None:
        run = task_of(**change).open(0)
        state = run.save()
        run.train(RATES)
        run.restore(state)
        run.train(RATES)

    with pytest.raises(rw.ScheduleError, match=words):
        train_twice()


class Silent(keras.Sequential):
    """Trains and says nothing."""

    def train_step(self, *parts: Any) -> Any:
        told = super().train_step(*parts)
        return {} if isinstance(told, dict) else ({}, told[1])


def silent() -> Any:
    model = Silent([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def test_a_step_without_a_loss_is_refused() -> None:
    """A `train_step` has to return its loss."""
    with pytest.raises(rw.ScheduleError, match="a train_step without a loss"):
        task_of(model=silent).open(0).train(RATES)


@pytest.mark.skipif(BACKEND != "tensorflow", reason="the others compile for every shape")
def test_batches_of_another_kind_are_refused() -> None:
    """What `fit` could not read is not read here; the first two say what all are like."""

    def rows(*widths: int) -> Any:
        return lambda seed: [(np.ones((2, width), "float32"), np.ones((2, 1))) for width in widths]

    def mean() -> Any:
        pooled = [keras.Input((None,)), keras.layers.Reshape((-1, 1))]
        model = keras.Sequential([*pooled, keras.layers.GlobalAveragePooling1D()])
        model.add(keras.layers.Dense(1))
        model.compile("sgd", "mse")
        return model

    run = task_of(model=mean, data=rows(3, 4, 5), metric=lambda model: 1.0).open(0)
    assert np.isfinite(run.train(RATES)).all()
    run = task_of(model=mean, data=rows(3, 3, 5), metric=lambda model: 1.0).open(0)
    with pytest.raises(rw.ScheduleError, match=r"gave \[\(2, 5\), \(2, 1\)\] after"):
        run.train(RATES)


@pytest.mark.skipif(BACKEND != "torch", reason="only there a model is a module")
def test_modules_of_torch_are_kept_with_their_modes_and_buffers() -> None:
    """Moving averages of a module come back, and measuring does not stop them from moving."""
    import torch

    def model() -> Any:
        norm = keras.layers.TorchModuleWrapper(torch.nn.BatchNorm1d(4))
        one = keras.Sequential([keras.Input((4,)), norm, keras.layers.Dense(2)])
        one.compile(keras.optimizers.SGD(LR), "mse")
        return one

    def data(seed: int) -> Any:
        return [(X[:8], X[:8, :2]), (X[8:16], X[8:16, :2])]

    def mean(model: Any) -> float:
        assert not model.training
        return float(sum(float(one.double().sum()) for one in model.layers[0].buffers()))

    run = task_of(model=model, data=data, metric=mean).open(0)
    state = run.save()
    expected = run.train(RATES).tobytes(), run.measure()
    run.restore(state)
    assert run.measure() != expected[1]
    pieces = [run.train(RATES[:3])]
    run.measure()
    pieces.append(run.train(RATES[3:]))
    assert (np.concatenate(pieces).tobytes(), run.measure()) == expected
