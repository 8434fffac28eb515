"""The learning-rate and weight-decay flags of Megatron-LM.

Megatron counts samples. With W, T, D the warm-up, the decay steps and the length of the last
phase, in updates that need not be whole, the level of update t is t/W up to W, then the decay at
progress (t - W)/(T - W) up to T, then the floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, marks, only_one
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys, as_number
from ratewise.convert.pieces.moves import (
    Make,
    Piece,
    between,
    count,
    decay,
    fall,
    floored,
    lay,
    part,
    rise,
    stay,
    whole,
)
from ratewise.schedule import Exponential, Part, Plan, Power, Schedule, ScheduleError

_WHO = "megatron"
STYLES = ("constant", "linear", "cosine", "inverse-square-root", "WSD")
_DECAYS = {"linear": "linear", "cosine": "cosine", "minus_sqrt": "1-sqrt"}
_RATE = (
    "lr min_lr lr_decay_style lr_decay_iters lr_decay_samples lr_warmup_fraction lr_warmup_iters "
    "lr_warmup_samples lr_warmup_init"
)
_STABLE = "lr_wsd_decay_style lr_wsd_decay_iters lr_wsd_decay_samples"
_WEIGHTS = (
    "weight_decay start_weight_decay end_weight_decay weight_decay_incr_style weight_decay_period"
)


@dataclass(frozen=True)
class Lengths:
    """Lengths in updates: warm-up, decay steps, last phase, run; samples of an update."""

    warmup: float
    decay: float
    last: float
    run: float
    samples: float | None


def _read(source: Any, ctx: RunFacts) -> Plan:
    also = ("weight_decay", "start_weight", "end_weight", "decoupled_lr")
    keys = Keys(_WHO, flags(_WHO, source)).among(_RATE, _STABLE, _WEIGHTS, also=also, typed=True)
    if keys.has("rampup_batch_size"):
        rule = "has --rampup-batch-size, so that updates differ in samples"
        raise ScheduleError(_WHO, rule, "read it without, from the update where the ramp ends")
    style = keys.choice("lr_decay_style", STYLES, "linear")
    clock = _clock(keys, ctx, style)
    case = Case(keys, ctx, keys.rate(ctx), _noted(keys, clock))
    low, start = (keys.level(name, case.peak) for name in ("min_lr", "lr_warmup_init"))
    total = max(int(clock.run), 1) if ctx.total is None else ctx.total  # the last batch is whole
    lr = lay(total, *pieces(case, style, clock, (start, low), total))
    return case.of(lr, **_weight_decay(keys, clock, total))


# The clock ----------------------------------------------------------------------------------


def _clock(keys: Keys, ctx: RunFacts, style: str) -> Lengths:
    given = keys.given
    only_one(_WHO, given, "train_iters", "train_samples")
    unit = "samples" if keys.has("train_samples") else "iters"
    other = "iters" if unit == "samples" else "samples"
    for name in ("lr_decay", "lr_warmup", "lr_wsd_decay"):
        if keys.has(f"{name}_{other}") and str(given[f"{name}_{other}"]) != "0":
            only_one(_WHO, given, f"{name}_{unit}", f"{name}_{other}")
            if keys.has(f"train_{unit}"):
                rule = f"has --train-{unit} and {name}_{other}"
                raise ScheduleError(_WHO, rule, f"give {name}_{unit}")
            unit, other = other, unit
    size = _samples(keys, ctx)
    if unit == "samples" and size is None:
        raise ScheduleError(_WHO, "counts in samples", "give --global-batch-size, or samples=…")
    one = float(size) if unit == "samples" and size else 1.0
    run = keys.number(f"train_{unit}", above=True) / one if keys.has(f"train_{unit}") else None
    run = float(ctx.need_total(_WHO)) if run is None else run
    decay = keys.number(f"lr_decay_{unit}", run * one, above=True) / one
    last = keys.number(f"lr_wsd_decay_{unit}", above=True) / one if style == "WSD" else 0.0
    warmup = _warmup(keys, unit, one, decay)
    if warmup >= decay:
        rule = f"has a warm-up of {warmup:g} updates and {decay:g} decay steps"
        raise ScheduleError(_WHO, rule, "make the warm-up shorter")
    return Lengths(warmup, decay, last, run, size)


def _samples(keys: Keys, ctx: RunFacts) -> float | None:
    if ctx.horizon.samples is not None:  # what was told counts more
        return float(ctx.horizon.samples)
    return keys.number("global_batch_size", above=True) if keys.has("global_batch_size") else None


def _noted(keys: Keys, clock: Lengths) -> list[str]:
    """Return a note of samples that were told where the flags have others."""
    given = as_number(keys.given.get("global_batch_size"))
    if given is None or clock.samples is None or given == clock.samples:
        return []
    return [f"samples={clock.samples:g} was given; the config says global_batch_size={given}."]


def _warmup(keys: Keys, unit: str, one: float, decay: float) -> float:
    name = f"lr_warmup_{unit}"
    if not keys.has("lr_warmup_fraction"):
        return keys.number(name, 0.0) / one
    if keys.number(name, 0.0):
        only_one(_WHO, keys.given, "lr_warmup_fraction", name)
    return keys.number("lr_warmup_fraction", high=1.0) * decay


# The rate -----------------------------------------------------------------------------------


def pieces(
    case: Case, style: str, clock: Lengths, levels: tuple[float, float], total: int
) -> list[Piece]:
    """Return the pieces of a style of `STYLES`; levels are the first and the lowest one."""
    start, low = levels
    first = count(clock.warmup)  # updates that warm up; update W itself is at the peak either way
    if style == "WSD" and clock.decay - clock.last < clock.warmup:
        first = int(clock.warmup) + 1 if first else 0  # unless the last phase has begun by then
    case.idle(first, start)
    climb = rise(first, start, of=clock.warmup)
    if style == "constant":
        return [climb, stay(1.0)]
    stop = int(clock.decay) + 1  # the first update at the floor
    if style == "inverse-square-root":
        down = _inverse_root(clock, first, stop, low)
        if total > stop:
            note = f"At update {stop} the rate drops from its curve to min_lr at once."
            case.notes.append(note)
    elif style == "WSD":
        down = _stable(case, clock, first, stop, low)
    else:
        move, rest = decay(_DECAYS[style], low), clock.decay - clock.warmup
        down = [(stop - first, part(move, rest, first - clock.warmup))]
    return [climb, *down, stay(low, None if case.total is not None else total)]


def _inverse_root(clock: Lengths, first: int, stop: int, low: float) -> list[Piece]:
    """Return √(W/t), never below the floor, where neither W nor t is less than one sample."""
    if clock.warmup < 1 and clock.samples is None:
        rule = "counts an inverse square root without warm-up in samples"
        raise ScheduleError(_WHO, rule, "give --global-batch-size, or samples=…")
    warmup = clock.warmup if clock.samples is None else max(clock.warmup, 1 / clock.samples)
    begin = max(first, 1)
    root = Power(0.5, every=begin, start=(warmup / begin) ** 0.5)
    return [stay(1.0, begin - first), (stop - begin, floored(whole(root), low))]


def _stable(case: Case, clock: Lengths, first: int, stop: int, low: float) -> list[Piece]:
    """Return the stable phase and the last one, of length D before the end."""
    begin = clock.decay - clock.last
    stable = max(count(begin), first)
    if begin < clock.warmup:
        note = f"The last phase has begun before the warm-up ends: a jump at update {first}."
        case.notes.append(note)
    style = case.keys.choice("lr_wsd_decay_style", (*_DECAYS, "exponential"), "exponential")
    offset = stable - begin
    if style == "exponential":
        last = _halving(clock.last, offset, low)
    else:
        last = part(decay(_DECAYS[style], low), clock.last, offset)
    return [stay(1.0, stable - first), (stop - stable, last)]


def _halving(last: float, offset: float, low: float) -> Make:
    """Return 2·0.5^p - 1, as 1 - 2·(1 - 0.5^p), between the floor and the peak."""

    def make(n: int | None) -> Schedule:
        half = Part(Exponential(to=0.5, start=1.0), begin=offset, of=last, over=n)
        return half.between(1.0, 0.0) * 2

    return between(make, 1.0, low)


# The weight decay ---------------------------------------------------------------------------


def _weight_decay(keys: Keys, clock: Lengths, total: int) -> dict[str, Any]:
    style = keys.choice("weight_decay_incr_style", ("constant", "linear", "cosine"), "constant")
    ends = [name for name in ("start_weight_decay", "end_weight_decay") if keys.has(name)]
    if style == "constant":
        if ends:
            rule = f"has {ends[0]} and a constant weight decay"
            raise ScheduleError(_WHO, rule, "give --weight-decay-incr-style linear")
        return {}
    start, end = (keys.number(f"{name}_weight_decay") for name in ("start", "end"))
    if start > end:
        rule = f"has start_weight_decay={start:g} above end_weight_decay={end:g}"
        raise ScheduleError(_WHO, rule, "swap them")
    if end == 0.0:
        return {}
    move = decay(style, 1.0, start / end)
    ramp = lay(total, fall(move, clock.run), stay(1.0))
    return {"weight_decay": ramp, "peak": {"weight_decay": end}}


_MARKS = Marks(
    *marks(f"{_STABLE} lr_warmup_fraction lr_warmup_iters lr_warmup_samples lr_warmup_init"),
    *marks("lr_decay_style lr_decay_samples weight_decay_incr_style"),
    *marks("--lr-decay-* --lr-warmup-* --lr-wsd-decay-* --weight-decay-incr-*"),
    *marks("lr_decay_iters train_iters", 1),
    FormatMark("optimizer", -20, lambda value: isinstance(value, Mapping)),  # GPT-NeoX has sections
    FormatMark("warmup", -20),
    *marks("lr_warmup_steps lr_warmup_steps_ratio lr_decay_steps lr_wsd_decay_steps", -20),  # verl
)
_FACTS = {"lr": "lr", "total": "train_iters"}
_READS = f"{_RATE} {_STABLE} {_WEIGHTS} train_samples global_batch_size rampup_batch_size"
FORMATS = (Format("megatron", "Megatron-LM flags", _MARKS, _read, _FACTS, _READS),)
