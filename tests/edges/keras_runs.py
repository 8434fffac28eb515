"""Clocks and metrics in Keras' `fit`."""

from __future__ import annotations

import warnings

import keras

import ratewise as rw
from ratewise.keras import Callback, LearningRate
from tests.edges.rows import edge, refused
from tests.edges.runs import CLOCK, GROUPS
from tests.keras.tools import Moves, assert_close, fit, model, rates

SGD = keras.optimizers.SGD


@edge(CLOCK, "Keras: a second `fit` with the same `LearningRate`, at its end")
def second_fit() -> str:
    trained, moves = model(SGD(LearningRate(rw.Linear(to=0), 0.01, total=4))), Moves()
    fit(trained, 4, moves)
    said = refused(lambda: fit(trained, 4, moves, epochs=3), "compile the model with a new")
    assert_close(moves.moved, rates(rw.Linear(to=0), 4))
    return said


@edge(CLOCK, "Keras: `LearningRateScheduler(Cosine(over=3))`")
def function_of_the_epoch() -> str:
    trained = model(SGD(3e-4))
    by_epoch = keras.callbacks.LearningRateScheduler(rw.Cosine(over=3))
    said = refused(lambda: fit(trained, 4, by_epoch), "by_epoch(")
    assert int(trained.optimizer.iterations) == 0
    return said


@edge(GROUPS, 'Keras: `Plateau("val_loss")` without validation data')
def no_validation() -> str:
    trained = model(SGD(0.01))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        fit(trained, 2, Callback(rw.Plateau("val_loss", patience=1)), epochs=4)
    (said,) = [str(one.message) for one in heard if "val_loss" in str(one.message)]
    return f"warns once: {said}"
