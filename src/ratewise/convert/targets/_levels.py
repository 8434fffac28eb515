"""A resolved schedule as formulas over stretches of updates."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ratewise import schedule as rw
from ratewise.convert.targets._nodes import CycleAt, Number, Op, Place, make
from ratewise.convert.targets._values import Span, Tracer, Value, apply, constant, position
from ratewise.schedule import Between, Clip, Product, Repeat, Scale, Schedule, Sequence, Until
from ratewise.schedule.errors import ScheduleError
from ratewise.schedule.lengths import Horizon
from ratewise.schedule.repeat import Cycles
from ratewise.schedule.track import Track

FARTHEST = 2**31
"""Cycles that grow without end are written out up to this update."""


def formulas(schedule: Schedule) -> Value:
    """Return the levels of a resolved schedule at updates 0, 1, … for ever."""
    check(schedule)
    return _laid(schedule, None, 0).joined()


def check(schedule: Schedule) -> None:
    """Refuse a schedule that cannot be written down as formulas."""
    if not type(schedule).written:
        raise ScheduleError(repr(schedule), *_why(schedule))
    for inner in (schedule.move,) if isinstance(schedule, rw.Part) else schedule.parts:
        check(inner)


def _why(schedule: Schedule) -> tuple[str, str]:
    if isinstance(schedule, rw.Function):
        return "cannot be written down", "write its levels as a Piecewise, or use it from ratewise"
    if isinstance(schedule, rw.Feedback):
        rule = "decides by a metric, so its levels are not known before the run"
        return rule, "use it from ratewise, or write down what it decided"
    rule = f"is of the kind {type(schedule).__name__}, whose formula ratewise does not know"
    return rule, "write it with moves of ratewise, or its levels as a Piecewise"


def _laid(schedule: Schedule, before: float | None, at: int) -> Value:
    """Return the levels from update `at` on, behind the level `before`; the end is held."""
    track = schedule.track(before)
    if track.length == 0:
        return constant(track.end, at)
    inside = _HOW.get(type(schedule), _leaf)(schedule, before, at, track)
    if track.length is None:
        return inside
    stop = at + track.length
    return inside.within(at, stop).then(constant(track.end, stop))


def _leaf(schedule: Any, before: float | None, at: int, track: Track) -> Value:
    stop = None if track.length is None else at + track.length
    return track.inside(Tracer(), position(at, stop))


def _sequence(schedule: Sequence, before: float | None, at: int, track: Track) -> Value:
    laid: Value = Value(())
    for move in schedule.moves:
        own = move.track(before)
        if own.length == 0:
            continue
        part, before = _laid(move, before, at), own.end
        if own.length is None:
            return laid.then(part)
        laid, at = laid.then(part.within(at, at + own.length)), at + own.length
    return laid


def _product(schedule: Product, before: float | None, at: int, track: Track) -> Value:
    first, *others = schedule.factors
    level = _laid(first, before, at)
    for factor in others:
        level = level * _laid(factor, None, at)
    return level


def _scale(schedule: Scale, before: float | None, at: int, track: Track) -> Value:
    return _laid(schedule.schedule, before, at) * schedule.factor


def _clip(schedule: Clip, before: float | None, at: int, track: Track) -> Value:
    level = _laid(schedule.schedule, before, at)
    for name, limit in (("maximum", schedule.low), ("minimum", schedule.high)):
        if limit is not None:
            level = apply(name, level, float(limit))
    return level


def _between(schedule: Between, before: float | None, at: int, track: Track) -> Value:
    s = _laid(schedule.schedule, before, at)
    level = s * schedule.high + (1 - s) * schedule.low
    return apply("maximum", level, 0.0) if schedule.low > schedule.high else level


def _stairs(schedule: Any, before: float | None, at: int, track: Track) -> Value:
    """Return the levels of moves that go through given positions."""
    if getattr(schedule, "every", None) is not None:
        return _leaf(schedule, before, at, track)
    sloped = isinstance(schedule, rw.Piecewise) and schedule.shape != "constant"
    at_steps: Any = getattr(schedule, "at", None)
    given = [x for x, _ in schedule.points] if at_steps is None else at_steps
    n = track.length
    places = sorted({0, *(x for x in given if sloped or n is None or x < n)})
    levels = dict(schedule.points) if sloped else {}
    for x in places:
        if x not in levels:
            levels[x] = float(track.levels(np, np.array([x], dtype=np.int64))[0])
    laid = Value(())
    for x, y in itertools.pairwise(places):
        laid = laid.then(_slope(schedule, at + x, at + y, levels[x], levels[y], sloped))
    return laid.then(constant(levels[places[-1]], at + places[-1]))


def _slope(schedule: Any, a: int, b: int, first: float, last: float, sloped: bool) -> Value:
    if not sloped:
        return constant(first, a, b)
    kind = rw.Linear if schedule.shape == "linear" else rw.Cosine
    move = kind(to=last, over=b - a, start=first)
    return move.piece(first, b - a).inside(Tracer(), position(a, b))


def _until(schedule: Until, before: float | None, at: int, track: Track) -> Value:
    return _laid(schedule.schedule, before, at)


# Cycles -------------------------------------------------------------------------------------


def _repeat(schedule: Repeat, before: float | None, at: int, track: Track) -> Value:
    every: Any = schedule.every
    n = track.length
    if schedule.grow == 1.0 and (n is None or n > every) and schedule.times != 1:
        return _periodic(schedule, before, at, track)
    return _written_out(schedule, before, at, n)


def _periodic(schedule: Repeat, before: float | None, at: int, track: Track) -> Value:
    every: Any = schedule.every
    cycle = _laid(schedule.pattern, before, 0).within(0, every).joined()
    k = Place(1, -at)
    level = CycleAt(cycle, Op("remainder", (k, Number(every))))
    only = cycle.spans[0].node
    node = only if len(cycle.spans) == 1 and isinstance(only, Number) else level
    if schedule.shrink != 1.0:
        count = Op("floor_divide", (k, Number(every)))
        node = make("multiply", node, make("power", Number(schedule.shrink), count))
    if schedule.times is None:
        return Value((Span(at, None, node),))
    stop = schedule.times * every
    held = float(track.levels(np, np.array([stop], dtype=np.int64))[0])
    return Value((Span(at, at + stop, node),)).then(constant(held, at + stop))


def _written_out(schedule: Repeat, before: float | None, at: int, n: int | None) -> Value:
    every: Any = schedule.every
    cycles = Cycles(Fraction(every), schedule.grow)
    laid, i, start = Value(()), 0, 0
    while True:
        stop = cycles.boundary(i + 1)
        pattern = schedule.pattern.fit(Horizon(total=stop - start), stop - start)
        level = _laid(pattern, before, at + start) * float(schedule.shrink**i)
        last = i + 1 == schedule.times or stop >= (FARTHEST if n is None else n)
        laid = laid.then(level.within(at + start, None if last else at + stop))
        if last:
            return laid
        i, start = i + 1, stop


_Layer = Callable[[Any, float | None, int, Track], Value]
_HOW: dict[type[Any], _Layer] = {
    Sequence: _sequence,
    Product: _product,
    Scale: _scale,
    Clip: _clip,
    Between: _between,
    Until: _until,
    Repeat: _repeat,
    rw.Piecewise: _stairs,
    rw.Step: _stairs,
}
"""Compositions, and what goes through given positions; the formula of any other is traced."""
