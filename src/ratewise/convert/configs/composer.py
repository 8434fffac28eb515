"""The `scheduler` of a Composer or LLM Foundry YAML config."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from ratewise.convert.configs import _composer_warmups as warmups
from ratewise.convert.configs._composer_case import Case
from ratewise.convert.configs._composer_time import Clock, Time
from ratewise.convert.formats import Context, Format
from ratewise.convert.pieces.keys import Keys, dig, plan, section
from ratewise.convert.pieces.moves import (
    Piece,
    count,
    hold,
    lay,
    part,
)
from ratewise.schedule import (
    Cosine,
    Exponential,
    ExponentialDecay,
    Linear,
    Plan,
    Polynomial,
    Repeat,
    Schedule,
    ScheduleError,
    Step,
)


def _fall(move: Any, of: Fraction, low: float) -> list[Piece]:
    """Return a move over a length that need not be whole, and its end held."""
    return [(count(of), part(move, of)), (None, hold(low))]


# Without warm-up ----------------------------------------------------------------------------


def _step(case: Case) -> Schedule:
    size, factor = case.positive("step_size"), case.keys.number("gamma", 0.1)
    if size.denominator == 1:
        return Step(factor, every=int(size))
    number = math.ceil(case.clock.ctx.need_total(case.keys.who) / size)
    return Step(factor, at=[count(size * i) for i in range(1, number + 1)])


def _multistep(case: Case) -> Schedule:
    at = sorted(count(time) for time in case.times("milestones"))
    return Step(case.keys.number("gamma", 0.1), at=at) if at else hold(1.0)(None)


def _constant(case: Case) -> Schedule:
    alpha, end = case.keys.number("alpha", 1.0), count(case.length("t_max", "1dur"))
    if alpha != 1.0 and (case.total is None or case.total > end):
        case.notes.append(f"From update {end} on the rate is that of the optimizer, not alpha.")
    return lay(case.total, (end, hold(alpha)), (None, hold(1.0)))


def _linear(case: Case) -> Schedule:
    first, last = case.keys.number("alpha_i", 1.0), case.keys.number("alpha_f", 0.0)
    move = Linear(to=last, start=first)
    return lay(case.total, *_fall(move, case.positive("t_max", "1dur"), last))


def _exponential(case: Case) -> Schedule:
    rate, period = case.keys.number("gamma", above=True), case.positive("decay_period", "1ep")
    if period.denominator == 1:
        return ExponentialDecay(rate, every=int(period))
    run = case.clock.ctx.need_total(case.keys.who)
    return Exponential(to=rate ** float(run / period), over=run, start=1.0)


def _cosine(case: Case) -> Schedule:
    low = case.keys.number("alpha_f", 0.0)
    move = Cosine(to=low, start=1.0)
    return lay(case.total, *_fall(move, case.positive("t_max", "1dur"), low))


def _polynomial(case: Case) -> Schedule:
    low, power = case.keys.number("alpha_f", 0.0), case.keys.number("power", above=True)
    move = Polynomial(low, power, start=1.0)
    return lay(case.total, *_fall(move, case.positive("t_max", "1dur"), low))


def _restarts(case: Case) -> Schedule:
    keys = case.keys
    first, low = case.time("t_0"), keys.number("alpha_f", 0.0)
    grow = keys.number("t_mult", 1.0, high=1e6)
    updates = case.clock.updates(first)
    if updates <= 0:
        raise ScheduleError(keys.who, "has t_0=0", "give a longer one")
    if grow == 1.0 and updates.denominator == 1:
        return Repeat(Cosine(to=low, start=1.0), every=int(updates))
    run = case.clock.ctx.need_total(keys.who)
    pieces: list[Piece] = []
    begin, size, used = 0.0, first.value, 0
    while used < run:
        if size == 0:
            rule = f"has a cycle of no length at update {used}"
            raise ScheduleError(keys.who, rule, "give t_mult of 1 or more, or a longer t_0")
        end = begin + size
        stop = count(case.clock.updates(Time(end, first.unit)))
        start = case.clock.updates(Time(begin, first.unit))
        of = case.clock.updates(Time(size, first.unit))
        if stop > used:
            pieces.append((stop - used, part(Cosine(to=low, start=1.0), of, max(used - start, 0))))
        begin, size, used = end, int(grow * size), max(stop, used)
    return lay(run, *pieces)


# The format ---------------------------------------------------------------------------------

_END = ("t_max", "alpha_f")
_WARM = ("t_warmup", "scale_warmup")
_KINDS: dict[str, tuple[Callable[[Case], Schedule], tuple[str, ...]]] = {
    "Step": (_step, ("step_size", "gamma")),
    "MultiStep": (_multistep, ("milestones", "gamma")),
    "Constant": (_constant, ("alpha", "t_max")),
    "Linear": (_linear, (*_END, "alpha_i")),
    "Exponential": (_exponential, ("gamma", "decay_period")),
    "CosineAnnealing": (_cosine, _END),
    "CosineAnnealingWarmRestarts": (_restarts, ("t_0", "t_mult", "alpha_f")),
    "Polynomial": (_polynomial, (*_END, "power")),
    "MultiStepWithWarmup": (warmups.multistep, (*_WARM, "milestones", "gamma")),
    "ConstantWithWarmup": (warmups.constant, (*_WARM, "alpha", "t_max")),
    "LinearWithWarmup": (warmups.linear, (*_WARM, *_END, "alpha_i")),
    "CosineAnnealingWithWarmup": (warmups.cosine, (*_WARM, *_END)),
    "PolynomialWithWarmup": (warmups.polynomial, (*_WARM, *_END, "power")),
    "InverseSquareRootWithWarmup": (
        warmups.inverse_root,
        ("t_warmup", "t_scale", "t_cooldown", "t_max", "alpha_f_decay", "alpha_f_cooldown"),
    ),
}
_REGISTERED = {
    "constant_with_warmup": "ConstantWithWarmup",
    "cosine_with_warmup": "CosineAnnealingWithWarmup",
    "cosine_decay_with_warmup": "CosineAnnealingWithWarmup",
    "inv_sqrt_with_warmup": "InverseSquareRootWithWarmup",
    "linear_decay_with_warmup": "LinearWithWarmup",
}


def _names() -> dict[str, str]:
    """Return the kinds by every name that they go by: of the class, in snake case, registered."""
    names = dict(_REGISTERED)
    for kind in _KINDS:
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower().replace("multi_step", "multistep")
        names |= {f"{kind}Scheduler": kind, snake: kind, f"{snake}_scheduler": kind}
    return names


def _section(source: Any) -> Any:
    """Return the scheduler's keys with its name; of several schedulers the last one counts."""
    found = dig(source, "scheduler")
    found = dig(source, "schedulers") if found is None else found
    found = source if found is None else found
    if isinstance(found, list) and found:
        found = found[-1]
    if isinstance(found, Mapping) and "name" not in found and len(found) == 1:
        name, inner = next(iter(found.items()))
        return {**inner, "name": name} if isinstance(inner, Mapping) else found
    return found


def _read(source: Any, ctx: Context) -> Plan:
    found = section("composer scheduler", _section(source))
    names = _names()
    name = Keys("composer scheduler", found).word("name", names, "name")
    build, known = _KINDS[names[name]]
    who = f"composer {name}"
    keys = Keys(who, found).only(("name", "scale_schedule_ratio", *known))
    ratio = dig(source, "scale_schedule_ratio") or ctx.more.get("scale_schedule_ratio")
    scale = Keys(who, {"scale_schedule_ratio": ratio}).number(
        "scale_schedule_ratio", 1.0, above=True
    )
    duration = dig(source, "max_duration") or ctx.more.get("max_duration")
    case = Case(keys, Clock.of(who, ctx, duration, scale), [])
    peak = Keys("composer optimizer", {"lr": dig(source, "optimizer", "lr")}).rate(ctx)
    return plan(build(case), peak, case.notes)


def _matches(source: Any) -> bool:
    name = dig(_section(source), "name")
    return isinstance(name, str) and name in _names()


FORMATS = (Format("composer", "Composer or LLM Foundry YAML", _matches, _read),)
