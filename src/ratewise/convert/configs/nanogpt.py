"""The config of nanoGPT: a Python file of plain assignments, or flags of the same names.

level(t) = (t + 1)/(W + 1) for t < W, then a cosine to min_lr at update `lr_decay_iters`.
"""

from __future__ import annotations

from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys
from ratewise.convert.pieces.moves import decay, fall, rise, stay
from ratewise.schedule import Plan, ScheduleError

_WHO = "nanoGPT"
_KEYS = "learning_rate min_lr warmup_iters lr_decay_iters max_iters decay_lr"
_DEFAULTS = {
    "learning_rate": 6e-4,
    "min_lr": 6e-5,
    "warmup_iters": 2000,
    "lr_decay_iters": 600_000,
    "max_iters": 600_000,
}


def _read(source: Any, ctx: RunFacts) -> Plan:
    given = {name: value for name, value in flags(_WHO, source).items() if value is not None}
    keys = Keys(_WHO, given).among(_KEYS)
    told = {"learning_rate": ctx.more["lr"]} if ctx.more.get("lr") is not None else {}
    keys = keys.having(**{**_DEFAULTS, **told, **given})
    case = Case(keys, ctx, keys.rate(ctx, "learning_rate"))
    left_out = [name for name in _DEFAULTS if name not in given and name not in told]
    if left_out:
        defaults = ", ".join(f"{name}={_DEFAULTS[name]:g}" for name in left_out)
        case.notes.append(f"Left out, so nanoGPT's own: {defaults}.")
    if ctx.total is None:
        case = Case(keys, ctx.lasting(keys.whole("max_iters", low=1)), case.peak, case.notes)
    if not keys.flag("decay_lr", True):
        return case.plan(stay(1.0))
    warmup, end = keys.whole("warmup_iters"), keys.whole("lr_decay_iters")
    if warmup == end and case.run > warmup:
        rule = f"has no updates to decay and divides by zero at update {warmup}"
        raise ScheduleError(_WHO, rule, "give lr_decay_iters above warmup_iters")
    low = keys.level("min_lr", case.peak, high=True)
    climb = rise(warmup, counted="(t+1)/(W+1)")
    return case.plan(climb, fall(decay("cosine", low), max(end - warmup, 0)), stay(low))


_MARKS = Marks(
    *marks("decay_lr"),
    *marks("lr_decay_iters warmup_iters", 2),
    *marks("max_iters block_size wandb_log eval_interval always_save_checkpoint", 1),
    FormatMark("lr_decay_style", -20),
    FormatMark("--lr-decay-*", -20),
)
_FACTS = {"lr": "learning_rate", "total": "max_iters"}
FORMATS = (Format("nanogpt", "nanoGPT config", _MARKS, _read, _FACTS, _KEYS),)
