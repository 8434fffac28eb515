"""A compiled Keras model as something that climbs a ladder of rates."""

from __future__ import annotations

import random
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np

from ratewise._extras import require
from ratewise.range_test.ladder import Sweep
from ratewise.range_test.sources import Climb
from ratewise.schedule import ScheduleError

SIZE = 32
"""Rows in a batch of arrays, as in `fit`."""
IDLE = 1000
"""Batches in a row without an update, after which something is wrong."""
_WHO = "find(model)"


@contextmanager
def model_batches(model: Any, batches: Any) -> Generator[Climb]:
    """Climb with `train_on_batch`; put every variable of model and optimizer back at the end."""
    keras = require("keras", extra="keras")
    _check(keras, model, batches)
    if not model.built:
        model.build(_shape(next(iter(_rounds(batches, 0)))))
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    held = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    variables = list({id(one): one for one in held}.values())
    start = [np.array(keras.ops.convert_to_numpy(one.value)) for one in variables]

    def back() -> None:
        model.reset_metrics()  # those that the first batch makes
        for variable, value in zip(variables, start, strict=True):
            variable.assign(value)

    def climb(sweep: Sweep) -> None:
        back()
        with _random(keras, sweep.seed):
            _train(keras, model, _rounds(batches, sweep.seed), sweep)

    try:
        yield climb
    finally:
        back()


def _train(keras: Any, model: Any, batches: Iterable[Any], sweep: Sweep) -> None:
    """Train batch by batch; the optimizer counts which of them made an update."""
    rates = sweep.ladder.all_rates.tolist()
    waiting: list[float] = []
    made = _made(keras, model)
    for batch in batches:
        if not waiting:
            model.optimizer.learning_rate = rates[len(sweep.losses)]
        model.reset_metrics()  # what it returns is a mean since then
        waiting.append(float(model.train_on_batch(*_split(batch), return_dict=True)["loss"]))
        if _made(keras, model) > made or not np.isfinite(waiting[-1]):
            if sweep.tell(float(np.mean(waiting))):
                return
            made = _made(keras, model)
            waiting.clear()
        elif len(waiting) >= IDLE:
            rule = f"made no update in {IDLE} batches"
            raise ScheduleError(_WHO, rule, "look at its optimizer")


def _made(keras: Any, model: Any) -> int:
    """Return the updates that the optimizer has made; accumulated and skipped ones count not."""
    inner = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    return int(keras.ops.convert_to_numpy(inner.iterations))


def _split(batch: Any) -> tuple[Any, ...]:
    """Return inputs, targets and weights, as many as there are."""
    return tuple(batch) if isinstance(batch, tuple | list) else (batch,)


def _rounds(batches: Any, seed: int) -> Iterator[Any]:
    """Yield batches without end; rows of arrays in an order that the seed decides."""
    order = np.random.default_rng(seed)
    while True:
        empty = True
        for batch in _shuffled(batches, order) if _are_arrays(batches) else batches:
            empty = False
            yield batch
        if empty:
            rule, fix = "gave no batch", "give a dataset with at least one"
            raise ScheduleError("find(batches=…)", rule, fix)


def _are_arrays(batches: Any) -> bool:
    return isinstance(batches, tuple) and all(hasattr(one, "shape") for one in batches)


def _shuffled(arrays: tuple[Any, ...], order: np.random.Generator) -> Iterator[tuple[Any, ...]]:
    rows = [np.asarray(one) for one in arrays]
    picked = order.permutation(len(rows[0]))
    for first in range(0, max(len(picked) - SIZE, 0) + 1, SIZE):
        yield tuple(one[picked[first : first + SIZE]] for one in rows)


def _shape(batch: Any) -> tuple[int, ...]:
    return tuple(_split(batch)[0].shape)


@contextmanager
def _random(keras: Any, seed: int) -> Generator[None]:
    """Seed the random numbers of the process for a sweep, and put them back."""
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with _backend_random(keras, seed):
            random.seed(seed)
            np.random.seed(seed % 2**32)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _backend_random(keras: Any, seed: int) -> AbstractContextManager[Any]:
    if keras.backend.backend() != "torch":
        return nullcontext()
    from ratewise.tasks.torch.random_stream import RandomStream

    return RandomStream(seed)


def _check(keras: Any, model: Any, batches: Any) -> None:
    """Refuse a model that is not compiled, and a rate that cannot be set."""
    if not model.compiled:
        raise ScheduleError(_WHO, "is not compiled", "call model.compile(optimizer, loss)")
    if batches is None or hasattr(batches, "__next__"):
        rule = "needs batches that can be iterated again"
        raise ScheduleError("find(batches=…)", rule, "give a dataset, or (x, y)", given=batches)
    try:
        model.optimizer.learning_rate = float(
            keras.ops.convert_to_numpy(model.optimizer.learning_rate)
        )
    except TypeError:
        rule = "has an optimizer with a schedule, whose rate cannot be set"
        raise ScheduleError(_WHO, rule, "compile it with a number for the test") from None
