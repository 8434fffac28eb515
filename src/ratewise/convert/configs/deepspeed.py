"""The `scheduler` of a DeepSpeed JSON config.

DeepSpeed steps its schedulers after each update, beginning at -1: update 0 runs at the rate that
the constructor sets, and update t at the formula's value for t - 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, ask, dig, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, section, under
from ratewise.convert.pieces.moves import Piece, between, decay, fall, lay, part, rise, stay, whole
from ratewise.schedule import Hold, InverseTime, Linear, Piecewise, Plan, ScheduleError
from ratewise.schedule.errors import shorten


@dataclass(frozen=True, kw_only=True)
class _DeepSpeedCase(Case):
    """A scheduler to be read, and the whole config."""

    config: Mapping[str, Any]

    def optimizer_rate(self) -> float | None:
        """Return the rate of the optimizer, which is the peak where the scheduler has none."""
        rate = dig(self.config, "optimizer.params.lr")
        return Keys(self.who, {"lr": None if rate == "auto" else rate}).rate(self.ctx)


# Range test ---------------------------------------------------------------------------------


def _range_test(case: _DeepSpeedCase) -> Plan:
    keys, total = case.keys, case.run
    case = case.at(keys.number("lr_range_test_min_lr", 1e-3, above=True))
    size = keys.whole("lr_range_test_step_size", 2000, low=1)
    growth = keys.number("lr_range_test_step_rate", 1.0)
    if keys.flag("lr_range_test_staircase"):
        levels = {k * size: 1 + growth * k for k in range((total - 1) // size + 1)}
        return case.of(Piecewise(levels, over=total))
    return case.of(Linear(to=1 + growth * (total / size), over=total, start=1.0))


# One cycle ----------------------------------------------------------------------------------


def _one_cycle(case: _DeepSpeedCase) -> Plan:
    keys = case.keys
    high = keys.number("cycle_max_lr", above=True)
    low = keys.number("cycle_min_lr") / high
    up = keys.whole("cycle_first_step_size", 2000, low=1)
    down = keys.whole("cycle_second_step_size", up)
    pace = keys.whole("decay_step_size", 0)
    rate = keys.number("decay_lr_rate", 0.0)
    tail = stay(low)
    if rate and pace:
        tail = (None, whole(InverseTime(rate, every=pace, start=low)))
    pieces = [(n, between(make, low)) for n, make in _cycle(keys, up, down)]
    if not down:
        note = f"The cycle has no second half: update {up} is back at cycle_min_lr."
        case.notes.append(note)
    more = _momentum(case, up, down, pace)
    return case.at(high).plan(*pieces, tail, **more)


def _cycle(keys: Keys, up: int, down: int, first: float = 0.0) -> list[Piece]:
    """Return the way from 0 up to 1 and down to 0, update 0 at `first`, smoothly or in stairs."""
    stairs = keys.whole("cycle_first_stair_count", 0)
    others = keys.whole("cycle_second_stair_count", stairs)
    back = part(Linear(to=0.0, start=1.0), max(down, 1))
    if stairs:
        levels = {k: (k * stairs // up) / stairs for k in _edges(up, stairs)}
        way = [(up, whole(Piecewise({**levels, 0: first})))]
    else:
        way = [stay(first, 1), (up - 1, part(Linear(to=1.0, start=0.0), up, begin=1))]
    if others and down:
        falling = sorted({0} | {down - k + 1 for k in _edges(down, others) if k})
        back = whole(Piecewise({k: ((down - k) * others // down) / others for k in falling}))
    return [*way, (down, back)]


def _edges(n: int, stairs: int) -> list[int]:
    """Return the updates in [0, n] at which floor(k·stairs/n) changes, and update 1."""
    if stairs >= n:
        return list(range(n + 1))
    return sorted({1} | {-(-j * n // stairs) for j in range(stairs + 1)})


def _momentum(case: _DeepSpeedCase, up: int, down: int, pace: int) -> dict[str, Any]:
    """Return the schedules of the momentum and of the second beta, and add to the notes."""
    keys, notes = case.keys, case.notes
    if not keys.flag("cycle_momentum", True):
        return {}
    optimizer = str(dig(case.config, "optimizer.type") or "Adam")
    if optimizer.lower() in ("sgd", "adagrad", "rmsprop"):
        notes.append(f"{optimizer} has no betas, so its momentum is left alone.")
        return {}
    high = keys.number("cycle_max_mom", 0.9, above=True)
    low = keys.number("cycle_min_mom", 0.8) / high
    growth = keys.number("decay_mom_rate", 0.0) / pace if pace else 0.0
    cycle = _cycle(keys, up, down, first=1.0)
    pieces = [(n, between(make, 1.0, low)) for n, make in cycle]
    tail = stay(1.0)
    if growth:
        rest = case.ctx.need_total(f"{keys.who}(decay_mom_rate)") - up - down
        tail = (rest, part(Linear(to=1 + growth * rest, start=1.0), max(rest, 1)))
        notes.append(f"From update {up + down} on the momentum grows, and may pass 1.")
    notes.append("The momentum of update 0 is cycle_min_mom, that of update 1 near cycle_max_mom.")
    notes.append("The second beta is set to 0.99.")
    return {
        "momentum": case.lay(*pieces, tail),
        "keys": {"betas[1]": Hold()},
        "peak": {"momentum": high, "betas[1]": 0.99},
    }


# Warm-ups -----------------------------------------------------------------------------------


def _warm(keys: Keys, start: float, before: float) -> tuple[int, list[Piece]]:
    """Return the updates that warm up and their pieces; update 0 is at level `before`."""
    steps = max(2, keys.whole("warmup_num_steps", 1000, low=1))
    if _is_linear(keys):
        return steps, [stay(before, 1), rise(steps, start)]
    return steps, [stay(before, 1), rise(steps - 1, start, shape="log"), stay(1.0, 1)]


def _is_linear(keys: Keys) -> bool:
    return keys.choice("warmup_type", ("log", "linear"), "log") == "linear"


def _idle(start: float) -> str:
    if start:
        return "Updates 0 and 1 both run at the lowest rate."
    return "Updates 0 and 1 run at rate 0 and change nothing."


def _peaked(case: _DeepSpeedCase) -> tuple[_DeepSpeedCase, float]:
    """Return the case with its peak, and the level at which it starts."""
    keys, known = case.keys, case.keys.has("warmup_max_lr")
    peak = keys.number("warmup_max_lr", above=True) if known else case.optimizer_rate()
    start = keys.level("warmup_min_lr", peak, high=True)
    case.notes.append(_idle(start))
    return case.at(peak), start


def _warmup(case: _DeepSpeedCase) -> Plan:
    case, start = _peaked(case)
    _, pieces = _warm(case.keys, start, start)
    return case.plan(*pieces, stay(1.0))


def _warmup_decay(case: _DeepSpeedCase) -> Plan:
    if not case.keys.has("warmup_max_lr"):
        case = replace(case, keys=case.keys.having(warmup_max_lr=0.001))
    case, start = _peaked(case)
    steps, pieces = _warm(case.keys, start, start)
    total = _total(case)
    rest = total - steps
    if rest <= 0:
        note = f"From update {steps + 1} on the rate is at its lowest: no updates are left."
        case.notes.append(note)
    down = part(decay("linear", start), max(rest, 1))
    return case.of(lay(case.total or total, *pieces, (rest, down), stay(start)))


def _warmup_cosine(case: _DeepSpeedCase) -> Plan:
    keys, notes = case.keys, case.notes
    start, low = keys.number("warmup_min_ratio", 0.0), keys.number("cos_min_ratio", 1e-4)
    steps, pieces = _warm(keys, start, 0.0)
    rest = max(_total(case) - steps, 1)
    notes.append("Update 0 runs at rate 0, whatever warmup_min_ratio says." if start else _idle(0))
    if _is_linear(keys):
        notes.append(f"No update runs at the peak: {steps} and {steps + 1} are on either side.")
    down = fall(decay("cosine", low), rest, taken=1)
    return case.at(case.optimizer_rate()).plan(*pieces, down, stay(low))


def _total(case: _DeepSpeedCase) -> int:
    """Return total_num_steps, or the total of the run where it is "auto"."""
    if case.keys.has("total_num_steps"):
        return case.keys.whole("total_num_steps", low=1)
    return case.ctx.need_total(f"{case.who}(total_num_steps)")


# The format ---------------------------------------------------------------------------------

_WARM = "warmup_num_steps warmup_type"
_KINDS: dict[str, tuple[Callable[[_DeepSpeedCase], Plan], str]] = {
    "LRRangeTest": (
        _range_test,
        "lr_range_test_min_lr lr_range_test_step_size lr_range_test_step_rate "
        "lr_range_test_staircase",
    ),
    "OneCycle": (
        _one_cycle,
        "cycle_min_lr cycle_max_lr cycle_first_step_size cycle_second_step_size "
        "cycle_first_stair_count cycle_second_stair_count cycle_momentum cycle_min_mom "
        "cycle_max_mom decay_lr_rate decay_step_size decay_mom_rate",
    ),
    "WarmupLR": (_warmup, f"warmup_min_lr warmup_max_lr {_WARM}"),
    "WarmupDecayLR": (_warmup_decay, f"total_num_steps warmup_min_lr warmup_max_lr {_WARM}"),
    "WarmupCosineLR": (_warmup_cosine, f"total_num_steps warmup_min_ratio cos_min_ratio {_WARM}"),
}


def _read(source: Any, ctx: RunFacts) -> Plan:
    if _is_bare(source):
        rule = "has no scheduler: its script may give one, and else the rate stays as it is"
        fix = "read the script's flags, or write Hold() with the rate of optimizer.params.lr"
        raise ScheduleError("The DeepSpeed config", rule, fix)
    given = section("deepspeed scheduler", under(source, "scheduler"))
    found = Keys("deepspeed scheduler", given)
    if given is not source:
        found.only("type params")
    kind = found.choice("type", _KINDS)
    build, known = _KINDS[kind]
    who = f"deepspeed {kind}"
    params = section(f"{who} params", found.given.get("params"))
    given = Keys(who, params).only(known, "last_batch_iteration").given
    return build(
        _DeepSpeedCase(Keys(who, _filled(who, given, ctx)), ctx, config=section(who, source))
    )


_AUTO: dict[str, Any] = {"warmup_min_lr": 0.0, "warmup_max_lr": "lr"}
"""What the Trainer puts in place of "auto", where it needs no more than its learning rate."""


def _filled(who: str, given: Mapping[str, Any], ctx: RunFacts) -> dict[str, Any]:
    """Return the parameters with what was told in place of "auto"."""
    filled = dict(given)
    for name, value in given.items():
        if isinstance(value, list | tuple):
            rule = f"has one {name} for each group, {shorten(value)}"
            raise ScheduleError(who, rule, "read each group with a value of its own")
        if value == "auto" and name == "total_num_steps":
            filled[name] = ctx.more.get(name, ctx.total)
        elif value == "auto":
            filled[name] = ctx.more.get(name, _AUTO.get(name))
            filled[name] = ctx.more.get("lr") if filled[name] == "lr" else filled[name]
        if value == "auto" and filled[name] is None:
            fix = {"total_num_steps": "total", "warmup_max_lr": "lr"}.get(name, name)
            raise ScheduleError(who, f'has {name}="auto"', ask(fix))
    return filled


_ENGINE = ("train_micro_batch_size_per_gpu", "zero_optimization", "steps_per_print")
_NEOX = ("train_iters", "lr_decay_style", "num_layers", "hidden_size", "lr_decay_iters")


def _is_bare(source: Any) -> bool:
    """Whether it is a config of the engine without a scheduler, and none of GPT-NeoX."""
    if not isinstance(source, Mapping) or source.get("scheduler") is not None:
        return False
    return any(key in source for key in _ENGINE) and not any(key in source for key in _NEOX)


_MARKS = Marks(
    FormatMark("scheduler.type", value=_KINDS),
    FormatMark("type", value=_KINDS),
    FormatMark("", 5, _is_bare),
    *marks("train_micro_batch_size_per_gpu zero_optimization", 1),
    *marks("train_iters lr_decay_style pipe_parallel_size", -20),  # GPT-NeoX, which holds all of it
)
_FACTS = {"total": "scheduler.params.total_num_steps params.total_num_steps"}
_READS = "scheduler type params optimizer.type optimizer.params.lr optimizer.params.betas"
FORMATS = (Format("deepspeed", "DeepSpeed JSON", _MARKS, _read, _FACTS, _READS),)
