"""The config of OLMo, a YAML file.

The trainer counts an update before it sets the rate: update t runs at c = t + 1, in updates or in
tokens, which need not be whole updates. With W, D and m the warm-up, the end of the decay and the
level that the warm-up begins at, the level is m + (1 - m)·c/W for c < W, then the decay at progress
(c - W)/(D - W), from c = D on the floor.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, dig, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, as_number, rate_at, section
from ratewise.convert.pieces.moves import decay, fall, rise, stay
from ratewise.schedule import Plan, ScheduleError

_WHO = "OLMo"
_DECAYS = {"cosine_with_warmup": "cosine", "linear_with_warmup": "linear"}
_NAMES = (*_DECAYS, "constant", "constant_with_warmup")
_KEYS = (
    "name units t_warmup t_max alpha_f warmup_min_lr grad_clip_warmup_steps grad_clip_warmup_factor"
)
_RATE = 1e-4
"""Its default."""


def _read(source: Any, ctx: RunFacts) -> Plan:
    who = f"{_WHO} scheduler"
    keys = Keys(who, section(who, dig(source, "scheduler"))).only(_KEYS)
    name = keys.choice("name", _NAMES, "cosine_with_warmup")
    notes: list[str] = []
    peak = rate_at(f"{_WHO} optimizer", source, "optimizer.learning_rate", ctx)
    if peak is None:
        peak = _RATE
        notes.append(f"Left out, so OLMo's own: learning_rate={peak:g}.")
    unit = Fraction(1)
    if keys.choice("units", ("steps", "tokens"), "steps") == "tokens":
        unit = _tokens(source, ctx)
    length = _length(source, ctx)
    run = math.ceil(length)
    case = Case(keys, ctx.lasting(run), peak, notes)
    if name == "constant":
        return case.plan(stay(1.0, run))
    warmup = Fraction(int(keys.number("t_warmup", 100))) / unit
    first = min(max(math.ceil(warmup) - 1, 0), run)
    start = keys.level("warmup_min_lr", peak) if keys.has("warmup_min_lr") else 0.1
    if start >= 1:
        raise ScheduleError(who, "has warmup_min_lr of learning_rate", "give a lower one")
    climb = rise(max(warmup - 1, 0), start, counted="(t+1)/W", of=warmup or 1)
    if name == "constant_with_warmup":
        return case.plan(climb, stay(1.0, run - first))
    end = Fraction(int(keys.number("t_max"))) / unit if keys.has("t_max") else length
    if unit == 1 and not keys.has("t_max"):
        end = Fraction(run)
    low = keys.number("alpha_f", 0.1, high=1.0)
    down = fall(decay(_DECAYS[name], low), end - warmup, first + 1 - warmup)
    return case.plan(climb, down, stay(low, max(run - first - (down[0] or 0), 0)))


def _tokens(source: Any, ctx: RunFacts) -> Fraction:
    """Return the tokens of an update, as told or as the config has them."""
    if ctx.horizon.tokens is not None:
        return ctx.horizon.tokens
    batch = Keys(_WHO, section(_WHO, source))
    model = Keys(f"{_WHO} model", section(_WHO, dig(source, "model")))
    if batch.has("global_train_batch_size") and model.has("max_sequence_length"):
        sequences = batch.whole("global_train_batch_size", low=1)
        return Fraction(sequences * model.whole("max_sequence_length", low=1))
    return ctx.need(_WHO, "tokens")


def _length(source: Any, ctx: RunFacts) -> Fraction:
    """Return the updates of the run, which tokens may cut anywhere."""
    given = dig(source, "max_duration")
    if ctx.total is not None or given is None:
        return Fraction(ctx.need_total(_WHO))
    text = str(given).strip()
    unit = next((end for end in ("T", "ep") if text.endswith(end)), "")
    amount = as_number(text.removesuffix(unit).strip())
    value = int(Keys(_WHO, {"max_duration": amount}).number("max_duration", low=1))
    if unit == "T":
        return value / _tokens(source, ctx)
    return Fraction(value * ctx.need_epoch(_WHO) if unit else value)


_MARKS = Marks(
    FormatMark("scheduler.name", 1, _NAMES),
    *marks("optimizer.learning_rate", 4),
    *marks("scheduler.units scheduler.warmup_min_lr", 4),
    *marks("optimizer.min_lr_ratio optimizer.learning_rate_scheduler", -20),
    *marks("trainer.num_train_steps trainer.mp trainer.model_axis_size trainer.tracker", -20),
    FormatMark("max_duration", 3, lambda given: str(given).strip().endswith("T")),
    FormatMark("optimizer.lr", -20),
    FormatMark("scheduler", -20, lambda found: isinstance(found, str)),
)
_FACTS = {"lr": "optimizer.learning_rate", "total": "max_duration"}
_READS = "scheduler optimizer.name global_train_batch_size model.max_sequence_length"
FORMATS = (Format("olmo", "OLMo YAML", _MARKS, _read, _FACTS, _READS),)
