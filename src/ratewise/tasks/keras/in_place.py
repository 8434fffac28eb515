"""A compiled Keras model, run in place: with its own variables and the given batches."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np

from ratewise._extras import require
from ratewise.adapters.keras.drive import committed, innermost
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import Call, Fix
from ratewise.tasks.batches import endless
from ratewise.tasks.keras.batches import stream
from ratewise.tasks.keras.snapshot import VariableSnapshot
from ratewise.tasks.keras.step import check_compiled, loss_of, split
from ratewise.tasks.protocols import LiveRun, Opener, Over, Rates
from ratewise.tasks.updates import UpdateLosses

require("keras", extra="keras")

SIZE = 32
"""Rows in a batch of arrays, as in `fit`."""
_WHO = "The model"


@contextmanager
def model_in_place(model: Any, batches: Any) -> Generator[Opener]:
    """Open runs with `train_on_batch`; put every variable back at the end."""
    _check(model, batches)
    if not model.built:
        model.build(tuple(split(next(_rounds(batches, 0)))[0].shape))
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    snapshot = VariableSnapshot(model, metrics=True)
    start = snapshot.read()

    def back() -> None:
        model.reset_metrics()  # those that the first batch makes
        snapshot.write(start)

    def open_run(seed: int) -> LiveRun:
        back()
        return LiveRun(partial(_train_until, model, batches, seed))

    try:
        yield open_run
    finally:
        back()


def _train_until(model: Any, batches: Any, seed: int, rates: Rates, over: Over) -> None:
    """Train on batch after batch; the optimizer counts which of them made an update."""
    counter = innermost(model.optimizer)
    losses = UpdateLosses(over, _WHO, "look at its optimizer", made=committed(counter))
    with stream(seed):
        for batch in _rounds(batches, seed):
            model.optimizer.learning_rate = float(rates[losses.told])
            model.reset_metrics()  # what it returns is a mean since then
            loss = loss_of(model.train_on_batch(*split(batch), return_dict=True))
            if losses.take(loss, committed(counter)):
                return


def _rounds(batches: Any, seed: int) -> Iterator[Any]:
    """Yield batches without end; rows of arrays in an order that the seed decides."""
    order = np.random.default_rng(seed)
    arrays = isinstance(batches, tuple) and all(hasattr(one, "shape") for one in batches)
    return endless(lambda: _shuffled(batches, order) if arrays else batches)


def _shuffled(arrays: Iterable[Any], order: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    rows = [np.asarray(one) for one in arrays]
    picked = order.permutation(len(rows[0]))
    for first in range(0, max(len(picked) - SIZE, 0) + 1, SIZE):
        yield tuple(one[picked[first : first + SIZE]] for one in rows)


def _check(model: Any, batches: Any) -> None:
    check_compiled(_WHO, model)
    if batches is None or hasattr(batches, "__next__"):
        rule = "needs batches that can be iterated again"
        fix = Fix("name a KerasTask, which has some", alone="give batches=, a dataset or (x, y)")
        raise ScheduleError(Call("find"), rule, fix, given=batches)
