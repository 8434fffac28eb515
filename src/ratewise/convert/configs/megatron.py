"""The learning-rate and weight-decay flags of Megatron-LM.

Megatron counts samples. With W, T, D the warm-up, the decay steps and the length of the last
phase, in updates that need not be whole, the level of update t is t/W up to W, then the decay at
progress (t - W)/(T - W) up to T, then the floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ratewise.convert.configs._flags import flags, own
from ratewise.convert.configs._keys import Keys, plan
from ratewise.convert.configs._pieces import (
    Make,
    Piece,
    between,
    climb,
    count,
    floored,
    hold,
    lay,
    part,
    whole,
)
from ratewise.convert.formats import Context, Format, only_one
from ratewise.schedule import (
    Cosine,
    Exponential,
    Linear,
    Part,
    Plan,
    Power,
    Schedule,
    ScheduleError,
    Sqrt,
)
from ratewise.schedule.errors import Fix

_WHO = "megatron"
_HOW_MANY = Fix("give --global-batch-size, or {samples}", samples="…")
_STYLES = ("constant", "linear", "cosine", "inverse-square-root", "WSD")
_LAST: dict[str, Any] = {"linear": Linear, "cosine": Cosine, "minus_sqrt": Sqrt}
_OWN = (
    "lr",
    "min_lr",
    "lr_decay_style",
    "lr_wsd_decay_style",
    "lr_decay_iters",
    "lr_decay_samples",
    "lr_wsd_decay_iters",
    "lr_wsd_decay_samples",
    "lr_warmup_fraction",
    "lr_warmup_iters",
    "lr_warmup_samples",
    "lr_warmup_init",
    "weight_decay",
    "start_weight_decay",
    "end_weight_decay",
    "weight_decay_incr_style",
    "weight_decay_period",
)
_FAMILY = ("lr_", "min_lr", "weight_decay", "start_weight", "end_weight")


@dataclass(frozen=True)
class _Clock:
    """Lengths in updates: warm-up, decay steps, last phase, run; samples of an update."""

    warmup: float
    decay: float
    last: float
    run: float
    samples: float | None


def _read(source: Any, ctx: Context) -> Plan:
    given = flags(_WHO, source)
    own(_WHO, given, _OWN, _FAMILY)
    keys = Keys(_WHO, given)
    if keys.has("rampup_batch_size"):
        rule = "has --rampup-batch-size, so that updates differ in samples"
        raise ScheduleError(_WHO, rule, "read it without, from the update where the ramp ends")
    style = keys.choice("lr_decay_style", _STYLES, "linear")
    clock = _clock(keys, ctx, style)
    peak = keys.rate(ctx)
    low = keys.floor("min_lr", keys.number("min_lr", 0.0), peak)
    start = keys.floor("lr_warmup_init", keys.number("lr_warmup_init", 0.0), peak)
    for name, level in (("min_lr", low), ("lr_warmup_init", start)):
        if level > 1:
            raise ScheduleError(_WHO, f"has {name} above lr", f"give {name} of lr at the most")
    notes: list[str] = []
    total = count(clock.run) if ctx.total is None else ctx.total
    lr = _schedule(keys, style, clock, (start, low), total, notes)
    return plan(lr, peak, notes, **_weight_decay(keys, clock, total))


# The clock ----------------------------------------------------------------------------------


def _clock(keys: Keys, ctx: Context, style: str) -> _Clock:
    given = keys.given
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
        raise ScheduleError(_WHO, "counts in samples", _HOW_MANY)
    one = float(size) if unit == "samples" and size else 1.0
    run = keys.number(f"train_{unit}", above=True) / one if keys.has(f"train_{unit}") else None
    run = float(ctx.need_total(_WHO)) if run is None else run
    decay = keys.number(f"lr_decay_{unit}", run * one, above=True) / one
    last = keys.number(f"lr_wsd_decay_{unit}", above=True) / one if style == "WSD" else 0.0
    warmup = _warmup(keys, unit, one, decay)
    if warmup >= decay:
        rule = f"has a warm-up of {warmup:g} updates and {decay:g} decay steps"
        raise ScheduleError(_WHO, rule, "make the warm-up shorter")
    return _Clock(warmup, decay, last, run, size)


def _samples(keys: Keys, ctx: Context) -> float | None:
    if keys.has("global_batch_size"):
        return keys.number("global_batch_size", above=True)
    return None if ctx.horizon.samples is None else float(ctx.horizon.samples)


def _warmup(keys: Keys, unit: str, one: float, decay: float) -> float:
    name = f"lr_warmup_{unit}"
    if not keys.has("lr_warmup_fraction"):
        return keys.number(name, 0.0) / one
    if keys.number(name, 0.0):
        only_one(_WHO, keys.given, "lr_warmup_fraction", name)
    return keys.number("lr_warmup_fraction", high=1.0) * decay


# The rate -----------------------------------------------------------------------------------


def _schedule(
    keys: Keys,
    style: str,
    clock: _Clock,
    levels: tuple[float, float],
    total: int,
    notes: list[str],
) -> Schedule:
    start, low = levels
    first = count(clock.warmup)  # updates that warm up; update W itself is at the peak either way
    if style == "WSD" and clock.decay - clock.last < clock.warmup:
        first = int(clock.warmup) + 1 if first else 0  # unless the last phase has begun by then
    rise: Piece = (first, climb(clock.warmup, start)) if first else (0, hold())
    if first and not start:
        notes.append("Update 0 runs at rate 0 and changes nothing.")
    if style == "constant":
        return lay(total, rise, (None, hold(1.0)))
    stop = int(clock.decay) + 1  # the first update at the floor
    if style == "inverse-square-root":
        pieces = _inverse_root(clock, first, stop, low)
        if total > stop:
            notes.append(f"At update {stop} the rate drops from its curve to min_lr at once.")
    elif style == "WSD":
        pieces = _stable(keys, clock, first, stop, low, notes)
    else:
        move = _LAST[style](to=low, start=1.0)
        rest = clock.decay - clock.warmup
        pieces = [(stop - first, part(move, rest, first - clock.warmup))]
    return lay(total, rise, *pieces, (None, hold(low)))


def _inverse_root(clock: _Clock, first: int, stop: int, low: float) -> list[Piece]:
    """Return √(W/t), never below the floor, where neither W nor t is less than one sample."""
    if clock.warmup < 1 and clock.samples is None:
        rule = "counts an inverse square root without warm-up in samples"
        raise ScheduleError(_WHO, rule, _HOW_MANY)
    warmup = clock.warmup if clock.samples is None else max(clock.warmup, 1 / clock.samples)
    begin = max(first, 1)
    root = Power(0.5, every=begin, start=(warmup / begin) ** 0.5)
    return [(begin - first, hold(1.0)), (stop - begin, floored(whole(root), low))]


def _stable(
    keys: Keys, clock: _Clock, first: int, stop: int, low: float, notes: list[str]
) -> list[Piece]:
    """Return the stable phase and the last one, of length D before the end."""
    begin = clock.decay - clock.last
    stable = max(count(begin), first)
    if begin < clock.warmup:
        notes.append(f"The last phase has begun before the warm-up ends: a jump at update {first}.")
    style = keys.choice("lr_wsd_decay_style", (*_LAST, "exponential"), "exponential")
    offset = stable - begin
    if style == "exponential":
        fall = _halving(clock.last, offset, low)
    else:
        fall = part(_LAST[style](to=low, start=1.0), clock.last, offset)
    return [(stable - first, hold(1.0)), (stop - stable, fall)]


def _halving(last: float, offset: float, low: float) -> Make:
    """Return 2·0.5^p - 1, as 1 - 2·(1 - 0.5^p), between the floor and the peak."""

    def make(n: int | None) -> Schedule:
        half = Part(Exponential(to=0.5, start=1.0), begin=offset, of=last, over=n)
        return half.between(1.0, 0.0) * 2

    return between(make, 1.0, low)


# The weight decay ---------------------------------------------------------------------------


def _weight_decay(keys: Keys, clock: _Clock, total: int) -> dict[str, Any]:
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
    move = _LAST[style](to=1.0, start=start / end)
    ramp = lay(total, (count(clock.run), part(move, clock.run)), (None, hold(1.0)))
    return {"weight_decay": ramp, "peak": {"weight_decay": end}}


def _matches(source: Any) -> bool:
    if not isinstance(source, str | dict) or (isinstance(source, str) and "--" not in source):
        return False
    try:
        names = set(flags(_WHO, source))
    except ScheduleError:
        return False
    marks = ("lr_decay", "lr_warmup", "lr_wsd_decay", "weight_decay_incr")
    return any(name.startswith(marks) for name in names)


FORMATS = (Format("megatron", "Megatron-LM flags", _matches, _read),)
