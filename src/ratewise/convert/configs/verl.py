"""The `optim` section of a verl config, that of one of its models.

With FSDP, W the warm-up, T the updates of the run and m the least level, level(t) = t/W for t < W,
then m + (1 - m)(1 + cos(2πc·p))/2 with c cycles at p = (t - W)/(T - W). With Megatron the rates are
those of its scheduler, counted in steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ratewise.convert.configs.megatron import STYLES, Lengths, pieces
from ratewise.convert.formats import Evidence, Format, FormatMark, Marks, RunFacts, dig, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, as_number, section
from ratewise.convert.pieces.moves import rise, stay, swing
from ratewise.schedule import Plan, ScheduleError

_WHO = "verl optim"
_KEYS = (
    "lr lr_warmup_steps lr_warmup_steps_ratio min_lr_ratio num_cycles lr_scheduler_type "
    "warmup_style total_training_steps"
)
_MEGATRON = (
    "lr min_lr lr_warmup_init lr_warmup_steps lr_warmup_steps_ratio lr_decay_style lr_decay_steps "
    "lr_wsd_decay_style lr_wsd_decay_steps total_training_steps"
)
_MODELS = ("actor_rollout_ref.actor.optim", "actor.optim", "optim")
_MINI = "verl counts training steps: all mini-batches of a step run at one rate."
_CRITIC = "The critic has rates of its own: read its optim section for them."


def _section(source: Any) -> Mapping[str, Any]:
    found = next((dig(source, path) for path in _MODELS if dig(source, path)), source)
    return section(_WHO, found)


def _read(source: Any, ctx: RunFacts) -> Plan:
    given = _section(source)
    is_megatron = _is_megatron(given.get("_target_")) or "lr_decay_style" in given
    keys = Keys(_WHO, given).among(_MEGATRON if is_megatron else _KEYS, also=("lr_", "num_c"))
    _check_overrides(given)
    notes = [_CRITIC] if dig(source, "critic.optim") else []
    if dig(source, "actor_rollout_ref") is not None:
        notes.append(_MINI)
    steps = dig(source, "trainer.total_training_steps")
    steps = keys.get("total_training_steps", -1) if steps is None else steps
    if ctx.total is None and int(as_number(steps)) > 0:
        ctx = ctx.lasting(keys.having(total_training_steps=steps).whole("total_training_steps"))
    case = Case(keys, ctx, keys.rate(ctx), notes)
    return _megatron(case) if is_megatron else _fsdp(case)


def _check_overrides(given: Mapping[str, Any]) -> None:
    """Refuse arguments of the optimizer that would change the rate behind the config's back."""
    inner = given.get("override_optimizer_config")
    for key in inner if isinstance(inner, Mapping) else ():
        if str(key).endswith("lr"):
            rule = f"has {key} in override_optimizer_config"
            raise ScheduleError(_WHO, rule, f"write {key} itself")


def _warmup(case: Case, end: Callable[[], int]) -> int:
    """Return the updates of the warm-up; a ratio is one of `end`, cut to whole steps."""
    warmup = case.keys.whole("lr_warmup_steps", -1, low=-1)
    if warmup <= 0:
        ratio = case.keys.number("lr_warmup_steps_ratio", 0.0, high=1.0)
        warmup = int(ratio * end()) if ratio else 0
    return warmup


def _fsdp(case: Case) -> Plan:
    keys = case.keys
    kinds = ("constant", "cosine")
    kind = keys.choice("lr_scheduler_type", kinds, "constant")
    if keys.has("warmup_style"):
        kind = keys.choice("warmup_style", kinds)
    warmup = _warmup(case, lambda: case.run)
    case.idle(warmup)
    if kind == "constant":
        return case.plan(rise(warmup), stay(1.0))
    low, cycles = keys.number("min_lr_ratio", 0.0, high=1.0), keys.number("num_cycles", 0.5)
    return case.plan(rise(warmup), (None, swing(low, max(case.run - warmup, 1), cycles)))


def _megatron(case: Case) -> Plan:
    keys = case.keys
    style = keys.choice("lr_decay_style", STYLES)
    levels = keys.level("lr_warmup_init", case.peak), keys.level("min_lr", case.peak)
    has_end = keys.has("lr_decay_steps")
    warmup = _warmup(case, lambda: keys.whole("lr_decay_steps", low=1) if has_end else case.run)
    if style == "constant" and case.total is None and not has_end:
        case.idle(warmup, levels[0])
        return case.plan(rise(warmup, levels[0]), stay(1.0))
    end = keys.whole("lr_decay_steps", low=1) if has_end else case.run
    if warmup >= end:
        rule = f"has a warm-up of {warmup} updates and {end} decay steps"
        raise ScheduleError(_WHO, rule, "make the warm-up shorter")
    last = keys.whole("lr_wsd_decay_steps", low=1) if style == "WSD" else 0
    run = case.total or end
    return case.plan(*pieces(case, style, Lengths(warmup, end, last, run, 1.0), levels, run))


def _is_megatron(name: Any) -> bool:
    return isinstance(name, str) and name.endswith("McoreOptimizerConfig")


_INNER = Marks(
    *marks("lr_warmup_steps_ratio total_training_steps", 4),
    *marks("lr_decay_steps lr_wsd_decay_steps", 2),
    *marks("lr_warmup_steps", 1),
    FormatMark("_target_", 4, lambda name: str(name).startswith("verl.")),
)


_OUTER = Marks(*marks("actor_rollout_ref.actor.optim", 4))


def _matches(source: Any) -> Evidence:
    try:
        inner, outer = _INNER(_section(source)), _OUTER(source)
    except ScheduleError:
        return Evidence()
    return Evidence(inner.weight + outer.weight, inner.seen + outer.seen)


def _paths(key: str) -> str:
    return " ".join([*(f"{path}.{key}" for path in _MODELS), key])


_FACTS = {
    "lr": _paths("lr"),
    "total": f"trainer.total_training_steps {_paths('total_training_steps')}",
    "epochs": "trainer.total_epochs",
}
_READS = " ".join([*_MODELS, "critic.optim trainer.critic_warmup", _KEYS, _MEGATRON])
FORMATS = (Format("verl", "verl's optim", _matches, _read, _FACTS, _READS),)
