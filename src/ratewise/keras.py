"""Schedules in Keras: a rate that lives in the optimizer, or a callback that attaches a plan.

    model.compile(Adam(LearningRate("Warmup(500) >> Cosine(to=0.1)", lr=3e-4, total=10_000)), …)

    model.compile(SGD(0.1, momentum=0.9), …)
    model.fit(…, callbacks=[Callback(OneCycle())])

Both are computed inside the graph, from the optimizer's own count of committed updates, on
TensorFlow, JAX and PyTorch: gradient accumulation, several steps per execution, and updates that
a loss scale skips all give the same rates. For one rate per epoch there is `by_epoch`.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from ratewise._extras import require

require("keras", extra="keras")

import keras  # noqa: E402

from ratewise.adapters.keras.callback import Callback  # noqa: E402
from ratewise.adapters.keras.source import given, only_rate, read_plan, read_rate  # noqa: E402
from ratewise.adapters.keras.traced import Traced  # noqa: E402
from ratewise.schedule import Plan, Schedule, ScheduleError  # noqa: E402
from ratewise.schedule.errors import whole  # noqa: E402

__all__ = ["Callback", "LearningRate", "by_epoch"]

_HOST = (bool, int, float, str, np.generic, np.ndarray, type(None))
_DEPTH = 16  # frames to look through for the optimizer that asks; it is the second, or the third


@keras.saving.register_keras_serializable(package="ratewise")
class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of an optimizer, as a schedule of its committed updates.

    rate(t) = lr · f(t), computed in float64 and rounded once. A saved model has it: once
    `ratewise.keras` is imported, loading needs no `custom_objects`.

    Args:
        schedule: A schedule, a plan of the rate alone, or the text of either.
        lr: Rate at level 1, in (0, inf); may be left out if the plan has a peak.
        total: Updates in the run; needed if lengths are shares of it or open.
        epoch: Updates in an epoch.
        samples: Samples in an update.
        tokens: Tokens in an update.

    Raises:
        ScheduleError: not a schedule, no rate, lengths that do not fit, a plan of more than the
            rate.

    >>> import ratewise as rw
    >>> rate = LearningRate(rw.Linear(to=0), lr=0.5, total=4)
    >>> [rate(t) for t in range(5)]
    [0.5, 0.375, 0.25, 0.125, 0.0]
    """

    def __init__(
        self,
        schedule: Schedule | Plan | str,
        lr: float | None = None,
        *,
        total: int | str | None = None,
        epoch: float | None = None,
        samples: float | None = None,
        tokens: float | None = None,
    ) -> None:
        plan = read_plan("LearningRate", schedule)
        self.schedule = only_rate("LearningRate", plan)
        rate = read_rate("LearningRate", plan, lr)
        if rate is None:
            raise ScheduleError("LearningRate", "has no rate at level 1", "give lr=3e-4")
        self.lr = rate
        self.horizon = given(total=total, epoch=epoch, samples=samples, tokens=tokens)
        self._traced = Traced(self.schedule.resolve(**self.horizon), rate)

    def __call__(self, step: Any) -> Any:
        """Return the rate of update `step`: a float for an int, a tensor for a tensor."""
        if isinstance(step, _HOST):
            return self.lr * self._traced.schedule(step)  # pyright: ignore
        window = _window(step)
        return self._traced(step if window is None else keras.ops.floor_divide(step, window))

    def get_config(self) -> dict[str, Any]:
        """Return the schedule's dict form, the rate and the horizon.

        Raises:
            ScheduleError: the schedule contains a `Function`.
        """
        return {"schedule": self.schedule.to_dict(), "lr": self.lr, **self.horizon}

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
    plan = read_plan("by_epoch", schedule)
    rate = read_rate("by_epoch", plan, lr)
    if rate is None:
        raise ScheduleError("by_epoch", "has no rate at level 1", "give lr=3e-4")
    total = whole("by_epoch", "epochs", epochs, low=1)
    return ByEpoch(only_rate("by_epoch", plan).resolve(total, epoch=1), rate)


class ByEpoch:
    """What `by_epoch` returns: a function of the epoch and, if it must be, the current rate."""

    def __init__(self, schedule: Schedule, lr: float) -> None:
        self.schedule, self.lr = schedule, lr

    def __call__(self, epoch: int, lr: float | None = None) -> float:
        return self.lr * self.schedule(epoch)

    def __repr__(self) -> str:
        return f"by_epoch({self.schedule!r}, lr={self.lr!r}, epochs={self.schedule.length})"


def _remake(
    kind: type[LearningRate], schedule: Schedule, lr: float, horizon: dict[str, Any]
) -> LearningRate:
    return kind(schedule, lr, **horizon)


def _window(step: Any) -> int | None:
    """Return how many of the steps counted by `step` make an update, if not one.

    An optimizer that accumulates gradients hands its schedule the count of batches and not of
    updates, and does not say so. It is the caller, and it owns the variable that it hands over.
    """
    if not isinstance(step, keras.Variable):
        return None
    frame = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    for _ in range(_DEPTH):
        asker = frame.f_locals.get("self")
        if isinstance(asker, keras.optimizers.Optimizer) and any(
            step is variable for variable in asker.variables
        ):
            return asker.gradient_accumulation_steps
        if frame.f_back is None:
            return None
        frame = frame.f_back
    return None
