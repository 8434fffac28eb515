"""The learning-rate schedulers of fairseq, from flags or from a Hydra config.

fairseq asks for the rate of update t with `num_updates = t`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ratewise.convert.configs._fairseq_case import Case
from ratewise.convert.configs._fairseq_epochs import fixed, manual
from ratewise.convert.formats import Context, Format
from ratewise.convert.pieces.flags import flags, own
from ratewise.convert.pieces.keys import Keys, dig, plan, section
from ratewise.convert.pieces.moves import Piece, climb, floored, hold, lay, part, whole
from ratewise.schedule import (
    Cosine,
    Exponential,
    Linear,
    Plan,
    Polynomial,
    Power,
    Repeat,
    ScheduleError,
    Step,
)

_IDLE = "Update 0 runs at rate 0 and changes nothing."


def _idle(warmup: int, start: float) -> list[str]:
    return [_IDLE] if warmup and not start else []


def _rise(warmup: int, start: float, begin: float = 0.0) -> Piece:
    return (warmup, climb(warmup, start, begin=begin)) if warmup else (0, hold())


# One by one ---------------------------------------------------------------------------------


def _inverse_sqrt(case: Case) -> Plan:
    peak, warmup = case.rate(), case.keys.whole("warmup_updates", 4000)
    if not warmup:
        rule = "divides by warmup_updates, which is 0"
        raise ScheduleError(case.keys.who, rule, "give warmup_updates of 1 or more")
    start = case.start(0.0, peak)
    root = (None, whole(Power(0.5, every=warmup, start=1.0)))
    return plan(lay(case.total, _rise(warmup, start), root), peak, _idle(warmup, start))


def _polynomial(case: Case) -> Plan:
    keys, peak = case.keys, case.rate()
    if keys.has("force_anneal"):
        rule = "has force_anneal, which starts from whatever rate an epoch begins with"
        raise ScheduleError(keys.who, rule, "read it without force_anneal")
    warmup, low = keys.whole("warmup_updates", 0), keys.number("end_learning_rate", 0.0) / peak
    steps, power = case.updates("total_num_update"), keys.number("power", 1.0, above=True)
    fall = Linear(to=low, start=1.0) if power == 1.0 else Polynomial(low, power, start=1.0)
    rest = steps - warmup
    decay: Piece = (math.ceil(rest), part(fall, rest)) if rest > 0 else (1, hold(1.0))
    lr = lay(case.total, _rise(warmup, 0.0), decay, (None, hold(low)))
    return plan(lr, peak, _idle(warmup, 0.0))


def _tri_stage(case: Case) -> Plan:
    keys, peak = case.keys, case.rate()
    names = ("warmup_steps", "hold_steps", "decay_steps")
    lengths = [keys.whole(name, 0) for name in names]
    shares = keys.given.get("phase_ratio")
    if shares is not None:
        steps, shares = case.updates("max_update"), _shares(keys.who, shares)
        if any(lengths):
            rule = "has both phase_ratio and steps of phases"
            raise ScheduleError(keys.who, rule, "keep one of them")
        lengths = [int(steps * share) for share in shares]
    warmup, stay, decay = lengths
    if not decay:
        raise ScheduleError(keys.who, "divides by decay_steps, which is 0", "give decay_steps")
    start = keys.number("init_lr_scale", 0.01)
    low = keys.number("final_lr_scale", 0.01, above=True)
    fall: Piece = (decay, part(Exponential(to=low, start=1.0), decay))
    lr = lay(case.total, _rise(warmup, start), (stay, hold(1.0)), fall, (None, hold(low)))
    return plan(lr, peak, _idle(warmup, start))


def _shares(who: str, given: Any) -> list[float]:
    if isinstance(given, str):
        given = given.strip("()[] ").split(",")
    try:
        shares = [float(share) for share in given]
    except (TypeError, ValueError):
        shares = []
    if len(shares) != 3 or sum(shares) != 1 or min(shares) < 0:
        rule = "needs phase_ratio as three shares that add up to 1"
        raise ScheduleError(who, rule, "write (0.1, 0.4, 0.5)", given=given)
    return shares


def _step(case: Case) -> Plan:
    keys, peak = case.keys, case.rate()
    low = keys.number("min_lr", 0.0)
    warmup, start = keys.whole("warmup_updates", 0), case.start(low, peak)
    factor, every = keys.number("lr_decay", 0.5, high=1.0), keys.whole("lr_deacy_period", 25000)
    if not every:
        raise ScheduleError(keys.who, "has lr_deacy_period=0", "give 1 or more")
    steps = floored(whole(Step(factor, every=every, start=1.0)), low / peak)
    return plan(lay(case.total, _rise(warmup, start), (None, steps)), peak, _idle(warmup, start))


def _triangular(case: Case) -> Plan:
    keys = case.keys
    peak = keys.number("max_lr", above=True)
    low = case.rate() / peak
    half = int(keys.number("lr_period_updates", 5000) // 2)
    if low >= 1 or half < 1:
        rule = "needs max_lr above lr and lr_period_updates of 2 or more"
        raise ScheduleError(keys.who, rule, "give these")
    shrink = keys.number("lr_shrink", 0.1, high=1.0)
    notes = [f"Each cycle of {2 * half} updates is {shrink:g} times as high as the one before."]
    wave = Linear(to=1.0, over=half, start=low) >> Linear(to=low, over=half)
    if keys.flag("shrink_min") or shrink == 1:
        return plan(Repeat(wave, shrink=shrink), peak, notes if shrink != 1 else [])
    pieces: list[Piece] = []
    for i in range(-(-case.ctx.need_total(keys.who) // (2 * half))):
        pieces.append((half, part(Linear(to=shrink**i, start=low), half)))
        pieces.append((half, part(Linear(to=low, start=shrink**i), half)))
    return plan(lay(case.total, *pieces), peak, notes)


# Cosine with restarts -----------------------------------------------------------------------


def _cosine(case: Case) -> Plan:
    keys, peak = case.keys, case.rate()
    low = keys.number("min_lr", 0.0)
    if low >= peak:
        raise ScheduleError(keys.who, f"has min_lr={low:g} and lr={peak:g}", "give a lower min_lr")
    warmup, start = keys.whole("warmup_updates", 0), case.start(low, peak)
    period = keys.number("lr_period_updates", -1.0, low=-math.inf)
    if period <= 0:
        period = case.updates("max_update") - warmup
    grow = keys.number("t_mult", 1.0, low=1.0, high=1e6)
    shrink = keys.number("lr_shrink", 0.1, high=1.0)
    if period <= 0:
        raise ScheduleError(keys.who, "has no updates behind the warm-up", "give max_update")
    notes = _idle(warmup, start)
    first = warmup + math.ceil(period)
    if case.total is None or case.total > first:
        notes.append(f"At update {first} the cosine starts again, {shrink:g} times as high.")
    cycles = _cycles(case, (period, grow, shrink, low / peak), warmup)
    return plan(lay(case.total, _rise(warmup, start), *cycles), peak, notes)


def _cycles(case: Case, shape: tuple[float, float, float, float], warmup: int) -> list[Piece]:
    """Return the cycles, each where the logarithm of fairseq says that it begins."""
    period, grow, shrink, low = shape
    if grow == 1 and period.is_integer():
        wave = Cosine(to=low, over=int(period), start=1.0)
        return [(None, lambda n: Repeat(wave, shrink=shrink))]
    left = max(case.ctx.need_total(case.keys.who) - warmup, 0)
    pieces: list[Piece] = []
    used, i = 0, 0
    while used < left:
        began = i * period if grow == 1 else (1 - grow**i) / (1 - grow) * period
        size = grow**i * period
        stop = _first(began + size, i, period, grow)
        move = Cosine(to=low * shrink**i, start=shrink**i)
        if stop > used:
            pieces.append((stop - used, part(move, size, max(used - began, 0.0))))
        used, i = stop, i + 1
    return pieces


def _first(end: float, i: int, period: float, grow: float) -> int:
    """Return the first update that fairseq counts to a later cycle than number i."""
    t = max(math.ceil(end) - 2, 0)
    while _number(t, period, grow) <= i:
        t += 1
    return t


def _number(t: int, period: float, grow: float) -> int:
    if grow == 1:
        return math.floor(t / period)
    return math.floor(math.log(1 - t / period * (1 - grow), grow))


# The format ---------------------------------------------------------------------------------

_COMMON = ("lr", "lr_scheduler", "max_update", "max_epoch", "warmup_updates", "warmup_init_lr")
_KINDS: dict[str, tuple[Callable[[Case], Plan], tuple[str, ...]]] = {
    "inverse_sqrt": (_inverse_sqrt, ()),
    "polynomial_decay": (
        _polynomial,
        ("force_anneal", "end_learning_rate", "power", "total_num_update"),
    ),
    "cosine": (_cosine, ("min_lr", "t_mult", "lr_period_updates", "lr_shrink")),
    "tri_stage": (
        _tri_stage,
        (
            "warmup_steps",
            "hold_steps",
            "decay_steps",
            "phase_ratio",
            "init_lr_scale",
            "final_lr_scale",
        ),
    ),
    "triangular": (_triangular, ("max_lr", "lr_period_updates", "lr_shrink", "shrink_min")),
    "fixed": (fixed, ("force_anneal", "lr_shrink")),
    "step": (_step, ("min_lr", "lr_deacy_period", "lr_decay")),
    "manual": (manual, ("epoch2lr", "update2lr")),
}
_OTHERS = {
    "reduce_lr_on_plateau": "depends on a metric and is no function of the update",
    "pass_through": "leaves the rate to the optimizer",
}
_FAMILY = ("lr_", "warmup_", "phase_", "init_lr", "final_lr", "end_learn", "total_num", "t_mult")
_FEEDBACK_KEYS = ("lr_threshold", "lr_patience")


def _gathered(source: Any) -> dict[str, Any]:
    """Return flags, or the groups of a Hydra config, as one mapping."""
    given = flags("fairseq", source)
    inner = given.get("lr_scheduler")
    if not isinstance(inner, Mapping):
        return given
    optimization = section("fairseq optimization", given.get("optimization") or {})
    outer = {key: optimization[key] for key in ("lr", "max_update") if key in optimization}
    return {**outer, **inner, "lr_scheduler": inner.get("_name")}


def _read(source: Any, ctx: Context) -> Plan:
    given = _gathered(source)
    keys = Keys("fairseq", {"lr_scheduler": "fixed", **given})
    name = keys.word("lr_scheduler", (*_KINDS, *_OTHERS), "lr_scheduler")
    if name in _OTHERS:
        fix = "keep fairseq's own, or read another scheduler"
        raise ScheduleError(f"fairseq {name}", _OTHERS[name], fix)
    build, known = _KINDS[name]
    who = f"fairseq {name}"
    every = {key for _, names in _KINDS.values() for key in names}
    own(who, given, (*_COMMON, *known, *every, *_FEEDBACK_KEYS), _FAMILY)
    if isinstance(dig(source, "lr_scheduler"), Mapping):
        inner = Keys(who, dig(source, "lr_scheduler"))
        inner.only((*_COMMON, *known, "_name"))
    return build(Case(Keys(who, given), ctx))


def _matches(source: Any) -> bool:
    if isinstance(source, str) and "--lr-scheduler" not in source:
        return False
    if not isinstance(source, str | dict):
        return False
    try:
        name = _gathered(source).get("lr_scheduler")
    except ScheduleError:
        return False
    if not isinstance(name, str) or name not in (*_KINDS, *_OTHERS):
        return False
    return isinstance(source, str) or _marked(source, name)


def _marked(source: Mapping[str, Any], name: str) -> bool:
    """Whether a mapping is of fairseq, and not of another project that has a scheduler so named."""
    if isinstance(source.get("lr_scheduler"), Mapping):
        return True
    names = {str(key).replace("-", "_") for key in source}
    marks = {"warmup_updates", "max_update", "total_num_update", "warmup_init_lr"}
    marks |= set(_KINDS[name][1] if name in _KINDS else _FEEDBACK_KEYS)
    return bool(names & marks)


FORMATS = (Format("fairseq", "fairseq flags or Hydra config", _matches, _read),)
