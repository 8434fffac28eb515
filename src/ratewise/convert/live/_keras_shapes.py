"""The schedules of Keras as moves, quirks included."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ratewise import schedule as rw
from ratewise.convert.live._keras_config import KerasArguments
from ratewise.convert.pieces.layout import Layout, stairs
from ratewise.schedule import Move, Plan, Schedule, ScheduleError
from ratewise.schedule.errors import shorten

BY_THREE = 3 / (2 * math.pi)  # periods of a cosine for which π was cut to 3


def plan(lr: Schedule, peak: float, s: KerasArguments) -> Plan:
    return Plan(lr=lr, peak={"lr": peak}, notes=tuple(s.notes))


def half_wave(s: KerasArguments, low: float = 0.0) -> Move:
    """Return half a cosine, or what is left of it in whole numbers."""
    return rw.Wave(to=low, cycles=BY_THREE) if s.whole else rw.Cosine(to=low)


# Decays by a rate ---------------------------------------------------------------------------


def exponential(s: KerasArguments, run: int | None) -> Plan:
    peak, every, rate = s["initial_learning_rate"], s.positive("decay_steps"), s["decay_rate"]
    layout = Layout(run)
    if rate == 0.0:
        last = math.ceil(every) if s.flag("staircase") else 1
        layout.hold(over=last)
        layout.hold(0.0)
        s.notes.append(f"A decay_rate of 0 ends learning: the rate is 0 from update {last} on.")
    elif every == int(every):
        layout.rest(rw.ExponentialDecay(rate, int(every), s.flag("staircase")))
    elif s.flag("staircase"):
        layout.rest(stairs(s.need(run), every, lambda m: rate**m))
    else:
        layout.rest(rw.ExponentialDecay(rate ** (1 / every)))
    return plan(layout.schedule(), peak, s)


def inverse_time(s: KerasArguments, run: int | None) -> Plan:
    peak, every, rate = s["initial_learning_rate"], s.positive("decay_steps"), s["decay_rate"]
    if every == int(every):
        return plan(rw.InverseTime(rate, int(every), s.flag("staircase")), peak, s)
    if s.flag("staircase"):
        return plan(stairs(s.need(run), every, lambda m: 1 / (1 + rate * m)), peak, s)
    return plan(rw.InverseTime(rate / every), peak, s)


# Decays to an end ---------------------------------------------------------------------------


def polynomial(s: KerasArguments, run: int | None) -> Plan:
    """`PolynomialDecay`, with and without cycles."""
    first, last = s["initial_learning_rate"], s["end_learning_rate"]
    of, power = s.positive("decay_steps"), s["power"]
    peak, layout = max(first, last), Layout(run)
    if power == 0.0 or peak == 0.0:
        s.notes.append("The rate never changes.")
        return plan(layout.schedule(), first, s)
    start, low = layout.start(first / peak), last / peak
    if s.flag("cycle"):
        _cycles(s, layout, rw.Polynomial(low, power, start=start), of)
    else:
        straight = rw.Linear(low, start=start)
        layout.add(straight if power == 1.0 else rw.Polynomial(low, power, start=start), of)
    return plan(layout.schedule(), peak, s)


def _cycles(s: KerasArguments, layout: Layout, move: rw.Polynomial, of: float) -> None:
    s.notes.append(
        f"Behind update {math.floor(of)} the rate jumps up, not to its start but to where a decay "
        "twice as long would be, and so on in each cycle."
    )
    if s.whole and s.config["decay_steps"] != of:
        rule = f"has decay_steps={shorten(s.config['decay_steps'])} and a whole rate"
        raise ScheduleError(s.who, rule, "write the rate as a float")
    if of == int(of):
        layout.rest(rw.PolynomialCycles(move.to, move.power, int(of), start=move.start))
        return
    run, begin, i = s.need(layout.run), 0, 1
    while begin < run:
        s.check_count(i)
        end = _first(math.floor(i * of) + 1, lambda k, i=i: np.float32(k) / np.float32(of) > i)
        inner = rw.Polynomial(move.to, move.power, start=1.0 if move.start is None else move.start)
        layout.add(inner, i * of, begin=float(begin), over=end - begin)
        begin, i = end, i + 1


def cosine(s: KerasArguments, run: int | None) -> Plan:
    """`CosineDecay`, with and without a warm-up."""
    first, target, warmup = s["initial_learning_rate"], s["warmup_target"], s["warmup_steps"]
    of, low, layout = s.positive("decay_steps"), s["alpha"], Layout(run)
    if target is None:
        if warmup:
            s.notes.append(f"warmup_steps={warmup:g} has no effect: warmup_target is not given.")
        layout.add(half_wave(s, low), of)
        return plan(layout.schedule(), first, s)
    peak = target or first
    if warmup:
        way = rw.Warmup(to=target / (peak or 1.0), start=first / (peak or 1.0))
        s.notes += layout.climb(way, warmup)
    elif first != target:
        s.notes.append(f"initial_learning_rate={first:g} is never used: warmup_steps is 0.")
    if target == 0.0:
        layout.hold(0.0)
    else:
        layout.add(half_wave(s, low), of, begin=math.ceil(warmup) - warmup)
    return plan(layout.schedule(), peak, s)


# Restarts -----------------------------------------------------------------------------------


def restarts(s: KerasArguments, run: int | None) -> Plan:
    peak, of, grow = s["initial_learning_rate"], s.positive("first_decay_steps"), s["t_mul"]
    shrink, low, layout = s["m_mul"], s["alpha"], Layout(run)
    if grow < 1.0:
        rule = f"has t_mul={grow:g}: its cycles run out, and from update {of / (1 - grow):g} on"
        raise ScheduleError(s.who, f"{rule} the rate is NaN", "give t_mul of 1 or more")
    if grow > 1.0:
        s.notes.append(
            "Keras finds the cycle by a logarithm in float32: the update that begins a cycle may "
            "still be counted to the one before it, at that one's lowest rate."
        )
    if of == int(of) and grow == int(grow):
        layout.rest(rw.Repeat(half_wave(s), int(of), grow, shrink))
    else:
        _uneven(s, layout, of, grow, shrink)
    lr = layout.schedule()
    return plan(lr.between(low, 1.0) if low else lr, peak, s)


def _uneven(s: KerasArguments, layout: Layout, of: float, grow: float, shrink: float) -> None:
    """Add cycles that begin between updates."""
    run, position, i = s.need(layout.run), 0.0, 0
    start = _begin(of, grow, 0)
    while start < run:
        s.check_count(i)
        end, length = _begin(of, grow, i + 1), of * grow**i
        if end > start:
            move = rw.Cosine(to=0.0, start=float(np.power(shrink, float(i))))
            begin = max(0.0, start - position)
            layout.put(
                rw.Part(move, begin, length, over=min(end, run) - start), min(end, run) - start
            )
        position, start, i = _boundary(of, grow, i + 1), end, i + 1


def _boundary(of: float, grow: float, i: int) -> float:
    return of * i if grow == 1.0 else of * (grow**i - 1) / (grow - 1)


def _begin(of: float, grow: float, i: int) -> int:
    near = math.ceil(_boundary(of, grow, i))
    if grow != 1.0:
        return near
    return _first(near, lambda k: bool(np.float32(k) / np.float32(of) >= i))


def _first(near: int, holds: Callable[[int], Any]) -> int:
    """Return the first update for which float32 says that something holds, given one near it."""
    while near > 0 and holds(near - 1):
        near -= 1
    while not holds(near):
        near += 1
    return near


# Steps --------------------------------------------------------------------------------------


def piecewise(s: KerasArguments, run: int | None) -> Plan:
    """`PiecewiseConstantDecay`, whose boundaries still belong to what is before them."""
    bounds, values = s.numbers("boundaries", -math.inf), s.numbers("values")
    if len(values) != len(bounds) + 1:
        rule = f"has {len(bounds)} boundaries and {len(values)} values"
        raise ScheduleError(s.who, rule, "give one value more than boundaries")
    if not bounds or any(b < a for a, b in itertools.pairwise(bounds)):
        rule = f"has boundaries={shorten(s.config['boundaries'])}"
        raise ScheduleError(s.who, rule, "give one or more, in rising order")
    points = {0: values[0]}
    for bound, value in zip(bounds, values[1:], strict=True):
        points[max(0, int(bound) + 1)] = value
    peak = max(points.values())
    changes = [k for k in points if k]
    if changes:
        s.notes.append(
            f"The boundary {bounds[0]:g} still has the value before it: the next one begins at "
            f"update {changes[0]}."
        )
    levels = {k: value / (peak or 1.0) for k, value in points.items()}
    return plan(rw.Piecewise(levels), peak, s)


SHAPES: dict[str, Callable[[KerasArguments, int | None], Any]] = {
    "CosineDecay": cosine,
    "CosineDecayRestarts": restarts,
    "ExponentialDecay": exponential,
    "InverseTimeDecay": inverse_time,
    "PiecewiseConstantDecay": piecewise,
    "PolynomialDecay": polynomial,
}
