"""A Keras model and data that are as bad for exactness as real ones, as a task."""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np

from ratewise.choose import KerasTask

RATES = np.linspace(1e-2, 1e-3, 7)
LR = 3e-3
DRAWN = np.random.default_rng(0)
X = DRAWN.normal(size=(70, 4)).astype("float32")
Y = (X.sum(1) > 0).astype("int32")


def made(optimizer: Any = None, seed: int | None = None) -> Any:
    """A compiled model with dropout and moving averages."""
    layers = keras.layers
    model = keras.Sequential(
        [
            *(layers.Dense(16, activation="relu"), layers.Dropout(0.2, seed=seed)),
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


def right(model: Any) -> dict[str, float]:
    given = keras.ops.convert_to_numpy(model(X))
    return {"accuracy": float((given.argmax(1) == Y).mean()), "sum": float(given.sum())}


def task_of(**changes: Any) -> KerasTask:
    given: dict[str, Any] = {"model": made, "data": shuffled, "metric": right}
    return KerasTask(**{"higher_is_better": ("accuracy",), **given, **changes})


def values(model: Any) -> list[bytes]:
    held = [*model.variables, *model.optimizer.variables]
    return [keras.ops.convert_to_numpy(one.value).tobytes() for one in held]


def weights(model: Any) -> list[bytes]:
    return [one.tobytes() for one in model.get_weights()]


def accumulating() -> Any:
    return made(keras.optimizers.Adam(LR, gradient_accumulation_steps=2))
