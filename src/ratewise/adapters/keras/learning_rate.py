"""The rate of an optimizer as Keras' own kind of schedule, and as its function of the epoch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from ratewise.adapters.arguments import HorizonOf, given, only_rate, read_rate, refuse_unknown
from ratewise.adapters.keras.callers import caller
from ratewise.adapters.keras.past import Farewell
from ratewise.adapters.keras.traced import Traced
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import refuse_epochs, shorten, speaking, whole
from ratewise.schedule.familiar import read_named
from ratewise.schedule.given import read_plan
from ratewise.schedule.lengths import Length
from ratewise.schedule.schema import a_table, read_state
from ratewise.schedule.strict import strict

_HOST = (bool, int, float, str, np.generic, np.ndarray, type(None))


@keras.saving.register_keras_serializable(package="ratewise")
class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of an optimizer, as a schedule of its committed updates.

    rate(t) = lr · f(t), computed in float64 and rounded once. A saved model has it: once
    `ratewise.keras` is imported, loading needs no `custom_objects`.

    `t` is the optimizer's own count, so a second `fit` goes on where the first has ended, and past
    the end of the schedule its last level is held. Where that level is 0, a `fit` that goes on past
    the end warns when it ends, and the next one is refused before its first update: for a run from
    the start compile the model with a new optimizer.

    Keras logs such a rate, in TensorBoard's `epoch_learning_rate`, as it does its own schedules:
    that of the coming update. What a `Callback` logs is the rate that was used.

    Args:
        schedule: A schedule, a plan of the rate alone, the text of either, or a name that is known
            elsewhere, such as "cosine", with what it takes there.
        lr: Rate at level 1, in (0, inf); may be left out if the plan has a peak.
        warmup: Length of the warm-up that a name begins with.
        total: Updates in the run; needed if lengths are shares of it or open.
        epoch: Updates in an epoch.
        samples: Samples in an update.
        tokens: Tokens in an update.
        **unknown: Nothing; a misspelt argument is answered with the nearest one.

    Raises:
        ScheduleError: not a schedule, no rate, lengths that do not fit, a plan of more than the
            rate; a `fit` that begins where a schedule has ended at 0.

    >>> import ratewise as rw
    >>> rate = LearningRate(rw.Linear(to=0), lr=0.5, total=4)
    >>> [rate(t) for t in range(5)]
    [0.5, 0.375, 0.25, 0.125, 0.0]
    """

    __module__ = "ratewise.keras"  # the name that users import, and that saved models hold

    @strict
    def __init__(
        self,
        schedule: Schedule | Plan | str,
        lr: float | None = None,
        *,
        warmup: Length | None = None,
        total: int | str | None = None,
        epoch: float | None = None,
        samples: float | None = None,
        tokens: float | None = None,
        **unknown: Any,
    ) -> None:
        fix = "write LearningRate(Cosine(to=0), …)"
        read, unknown = read_named("LearningRate", schedule, fix, {"warmup": warmup, **unknown})
        refuse_unknown("LearningRate", unknown, ["lr"])
        self.schedule, self.lr = _read("LearningRate", read, lr)
        self.horizon = given(total=total, epoch=epoch, samples=samples, tokens=tokens)
        with speaking(HorizonOf(adapter="LearningRate")):
            resolved = self.schedule.resolve(**self.horizon)
        self._traced = Traced(resolved, self.lr)

    def __call__(self, step: Any, *others: Any) -> Any:
        """Return the rate of update `step`: a float for an int, a tensor for a tensor."""
        if others:
            refuse_epochs("LearningRate", step, *others)
        if isinstance(step, _HOST):
            return self.lr * self._traced.schedule(step)  # pyright: ignore
        asker = _asker(step)
        if asker is None:
            return self._traced(step)
        Farewell.of(asker, self._traced.schedule)
        window = asker.gradient_accumulation_steps
        return self._traced(step if window is None else keras.ops.floor_divide(step, window))

    def get_config(self) -> dict[str, Any]:
        """Return the schedule's dict form, the rate and the horizon.

        Raises:
            ScheduleError: the schedule contains a `Function`.
        """
        return {"schedule": self.schedule.to_dict(), "lr": self.lr, **self.horizon}

    @classmethod
    def from_config(cls, config: Any) -> LearningRate:
        """Return the rate that a config is of.

        Raises:
            ScheduleError: not a config of one, or a part of it is damaged.
        """
        fix = "give what get_config() returned"
        parts = read_state(f"{cls.__name__}.from_config", a_table(_as_it_is), config, fix)
        return cls(**parts)

    def __reduce__(self) -> Any:
        return _remake, (type(self), self.schedule, self.lr, self.horizon)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LearningRate) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> Any:
        return type(self), self._traced.schedule, self.lr

    def __repr__(self) -> str:
        parts = {"lr": self.lr, **self.horizon}
        named = ", ".join(f"{key}={value!r}" for key, value in parts.items())
        return f"{type(self).__name__}({self.schedule!r}, {named})"


def _as_it_is(value: Any, place: str) -> Any:
    return value


@strict
def by_epoch(schedule: Schedule | str, lr: float, epochs: int) -> ByEpoch:
    """Return a function of the epoch for `keras.callbacks.LearningRateScheduler`.

    rate(epoch) = lr · f(epoch): lengths count epochs, and the rate that the callback hands over is
    not looked at, so nothing compounds. One rate per update is what `LearningRate` is for.

    Args:
        schedule: A schedule or its text; `Warmup(2)` or `Warmup("2 epochs")` is two epochs.
        lr: Rate at level 1, in (0, inf).
        epochs: Epochs in the run, at least 1.

    Raises:
        ScheduleError: not a schedule, lengths that do not fit.

    >>> rates = by_epoch("Warmup(1, start=0.5) >> Linear(to=0)", lr=0.5, epochs=5)
    >>> [rates(epoch, 0.5) for epoch in range(5)]
    [0.25, 0.5, 0.375, 0.25, 0.125]
    """
    alone, rate = _read("by_epoch", schedule, lr)
    total = whole("by_epoch", "epochs", epochs, low=1)
    return ByEpoch(alone.resolve(total, epoch=1), rate)


class ByEpoch:
    """What `by_epoch` returns: a function of the epoch and, if it must be, the current rate."""

    def __init__(self, schedule: Schedule, lr: float) -> None:
        self.schedule, self.lr = schedule, lr

    def __call__(self, epoch: int, lr: float | None = None) -> float:
        return self.lr * self.schedule(epoch)

    def __repr__(self) -> str:
        return f"by_epoch({self.schedule!r}, lr={self.lr!r}, epochs={self.schedule.length})"


def _read(who: str, given: Any, lr: Any) -> tuple[Schedule, float]:
    """Return the one schedule that was given, which is shown no metrics, and its rate."""
    fix = "use ratewise.keras.Callback(plan, …)"
    plan = read_plan(who, given, f"write {who}(Cosine(to=0), …)")
    schedule = only_rate(who, plan, fix)
    if schedule.listens:
        rule = f"is shown no metrics, and {shorten(schedule)} listens to them"
        raise ScheduleError(who, rule, fix)
    rate = read_rate(who, plan, lr)
    if rate is None:
        raise ScheduleError(who, "has no rate at level 1", "give lr=3e-4")
    return schedule, rate


def _remake(
    kind: type[LearningRate], schedule: Schedule, lr: float, horizon: dict[str, Any]
) -> LearningRate:
    return kind(schedule, lr, **horizon)


def _asker(step: Any) -> Any:
    """Return the optimizer that asks for its rate at `step`, a variable of its own.

    One that accumulates gradients hands its schedule the count of batches and not of updates, and
    does not say so: the variable knows no owner, and its name ends in "iteration" with
    accumulation and without. It is the caller, and it owns the variable that it hands over.
    """
    if not isinstance(step, keras.Variable):
        return None
    owns = lambda optimizer: any(step is variable for variable in optimizer.variables)  # noqa: E731
    return caller(keras.optimizers.Optimizer, owns)
