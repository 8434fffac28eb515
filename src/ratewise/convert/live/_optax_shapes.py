"""The schedules of Optax as moves, quirks included."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ratewise import schedule as rw
from ratewise.convert.formats import ask
from ratewise.convert.live._optax_specs import OptaxSpec
from ratewise.convert.pieces.layout import Layout, stairs
from ratewise.schedule import Move, ScheduleError
from ratewise.schedule.errors import number, shorten


@dataclass(frozen=True)
class Unscaled:
    """A schedule that can be laid out once the peak is known.

    Attributes:
        top: Its largest value where that is known, or its first: what level 1 stands for.
        lay: Adds the moves to a layout, their levels in units of a peak.
        notes: What the reader of the plan should know.
    """

    top: float
    lay: Callable[[Layout, float], None]
    notes: tuple[str, ...] = ()


def constant(value: float, *notes: str) -> Unscaled:
    return Unscaled(value, lambda layout, peak: layout.hold(layout.start(value / peak)), notes)


# From one value to another ------------------------------------------------------------------


def _slope(s: OptaxSpec, power: float) -> Unscaled:
    first, last = s.amount("init_value"), s.amount("end_value")
    of = s.amount("transition_steps", low=-math.inf)
    begin = max(0.0, s.amount("transition_begin", low=-math.inf))
    if of <= 0 or power == 0.0:
        reason = "power is 0" if of > 0 else f"transition_steps is {of:g}"
        return constant(first, f"Because {reason}, the value stays at init_value={first:g}.")
    return line(first, last, of, power=power, begin=begin)


def line(
    first: float,
    last: float,
    of: float,
    *,
    power: float = 1.0,
    begin: float = 0.0,
    climb: bool = False,
) -> Unscaled:
    """Return the way between two values over `of` updates, after `begin` of them."""

    def lay(layout: Layout, peak: float) -> None:
        start, to = layout.start(first / peak), last / peak
        if begin:
            layout.hold(start, over=math.ceil(begin))
            start = None
        move: Move = (
            rw.Linear(to, start=start) if power == 1.0 else rw.Polynomial(to, power, start=start)
        )
        if climb:
            move = rw.Warmup(to=to, start=first / peak)
        layout.add(move, of, begin=math.ceil(begin) - begin)

    return Unscaled(max(first, last), lay)


def decay(s: OptaxSpec, first: float) -> Unscaled:
    """Return `exponential_decay` from a value, with the arguments of a spec."""
    rate, of = s.amount("decay_rate"), s.amount("transition_steps", low=-math.inf)
    end = None if s["end_value"] is None else s.amount("end_value")
    if of <= 0 or rate == 0.0:
        reason = "decay_rate is 0" if of > 0 else f"transition_steps is {of:g}"
        return constant(first, f"Because {reason}, the value stays at {first:g} for ever.")
    if end is not None and (end >= first if rate < 1 else end <= first):
        return constant(end, f"end_value={end:g} is the limit from the first update on.")
    if first == 0.0:
        return constant(0.0)
    begin = max(0, int(s.amount("transition_begin", low=-math.inf)))
    if s["transition_begin"] > begin:
        raise ScheduleError(s.name, f"has transition_begin={s['transition_begin']}", "give an int")
    return Unscaled(first, lambda layout, peak: _lay_decay(s, layout, first / peak, begin, peak))


def _lay_decay(s: OptaxSpec, layout: Layout, first: float, begin: int, peak: float) -> None:
    rate, of, inner = s.amount("decay_rate"), s.amount("transition_steps"), layout.inner()
    start, stairway = inner.start(first), bool(s["staircase"])
    if begin:
        inner.hold(start, over=begin)
        start = None
    if of == int(of):
        inner.rest(rw.ExponentialDecay(rate, int(of), stairway, start=start))
    elif not stairway:
        inner.rest(rw.ExponentialDecay(rate ** (1 / of), start=start))
    else:
        if inner.run is None:
            raise ScheduleError(s.name, f"has stairs of {of:g} updates", ask("total"))
        if inner.room(math.inf):
            left = inner.room(math.inf)
            inner.rest(stairs(left, of, lambda m: first * rate**m))
    if s["end_value"] is None:
        layout.take(inner)
        return
    limit = s.amount("end_value") / peak
    whole = inner.schedule()
    layout.take(inner, whole.clip(low=limit) if rate < 1 else whole.clip(high=limit))


def _cosine(s: OptaxSpec) -> Unscaled:
    return fall(s, s.amount("init_value"), s.amount("alpha"), s.amount("decay_steps", above=True))


def fall(s: OptaxSpec, first: float, alpha: float, of: float) -> Unscaled:
    """Return `cosine_decay_schedule` from a value, with the exponent of a spec."""
    exponent = s.amount("exponent")
    if exponent == 0.0:
        return constant(first, f"Because exponent is 0, the value stays at {first:g}.")

    def lay(layout: Layout, peak: float) -> None:
        start, to = layout.start(first / peak), alpha * (first / peak)
        wave = rw.Wave(to, exponent=exponent, start=start)
        layout.add(rw.Cosine(to, start=start) if exponent == 1.0 else wave, of)

    return Unscaled(first * max(1.0, alpha), lay)


# By points ----------------------------------------------------------------------------------


def points_of(s: OptaxSpec, low: float) -> dict[int, float]:
    """Return `boundaries_and_scales` with whole positions, in rising order."""
    given = s["boundaries_and_scales"] or {}
    if not isinstance(given, Mapping):
        rule = f"has boundaries_and_scales={shorten(given)}"
        raise ScheduleError(s.name, rule, "give a dict of updates and scales")
    pairs = {
        _position(s, key, low): number(s.name, f"scale of {key}", v) for key, v in given.items()
    }
    return dict(sorted(pairs.items()))


def _position(s: OptaxSpec, key: Any, low: float) -> int:
    plain = int(key) if isinstance(key, str) and key.lstrip("-").isdigit() else key
    position = number(s.name, f"the boundary {shorten(key)}", plain, low=low)
    if position != int(position):
        raise ScheduleError(s.name, f"has the boundary {shorten(key)}", "give a whole number")
    return int(position)


def through(first: float, points: Mapping[int, float], shape: str, unit: float = 1.0) -> Unscaled:
    """Return `first` at 0 and then `first` times the scales so far at each point.

    Args:
        first: Value at the beginning, in units of `unit`.
        points: Positions with scales, in rising order.
        shape: As of `Piecewise`.
        unit: What the values are multiples of.
    """
    values, level = {0: first}, first
    for position, scale in points.items():
        level *= scale
        values[max(0, position)] = level
    top = max(values.values()) * unit

    def lay(layout: Layout, peak: float) -> None:
        levels = {x: value * unit / peak for x, value in values.items()}
        layout.rest(rw.Piecewise(levels, shape))

    return Unscaled(top, lay)


def _piecewise_constant(s: OptaxSpec) -> Unscaled:
    return through(s.amount("init_value"), points_of(s, -math.inf), "constant")


def _piecewise_interpolate(s: OptaxSpec) -> Unscaled:
    shape = s["interpolate_type"]
    if shape not in ("linear", "cosine"):
        rule = f"has interpolate_type={shorten(shape)}"
        raise ScheduleError(s.name, rule, "give 'linear' or 'cosine'")
    return through(s.amount("init_value"), points_of(s, 0.0), shape)


def _one_cycle(s: OptaxSpec, shape: str) -> Unscaled:
    """Return the points of a cycle: up, down where it is linear, and the end."""
    of, div = s.whole("transition_steps"), s.amount("div_factor", above=True)
    s.amount("peak_value")
    final = s.amount("final_div_factor", above=True)
    pairs = [(int(s.amount("pct_start") * of), div)]
    if shape == "linear":
        pairs.append((int(s.amount("pct_final") * of), 1.0 / div))
    if of < 1:
        raise ScheduleError(s.name, f"has transition_steps={of}", "give 1 or more")
    pairs.append((of, 1.0 / final if shape == "linear" else 1.0 / (div * final)))
    points = dict(pairs)
    curve = through(1 / div, dict(sorted(points.items())), shape, s["peak_value"])
    if len(points) == len(pairs):
        return curve
    note = (
        "Phases that end at the same update count once: Optax keeps the last, so the cycle of "
        f"{s['transition_steps']} updates has {len(points)} phases, not {len(pairs)}."
    )
    return Unscaled(curve.top, curve.lay, (note,))


SIMPLE: dict[str, Callable[[OptaxSpec], Unscaled]] = {
    "constant_schedule": lambda s: constant(s.amount("value")),
    "cosine_decay_schedule": _cosine,
    "cosine_onecycle_schedule": lambda s: _one_cycle(s, "cosine"),
    "exponential_decay": lambda s: decay(s, s.amount("init_value")),
    "linear_onecycle_schedule": lambda s: _one_cycle(s, "linear"),
    "linear_schedule": lambda s: _slope(s, 1.0),
    "piecewise_constant_schedule": _piecewise_constant,
    "piecewise_interpolate_schedule": _piecewise_interpolate,
    "polynomial_schedule": lambda s: _slope(s, s.amount("power")),
}
