"""What Keras itself logs beside an epoch or a batch, as with what it has of its own."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import ratewise as rw
from ratewise.keras import Callback, LearningRate
from tests.events import scalars
from tests.keras.tools import BACKEND, PLAN, Moves, assert_close, fit, model, rates

SGD = keras.optimizers.SGD
BATCHES, EPOCHS = 4, 3
TOTAL = BATCHES * EPOCHS
ENDS = slice(BATCHES - 1, None, BATCHES)
"""The last update of each epoch."""


def train(made: Any, *callbacks: Any, **options: Any) -> tuple[Any, list[float]]:
    """Fit; return the history and how far each update has moved the weight, which is its rate."""
    moves = Moves()
    history = fit(made, BATCHES, *callbacks, moves, epochs=EPOCHS, **options).history
    return history, moves.moved


def tensorboard(folder: Path, **options: Any) -> Any:
    """Keras' own callback; its scalars reach the file without the package `tensorboard`."""
    tensorflow = pytest.importorskip("tensorflow")
    pytest.importorskip("tensorboardX")

    class Summary:
        def __getattr__(self, name: str) -> Any:
            return getattr(tensorflow.summary, name)

        def scalar(self, name: str, data: Any, step: Any) -> Any:
            tensor = tensorflow.constant(float(data), tensorflow.float32)
            return tensorflow.summary.write(name, tensor, step=step)

    class Board(keras.callbacks.TensorBoard):
        summary = Summary()

    return Board(str(folder), write_graph=False, **options)


def test_history_and_csv_have_the_rate_of_the_last_update(tmp_path: Path) -> None:
    """Of each epoch, where Keras' own callbacks put theirs; every other key is there too."""
    plan = rw.Plan(lr=PLAN, momentum=rw.Linear(to=0.5))
    mine = Callback(plan, total=TOTAL)
    log = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"))
    history = fit(model(SGD(0.01, momentum=0.9)), BATCHES, mine, log, epochs=EPOCHS).history
    assert_close(history["learning_rate"], rates(PLAN, TOTAL)[ENDS])
    with (tmp_path / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["learning_rate"]) for row in rows] == history["learning_rate"]
    assert [float(row["momentum"]) for row in rows] == history["momentum"]


def test_tensorboard_has_the_rate_of_the_last_update(tmp_path: Path) -> None:
    """Before our callback or behind it, `epoch_learning_rate` is what the epoch ended with.

    So it is with Keras' own callbacks, which write the optimizer's number.
    """
    for order in (1, -1):
        pair = [tensorboard(tmp_path / str(order)), Callback(PLAN, total=TOTAL)][::order]
        _, used = train(model(SGD(0.01)), *pair)
        assert_close(used, rates(PLAN, TOTAL))
        steps, found = zip(*scalars(tmp_path / str(order))["epoch_learning_rate"], strict=True)
        assert steps == (0, 1, 2)
        assert_close(found, np.float32(used)[ENDS])
    theirs = keras.callbacks.LearningRateScheduler(lambda epoch, rate: 0.1 / (epoch + 1))
    _, used = train(model(SGD(0.01)), theirs, tensorboard(tmp_path / "theirs"))
    found = [value for _, value in scalars(tmp_path / "theirs")["epoch_learning_rate"]]
    assert_close(found, np.float32(used)[ENDS])


@pytest.mark.parametrize("window", [None, 2])
def test_tensorboard_has_the_rate_of_each_batch(window: int | None, tmp_path: Path) -> None:
    """With `log_batches` and `update_freq="batch"`, and in a window each beside its update's."""
    updates = TOTAL // (window or 1)
    mine = Callback(PLAN, total=updates, log_batches=True)
    optimizer = SGD(0.01, gradient_accumulation_steps=window)
    fit(model(optimizer), BATCHES, mine, tensorboard(tmp_path, update_freq="batch"), epochs=EPOCHS)
    found = scalars(tmp_path)["batch_learning_rate"]
    wanted = rates(PLAN, updates).repeat(window or 1)
    assert_close([value for _, value in found], wanted)
    assert len({step for step, _ in found}) == TOTAL


def test_a_window_that_goes_on_in_the_next_epoch_is_logged_with_its_last_update(
    tmp_path: Path,
) -> None:
    """Four batches in an epoch, three in an update: beside an epoch stands its last update's."""
    pair = [Callback(PLAN, total=8), tensorboard(tmp_path)]
    optimizer, moves = SGD(0.01, gradient_accumulation_steps=3), Moves()
    history = fit(model(optimizer), BATCHES, *pair, moves, epochs=6).history
    used = [moved for moved in moves.moved if moved]
    assert_close(used, rates(PLAN, 8))
    ends = [used[(epoch + 1) * BATCHES // 3 - 1] for epoch in range(6)]
    assert_close(history["learning_rate"], ends)
    assert_close([rate for _, rate in scalars(tmp_path)["epoch_learning_rate"]], ends)


@pytest.mark.parametrize("lr", [0.01])
def test_a_rate_in_the_optimizer_is_logged_as_schedules_of_keras_are(
    lr: float, tmp_path: Path
) -> None:
    """Keras asks a schedule for the rate of the coming update, whoever wrote it: the same file."""
    both = {
        "mine": LearningRate(rw.Linear(to=0), lr, total=TOTAL),
        "theirs": keras.optimizers.schedules.PolynomialDecay(lr, TOTAL, end_learning_rate=0.0),
    }
    found: dict[str, Any] = {}
    for name, rate in both.items():
        _, used = train(model(SGD(rate)), tensorboard(tmp_path / name))
        written = scalars(tmp_path / name)["epoch_learning_rate"]
        found[name] = used, [value for _, value in written]
    for mine, theirs in zip(*found.values(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-6, atol=1e-9)
    used, written = found["mine"]
    np.testing.assert_allclose(written, [*used[BATCHES::BATCHES], 0.0], rtol=1e-6, atol=1e-9)


def test_logs_go_on_behind_a_resume() -> None:
    """A second `fit` from where the first was stopped logs what the updates of the rest used."""
    trained, mine = model(SGD(0.01)), Callback(PLAN, total=TOTAL)
    first = fit(trained, BATCHES, mine, epochs=1).history["learning_rate"]
    rest = fit(trained, BATCHES, mine, initial_epoch=1, epochs=EPOCHS).history["learning_rate"]
    assert_close([*first, *rest], rates(PLAN, TOTAL)[ENDS])


@pytest.mark.skipif(BACKEND != "tensorflow", reason="Keras runs steps together there alone")
def test_steps_that_run_together_are_logged_with_the_last_of_them() -> None:
    """With `steps_per_execution` a batch is logged where Keras comes back, with its rate."""
    logged: list[float] = []
    read = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: logged.append(logs["learning_rate"])
    )
    mine = Callback(PLAN, total=TOTAL, log_batches=True)
    fit(model(SGD(0.01), steps_per_execution=2), BATCHES, mine, read, epochs=EPOCHS)
    assert_close(logged, rates(PLAN, TOTAL)[1::2])
