"""Reading the schedules and callbacks of Keras, live or as their config."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from ratewise.convert.formats import Format, RunFacts, ask, check_keys
from ratewise.convert.live._border import guarded
from ratewise.convert.live._feedback import keras_plateau
from ratewise.convert.live._keras_config import ARGUMENTS, KerasArguments
from ratewise.convert.live._keras_shapes import SHAPES
from ratewise.convert.live._replay import called
from ratewise.schedule import Function, Plan, ScheduleError
from ratewise.schedule.errors import nearest, number, shorten

_TOPS = ("keras", "tf_keras")
_FEEDBACK = "ReduceLROnPlateau"


def _class(kind: type) -> tuple[str, str]:
    top, _, rest = kind.__module__.partition(".")
    return (kind.__name__, rest) if top in _TOPS else ("", "")


def _is_built_in(source: Any) -> bool:
    name, module = _class(type(source))
    return name in ARGUMENTS and "schedules" in module


def _is_own_schedule(source: Any) -> bool:
    return any(_class(kind)[0] == "LearningRateSchedule" for kind in type(source).__mro__)


def _is_callback(source: Any, name: str) -> bool:
    found, module = _class(type(source))
    return found == name and "callbacks" in module


def _is_config(source: Any) -> bool:
    return isinstance(source, Mapping) and "class_name" in source and "config" in source


def _matches(source: Any) -> bool:
    return (
        _is_config(source)
        or _is_own_schedule(source)
        or _is_callback(source, _FEEDBACK)
        or _is_callback(source, "LearningRateScheduler")
    )


def _read(source: Any, context: RunFacts) -> Plan:
    name = type(source).__name__
    if _is_config(source):
        return _read_config(source, context)
    if _is_built_in(source):
        return _read_arguments(name, source.get_config(), context)
    if _is_own_schedule(source):
        note = (
            f"{name} is a class of its own: the plan calls it at every update, with a peak of 1, "
            "and cannot be written down."
        )
        return called(source, note)
    if _is_callback(source, "LearningRateScheduler"):
        return _read_callback(source, context)
    if _is_callback(source, _FEEDBACK):
        return keras_plateau(_FEEDBACK, source, context)
    rule = f"cannot be read from {shorten(source)}"
    raise ScheduleError("Keras", rule, "give a schedule, a callback, or a serialised schedule")


def _read_config(source: Mapping[str, Any], context: RunFacts) -> Plan:
    name, config = source["class_name"], source["config"]
    who = "Keras config"
    check_keys(who, source, ("module", "class_name", "config", "registered_name", "build_config"))
    name = str(name).rpartition(">")[2] if isinstance(name, str) else name
    if name == _FEEDBACK:
        rule = "is a callback, which has no serialised form"
        raise ScheduleError(_FEEDBACK, rule, "give the callback itself")
    if name not in ARGUMENTS:
        raise ScheduleError(who, f"has class_name={shorten(name)}", nearest(name, ARGUMENTS))
    if not isinstance(config, Mapping):
        raise ScheduleError(who, f"has config={shorten(config)}", "give a dict of its arguments")
    return _read_arguments(name, config, context)


def _read_arguments(name: str, config: Mapping[str, Any], context: RunFacts) -> Plan:
    return SHAPES[name](KerasArguments(name, name, config), context.total)


# Functions ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _ByEpoch:
    """What a `LearningRateScheduler` sets at the beginning of each epoch.

    Attributes:
        schedule: Function of the epoch and the current rate, or of the epoch alone.
        epoch: Updates in an epoch.
        first: The rate before the first epoch; None if not known.
    """

    schedule: Callable[..., Any]
    epoch: Fraction
    first: float | None
    known: list[float] = field(default_factory=list[float], compare=False, repr=False)

    def __call__(self, t: int) -> float:
        while len(self.known) <= t // self.epoch:
            before = self.known[-1] if self.known else self.first
            self.known.append(self._set(len(self.known), before))
        return self.known[int(t // self.epoch)]

    def _set(self, epoch: int, before: float | None) -> float:
        try:  # in the order in which Keras tries
            rate = self.schedule(epoch, np.nan if before is None else before)
        except TypeError:
            rate = self.schedule(epoch)
        if before is None and np.isnan(rate):
            rule = "depends on the rate that the optimizer has at the beginning"
            raise ScheduleError("LearningRateScheduler", rule, ask("lr"))
        if not isinstance(rate, float | np.floating):
            rule = f"needs a function that gives floats, got {shorten(rate)} for epoch {epoch}"
            raise ScheduleError("LearningRateScheduler", rule, "write float(…)")
        return float(np.float32(rate))  # the optimizer's variable


def _read_callback(source: Any, context: RunFacts) -> Plan:
    who = "LearningRateScheduler"
    given = context.more.get("lr")
    first = None if given is None else float(np.float32(number(who, "lr", given)))
    function = _ByEpoch(source.schedule, context.need(who, "epoch"), first)
    function(0)  # refused now, not at the first update
    note = (
        f"The plan calls the function of {who} once for each epoch, with a peak of 1, and cannot "
        "be written down."
    )
    return Plan(lr=Function(function), peak={"lr": 1.0}, notes=(note,))


FORMATS = (
    Format("keras", "a Keras schedule or callback, live or serialised", _matches, guarded(_read)),
)
