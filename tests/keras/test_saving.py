"""Saved, loaded, killed and resumed: the rates are those of a run that was never stopped."""

from __future__ import annotations

import copy
import pickle
import signal
import textwrap
from pathlib import Path
from typing import Any

import keras
import pytest

import ratewise as rw
from ratewise.keras import Callback, LearningRate
from tests import warm
from tests.keras.tools import BACKEND, JITS, PLAN, Moves, assert_close, fit, model, rates

SCHEDULES = [PLAN, rw.Restarts("2 epochs", grow=2), rw.Piecewise({0: 1, "50%": 0.5}), PLAN * PLAN]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_the_rate_survives_every_way_of_keeping_it(schedule: Any) -> None:
    """Config, JSON, pickle and copy give an equal one, with equal values."""
    rate = LearningRate(schedule, 3e-4, total=40, epoch=10)
    written = keras.saving.serialize_keras_object(rate)
    assert written["registered_name"] == "ratewise>LearningRate"
    for again in (
        keras.saving.deserialize_keras_object(written),
        LearningRate.from_config(rate.get_config()),
        pickle.loads(pickle.dumps(rate)),
        copy.deepcopy(rate),
    ):
        assert type(again) is LearningRate
        assert again == rate
        assert hash(again) == hash(rate)
        assert repr(again) == repr(rate)
        assert [again(t) for t in range(41)] == [rate(t) for t in range(41)]
    assert rate != LearningRate(schedule, 3e-3, total=40, epoch=10)


@pytest.mark.parametrize("kind", ["rate", "callback"])
def test_a_saved_model_goes_on_where_it_was(kind: str, tmp_path: Path) -> None:
    """Save, load without custom_objects and fit on: update t uses f(t), as if never stopped."""

    def callbacks(moves: Moves) -> list[Any]:
        return [moves, Callback(PLAN, lr=0.01, total=12)] if kind == "callback" else [moves]

    rate = LearningRate(PLAN, 0.01, total=12) if kind == "rate" else 0.01
    first, second = Moves(), Moves()
    trained = model(keras.optimizers.SGD(rate))
    fit(trained, 4, *callbacks(first))
    trained.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    if kind == "rate":
        assert loaded.optimizer.get_config() == trained.optimizer.get_config()
    fit(loaded, 4, *callbacks(second), initial_epoch=1, epochs=3)
    assert_close(first.moved + second.moved, rates(PLAN, 12))


def test_weights_alone_carry_the_clock(tmp_path: Path) -> None:
    """`save_weights` and `load_weights` keep the count of updates, under a callback too."""
    trained = model(keras.optimizers.SGD(0.01, momentum=0.5))
    fit(trained, 4, Callback(PLAN, total=12))
    trained.save_weights(tmp_path / "m.weights.h5")
    again = model(keras.optimizers.SGD(0.01, momentum=0.5))
    again.optimizer.build(again.trainable_variables)
    again.load_weights(tmp_path / "m.weights.h5")
    callback = Callback(PLAN, lr=0.01, total=12)
    history = fit(again, 4, callback, initial_epoch=1, epochs=3).history
    assert_close(history["learning_rate"], rates(PLAN, 12)[[7, 11]])
    assert int(again.optimizer.iterations) == 12


@pytest.mark.parametrize("order", [1, -1])
def test_a_backup_restores_before_or_behind_us(order: int, tmp_path: Path) -> None:
    """`BackupAndRestore` on either side of the callback: an interrupted `fit` goes on exactly."""
    moves = Moves()

    class Stop(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                raise KeyboardInterrupt

    def callbacks() -> list[Any]:
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        return [backup, Callback(PLAN, total=12)][::order]

    with pytest.raises(KeyboardInterrupt):
        fit(model(keras.optimizers.SGD(0.01)), 4, moves, *callbacks(), Stop(), epochs=3)
    fit(model(keras.optimizers.SGD(0.01)), 4, moves, *callbacks(), epochs=3)
    assert_close(moves.moved, rates(PLAN, 12))


RUN = """
    import os, signal, sys
    from pathlib import Path
    import keras
    import ratewise as rw
    from ratewise.keras import Callback, LearningRate
    from tests.keras.tools import PLAN, Moves, fit, model

    folder, kind = Path(sys.argv[1]), sys.argv[2]
    saved = folder / "m.keras"
    moves = Moves()

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2 and not (folder / "killed").exists():
                (folder / "killed").touch()
                os.kill(os.getpid(), signal.SIGKILL)

        def on_epoch_end(self, epoch, logs=None):
            self.model.save(folder / "new.keras")
            (folder / "new.keras").rename(saved)
            with open(folder / "trace", "a") as trace:
                trace.writelines(f"{rate!r}\\n" for rate in moves.moved)
            moves.moved.clear()

    ours = [Callback(PLAN, lr=0.01, total=16)] if kind == "callback" else []
    rate = 0.01 if ours else LearningRate(PLAN, 0.01, total=16)
    trained = keras.saving.load_model(saved) if saved.exists() else model(
        keras.optimizers.SGD(rate, gradient_accumulation_steps=2))
    done = int(trained.optimizer.iterations)
    fit(trained, 8, moves, *ours, Kill(), initial_epoch=done // 4, epochs=4)
"""


@pytest.mark.parametrize("kind", ["rate", "callback"])
def test_a_killed_run_ends_as_if_it_had_not_been(kind: str, tmp_path: Path) -> None:
    """SIGKILL between epochs, start again from the file: the 16 updates use f(0) … f(15)."""
    words = ["-W", "ignore", "-c", textwrap.dedent(RUN), tmp_path, kind]
    codes = [
        warm.run(words, imported=warm.KERAS, KERAS_BACKEND=BACKEND).returncode for _ in range(2)
    ]
    assert codes == [-signal.SIGKILL, 0]
    moved = [float(line) for line in (tmp_path / "trace").read_text().split()]
    assert_close(moved[1::2], rates(PLAN, 16))


class Overflow(keras.layers.Layer):
    """Gives infinite gradients where the input is above 1."""

    def call(self, x: Any) -> Any:
        return keras.ops.where(x > 1, x * 1e30 * 1e30, x)


@pytest.mark.parametrize("kind", ["rate", "callback"])
@pytest.mark.parametrize("jit", JITS[:1])
def test_updates_that_a_loss_scale_skips_do_not_count(kind: str, jit: bool) -> None:
    """Two overflowed batches of eight leave six updates, which use f(0) … f(5)."""
    import numpy as np

    rate = LearningRate(PLAN, 0.01, total=12) if kind == "rate" else 0.01
    ours = [Callback(PLAN, total=12)] if kind == "callback" else []
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(rate), initial_scale=4.0)
    trained = keras.Sequential(
        [
            keras.Input((1,)),
            Overflow(),
            keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"),
        ]
    )
    plain = model(optimizer, jit)
    trained.compile(optimizer, plain.loss, jit_compile=jit)
    x = np.ones((8, 1), np.float32)
    x[[2, 5]] = 2
    moves = Moves()
    options = {"batch_size": 1, "verbose": 0, "shuffle": False}
    trained.fit(x, np.ones((8, 1), np.float32), callbacks=[moves, *ours], **options)
    assert [moves.moved[i] for i in (2, 5)] == [0.0, 0.0]
    assert_close([m for m in moves.moved if m], rates(PLAN, 12)[:6])
    assert int(optimizer.iterations) == 6
