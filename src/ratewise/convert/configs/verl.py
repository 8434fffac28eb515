"""The `optim` section of a verl config, that of one of its models trained with FSDP.

With W the warm-up, T the updates of the run and m the least level, level(t) = t/W for t < W, then
m + (1 - m)(1 + cos(2πc·p))/2 with c cycles at p = (t - W)/(T - W).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, dig, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, as_number, section
from ratewise.convert.pieces.moves import rise, stay, swing
from ratewise.schedule import Plan, ScheduleError

_WHO = "verl optim"
_KEYS = (
    "lr lr_warmup_steps lr_warmup_steps_ratio min_lr_ratio num_cycles lr_scheduler_type "
    "warmup_style total_training_steps"
)
_MODELS = ("actor_rollout_ref.actor.optim", "actor.optim", "optim")
_CRITIC = "The critic has rates of its own: read its optim section for them."


def _section(source: Any) -> Mapping[str, Any]:
    found = next((dig(source, path) for path in _MODELS if dig(source, path)), source)
    return section(_WHO, found)


def _read(source: Any, ctx: RunFacts) -> Plan:
    keys = Keys(_WHO, _section(source)).among(_KEYS, also=("lr_",))
    notes = [_CRITIC] if dig(source, "critic.optim") else []
    if ctx.total is None and int(as_number(keys.get("total_training_steps", -1))) > 0:
        ctx = ctx.lasting(keys.whole("total_training_steps"))
    case = Case(keys, ctx, keys.rate(ctx), notes)
    kinds = ("constant", "cosine")
    kind = keys.choice("lr_scheduler_type", kinds, "constant")
    if keys.has("warmup_style"):
        kind = keys.choice("warmup_style", kinds)
    warmup = keys.whole("lr_warmup_steps", -1, low=-1)
    if warmup <= 0:
        ratio = keys.number("lr_warmup_steps_ratio", 0.0, high=1.0)
        warmup = int(ratio * case.run) if ratio else 0
    case.idle(warmup)
    if kind == "constant":
        return case.plan(rise(warmup), stay(1.0))
    low, cycles = keys.number("min_lr_ratio", 0.0, high=1.0), keys.number("num_cycles", 0.5)
    return case.plan(rise(warmup), (None, swing(low, max(case.run - warmup, 1), cycles)))


def _is_megatron(name: Any) -> bool:
    return isinstance(name, str) and name.endswith("McoreOptimizerConfig")


_INNER = Marks(
    *marks("lr_warmup_steps_ratio total_training_steps", 4),
    FormatMark("_target_", 4, lambda name: str(name).startswith("verl.")),
    FormatMark("_target_", -40, _is_megatron),
    FormatMark("lr_decay_style", -40),
)


def _matches(source: Any) -> Any:
    try:
        return _INNER(_section(source))
    except ScheduleError:
        return False


_FACTS = {
    name: " ".join([*(f"{path}.{key}" for path in _MODELS), key])
    for name, key in (("lr", "lr"), ("total", "total_training_steps"))
}
_READS = " ".join([*_MODELS, _KEYS])
FORMATS = (Format("verl", "verl's optim", _matches, _read, _FACTS, _READS),)
