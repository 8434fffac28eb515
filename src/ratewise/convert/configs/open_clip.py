"""The flags of OpenCLIP: a warm-up counted from 1, then a cosine to 0, a constant or a cooldown.

level(t) = (t + 1)/W for t < W, then (1 + cos(πp))/2 at p = (t - W)/(T - W); with const-cooldown,
1 up to the last C updates, then m + (1 - m)·(1 - p)^power at p = (t - T + C)/C.
"""

from __future__ import annotations

from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys
from ratewise.convert.pieces.moves import decay, fall, rise, stay, swing
from ratewise.schedule import Plan, ScheduleError

_WHO = "OpenCLIP"
_KEYS = (
    "lr warmup epochs lr_scheduler epochs_cooldown lr_cooldown_end lr_cooldown_power "
    "skip_scheduler accum_freq"
)
_KINDS = ("cosine", "const", "const-cooldown")
_EPOCHS, _WARMUP = 32, 10_000
"""Its own, where they are left out."""


def _read(source: Any, ctx: RunFacts) -> Plan:
    keys = Keys(_WHO, flags(_WHO, source)).among(_KEYS, also=("lr_", "warm"), typed=True)
    notes: list[str] = []
    if keys.flag("skip_scheduler"):
        return Case(keys, ctx, keys.rate(ctx)).plan(stay(1.0))
    if not keys.has("warmup"):
        notes.append(f"Left out, so OpenCLIP's own: warmup={_WARMUP}.")
    if ctx.total is None and ctx.horizon.epoch is not None and not keys.has("epochs"):
        notes.append(f"Left out, so OpenCLIP's own: epochs={_EPOCHS}.")
        ctx = ctx.lasting(_EPOCHS * ctx.need_epoch(_WHO))
    case = Case(keys, ctx, keys.rate(ctx), notes)
    warmup, kind = keys.whole("warmup", _WARMUP), keys.choice("lr_scheduler", _KINDS, "cosine")
    climb = rise(warmup, counted="(t+1)/W")
    if kind == "const":
        return case.plan(climb, stay(1.0))
    if warmup >= case.run:
        rule = f"has a warm-up of {warmup} updates in a run of {case.run}"
        raise ScheduleError(_WHO, rule, "give a shorter --warmup, or the total")
    if kind == "cosine":
        return case.plan(climb, (None, swing(0.0, case.run - warmup)))
    return _cooled(case, warmup)


def _cooled(case: Case, warmup: int) -> Plan:
    keys = case.keys
    last = int(keys.number("epochs_cooldown", above=True) * case.ctx.need_epoch(_WHO))
    low = keys.level("lr_cooldown_end", case.peak)
    power = keys.number("lr_cooldown_power", 1.0, above=True)
    start = case.run - last
    if start < 0:
        raise ScheduleError(
            _WHO, f"cools down over {last} of {case.run} updates", "make it shorter"
        )
    down = fall(decay("polynomial", low, power=power), last, max(warmup - start, 0))
    climb = rise(warmup, counted="(t+1)/W")
    return case.plan(climb, stay(1.0, max(start - warmup, 0)), down)


_MARKS = Marks(
    FormatMark("lr_scheduler", 4, ("const-cooldown",)),
    FormatMark("lr_scheduler", 1, _KINDS),
    *marks("zeroshot_frequency accum_freq epochs_cooldown lr_cooldown_end gather_with_grad", 4),
    *marks("train_num_samples imagenet_val local_loss force_patch_dropout", 3),
    *marks("--warmup --train-data --dataset-type --dataset-resampled", 1),
)
_FACTS = {"lr": "lr", "epochs": "epochs"}
FORMATS = (Format("open_clip", "flags of OpenCLIP", _MARKS, _read, _FACTS, _KEYS),)
