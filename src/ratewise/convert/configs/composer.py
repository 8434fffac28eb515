"""The `scheduler` of a Composer or LLM Foundry YAML config."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from ratewise import schedule as rw
from ratewise.convert.configs._composer_clock import ComposerClock, Time, read_time
from ratewise.convert.formats import Evidence, Format, FormatMark, Marks, RunFacts, dig
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, rate_at, section
from ratewise.convert.pieces.layout import shorten
from ratewise.convert.pieces.moves import (
    Piece,
    between,
    count,
    decay,
    fall,
    lay,
    part,
    rise,
    stay,
    whole,
)
from ratewise.schedule import Move, Plan, Schedule, ScheduleError


@dataclass(frozen=True, kw_only=True)
class _ComposerCase(Case):
    """A scheduler to be read, and the clock of its run."""

    clock: ComposerClock

    def time(self, name: str, default: str | None = None, *, scaled: bool = True) -> Time:
        """Return a time in batches, samples or tokens."""
        given = self.keys.given.get(name)
        given = default if given is None else given
        found = read_time(self.who, name, self.keys.need(name) if given is None else given)
        return self.clock.convert(found, self.clock.scale if scaled else 1.0)

    def length(self, name: str, default: str | None = None, *, scaled: bool = True) -> Fraction:
        """Return a length in updates, which need not be whole."""
        return self.clock.updates(self.time(name, default, scaled=scaled))

    def positive(self, name: str, default: str | None = None) -> Fraction:
        """Return a length that something is divided by."""
        length = self.length(name, default)
        if length <= 0:
            raise ScheduleError(self.who, f"divides by {name}, which is 0", "give a longer one")
        return length

    def milestones(self) -> list[int]:
        """Return the first updates at or behind the milestones, in order."""
        given = self.keys.need("milestones")
        several = given if isinstance(given, list | tuple) else [given]
        times = [read_time(self.who, "milestones", each) for each in several]
        clock = self.clock
        return sorted(count(clock.updates(clock.convert(time, clock.scale))) for time in times)


# Without warm-up ----------------------------------------------------------------------------


def _step(case: _ComposerCase) -> Schedule:
    size, factor = case.positive("step_size"), case.keys.number("gamma", 0.1)
    if size.denominator == 1:
        return rw.Step(factor, every=int(size))
    number = math.ceil(case.run / size)
    return rw.Step(factor, at=[count(size * i) for i in range(1, number + 1)])


def _multistep(case: _ComposerCase) -> Schedule:
    at = case.milestones()
    return rw.Step(case.keys.number("gamma", 0.1), at=at) if at else lay(None, stay(1.0))


def _constant(case: _ComposerCase) -> Schedule:
    alpha, end = case.keys.number("alpha", 1.0), count(case.length("t_max", "1dur"))
    if alpha != 1.0 and (case.total is None or case.total > end):
        case.notes.append(f"From update {end} on the rate is that of the optimizer, not alpha.")
    return case.lay(stay(alpha, end), stay(1.0))


def _exponential(case: _ComposerCase) -> Schedule:
    rate, period = case.keys.number("gamma", above=True), case.positive("decay_period", "1ep")
    if period.denominator == 1:
        return rw.ExponentialDecay(rate, every=int(period))
    return rw.Exponential(to=rate ** float(case.run / period), over=case.run, start=1.0)


def _restarts(case: _ComposerCase) -> Schedule:
    keys, clock = case.keys, case.clock
    first, low = case.time("t_0"), keys.number("alpha_f", 0.0)
    grow, updates = keys.number("t_mult", 1.0, high=1e6), clock.updates(first)
    if updates <= 0:
        raise ScheduleError(case.who, "has t_0=0", "give a longer one")
    if grow == 1.0 and updates.denominator == 1:
        return rw.Repeat(rw.Cosine(to=low, start=1.0), every=int(updates))
    pieces: list[Piece] = []
    begin, size, used = 0.0, first.value, 0
    while used < case.run:
        if size == 0:
            rule = f"has a cycle of no length at update {used}"
            raise ScheduleError(case.who, rule, "give t_mult of 1 or more, or a longer t_0")
        end = begin + size
        stop, start, of = (clock.updates(Time(x, first.unit)) for x in (end, begin, size))
        if count(stop) > used:
            taken = max(used - start, 0)
            pieces.append((count(stop) - used, part(decay("cosine", low), of, taken)))
        begin, size, used = end, int(grow * size), max(count(stop), used)
    return lay(case.run, *pieces)


# With or without ----------------------------------------------------------------------------

_Levels = tuple[float, float]
_Line = Callable[[Keys], tuple[Move, _Levels]]
"""What reads a decay: the move, the level at which it starts and the level at which it ends."""


def _linear(keys: Keys) -> tuple[Move, _Levels]:
    first, last = keys.number("alpha_i", 1.0), keys.number("alpha_f", 0.0)
    return decay("linear", last, first), (first, last)


def _cosine(keys: Keys) -> tuple[Move, _Levels]:
    low = keys.number("alpha_f", 0.0)
    return decay("cosine", low), (1.0, low)


def _polynomial(power: float | None = None) -> _Line:
    def read(keys: Keys) -> tuple[Move, _Levels]:
        low = keys.number("alpha_f", 0.0)
        shape = {"power": keys.number("power", power, above=True)}
        return decay("polynomial", low, **shape), (1.0, low)

    return read


def _constant_line(keys: Keys) -> tuple[Move, _Levels]:
    alpha = keys.number("alpha", 1.0)
    return decay("linear", alpha, alpha), (alpha, alpha)


def _falls(line: _Line) -> Callable[[_ComposerCase], Schedule]:
    """Return what reads a decay to `t_max`."""

    def read(case: _ComposerCase) -> Schedule:
        move, (_, low) = line(case.keys)
        return case.lay(fall(move, case.positive("t_max", "1dur")), stay(low))

    return read


# With a warm-up -----------------------------------------------------------------------------


def _rise(case: _ComposerCase, to: float = 1.0) -> tuple[Fraction, Piece]:
    """Return the length of the warm-up in updates, and what climbs."""
    length = case.length("t_warmup", scaled=False)
    slope = case.length("t_warmup") if case.keys.flag("scale_warmup") else length
    if length and not slope:
        raise ScheduleError(case.who, "has a warm-up scaled to nothing", "give a longer one")
    if slope != length:
        case.notes.append("scale_warmup scales the slope of the warm-up but not its end: a jump.")
    case.idle(float(length))
    return length, rise(length, of=slope, to=to)


def _warms(line: _Line) -> Callable[[_ComposerCase], Schedule]:
    """Return what reads a warm-up to where a decay starts, and the decay from there to t_max."""

    def read(case: _ComposerCase) -> Schedule:
        move, (top, low) = line(case.keys)
        _check_units(case)
        length, climb = _rise(case, top)
        end = case.length("t_max", "1dur")
        first, rest = count(length), end - length
        if rest <= 0:
            return case.lay(climb, stay(top))
        return case.lay(climb, (count(end) - first, part(move, rest, first - length)), stay(low))

    return read


def _check_units(case: _ComposerCase) -> None:
    """Refuse what Composer refuses: units that differ, an end before that of the run."""
    warmup, end = case.time("t_warmup", scaled=False), case.time("t_max", "1dur")
    if warmup.unit != end.unit:
        rule = f"has t_warmup in {warmup.unit} and t_max in {end.unit}"
        raise ScheduleError(case.who, rule, "give both in one unit")
    run = case.clock.convert(Time(1.0, "dur"))
    if end.unit == run.unit and end.value < run.value:
        rule = f"has t_max of {end.value:g}{end.unit}, shorter than the run of {run.value:g}"
        raise ScheduleError(case.who, rule, "give t_max=1dur or more")


def _warmed_multistep(case: _ComposerCase) -> Schedule:
    """Read milestones that count from update 0."""
    length, climb = _rise(case)
    first, factor = count(length), case.keys.number("gamma", 0.1)
    at = case.milestones()
    past = [t for t in at if t <= first]
    later = [t - first for t in at if t > first]
    if past and length:
        case.notes.append(f"{len(past)} milestones lie in the warm-up and apply at update {first}.")
    level = factor ** len(past)
    tail = (None, whole(rw.Step(factor, at=later, start=level))) if later else stay(level)
    return case.lay(climb, tail)


def _inverse_root(case: _ComposerCase) -> Schedule:
    """Warm up, fall as √(s/(t - W + s)), cool down in a straight line."""
    keys = case.keys
    high, low = keys.number("alpha_f_decay", 0.0), keys.number("alpha_f_cooldown", 0.0)
    if high < low:
        rule = f"has alpha_f_decay={high:g} below alpha_f_cooldown={low:g}"
        raise ScheduleError(case.who, rule, "swap them")
    for name in ("t_warmup", "t_scale", "t_cooldown"):
        unit = read_time(case.who, name, keys.need(name)).unit
        if unit != case.clock.duration.unit:
            rule = f"has {name} in {unit} and a run in {case.clock.duration.unit}"
            raise ScheduleError(case.who, rule, "give both in one unit")
    length, climb = _rise(case)
    scale, cooldown = case.positive("t_scale"), case.length("t_cooldown")
    begin = max(case.length("t_max", "1dur") - cooldown, length)
    first, stop = count(length), max(count(begin), count(length))
    past = first - length + scale
    if past.denominator != 1:
        rule = f"has a time scale of {float(past):g} updates"
        raise ScheduleError(case.who, rule, "give times that are whole updates")
    root = rw.Power(0.5, every=int(past), start=float(scale / past) ** 0.5)
    curve = between(whole(root), high)
    top = high + (1 - high) * float(scale / (begin - length + scale)) ** 0.5
    n = count(begin + cooldown) - stop if cooldown else None
    line = (n, part(decay("linear", low, top), cooldown, stop - begin)) if cooldown else stay(top)
    return case.lay(climb, (stop - first, curve), line, stay(low))


# The format ---------------------------------------------------------------------------------

_END = "t_max alpha_f"
_WARM = "t_warmup scale_warmup"
_KINDS: dict[str, tuple[Callable[[_ComposerCase], Schedule], str]] = {
    "Step": (_step, "step_size gamma"),
    "MultiStep": (_multistep, "milestones gamma"),
    "Constant": (_constant, "alpha t_max"),
    "Linear": (_falls(_linear), f"{_END} alpha_i"),
    "Exponential": (_exponential, "gamma decay_period"),
    "CosineAnnealing": (_falls(_cosine), _END),
    "CosineAnnealingWarmRestarts": (_restarts, "t_0 t_mult alpha_f"),
    "Polynomial": (_falls(_polynomial()), f"{_END} power"),
    "MultiStepWithWarmup": (_warmed_multistep, f"{_WARM} milestones gamma"),
    "ConstantWithWarmup": (_warms(_constant_line), f"{_WARM} alpha t_max"),
    "LinearWithWarmup": (_warms(_linear), f"{_WARM} {_END} alpha_i"),
    "CosineAnnealingWithWarmup": (_warms(_cosine), f"{_WARM} {_END}"),
    "PolynomialWithWarmup": (_warms(_polynomial(2.0)), f"{_WARM} {_END} power"),
    "InverseSquareRootWithWarmup": (
        _inverse_root,
        "t_warmup t_scale t_cooldown t_max alpha_f_decay alpha_f_cooldown",
    ),
}
_REGISTERED = {
    "constant_with_warmup": "ConstantWithWarmup",
    "cosine_with_warmup": "CosineAnnealingWithWarmup",
    "cosine_decay_with_warmup": "CosineAnnealingWithWarmup",
    "inv_sqrt_with_warmup": "InverseSquareRootWithWarmup",
    "linear_decay_with_warmup": "LinearWithWarmup",
}


def _named() -> dict[str, str]:
    """Return the kinds by every name that they go by: of the class, in snake case, registered."""
    found = dict(_REGISTERED)
    for kind in _KINDS:
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind).lower().replace("multi_step", "multistep")
        found |= {f"{kind}Scheduler": kind, snake: kind, f"{snake}_scheduler": kind}
    return found


_NAMES = _named()


def _whole(source: Any) -> Any:
    """Return the config of a run, which a file for a cluster has under its parameters."""
    inner = dig(source, "parameters")
    return (
        inner if isinstance(inner, Mapping) and {"scheduler", "schedulers"} & {*inner} else source
    )


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


def _read(source: Any, ctx: RunFacts) -> Plan:
    source = _whole(source)
    found = section("composer scheduler", _section(source))
    name = Keys("composer scheduler", found).choice("name", _NAMES, what="name")
    build, known = _KINDS[_NAMES[name]]
    who = f"composer {name}"
    keys = Keys(who, found).only("name scale_schedule_ratio", known)
    told = ("scale_schedule_ratio", "max_duration")
    run = {key: ctx.more.get(key) if dig(source, key) is None else dig(source, key) for key in told}
    scale = Keys(who, run).number("scale_schedule_ratio", 1.0, above=True)
    clock = ComposerClock.of(who, ctx, run["max_duration"], scale)
    peak = rate_at("composer optimizer", source, "optimizer.lr", ctx)
    run = clock.run()
    case = _ComposerCase(keys, ctx if run is None else ctx.lasting(run), peak, clock=clock)
    lr = build(case)
    return case.of(lr if run is None else shorten(lr, run))


_MARKS = Marks(FormatMark("name", value=_NAMES))


def _evidence(source: Any) -> Evidence:
    return replace(_MARKS(_section(_whole(source))), seen=("scheduler",))


_FACTS = {"lr": "optimizer.lr parameters.optimizer.lr"}
_READS = " ".join(
    f"{path}{key}"
    for path in ("", "parameters.")
    for key in ("scheduler", "schedulers", "optimizer.lr", "max_duration", "scale_schedule_ratio")
)
FORMATS = (Format("composer", "Composer or LLM Foundry YAML", _evidence, _read, _FACTS, _READS),)
