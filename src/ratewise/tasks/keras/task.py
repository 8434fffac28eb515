"""A compiled Keras model as a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ratewise._extras import require
from ratewise.adapters.keras.drive import committed, innermost
from ratewise.schedule import ScheduleError
from ratewise.schedule.strict import strict
from ratewise.tasks.batches import TAPE_BYTES
from ratewise.tasks.calls import as_metrics
from ratewise.tasks.keras.batches import KerasTape, stream
from ratewise.tasks.keras.own import schedule_of, with_number
from ratewise.tasks.keras.snapshot import VariableSnapshot, as_numpy, built, to_mode
from ratewise.tasks.keras.step import MODEL, check_compiled, split, step_of
from ratewise.tasks.protocols import Losses, OwnSchedule, Parts, Rates, sizes_of
from ratewise.tasks.random_stream import METRIC, derived
from ratewise.tasks.ready import ReadyTask
from ratewise.tasks.updates import IDLE

keras = require("keras", extra="keras")

_METRIC = "KerasTask(metric=…)"


@strict
@dataclass(frozen=True)
class KerasTask(ReadyTask):
    """Train a compiled Keras model batch by batch; the rates come from `compare`.

    It works on TensorFlow, JAX and PyTorch. An update is the model's own `train_step`, so the
    weights are those of `model.fit` with the same rates and batches, bit for bit. On PyTorch that
    takes a `Dropout` with a seed, as one without draws from numbers that `fit` also draws from for
    its loader. With gradient accumulation, or with a loss scale that skips some, a rate is that of
    an update and not of a batch. No callback is called, and `steps_per_execution` is 1.

    A run is saved as the variables of the model and its optimizer (weights, moving averages, the
    seeds of dropout, moments), on PyTorch the buffers of its modules, the random numbers of
    `random` and numpy (and PyTorch), and the position in the data. What learns elsewhere is not
    seen, nor are TensorFlow's global random numbers: give random layers a
    `keras.random.SeedGenerator`, as Keras' own have.

    On TensorFlow a step is compiled once, as in `fit`: all batches need the sizes that the first
    two have in common, or those of a `tf.data.Dataset`. The number of rows is free.

    Args:
        model: Returns a new model that is compiled with a number as its rate, or with one of Keras'
            own schedules, which is left aside. Before, `random` and numpy were seeded, as by
            `keras.utils.set_random_seed(seed)`.
        data: Returns the batches for a seed, `(x, y)` or `(x, y, sample_weight)` each: a dataset
            or anything that can be iterated. It is called again to go back, and is to shuffle
            with the seed; when it ends it begins again.
        metric: Returns a float, then called "metric", or a dict of floats, of the model:
            `lambda model: model.evaluate(x, y, verbose=0, return_dict=True)`. An optimizer's
            averaged weights are in place, as after `fit`; whatever it changes is put back.
        optimizer: Returns the optimizer of a model, in place of the one it was compiled with.
        higher_is_better: Names of the metrics of which more is better; of all others less is.
        tape_bytes: Memory for recent batches, in bytes, in [0, inf): where it reaches back to a
            fork, going back costs nothing, and otherwise the data are read again up to there.
        small: Whether two of its runs fit on a device, and one alone leaves it idle: then workers
            are two for each.

    Raises:
        ScheduleError: an argument is not what it should be; at `open`, the model is not compiled,
            its optimizer follows a schedule that is none of Keras' own or has no rate above 0, or
            there is no batch.
    """

    model: Callable[[], Any]
    data: Callable[[int], Any]
    metric: Callable[[Any], Any]
    optimizer: Callable[[Any], Any] | None = None
    higher_is_better: tuple[str, ...] = ()
    tape_bytes: int = TAPE_BYTES

    _functions: ClassVar = ("model", "data", "metric", "optimizer")
    _refused: ClassVar = (keras.Model,)

    def open(self, seed: int) -> KerasRun:
        """Return a run before its first update."""
        return KerasRun(self, seed)

    def parts(self) -> Parts:
        """Return the model, its optimizer, and what the data say of their sizes."""
        model = self.model()
        own = getattr(model, "optimizer", None)
        optimizer = own if self.optimizer is None else self.optimizer(model)
        return Parts(model, optimizer, *sizes_of(self.data(0)), framework="keras")

    def own_schedule(self, total: int) -> OwnSchedule | None:
        """Return the config of the schedule that the model was compiled with, if there is one."""
        with stream(0):
            model = self.model()
            optimizer = model.optimizer if self.optimizer is None else self.optimizer(model)
        config = schedule_of(optimizer)
        return None if config is None else OwnSchedule(config)

    @cached_property
    def peak(self) -> float:
        """The optimizer's own learning rate, the shortest number that rounds to it."""
        with stream(0):
            return _rate(_made(self))


class KerasRun:
    """One training run of a `KerasTask`.

    Attributes:
        model: The model.
    """

    def __init__(self, task: KerasTask, seed: int) -> None:
        self._task, self._seed = task, seed
        self._position = 0
        self._own = stream(seed)
        with self._own:
            self.model = _made(task)
        self._batches = KerasTape(task.data, seed, task.tape_bytes)
        with self._own:
            if not built(self.model):
                self.model(split(self._batches.at(0))[0])
            optimizer = self.model.optimizer
            if not optimizer.built:
                optimizer.build(self.model.trainable_variables)
        self._variables = VariableSnapshot(self.model)
        self._step = step_of(self.model, self._batches)

    def train(self, rates: Rates) -> Losses:
        """Make one update per rate; a loss is the mean over the batches of its update."""
        to_mode(self.model, training=True)
        return np.array([self._update(rate) for rate in rates.tolist()], np.float64)

    def _update(self, rate: float) -> float:
        self.model.optimizer.learning_rate = rate
        counter = innermost(self.model.optimizer)
        made, waiting = committed(counter), list[float]()
        while committed(counter) == made:
            if len(waiting) == IDLE:
                rule = f"made no update in {IDLE} batches"
                raise ScheduleError(MODEL, rule, "look at its optimizer")
            batch = self._batches.at(self._position)
            with self._own:
                waiting.append(self._step(batch))
            self._position += 1
        return float(np.mean(waiting))

    def measure(self) -> Mapping[str, float]:
        """Return the metrics, with random numbers that no update sees."""
        state, own = self._variables.read(), self._own.state
        try:
            with self._own, stream(derived(self._seed, METRIC)):
                optimizer = self.model.optimizer
                optimizer.finalize_variable_values(self.model.trainable_variables)
                to_mode(self.model, training=False)
                return as_metrics(_METRIC, self._task.metric(self.model))
        finally:
            self._variables.write(state)
            self._own.state = own

    def save(self) -> dict[str, Any]:
        """Return the state, in main memory."""
        random = self._own.state
        return {"position": self._position, "random": random, "variables": self._variables.read()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go to a saved state; the data follow when the next batch is asked for."""
        self._position, self._own.state = state["position"], state["random"]
        self._variables.write(state["variables"])


def _made(task: KerasTask) -> Any:
    """Return a new model that can be trained batch by batch, at rates that are set."""
    model = task.model()
    if not isinstance(model, keras.Model):
        rule = "returned no Keras model"
        raise ScheduleError(MODEL, rule, "return a keras.Model", given=model)
    if task.optimizer is not None:
        model.optimizer = optimizer = task.optimizer(model)
        if not hasattr(optimizer, "learning_rate"):
            fix = "return a keras.optimizers.Optimizer"
            raise ScheduleError("KerasTask(optimizer=…)", "is none", fix, given=optimizer)
    if model.compiled:
        model.optimizer = with_number(model.optimizer)
    check_compiled(MODEL, model)
    model.steps_per_execution = 1
    if not 0 < _rate(model) < np.inf:
        rule = f"has no learning rate above 0, got {_rate(model)}"
        raise ScheduleError(MODEL, rule, "give the optimizer a rate such as 1e-3")
    return model


def _rate(model: Any) -> float:
    return float(str(np.float32(as_numpy(model.optimizer.learning_rate))))
