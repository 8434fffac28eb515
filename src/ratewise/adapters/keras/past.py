"""A run that goes on past the end of its schedule at rate 0 is heard."""

from __future__ import annotations

import warnings
from typing import Any

import keras

from ratewise.adapters.keras.callers import caller
from ratewise.adapters.keras.drive import committed, innermost
from ratewise.schedule import Schedule, ScheduleError

PAST = 2  # updates: a run may be a little longer than was planned


def wasted(schedule: Schedule, t: int) -> int:
    """Return how many of `t` updates were past the end of a schedule that ends at 0."""
    end = schedule.length
    return max(t - end, 0) if end is not None and schedule.end == 0 else 0


def tell(who: str, schedule: Schedule, t: int, fix: str) -> None:
    """Warn that updates past the end have changed nothing."""
    count = wasted(schedule, t)
    warnings.warn(
        f"{who}: update {t} is past the end of the schedule, at {schedule.length}: "
        f"{count} updates ran at lr=0, which changes nothing; {fix}",
        stacklevel=3,
    )


class Farewell:
    """Stands in for an optimizer's `finalize_variable_values`, which `fit` calls when it ends.

    A rate inside an optimizer is not told that a `fit` begins, and in a compiled step it is not
    called at all: this is the one place where it sees that a `fit` has ended. Where nothing of the
    schedule is left then, the next one is refused before its first update.
    """

    def __init__(self, optimizer: Any, schedule: Schedule) -> None:
        self.optimizer, self.schedule = optimizer, schedule
        self._told = False

    @staticmethod
    def of(optimizer: Any, schedule: Schedule) -> None:
        """Take leave of an optimizer's fits, once however often it asks for its rate."""
        found = vars(optimizer).get("finalize_variable_values")
        if isinstance(found, Farewell):
            found.schedule = schedule
        elif found is None and schedule.length is not None and schedule.end == 0:
            # Set as a plain attribute, as in `drive`: Keras would look what it has to save of it.
            object.__setattr__(optimizer, "finalize_variable_values", Farewell(optimizer, schedule))

    def __call__(self, variables: Any) -> None:
        optimizer, schedule = self.optimizer, self.schedule
        type(optimizer).finalize_variable_values(optimizer, variables)
        t = committed(optimizer)
        if not self._told and wasted(schedule, t) > PAST:
            self._told = True
            fix = "compile the model with a new optimizer, or give the true total"
            tell("LearningRate", schedule, t, fix)
        if schedule.length is not None and t >= schedule.length:
            model = caller(keras.Model, lambda model: model.optimizer is not None)
            if model is not None:
                object.__setattr__(model, "make_train_function", Ended(model, optimizer, schedule))


class Ended:
    """Stands in for a model's `make_train_function`, with which a `fit` begins, after the last one.

    So a refusal comes before anything is moved: in a step that is traced on JAX it would cost the
    model its weights.
    """

    def __init__(self, model: Any, optimizer: Any, schedule: Schedule) -> None:
        self.model, self.optimizer, self.schedule = model, optimizer, schedule

    def __call__(self, force: bool = False) -> Any:
        model, end = self.model, self.schedule.length
        optimizer = innermost(model.optimizer)
        if optimizer is not self.optimizer or end is None or committed(optimizer) < end:
            object.__delattr__(model, "make_train_function")  # compiled anew, or a state was loaded
            return model.make_train_function(force=force)
        rule = f"is at its end: {end} updates were made, and each one more would run at lr=0"
        fix = "compile the model with a new optimizer for another run, or give the true total"
        raise ScheduleError("LearningRate", rule, fix)
