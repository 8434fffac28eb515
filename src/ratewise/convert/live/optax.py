"""Reading the schedules of Optax, as specs or live."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ratewise.convert.formats import Format, RunFacts
from ratewise.convert.live._border import guarded
from ratewise.convert.live._optax_shapes import SIMPLE, Unscaled, constant, decay, fall, line
from ratewise.convert.live._optax_specs import (
    OptaxSpec,
    is_closure,
    is_written,
    read_closure,
    read_written,
)
from ratewise.convert.live._replay import called
from ratewise.convert.pieces.layout import Layout
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import number, shorten


def _read(source: Any, context: RunFacts) -> Plan:
    if is_written(source):
        return _read_written(source, context)
    spec = read_closure(source)
    if spec is not None:
        try:
            return _plan(spec, context)
        except _NotKnownError:
            return _function(source)
    if callable(source) and not isinstance(source, type):
        return _function(source)
    fix = 'give {"optax": "cosine_decay_schedule", "init_value": 1e-3, …}, or a schedule'
    raise ScheduleError("optax", f"has no schedule in {shorten(source)}", fix)


def _read_written(source: Any, context: RunFacts) -> Plan:
    try:
        return _plan(read_written(source), context)
    except _NotKnownError:
        rule = "joins a function that Optax did not make"
        raise ScheduleError("join_schedules", rule, "give the live schedule") from None


def _plan(spec: OptaxSpec, context: RunFacts) -> Plan:
    curve = _curve_of(spec)
    layout = Layout(context.total)
    curve.lay(layout, curve.top or 1.0)
    return Plan(lr=layout.schedule(), peak={"lr": curve.top}, notes=curve.notes)


def _function(source: Any) -> Plan:
    note = (
        "The schedule is a function that only tells its values: the plan calls it at every update, "
        "with a peak of 1, and cannot be written down."
    )
    return called(source, note)


# Several joined ----------------------------------------------------------------------------


class _NotKnownError(Exception):
    """Raised inside where a function is met that can only be called."""


def _curve_of(s: OptaxSpec) -> Unscaled:
    """Return the curve of a spec; `_NotKnownError` where a part can only be called."""
    return _JOINED[s.name](s) if s.name in _JOINED else SIMPLE[s.name](s)


def _in_turn(curves: Sequence[Unscaled], bounds: Sequence[int]) -> Unscaled:
    """Return curves one after the other, each counting from its own beginning."""
    lengths = [*(b - a for a, b in itertools.pairwise([0, *bounds])), math.inf]

    def lay(layout: Layout, peak: float) -> None:
        for curve, n in zip(curves, lengths, strict=True):
            inner = layout.inner(n, closed=n < math.inf)
            curve.lay(inner, peak)
            layout.take(inner)

    notes = [note for curve in curves for note in curve.notes]
    return Unscaled(max(curve.top for curve in curves), lay, tuple(notes))


def climb(s: OptaxSpec) -> tuple[Unscaled, float, int]:
    """Return the warm-up of a spec, the value it reaches and its length."""
    first, peak, warmup = s.amount("init_value"), s.amount("peak_value"), s.whole("warmup_steps")
    return (warm_up(first, peak, warmup) if warmup else constant(first)), peak, warmup


def warm_up(first: float, peak: float, warmup: int) -> Unscaled:
    """Return a linear warm-up."""
    way = line(first, peak, warmup, climb=True)
    note = "Update 0 uses a value of 0 and changes nothing: the warm-up begins there."
    return Unscaled(way.top, way.lay, () if first else (note,))


def _warmup_constant(s: OptaxSpec) -> Unscaled:
    way, _, warmup = climb(s)
    if warmup:
        return way
    first = s.amount("init_value")
    note = f"Because warmup_steps is 0, the value stays at init_value={first:g} for ever."
    return constant(first, note)


def _warmup_cosine(s: OptaxSpec) -> Unscaled:
    way, peak, warmup = climb(s)
    total = s.amount("decay_steps")
    if total <= warmup:
        rule = f"has decay_steps={total:g}, which include warmup_steps={warmup}"
        raise ScheduleError(s.name, rule, "give more decay_steps than warmup_steps")
    alpha = s.amount("end_value") / peak if peak else 0.0
    return _in_turn([way, fall(s, peak, alpha, total - warmup)], [warmup])


def _warmup_exponential(s: OptaxSpec) -> Unscaled:
    way, peak, warmup = climb(s)
    return _in_turn([way, decay(s, peak)], [warmup])


def _sgdr(s: OptaxSpec) -> Unscaled:
    given = s["cosine_kwargs"]
    cycles = list(given) if _is_list(given) else []
    if not cycles or not all(isinstance(each, Mapping) for each in cycles):
        rule = f"has cosine_kwargs={shorten(given)}"
        raise ScheduleError(s.name, rule, "give a list of dicts, one for each cycle")
    specs = [OptaxSpec.of("warmup_cosine_decay_schedule", each) for each in cycles]
    ends = list(itertools.accumulate(spec.whole("decay_steps") for spec in specs))
    joined = _in_turn([_warmup_cosine(spec) for spec in specs], ends[:-1])
    return Unscaled(joined.top, joined.lay, tuple(dict.fromkeys(joined.notes)))


def _join(s: OptaxSpec) -> Unscaled:
    parts, given = s["schedules"], s["boundaries"]
    if not _is_list(parts) or not _is_list(given) or len(parts) != len(given) + 1:
        rule = f"has schedules={shorten(parts)} and boundaries={shorten(given)}"
        raise ScheduleError(s.name, rule, "give lists, with one boundary fewer than schedules")
    bounds = [number(s.name, f"boundaries[{i}]", bound) for i, bound in enumerate(given)]
    if bounds != sorted(bounds) or any(bound != int(bound) for bound in bounds):
        rule = f"has boundaries={shorten(given)}"
        raise ScheduleError(s.name, rule, "give whole numbers in rising order")
    curves = [_part(s, part) for part in parts]
    if len(parts) > 1:
        curves[0] = _as_warm_up(parts[0], bounds[0]) or curves[0]
    return _in_turn(curves, [int(bound) for bound in bounds])


def _as_warm_up(part: Any, bound: float) -> Unscaled | None:
    """Return a first part that climbs in a line up to the second as what it is for."""
    spec = read_written(part) if is_written(part) else read_closure(part)
    if spec is None or spec.name not in ("linear_schedule", "polynomial_schedule"):
        return None
    straight = spec.arguments.get("power", 1) == 1 and spec["transition_begin"] == 0
    first, last = spec.amount("init_value"), spec.amount("end_value")
    if not straight or first >= last or spec["transition_steps"] != bound:
        return None
    return warm_up(first, last, int(bound))


def _part(s: OptaxSpec, part: Any) -> Unscaled:
    if is_written(part):
        return _curve_of(read_written(part))
    spec = read_closure(part)
    if spec is not None:
        return _curve_of(spec)
    if callable(part):
        raise _NotKnownError
    rule = f"joins {shorten(part)}"
    raise ScheduleError(s.name, rule, 'give schedules, or specs such as {"optax": name, …}')


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | Mapping)


_JOINED: dict[str, Callable[[OptaxSpec], Unscaled]] = {
    "join_schedules": _join,
    "sgdr_schedule": _sgdr,
    "warmup_constant_schedule": _warmup_constant,
    "warmup_cosine_decay_schedule": _warmup_cosine,
    "warmup_exponential_decay_schedule": _warmup_exponential,
}


FORMATS = (
    Format(
        "optax",
        "an Optax schedule, live or as its name with arguments",
        lambda source: is_written(source) or is_closure(source),
        guarded(_read),
    ),
)
