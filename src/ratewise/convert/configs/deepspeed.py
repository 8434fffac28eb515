"""The `scheduler` of a DeepSpeed JSON config.

DeepSpeed steps its schedulers after each update, beginning at -1: update 0 runs at the rate that
the constructor sets, and update t at the formula's value for t - 1.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ratewise.convert.configs._keys import Keys, dig, plan, section
from ratewise.convert.configs._pieces import Piece, between, climb, hold, lay, part, whole
from ratewise.convert.formats import Context, Format, ask
from ratewise.schedule import (
    Cosine,
    Hold,
    InverseTime,
    Linear,
    Piecewise,
    Plan,
    ScheduleError,
    Warmup,
)
from ratewise.schedule.errors import shorten


@dataclass(frozen=True)
class _Case:
    """A scheduler to be read: its parameters, what `read` was told, the whole config."""

    keys: Keys
    ctx: Context
    config: Mapping[str, Any]

    def optimizer_rate(self) -> float | None:
        """Return the rate of the optimizer, which is the peak where the scheduler has none."""
        rate = dig(self.config, "optimizer", "params", "lr")
        return Keys(self.keys.who, {"lr": None if rate == "auto" else rate}).rate(self.ctx)


# Range test ---------------------------------------------------------------------------------


def _range_test(case: _Case) -> Plan:
    keys, total = case.keys, case.ctx.need_total(case.keys.who)
    low = keys.number("lr_range_test_min_lr", 1e-3, above=True)
    size = keys.whole("lr_range_test_step_size", 2000, low=1)
    growth = keys.number("lr_range_test_step_rate", 1.0)
    if keys.flag("lr_range_test_staircase"):
        levels = {k * size: 1 + growth * k for k in range((total - 1) // size + 1)}
        return plan(Piecewise(levels, over=total), low)
    return plan(Linear(to=1 + growth * (total / size), over=total, start=1.0), low)


# One cycle ----------------------------------------------------------------------------------


def _one_cycle(case: _Case) -> Plan:
    keys = case.keys
    high = keys.number("cycle_max_lr", above=True)
    low = keys.number("cycle_min_lr") / high
    up = keys.whole("cycle_first_step_size", 2000, low=1)
    down = keys.whole("cycle_second_step_size", up)
    pace = keys.whole("decay_step_size", 0)
    fall = keys.number("decay_lr_rate", 0.0)
    decays = InverseTime(fall, every=pace, start=low) if fall and pace else None
    tail: Piece = (None, whole(decays) if decays else hold(low))
    pieces = [(n, between(make, low)) for n, make in _cycle(keys, up, down)]
    notes: list[str] = []
    if not down:
        notes.append(f"The cycle has no second half: update {up} is back at cycle_min_lr.")
    more = _momentum(case, up, down, pace, notes)
    return plan(lay(case.ctx.total, *pieces, tail), high, notes, **more)


def _cycle(keys: Keys, up: int, down: int, first: float = 0.0) -> list[Piece]:
    """Return the way from 0 up to 1 and down to 0, update 0 at `first`, smoothly or in stairs."""
    stairs = keys.whole("cycle_first_stair_count", 0)
    others = keys.whole("cycle_second_stair_count", stairs)
    climb, fall = Linear(to=1.0, start=0.0), part(Linear(to=0.0, start=1.0), max(down, 1))
    if stairs:
        levels = {k: (k * stairs // up) / stairs for k in _edges(up, stairs)}
        rise = [(up, whole(Piecewise({**levels, 0: first})))]
    else:
        rise = [(1, hold(first)), (up - 1, part(climb, up, begin=1))]
    if others and down:
        falling = sorted({0} | {down - k + 1 for k in _edges(down, others) if k})
        fall = whole(Piecewise({k: ((down - k) * others // down) / others for k in falling}))
    return [*rise, (down, fall)]


def _edges(n: int, stairs: int) -> list[int]:
    """Return the updates in [0, n] at which floor(k·stairs/n) changes, and update 1."""
    if stairs >= n:
        return list(range(n + 1))
    return sorted({1} | {-(-j * n // stairs) for j in range(stairs + 1)})


def _momentum(case: _Case, up: int, down: int, pace: int, notes: list[str]) -> dict[str, Any]:
    """Return the schedules of the momentum and of the second beta, and add to the notes."""
    keys = case.keys
    if not keys.flag("cycle_momentum", True):
        return {}
    optimizer = str(dig(case.config, "optimizer", "type") or "Adam")
    if optimizer.lower() in ("sgd", "adagrad", "rmsprop"):
        notes.append(f"{optimizer} has no betas, so its momentum is left alone.")
        return {}
    high = keys.number("cycle_max_mom", 0.9, above=True)
    low = keys.number("cycle_min_mom", 0.8) / high
    growth = keys.number("decay_mom_rate", 0.0) / pace if pace else 0.0
    cycle = _cycle(keys, up, down, first=1.0)
    pieces = [(n, between(make, 1.0, low)) for n, make in cycle]
    tail: Piece = (None, hold(1.0))
    if growth:
        rest = case.ctx.need_total(f"{keys.who}(decay_mom_rate)") - up - down
        tail = (rest, part(Linear(to=1 + growth * rest, start=1.0), max(rest, 1)))
        notes.append(f"From update {up + down} on the momentum grows, and may pass 1.")
    notes.append("The momentum of update 0 is cycle_min_mom, that of update 1 near cycle_max_mom.")
    notes.append("The second beta is set to 0.99.")
    return {
        "momentum": lay(case.ctx.total, *pieces, tail),
        "keys": {"betas[1]": Hold()},
        "peak": {"momentum": high, "betas[1]": 0.99},
    }


# Warm-ups -----------------------------------------------------------------------------------


def _warm(keys: Keys, start: float, before: float) -> tuple[int, list[Piece]]:
    """Return the updates that warm up and their pieces; update 0 is at level `before`."""
    steps = max(2, keys.whole("warmup_num_steps", 1000, low=1))
    if keys.choice("warmup_type", ("log", "linear"), "log") == "linear":
        return steps, [(1, hold(before)), (steps, climb(steps, start))]
    rise = part(Warmup(start=start, shape="log"), steps - 1)
    return steps, [(1, hold(before)), (steps - 1, rise), (1, hold(1.0))]


def _idle(start: float) -> list[str]:
    if start:
        return ["Updates 0 and 1 both run at the lowest rate."]
    return ["Updates 0 and 1 run at rate 0 and change nothing."]


def _peak_and_start(case: _Case) -> tuple[float | None, float]:
    keys = case.keys
    known = keys.has("warmup_max_lr")
    peak = keys.number("warmup_max_lr", above=True) if known else case.optimizer_rate()
    low = keys.number("warmup_min_lr", 0.0)
    return peak, keys.floor("warmup_min_lr", low, peak)


def _warmup(case: _Case) -> Plan:
    peak, start = _peak_and_start(case)
    _, pieces = _warm(case.keys, start, start)
    return plan(lay(case.ctx.total, *pieces, (None, hold(1.0))), peak, _idle(start))


def _warmup_decay(case: _Case) -> Plan:
    if not case.keys.has("warmup_max_lr"):
        case = dataclasses.replace(case, keys=case.keys.having(warmup_max_lr=0.001))
    peak, start = _peak_and_start(case)
    steps, pieces = _warm(case.keys, start, start)
    total = _total(case)
    rest = total - steps
    fall = part(Linear(to=start, start=1.0), max(rest, 1))
    notes = _idle(start)
    if rest <= 0:
        notes.append(f"From update {steps + 1} on the rate is at its lowest: no updates are left.")
    lr = lay(case.ctx.total or total, *pieces, (rest, fall), (None, hold(start)))
    return plan(lr, peak, notes)


def _warmup_cosine(case: _Case) -> Plan:
    keys = case.keys
    start = keys.number("warmup_min_ratio", 0.0)
    low = keys.number("cos_min_ratio", 1e-4)
    steps, pieces = _warm(keys, start, 0.0)
    rest = max(_total(case) - steps, 1)
    fall = part(Cosine(to=low, start=1.0), rest, begin=1)
    notes = ["Update 0 runs at rate 0, whatever warmup_min_ratio says."] if start else _idle(0.0)
    if keys.choice("warmup_type", ("log", "linear"), "log") == "linear":
        notes.append(f"No update runs at the peak: {steps} and {steps + 1} are on either side.")
    lr = lay(case.ctx.total, *pieces, (rest - 1, fall), (None, hold(low)))
    return plan(lr, case.optimizer_rate(), notes)


def _total(case: _Case) -> int:
    """Return total_num_steps, or the total of the run where it is "auto"."""
    if case.keys.has("total_num_steps"):
        return case.keys.whole("total_num_steps", low=1)
    return case.ctx.need_total(f"{case.keys.who}(total_num_steps)")


# The format ---------------------------------------------------------------------------------

_WARM = ("warmup_num_steps", "warmup_type")
_KINDS: dict[str, tuple[Callable[[_Case], Plan], tuple[str, ...]]] = {
    "LRRangeTest": (
        _range_test,
        tuple(
            f"lr_range_test_{name}" for name in ("min_lr", "step_size", "step_rate", "staircase")
        ),
    ),
    "OneCycle": (
        _one_cycle,
        (
            "cycle_min_lr",
            "cycle_max_lr",
            "decay_lr_rate",
            "cycle_first_step_size",
            "cycle_second_step_size",
            "cycle_first_stair_count",
            "cycle_second_stair_count",
            "decay_step_size",
            "cycle_momentum",
            "cycle_min_mom",
            "cycle_max_mom",
            "decay_mom_rate",
        ),
    ),
    "WarmupLR": (_warmup, ("warmup_min_lr", "warmup_max_lr", *_WARM)),
    "WarmupDecayLR": (
        _warmup_decay,
        ("total_num_steps", "warmup_min_lr", "warmup_max_lr", *_WARM),
    ),
    "WarmupCosineLR": (
        _warmup_cosine,
        ("total_num_steps", "warmup_min_ratio", "cos_min_ratio", *_WARM),
    ),
}


def _section(source: Any) -> Any:
    inner = dig(source, "scheduler")
    return source if inner is None else inner


def _matches(source: Any) -> bool:
    kind = dig(_section(source), "type")
    return isinstance(kind, str) and kind in _KINDS


def _read(source: Any, ctx: Context) -> Plan:
    found = Keys("deepspeed scheduler", section("deepspeed scheduler", _section(source)))
    kind = found.choice("type", _KINDS)
    build, known = _KINDS[kind]
    who = f"deepspeed {kind}"
    params = section(f"{who} params", found.given.get("params") or {})
    given = Keys(who, params).only([*known, "last_batch_iteration"]).given
    return build(_Case(Keys(who, _filled(who, given, ctx)), ctx, section(who, source)))


def _filled(who: str, given: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """Return the parameters with what was told in place of "auto"."""
    filled = dict(given)
    for name, value in given.items():
        if isinstance(value, list | tuple):
            rule = f"has one {name} for each group, {shorten(value)}"
            raise ScheduleError(who, rule, "read each group with a value of its own")
        if value == "auto" and name == "total_num_steps":
            filled[name] = ctx.more.get(name, ctx.total)
        elif value == "auto":
            filled[name] = ctx.more.get(name)
        if value == "auto" and filled[name] is None:
            fix = "total" if name == "total_num_steps" else name
            raise ScheduleError(who, f'has {name}="auto"', ask(fix))
    return filled


FORMATS = (Format("deepspeed", "DeepSpeed JSON", _matches, _read),)
