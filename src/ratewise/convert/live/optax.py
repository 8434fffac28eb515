"""Reading the schedules of Optax, as specs or live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ratewise.convert.formats import Context, Format
from ratewise.convert.live._hf_layout import Layout
from ratewise.convert.live._optax_joins import NotKnownError, curve_of
from ratewise.convert.live._optax_specs import (
    Spec,
    is_closure,
    is_written,
    read_closure,
    read_written,
)
from ratewise.schedule import Function, Plan, ScheduleError
from ratewise.schedule.errors import shorten

__all__ = ["FORMATS"]


@dataclass(frozen=True)
class _Called:
    """An Optax schedule as a function from an int to a float."""

    schedule: Callable[[int], Any]

    def __call__(self, t: int) -> float:
        return float(self.schedule(t))


def _read(source: Any, context: Context) -> Plan:
    if is_written(source):
        return _read_written(source, context)
    spec = read_closure(source)
    if spec is not None:
        try:
            return _plan(spec, context)
        except NotKnownError:
            return _function(source)
    if callable(source) and not isinstance(source, type):
        return _function(source)
    fix = 'give {"optax": "cosine_decay_schedule", "init_value": 1e-3, …}, or a schedule'
    raise ScheduleError("optax", f"has no schedule in {shorten(source)}", fix)


def _read_written(source: Any, context: Context) -> Plan:
    try:
        return _plan(read_written(source), context)
    except NotKnownError:
        rule = "joins a function that Optax did not make"
        raise ScheduleError("join_schedules", rule, "give the live schedule") from None


def _plan(spec: Spec, context: Context) -> Plan:
    curve = curve_of(spec)
    layout = Layout(context.total)
    curve.lay(layout, curve.top or 1.0)
    return Plan(lr=layout.schedule(), peak={"lr": curve.top}, notes=curve.notes)


def _function(source: Any) -> Plan:
    note = (
        "The schedule is a function that only tells its values: the plan calls it at every update, "
        "with a peak of 1, and cannot be written down."
    )
    return Plan(lr=Function(_Called(source)), peak={"lr": 1.0}, notes=(note,))


FORMATS = (
    Format(
        "optax",
        "an Optax schedule, live or as its name with arguments",
        lambda source: is_written(source) or is_closure(source),
        _read,
    ),
)
