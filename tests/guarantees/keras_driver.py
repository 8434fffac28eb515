"""Keras, on the backend that it finds."""

from __future__ import annotations

from typing import Any

import keras

from ratewise.keras import Callback
from tests.guarantees.setup import HELD_OUT, LR, UPDATES, Ran, Setup, rows


class Watch(keras.callbacks.Callback):
    """Tells of every update, and saves behind every epoch."""

    def __init__(self, setup: Setup) -> None:
        super().__init__()
        self.setup, self.used = setup, []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if (batch + 1) % self.setup.accumulation == 0:
            self.used.append(float(self.model.optimizer.learning_rate.numpy()))
            self.setup.after(self.at + len(self.used), self.used[-1])

    def on_train_begin(self, logs: Any = None) -> None:
        self.at = int(self.model.optimizer.iterations.numpy())

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        new = self.setup.folder / "new.keras"
        self.model.save(new)
        new.replace(self.setup.folder / "run.keras")


class Fit:
    """model.fit(callbacks=[Callback(plan)])."""

    name = "keras"
    flushes = False

    def train(self, plan: Any, setup: Setup) -> Ran:
        path, first = setup.folder / "run.keras", 0
        if setup.resume:
            model: Any = keras.saving.load_model(path)
            first = int(model.optimizer.iterations.numpy()) // UPDATES
        else:
            keras.utils.set_random_seed(0)
            model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
            steps = setup.accumulation if setup.accumulation > 1 else None
            model.compile(keras.optimizers.SGD(LR, gradient_accumulation_steps=steps), "mse")
        mine = Callback(plan, lr=LR, total=setup.told, observations=setup.folder / "heard.jsonl")
        watch = Watch(setup)
        history = model.fit(
            *rows(setup.batches),
            batch_size=1,
            shuffle=False,
            verbose=0,
            initial_epoch=first,
            epochs=setup.epochs if setup.stop is None else setup.stop,
            validation_data=HELD_OUT if setup.listen else None,
            callbacks=[mine, watch],
        ).history
        losses = history.get("val_loss", [])
        heard = [((first + i + 1) * UPDATES, float(loss)) for i, loss in enumerate(losses)]
        return Ran(watch.used, [*map(float, history["learning_rate"])], heard, mine.replay())
