"""Composer's schedulers with a warm-up, and that of LLM Foundry."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from ratewise.convert.configs._composer_case import Case
from ratewise.convert.configs._composer_time import Time, read_time
from ratewise.convert.pieces.moves import (
    Make,
    Piece,
    between,
    climb,
    count,
    hold,
    lay,
    part,
    whole,
)
from ratewise.schedule import Cosine, Linear, Polynomial, Power, Schedule, ScheduleError, Step


def _rise(case: Case, to: float = 1.0) -> tuple[Fraction, Piece]:
    """Return the length of the warm-up in updates, and what climbs."""
    length = case.length("t_warmup", scaled=False)
    slope = case.length("t_warmup") if case.keys.flag("scale_warmup") else length
    if length and not slope:
        raise ScheduleError(case.keys.who, "has a warm-up scaled to nothing", "give a longer one")
    if slope != length:
        case.notes.append("scale_warmup scales the slope of the warm-up but not its end: a jump.")
    if length:
        case.notes.append("Update 0 runs at rate 0 and changes nothing.")
    return length, (count(length), climb(slope, to=to) if length else hold())


def _warmed(case: Case, make: Callable[[float], Any], low: float, to: float = 1.0) -> Schedule:
    """Return a warm-up to level `to` and a move from there to `low` at t_max."""
    _check_units(case)
    length, rise = _rise(case, to)
    end = case.length("t_max", "1dur")
    first, rest = count(length), end - length
    if rest <= 0:
        return lay(case.total, rise, (None, hold(to)))
    fall = part(make(low), rest, first - length)
    return lay(case.total, rise, (count(end) - first, fall), (None, hold(low)))


def _check_units(case: Case) -> None:
    """Refuse what Composer refuses: units that differ, an end before that of the run."""
    who, clock = case.keys.who, case.clock
    warmup, end = case.time("t_warmup", scaled=False), case.time("t_max", "1dur")
    if warmup.unit != end.unit:
        rule = f"has t_warmup in {warmup.unit} and t_max in {end.unit}"
        raise ScheduleError(who, rule, "give both in one unit")
    run = clock.convert(Time(1.0, "dur"))
    if end.unit == run.unit and end.value < run.value:
        rule = f"has t_max of {end.value:g}{end.unit}, shorter than the run of {run.value:g}"
        raise ScheduleError(who, rule, "give t_max=1dur or more")


def constant(case: Case) -> Schedule:
    """Read `ConstantWithWarmupScheduler`."""
    alpha = case.keys.number("alpha", 1.0)
    return _warmed(case, lambda low: Linear(to=low, start=low), alpha, alpha)


def linear(case: Case) -> Schedule:
    """Read `LinearWithWarmupScheduler`."""
    first, last = case.keys.number("alpha_i", 1.0), case.keys.number("alpha_f", 0.0)
    return _warmed(case, lambda low: Linear(to=low, start=first), last, first)


def cosine(case: Case) -> Schedule:
    """Read `CosineAnnealingWithWarmupScheduler`."""
    low = case.keys.number("alpha_f", 0.0)
    return _warmed(case, lambda low: Cosine(to=low, start=1.0), low)


def polynomial(case: Case) -> Schedule:
    """Read `PolynomialWithWarmupScheduler`."""
    low, power = case.keys.number("alpha_f", 0.0), case.keys.number("power", 2.0, above=True)
    return _warmed(case, lambda low: Polynomial(low, power, start=1.0), low)


def multistep(case: Case) -> Schedule:
    """Read `MultiStepWithWarmupScheduler`: milestones count from update 0."""
    length, rise = _rise(case)
    first, factor = count(length), case.keys.number("gamma", 0.1)
    at = sorted(count(time) for time in case.times("milestones"))
    past = [t for t in at if t <= first]
    later = [t - first for t in at if t > first]
    if past and length:
        case.notes.append(f"{len(past)} milestones lie in the warm-up and apply at update {first}.")
    level = factor ** len(past)
    tail = whole(Step(factor, at=later, start=level)) if later else hold(level)
    return lay(case.total, rise, (None, tail))


def inverse_root(case: Case) -> Schedule:
    """Warm up, fall as √(s/(t - W + s)), cool down in a straight line."""
    keys = case.keys
    high, low = keys.number("alpha_f_decay", 0.0), keys.number("alpha_f_cooldown", 0.0)
    if high < low:
        rule = f"has alpha_f_decay={high:g} below alpha_f_cooldown={low:g}"
        raise ScheduleError(keys.who, rule, "swap them")
    for name in ("t_warmup", "t_scale", "t_cooldown"):
        unit = read_time(keys.who, name, keys.need(name)).unit
        if unit != case.clock.duration.unit:
            rule = f"has {name} in {unit} and a run in {case.clock.duration.unit}"
            raise ScheduleError(keys.who, rule, "give both in one unit")
    length, rise = _rise(case)
    scale, cooldown = case.positive("t_scale"), case.length("t_cooldown")
    begin = max(case.length("t_max", "1dur") - cooldown, length)
    first, stop = count(length), max(count(begin), count(length))
    past = first - length + scale
    if past.denominator != 1:
        rule = f"has a time scale of {float(past):g} updates"
        raise ScheduleError(keys.who, rule, "give times that are whole updates")
    root = Power(0.5, every=int(past), start=float(scale / past) ** 0.5)
    curve = between(whole(root), high)
    top = high + (1 - high) * float(scale / (begin - length + scale)) ** 0.5
    line: Make = part(Linear(to=low, start=top), cooldown, stop - begin) if cooldown else hold(top)
    n = count(begin + cooldown) - stop if cooldown else None
    return lay(case.total, rise, (stop - first, curve), (n, line), (None, hold(low)))
