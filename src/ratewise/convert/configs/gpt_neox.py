"""The config of GPT-NeoX, a YAML or JSON file that may have comments.

With N = `lr_decay_iters` and W = warmup · N, which need not be whole, the level of update t is
max(t, 1)/W up to W, then the decay at progress (t - W)/(N - W), never below the floor.
"""

from __future__ import annotations

import math
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, dig, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys
from ratewise.convert.pieces.moves import Make, count, decay, floored, hold, part, rise, stay
from ratewise.schedule import Plan, ScheduleError, Wave
from ratewise.schedule.errors import shorten

_WHO = "GPT-NeoX"
_STYLES = ("constant", "linear", "cosine", "exponential")
_KEYS = (
    "lr min_lr warmup lr_decay_style lr_decay_iters lr_decay_fraction train_iters "
    "override_lr_scheduler use_checkpoint_lr_scheduler"
)


def _read(source: Any, ctx: RunFacts) -> Plan:
    given = flags(_WHO, source)
    keys = Keys(_WHO, given).among(_KEYS)
    rate = dig(given, "optimizer.params.lr")
    if rate is not None and given.get("lr") not in (None, rate):
        rule = f"has lr={shorten(given['lr'])} and optimizer.params.lr={shorten(rate)}"
        raise ScheduleError(_WHO, rule, "keep the one in optimizer.params")
    keys = keys.having(lr=given.get("lr") if rate is None else rate)
    if ctx.total is None and keys.has("train_iters"):
        ctx = ctx.lasting(keys.whole("train_iters", low=1))
    case = Case(keys, ctx, keys.rate(ctx))
    end = _end(case)
    warmup, first = keys.number("warmup", 0.01, high=1.0) * end, 0
    if warmup:
        first = count(warmup)
        case.notes.append("Updates 0 and 1 run at the same rate.")
    low = keys.level("min_lr", case.peak)
    rest, left = end - warmup, case.run - first
    if left > 0 and not rest:
        rule = f"has no updates to decay and divides by zero at update {first + 1}"
        raise ScheduleError(_WHO, rule, "give a shorter warmup")
    top = stay(1 / warmup if warmup else 1.0, min(first, 1))
    style = keys.choice("lr_decay_style", _STYLES, "linear")
    if style == "cosine" and left > rest:
        case.notes.append(f"The cosine ends at update {end}; behind it the rate rises again.")
    down = _decay(style, low, rest, first - warmup, left) if left > 0 else hold()
    return case.plan(top, rise(first, begin=1, of=warmup or 1), (max(left, 0), down))


def _end(case: Case) -> int:
    """Return the updates of warm-up and decay, whatever the run lasts."""
    keys = case.keys
    if keys.has("lr_decay_iters"):
        return keys.whole("lr_decay_iters", low=1)
    run = keys.whole("train_iters", low=1) if keys.has("train_iters") else case.run
    return max(1, math.floor(run * keys.number("lr_decay_fraction", 1.0, high=1.0)))


def _decay(style: str, low: float, of: float, begin: float, left: int) -> Make:
    """Return what falls over `of` updates, from position `begin` on and past its end."""
    whole = begin + left
    if style == "constant":
        return hold(1.0)
    if style == "linear":
        return floored(part(decay("linear", 0.0), of, begin), low)
    if style == "exponential":
        return floored(part(decay("exponential", math.exp(-0.693 * whole / of)), whole, begin), low)
    if whole <= of:
        return part(decay("cosine", low), of, begin)
    return part(Wave(low, 0.5 * whole / of, start=1.0), whole, begin)


_MARKS = Marks(
    *marks("lr_decay_style lr_decay_iters lr_decay_fraction train_iters", 1),
    *marks("warmup optimizer.params.lr", 2),
    FormatMark("", -20, lambda source: isinstance(source, str)),
)
_FACTS = {"lr": "lr optimizer.params.lr", "total": "train_iters"}
FORMATS = (Format("gpt_neox", "GPT-NeoX config", _MARKS, _read, _FACTS, _KEYS),)
