"""The learning-rate keys of an Axolotl YAML config."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ratewise.convert.configs._flags import own
from ratewise.convert.configs._keys import Keys, plan, section
from ratewise.convert.configs._pieces import (
    Make,
    Piece,
    climb,
    hold,
    lay,
    one_cycle,
    part,
    skip,
    swing,
)
from ratewise.convert.formats import Context, Format, only_one
from ratewise.schedule import Linear, Plan, Repeat, Rex, Schedule, ScheduleError, Warmup
from ratewise.schedule.errors import Fix

_WHO = "axolotl"
_KEYS = (
    "lr_scheduler",
    "lr_scheduler_kwargs",
    "lr_quadratic_warmup",
    "lr_groups",
    "lr_div_factor",
    "cosine_min_lr_ratio",
    "cosine_constant_lr_ratio",
    "warmup_steps",
    "warmup_ratio",
    "jagged_restart_steps",
    "jagged_restart_warmup_steps",
    "jagged_restart_anneal_steps",
)
_FAMILY = ("lr_", "cosine_", "warmup_", "jagged_")
_IDLE = "Update 0 runs at rate 0 and changes nothing."


@dataclass(frozen=True)
class _Case:
    """A config to be read: keys, peak, updates of the run and of the warm-up."""

    keys: Keys
    ctx: Context
    peak: float
    warmup: int
    notes: list[str]

    @property
    def steps(self) -> int:
        """The updates of the run."""
        return self.ctx.need_total(_WHO)

    @property
    def jagged(self) -> bool:
        """Whether restarts are put on top."""
        return bool(self.keys.given.get("jagged_restart_steps"))

    @property
    def rest(self) -> int:
        """The updates behind the warm-up, at least 1."""
        return max(self.steps - self.warmup, 1)

    def plan(self, *pieces: Piece, **more: Any) -> Plan:
        """Return the plan of these pieces."""
        total = self.ctx.total
        if total is not None and self.jagged:
            total += 1  # the restarts look one update ahead
        return plan(lay(total, *pieces), self.peak, self.notes, **more)

    def rise(self, shape: str = "linear") -> Piece:
        """Return the warm-up from 0."""
        if not self.warmup:
            return 0, hold()
        if shape == "linear":
            return self.warmup, climb(self.warmup)
        return self.warmup, part(Warmup(start=0.0, shape=shape), self.warmup)


# Axolotl's own schedulers -------------------------------------------------------------------


def _rex(case: _Case) -> Plan:
    low = case.keys.number("cosine_min_lr_ratio", 0.0, high=1.0)
    rise = (case.warmup, climb(case.warmup, begin=1)) if case.warmup else (0, hold())
    rest = case.steps - case.warmup
    fall = part(Rex(to=low, bend=0.1, start=1.0), rest, begin=1) if rest > 0 else hold(low)
    case.notes.append("The first step is skipped: the lowest rate is reached one update early.")
    return case.plan(rise, (max(rest - 1, 0), fall), (None, hold(low)))


_CYCLE = (
    "pct_start",
    "anneal_strategy",
    "div_factor",
    "final_div_factor",
    "three_phase",
    "cycle_momentum",
    "base_momentum",
    "max_momentum",
)


def _one_cycle(case: _Case) -> Plan:
    if case.jagged:
        rule = "has jagged restarts of one_cycle, which step past its end"
        raise ScheduleError(_WHO, rule, "use another lr_scheduler")
    who = "axolotl lr_scheduler_kwargs"
    keys = Keys(who, section(who, case.keys.given.get("lr_scheduler_kwargs") or {})).only(_CYCLE)
    steps = case.steps
    share = keys.number("pct_start", case.warmup / steps, high=1.0)
    if share * steps == 1:
        raise ScheduleError(_WHO, "has one update of warm-up, by whose end it divides", "give 2")
    if share * steps < 1:
        case.notes.append("Without a warm-up the cycle begins just below the peak.")
    low = 1 / keys.number("div_factor", 25.0, above=True)
    end = low / keys.number("final_div_factor", 1e4, above=True)
    shape = keys.choice("anneal_strategy", ("cos", "linear"), "cos")
    three = keys.flag("three_phase")
    pieces = one_cycle(
        steps, share, (low, 1.0, low, end) if three else (low, 1.0, end), shape, three
    )
    case.notes.append("The lowest rate is reached at the last update.")
    if not keys.flag("cycle_momentum", True):
        return case.plan(*pieces)
    high = keys.number("max_momentum", 0.95, above=True)
    least = keys.number("base_momentum", 0.85) / high
    mirror = (1.0, least, 1.0, 1.0) if three else (1.0, least, 1.0)
    momentum = lay(case.ctx.total, *one_cycle(steps, share, mirror, shape, three))
    return case.plan(*pieces, momentum=momentum, peak={"momentum": high})


def _quadratic(case: _Case) -> Plan:
    if case.keys.given.get("cosine_min_lr_ratio") is not None:
        case.notes.append("cosine_min_lr_ratio is ignored beside lr_quadratic_warmup.")
    return case.plan(case.rise("quadratic"), (case.rest, swing(0.0, case.rest)))


def _min_ratio(case: _Case) -> Plan:
    low = case.keys.number("cosine_min_lr_ratio", high=1.0)
    return case.plan(case.rise(), (case.rest, swing(low, case.rest)))


def _constant_ratio(case: _Case) -> Plan:
    low = case.keys.number("cosine_min_lr_ratio", high=1.0)
    stop = int(case.steps * case.keys.number("cosine_constant_lr_ratio", high=1.0))
    rest = stop - case.warmup
    if rest > 0:
        return case.plan(case.rise(), (rest, swing(low, rest)), (None, hold(low)))
    level = low if rest % 2 else 1.0  # the cosine of a whole number of half waves
    case.notes.append(
        f"The cosine would end inside the warm-up: the rate stays at {level:g} of lr."
    )
    return case.plan(case.rise(), (None, hold(level)))


def _transformers(case: _Case) -> Plan:
    """Return the plan of a scheduler of Transformers."""
    from ratewise.convert.live.transformers import FORMATS as formats

    name = case.keys.given.get("lr_scheduler") or "cosine"
    if case.keys.given.get("cosine_min_lr_ratio") and name != "cosine":
        case.notes.append(f"cosine_min_lr_ratio is ignored with lr_scheduler {name}.")
    arguments = {
        "lr_scheduler_type": name,
        "learning_rate": case.peak,
        "lr_scheduler_kwargs": case.keys.given.get("lr_scheduler_kwargs") or {},
        "warmup_steps": case.warmup,
    }
    read = formats[0].read(arguments, case.ctx)
    return dataclasses.replace(read, notes=(*case.notes, *read.notes))


def _chosen(case: _Case) -> Callable[[_Case], Plan]:
    """Return what reads the scheduler that Axolotl would choose."""
    keys, name = case.keys, case.keys.given.get("lr_scheduler") or "cosine"
    if name in ("one_cycle", "rex"):
        return _one_cycle if name == "one_cycle" else _rex
    if name != "cosine":
        return _transformers
    if keys.flag("lr_quadratic_warmup"):
        return _quadratic
    if not keys.number("cosine_min_lr_ratio", 0.0):
        return _transformers
    return _constant_ratio if keys.number("cosine_constant_lr_ratio", 0.0) else _min_ratio


# Jagged restarts ----------------------------------------------------------------------------


def _jagged(case: _Case, inner: Plan) -> Plan:
    """Return a plan times its restarts, one step later than it would be without them."""
    keys, total = case.keys, case.steps
    every = keys.whole("jagged_restart_steps", low=1)
    warmup = keys.whole("jagged_restart_warmup_steps", 0) or 10
    anneal = keys.whole("jagged_restart_anneal_steps", 0) or 1
    low = keys.number("cosine_min_lr_ratio", 0.0, high=1.0) or 0.001
    late = 2 if keys.given.get("lr_scheduler") == "rex" else 1
    restarts = _restarts((every, warmup, anneal), low, total + late)
    assert inner.lr is not None
    ahead = 0 if _chosen(case) is _transformers else 1
    lr = skip(inner.lr, 1, total + ahead) * skip(restarts, late, total + late)
    note = "Jagged restarts skip the first step: update t uses the rate of t + 1."
    return dataclasses.replace(inner, lr=lr, notes=(*inner.notes, note))


def _restarts(lengths: tuple[int, int, int], low: float, total: int) -> Schedule:
    """Return the multiplier: 1 up to the first anneal, then cycles with a warm-up each."""
    every, warmup, anneal = lengths
    first = max(every - anneal, 0)
    climbing, falling = Linear(to=1.0, start=low), Linear(to=low, start=1.0)
    rise = min(warmup, every)

    def tail(position: int) -> list[Piece]:
        fall = max(position, every - anneal)
        down: Make = part(falling, anneal, fall - (every - anneal))
        return [(fall - position, hold(1.0)), (every - fall, down)]

    late: Piece = (rise - first, part(climbing, warmup, first))  # a warm-up that is still going on
    once = lay(total, (first, hold(1.0)), late, *tail(max(rise, first)))
    if every >= total:
        return once
    cycle = lay(None, (rise, part(climbing, warmup)), *tail(rise))
    return once >> Repeat(cycle, every=every)


# The format ---------------------------------------------------------------------------------


def _warmup(keys: Keys, ctx: Context, notes: list[str]) -> int:
    """Return the updates of the warm-up as Axolotl rounds them."""
    zero_is_none = {name: keys.given.get(name) or None for name in ("warmup_steps", "warmup_ratio")}
    only_one(_WHO, zero_is_none, "warmup_steps", "warmup_ratio")
    if keys.has("warmup_steps"):
        steps = keys.whole("warmup_steps")
    elif keys.has("warmup_ratio"):
        steps = int(keys.number("warmup_ratio", high=1.0) * ctx.need_total(_WHO))
    else:
        steps = min(int(0.03 * ctx.need_total(_WHO)), 100)
        notes.append(f"No warm-up is given: Axolotl uses {steps} updates.")
    if steps == 1:
        notes.append("A warm-up of 1 update is made one of 2.")
        return 2
    return steps


def _read(source: Any, ctx: Context) -> Plan:
    given = section(_WHO, source)
    own(_WHO, given, _KEYS, _FAMILY)
    keys = Keys(_WHO, given)
    if ctx.total is None and keys.has("max_steps"):
        steps = keys.whole("max_steps", low=1)
        ctx = dataclasses.replace(ctx, horizon=dataclasses.replace(ctx.horizon, total=steps))
    peak = keys.rate(ctx, "learning_rate")
    if peak is None:
        fix = Fix("give it", "give it, or call read(…, lr=…)")
        raise ScheduleError(_WHO, "has no learning_rate", fix)
    notes: list[str] = []
    case = _Case(keys, ctx, peak, _warmup(keys, ctx, notes), notes)
    build = _chosen(case)
    if build not in (_rex, _one_cycle, _transformers) and case.warmup:
        notes.append(_IDLE)
    if keys.has("lr_groups"):
        notes.append("lr_groups have rates of their own, and the same schedule.")
    found = build(case)
    return _jagged(case, found) if case.jagged else found


def _matches(source: Any) -> bool:
    if not isinstance(source, Mapping) or not all(isinstance(key, str) for key in source):
        return False
    marks = {key for key in _KEYS if key.startswith(("cosine_", "jagged_", "lr_quadratic"))}
    marks |= {"base_model", "micro_batch_size", "sequence_len"}
    if "lr_scheduler" in source:
        marks.add("learning_rate")
    named = isinstance(source.get("lr_scheduler", ""), str)
    return named and "lr_scheduler_type" not in source and bool(marks & set(source))


FORMATS = (Format("axolotl", "Axolotl YAML", _matches, _read),)
