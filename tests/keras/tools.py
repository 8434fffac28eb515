"""What the claims share: a model whose gradient is 1, so that its weight moves by the rate."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

import ratewise as rw

PLAN = rw.Warmup(4) >> rw.Cosine(to=0.1)
BACKEND = keras.backend.backend()
JITS = [False] if BACKEND == "torch" else [True, False]


@keras.saving.register_keras_serializable(package="ratewise-tests")
class Sum(keras.losses.Loss):
    """The prediction itself: with inputs of 1 the gradient of the weight is 1."""

    def call(self, y_true: Any, y_pred: Any) -> Any:
        return ops.sum(y_pred, axis=-1)


def model(optimizer: Any, jit: Any = "auto", **options: Any) -> Any:
    layer = keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")
    made = keras.Sequential([keras.Input((1,)), layer])
    made.compile(optimizer, Sum(), jit_compile=jit, **options)
    return made


def weight(made: Any) -> float:
    return float(ops.convert_to_numpy(made.trainable_variables[0].value)[0, 0])


class Moves(keras.callbacks.Callback):
    """Keeps how far the weight moved in each batch, and puts it back to 0."""

    def __init__(self) -> None:
        super().__init__()
        self.moved: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        made: Any = self.model
        self.moved.append(-weight(made))
        made.trainable_variables[0].assign(np.zeros((1, 1), np.float32))


def ones(n: int) -> tuple[Any, Any]:
    return np.ones((n, 1), np.float32), np.ones((n, 1), np.float32)


def fit(made: Any, batches: int, *callbacks: Any, **options: Any) -> Any:
    x, y = ones(batches)
    chosen = {"batch_size": 1, "verbose": 0, "shuffle": False, **options}
    return made.fit(x, y, callbacks=list(callbacks), **chosen)


def rates(schedule: Any, total: int, lr: float = 0.01) -> Any:
    """lr · f(t) for each update of a run, rounded to float32 once."""
    return (lr * schedule.resolve(total).values()).astype(np.float32)


def assert_close(used: Any, meant: Any, ulps: int = 2) -> None:
    a, b = np.asarray(used, np.float32), np.asarray(meant, np.float32)
    assert a.shape == b.shape
    assert np.abs(a - b).max() <= ulps * np.spacing(np.abs(b).max()), (a, b)
    np.testing.assert_array_max_ulp(a, b, ulps)
