"""The learning-rate schedulers of fairseq, from flags or from a Hydra config.

fairseq asks for the rate of update t with `num_updates = t`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ratewise.convert.formats import Evidence, Format, FormatMark, Marks, RunFacts, ask, dig, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys, as_literal, as_number, names, section
from ratewise.convert.pieces.moves import (
    Piece,
    changes,
    decay,
    fall,
    floored,
    part,
    rise,
    stay,
    whole,
)
from ratewise.schedule import Cosine, Linear, Piecewise, Plan, Power, Repeat, ScheduleError, Step
from ratewise.schedule.errors import number, shorten


class _FairseqCase(Case):
    def rates(self) -> list[float]:
        """Return the list of peak rates."""
        given = self.keys.given.get("lr")
        if isinstance(given, str) and given.startswith("["):
            given = as_literal(given)
        if isinstance(given, str) and "," in given:
            given = given.split(",")
        several = given if isinstance(given, list | tuple) else [given]
        found = [Keys(self.who, {"lr": each}).rate(self.ctx) for each in several]
        if not found or None in found:
            raise ScheduleError(self.who, "has no lr", ask("lr", ", or add it to the config"))
        return [rate for rate in found if rate is not None]

    def rate(self) -> float:
        """Return the one peak rate."""
        rates = self.rates()
        if len(rates) > 1:
            rule = f"has {len(rates)} rates, one for each epoch"
            raise ScheduleError(self.who, rule, "give one, or use the scheduler fixed")
        return rates[0]

    def updates(self, name: str) -> float:
        """Return the length of the schedule: a key of its own, max_update, or the total."""
        for key in (name, "max_update"):
            if self.keys.has(key) and self.keys.number(key):
                return self.keys.number(key)
        return float(self.run)

    def start(self, default: float, peak: float) -> float:
        """Return the level at which the warm-up starts; a negative rate stands for the default."""
        value = self.keys.number("warmup_init_lr", -1.0, low=-math.inf)
        return (value if value >= 0 else default) / peak

    def warmed(self, peak: float, warmup: int, start: float, *pieces: Piece) -> Plan:
        """Return the plan of a warm-up and these pieces."""
        self.idle(warmup, start)
        return self.at(peak).plan(rise(warmup, start), *pieces)


# One by one ---------------------------------------------------------------------------------


def _inverse_sqrt(case: _FairseqCase) -> Plan:
    peak, warmup = case.rate(), case.keys.whole("warmup_updates", 4000)
    if not warmup:
        rule = "divides by warmup_updates, which is 0"
        raise ScheduleError(case.who, rule, "give warmup_updates of 1 or more")
    root = (None, whole(Power(0.5, every=warmup, start=1.0)))
    return case.warmed(peak, warmup, case.start(0.0, peak), root)


def _polynomial(case: _FairseqCase) -> Plan:
    keys, peak = case.keys, case.rate()
    if keys.has("force_anneal"):
        rule = "has force_anneal, which starts from whatever rate an epoch begins with"
        raise ScheduleError(case.who, rule, "read it without force_anneal")
    warmup, low = keys.whole("warmup_updates", 0), keys.number("end_learning_rate", 0.0) / peak
    steps, power = case.updates("total_num_update"), keys.number("power", 1.0, above=True)
    line = decay("linear", low) if power == 1.0 else decay("polynomial", low, power=power)
    rest = steps - warmup
    return case.warmed(peak, warmup, 0.0, fall(line, rest) if rest > 0 else stay(1.0, 1), stay(low))


def _tri_stage(case: _FairseqCase) -> Plan:
    keys, peak = case.keys, case.rate()
    lengths = [keys.whole(name, 0) for name in names("warmup_steps hold_steps decay_steps")]
    shares = keys.given.get("phase_ratio")
    if shares is not None:
        steps, shares = case.updates("max_update"), _shares(case.who, shares)
        if any(lengths):
            rule = "has both phase_ratio and steps of phases"
            raise ScheduleError(case.who, rule, "keep one of them")
        lengths = [int(steps * share) for share in shares]
    warmup, hold, last = lengths
    if not last:
        raise ScheduleError(case.who, "divides by decay_steps, which is 0", "give decay_steps")
    start = keys.number("init_lr_scale", 0.01)
    low = keys.number("final_lr_scale", 0.01, above=True)
    line = fall(decay("exponential", low), last)
    return case.warmed(peak, warmup, start, stay(1.0, hold), line, stay(low))


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


def _step(case: _FairseqCase) -> Plan:
    keys, peak = case.keys, case.rate()
    low = keys.number("min_lr", 0.0)
    warmup, start = keys.whole("warmup_updates", 0), case.start(low, peak)
    factor, every = keys.number("lr_decay", 0.5, high=1.0), keys.whole("lr_deacy_period", 25000)
    if not every:
        raise ScheduleError(case.who, "has lr_deacy_period=0", "give 1 or more")
    steps = floored(whole(Step(factor, every=every, start=1.0)), low / peak)
    return case.warmed(peak, warmup, start, (None, steps))


def _triangular(case: _FairseqCase) -> Plan:
    keys = case.keys
    peak = keys.number("max_lr", above=True)
    low = case.rate() / peak
    half = int(keys.number("lr_period_updates", 5000) // 2)
    if low >= 1 or half < 1:
        rule = "needs max_lr above lr and lr_period_updates of 2 or more"
        raise ScheduleError(case.who, rule, "give these")
    shrink, case = keys.number("lr_shrink", 0.1, high=1.0), case.at(peak)
    if shrink != 1:
        note = f"Each cycle of {2 * half} updates is {shrink:g} times as high as the one before."
        case.notes.append(note)
    if keys.flag("shrink_min") or shrink == 1:
        wave = Linear(to=1.0, over=half, start=low) >> Linear(to=low, over=half)
        return case.of(Repeat(wave, shrink=shrink))
    pieces: list[Piece] = []
    for i in range(-(-case.run // (2 * half))):
        pieces.append(fall(decay("linear", shrink**i, low), half))
        pieces.append(fall(decay("linear", low, shrink**i), half))
    return case.plan(*pieces)


# Cosine with restarts -----------------------------------------------------------------------


def _cosine(case: _FairseqCase) -> Plan:
    keys, peak = case.keys, case.rate()
    low = keys.number("min_lr", 0.0)
    if low >= peak:
        raise ScheduleError(case.who, f"has min_lr={low:g} and lr={peak:g}", "give a lower min_lr")
    warmup, start = keys.whole("warmup_updates", 0), case.start(low, peak)
    period = keys.number("lr_period_updates", -1.0, low=-math.inf)
    if period <= 0:
        period = case.updates("max_update") - warmup
    grow = keys.number("t_mult", 1.0, low=1.0, high=1e6)
    shrink = keys.number("lr_shrink", 0.1, high=1.0)
    if period <= 0:
        raise ScheduleError(case.who, "has no updates behind the warm-up", "give max_update")
    first = warmup + math.ceil(period)
    case.idle(warmup, start)
    if case.total is None or case.total > first:
        note = f"At update {first} the cosine starts again, {shrink:g} times as high."
        case.notes.append(note)
    cycles = _cycles(case, warmup, (period, grow, shrink, low / peak))
    return case.at(peak).plan(rise(warmup, start), *cycles)


def _cycles(case: _FairseqCase, warmup: int, shape: tuple[float, ...]) -> list[Piece]:
    """Return the cycles, each where the logarithm of fairseq says that it begins."""
    period, grow, shrink, low = shape
    if grow == 1 and period.is_integer():
        wave = Cosine(to=low, over=int(period), start=1.0)
        return [(None, lambda n: Repeat(wave, shrink=shrink))]
    left = max(case.run - warmup, 0)
    pieces: list[Piece] = []
    used, i = 0, 0
    while used < left:
        began = i * period if grow == 1 else (1 - grow**i) / (1 - grow) * period
        size = grow**i * period
        stop = _first(began + size, i, period, grow)
        move = decay("cosine", low * shrink**i, shrink**i)
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


# Tables by epoch or by update ---------------------------------------------------------------


def _fixed(case: _FairseqCase) -> Plan:
    """Read a rate for each epoch, under a warm-up counted from 1."""
    keys, rates = case.keys, case.rates()
    warmup, case = keys.whole("warmup_updates", 0), case.at(rates[0])
    warm = case.lay(rise(warmup, counted="(t+1)/W"), stay(1.0))
    if len(rates) == 1 and not keys.has("force_anneal"):
        return case.of(warm)
    epoch = case.ctx.need_epoch(case.who)
    count = -(-case.run // epoch)
    stairs = Piecewise({e * epoch: _rate(keys, rates, e + 1) / rates[0] for e in range(count)})
    return case.of(stairs * warm if warmup else stairs)


def _rate(keys: Keys, rates: list[float], epoch: int) -> float:
    """Return the rate of an epoch, counted from 1."""
    anneal = keys.whole("force_anneal", low=1) if keys.has("force_anneal") else None
    if anneal is None or epoch < anneal:
        return rates[min(epoch, len(rates)) - 1]
    return rates[-1] * keys.number("lr_shrink", 0.1, high=1.0) ** (epoch + 1 - anneal)


def _manual(case: _FairseqCase) -> Plan:
    """Read tables from epochs and from updates to rates; updates go first."""
    by_epoch, by_update = (_table(case, name) for name in ("epoch2lr", "update2lr"))
    first = by_epoch.get(1, by_update.get(1))
    first = case.rate() if first is None else first
    table = {0: first}
    if by_epoch:
        epoch, start = case.ctx.need_epoch(case.who), min(by_update, default=math.inf)
        begins = {(e - 1) * epoch: rate for e, rate in by_epoch.items() if e >= 1}
        table |= {t: rate for t, rate in begins.items() if t < start}
        table[0] = by_epoch[max(e for e in by_epoch if e <= 1)] if min(by_epoch) <= 1 else first
    table |= by_update
    peak = max(table.values())
    if peak == 0:
        raise ScheduleError(case.who, "has no rate above 0", "give one")
    levels = {t: table[t] / peak for t in sorted(table)}
    return case.at(peak).of(Piecewise(changes(levels)))


def _table(case: _FairseqCase, name: str) -> dict[int, float]:
    """Return a table such as {"1": 0.1, "2-10": 0.01, "11,13": 0.001} with one key each."""
    given = case.keys.given.get(name) or {}
    fix = f"""write {name}={{"1-3": 1e-3, "4,5": 1e-4}}"""
    read = as_literal(given)
    if not isinstance(read, Mapping):
        raise ScheduleError(case.who, f"has {name}={shorten(given)}", fix)
    table: dict[int, float] = {}
    for key, value in read.items():
        try:
            positions = _positions(key)
        except (TypeError, ValueError):
            rule = f"has the key {shorten(key)} in {name}"
            raise ScheduleError(case.who, rule, fix) from None
        rate = number(case.who, f"{name}[{key}]", as_number(value))
        table |= dict.fromkeys(positions, rate)
    return table


def _positions(key: Any) -> range | list[int]:
    if isinstance(key, str) and "," in key:
        return [int(each) for each in key.split(",")]
    if isinstance(key, str) and "-" in key:
        first, last = (int(each) for each in key.split("-"))
        if last - first > _LONGEST_TABLE:
            raise ValueError(key)
        return range(first, last + 1)
    return [int(key)]


_LONGEST_TABLE = 100_000
"""Epochs or updates that a key of a table may stand for."""

# The format ---------------------------------------------------------------------------------

_COMMON = (
    "lr lr_scheduler max_update max_epoch warmup_updates warmup_init_lr stop_min_lr "
    "reset_lr_scheduler"
)
_KINDS: dict[str, tuple[Callable[[_FairseqCase], Plan], str]] = {
    "inverse_sqrt": (_inverse_sqrt, ""),
    "polynomial_decay": (_polynomial, "force_anneal end_learning_rate power total_num_update"),
    "cosine": (_cosine, "min_lr t_mult lr_period_updates lr_shrink"),
    "tri_stage": (
        _tri_stage,
        "warmup_steps hold_steps decay_steps phase_ratio init_lr_scale final_lr_scale",
    ),
    "triangular": (_triangular, "max_lr lr_period_updates lr_shrink shrink_min"),
    "fixed": (_fixed, "force_anneal lr_shrink"),
    "step": (_step, "min_lr lr_deacy_period lr_decay"),
    "manual": (_manual, "epoch2lr update2lr"),
}
_OTHERS = {
    "reduce_lr_on_plateau": "depends on a metric and is no function of the update",
    "pass_through": "leaves the rate to the optimizer",
}
_FEEDBACK_KEYS = "lr_threshold lr_patience"
_FAMILY = ("phase_", "init_lr", "final_lr", "end_learn", "total_num", "t_mult")


def _gathered(source: Any) -> dict[str, Any]:
    """Return flags, or the groups of a Hydra config, as one mapping."""
    given = flags("fairseq", source)
    inner = given.get("lr_scheduler")
    if not isinstance(inner, Mapping):
        return given
    optimization = section("fairseq optimization", given.get("optimization"))
    outer = {key: optimization[key] for key in ("lr", "max_update") if key in optimization}
    return {**outer, **inner, "lr_scheduler": inner.get("_name")}


def _read(source: Any, ctx: RunFacts) -> Plan:
    given = _gathered(source)
    keys = Keys("fairseq", {"lr_scheduler": "fixed", **given})
    name = keys.choice("lr_scheduler", (*_KINDS, *_OTHERS), what="lr_scheduler")
    if name in _OTHERS:
        fix = "keep fairseq's own, or read another scheduler"
        raise ScheduleError(f"fairseq {name}", _OTHERS[name], fix)
    build, known = _KINDS[name]
    keys = Keys(f"fairseq {name}", given)
    every = [own for _, own in _KINDS.values()]
    keys.among(_COMMON, *every, _FEEDBACK_KEYS, also=_FAMILY, typed=True)
    if isinstance(dig(source, "lr_scheduler"), Mapping):
        Keys(keys.who, dig(source, "lr_scheduler")).only(_COMMON, known, "_name")
    if ctx.total is None and keys.has("max_update") and keys.number("max_update"):
        ctx = ctx.lasting(keys.whole("max_update"))
    return build(_FairseqCase(keys, ctx))


_NAMES = (*_KINDS, *_OTHERS)
_MARKS = Marks(
    FormatMark("--lr-scheduler", value=_NAMES),
    FormatMark("lr_scheduler._name", value=_NAMES),
    FormatMark("lr_scheduler", 1, value=_NAMES),
    FormatMark("lr_scheduler", 3, value=("pass_through",)),
    *marks("optimization.max_update", 2),
    *marks("warmup_updates max_update total_num_update warmup_init_lr", 2),
)


def _evidence(source: Any) -> Evidence:
    """Return the marks of all, with the keys of the scheduler that is named."""
    found, name = _MARKS(source), dig(source, "lr_scheduler")
    if not isinstance(name, str) or name not in _NAMES:
        return found
    own = Marks(*marks(_KINDS[name][1] if name in _KINDS else _FEEDBACK_KEYS, 2))(source)
    return Evidence(found.weight + own.weight, found.seen + own.seen)


_FACTS = {"total": "max_update optimization.max_update"}
_READS = " ".join(
    [
        _COMMON,
        _FEEDBACK_KEYS,
        "optimization.lr optimization.stop_min_lr",
        *(own for _, own in _KINDS.values()),
    ]
)
FORMATS = (Format("fairseq", "fairseq flags or Hydra config", _evidence, _read, _FACTS, _READS),)
