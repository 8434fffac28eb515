"""The `learning_rate_scheduler` of a nanotron YAML config.

With W the warm-up, S the first update of the decay and D its length, level(t) = t/W for t <= W
(0 for t = 0 without a warm-up), then 1 up to S, then the decay from 1 to m at p = (t - S)/D, then
m.
"""

from __future__ import annotations

from typing import Any

from ratewise.convert.formats import Format, Marks, RunFacts, dig, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, section
from ratewise.convert.pieces.moves import decay, fall, rise, stay
from ratewise.schedule import Plan, ScheduleError

_WHO = "nanotron learning_rate_scheduler"
_PATH = "optimizer.learning_rate_scheduler"
_KEYS = (
    "learning_rate lr_warmup_steps lr_warmup_style lr_decay_style lr_decay_steps "
    "lr_decay_starting_step min_decay_lr"
)
_DECAYS = ("linear", "cosine", "1-sqrt")


def _read(source: Any, ctx: RunFacts) -> Plan:
    found = dig(source, _PATH)
    keys = Keys(_WHO, section(_WHO, source if found is None else found))
    keys = (keys if found is None else keys.only(_KEYS)).among(_KEYS, also=("lr_", "min_"))
    steps = dig(source, "tokens.train_steps")
    if ctx.total is None and steps is not None:
        ctx = ctx.lasting(
            Keys("nanotron tokens", {"train_steps": steps}).whole("train_steps", low=1)
        )
    peak = keys.rate(ctx, "learning_rate") or keys.number("learning_rate", above=True)
    case = Case(keys, ctx, peak)
    low = keys.level("min_decay_lr", peak, high=True) if keys.has("min_decay_lr") else 1.0
    warmup, start, length = _lengths(case)
    if not warmup and not length:
        rule = "multiplies the rate by itself without a warm-up and a decay"
        raise ScheduleError(_WHO, rule, "give lr_decay_steps of 1 or more")
    first = rise(warmup)
    if keys.choice("lr_warmup_style", ("linear", "constant")) == "constant":
        first = stay(1.0, warmup)
    else:
        case.idle(max(warmup, 1))
        first = first if warmup else stay(0.0, 1)  # update 0 is at 0 whatever the warm-up is
    kind = keys.choice("lr_decay_style", _DECAYS, "linear")
    used = first[0] or 0
    held = stay(1.0, max(start - used, 1 if start < warmup else 0))
    taken = max(used + (start < warmup) - start, 0)
    if length <= taken:
        return case.plan(first, held, stay(low))
    return case.plan(first, held, fall(decay(kind, low), length, taken), stay(low))


def _lengths(case: Case) -> tuple[int, int, int]:
    """Return the updates of the warm-up, and where the decay begins and how long it is."""
    keys = case.keys
    warmup = keys.whole("lr_warmup_steps", 0)
    start = keys.whole("lr_decay_starting_step", warmup)
    if keys.has("lr_decay_steps"):
        return warmup, start, keys.whole("lr_decay_steps")
    less = start if keys.has("lr_decay_starting_step") else 0
    return warmup, start, max(case.run - warmup - less, 0)


_MARKS = Marks(
    *marks(f"{_PATH} lr_decay_starting_step min_decay_lr", 4),
    *marks("lr_warmup_style", 3),
    *marks("tokens.train_steps optimizer.optimizer_factory", 2),
)
_FACTS = {"lr": f"{_PATH}.learning_rate", "total": "tokens.train_steps"}
FORMATS = (Format("nanotron", "nanotron YAML", _MARKS, _read, _FACTS, f"{_PATH} {_KEYS}"),)
