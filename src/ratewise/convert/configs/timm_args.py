"""The `args.yaml` that timm's training script writes, and the flags that it takes.

The rates are those of the scheduler that timm makes of them, by epoch or, with `sched_on_updates`,
by update. The script trains for `epochs`, with cycles for all of them, and for `cooldown_epochs`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from ratewise.convert.configs._timm_steps import DECAYS, TimmScheduler
from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, ask, marks
from ratewise.convert.live._curves import (
    KeyLevels,
    by_epoch,
    checked,
    epochs,
    needs_run,
    settle,
    steps,
)
from ratewise.convert.live.timm import SHAPES
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys, as_number
from ratewise.convert.pieces.layout import in_order, padded
from ratewise.schedule import Plan, Schedule, ScheduleError

_WHO = "timm args"
_KINDS = {
    "cosine": "Cosine",
    "tanh": "Tanh",
    "poly": "Poly",
    "step": "Step",
    "constant": "MultiStep",
    "none": "MultiStep",
    "multistep": "MultiStep",
    "wsd": "WSD",
    "rsqrt": "WSD",
}
_CYCLIC = ("Cosine", "Tanh", "Poly")
_DEFAULTS: dict[str, Any] = {
    "sched": "cosine",
    "epochs": 300,
    "warmup_epochs": 5,
    "warmup_lr": 1e-5,
    "warmup_prefix": False,
    "min_lr": 0.0,
    "cooldown_epochs": 0,
    "decay_epochs": 90,
    "decay_milestones": [90, 180, 270],
    "decay_rate": 0.1,
    "lr_cycle_mul": 1.0,
    "lr_cycle_decay": 0.5,
    "lr_cycle_limit": 1,
    "lr_k_decay": 1.0,
}
"""Those of the script. Older versions have others, which is why a note names what is used."""
_USED = {
    "Cosine": "min_lr cooldown_epochs",
    "Tanh": "min_lr cooldown_epochs",
    "Poly": "min_lr cooldown_epochs decay_rate",
    "Step": "decay_epochs decay_rate",
    "MultiStep": "decay_milestones decay_rate",
    "WSD": "min_lr cooldown_epochs decay_epochs",
}
"""What plays a part in each."""
_KEYS = (
    "sched_on_updates lr lr_base lr_base_size lr_base_scale lr_noise lr_noise_pct lr_noise_std "
    "lr_decay_fn lr_stable_timescale patience_epochs start_epoch opt batch_size grad_accum_steps"
)
_NO_RATES = ("train_size_schedule", "train_size_schedule_spread")
_ALSO = ("lr_", "unscale_lr", "blr")
"""How other scripts built on timm call what changes the rate."""


def _read(source: Any, ctx: RunFacts) -> Plan:
    given = {k: v for k, v in _flags(source).items() if v is not None and k not in _NO_RATES}
    if ctx.epochs is not None:
        given["epochs"] = ctx.epochs
    keys = Keys(_WHO, given).among(_KEYS, *_DEFAULTS, also=_ALSO)
    sched = keys.choice("sched", [*_KINDS, "plateau"], "cosine")
    _refuse(keys, sched)
    share = {"decay_epochs": 0.2} if _KINDS[sched] == "WSD" else {}
    keys = Keys(_WHO, {**_DEFAULTS, **share, **given})
    by_update = keys.flag("sched_on_updates")
    pace = ctx.need_epoch(_WHO) if by_update else 1
    made = _scheduler(keys, sched, _peak(keys, ctx), pace)
    length = _epochs(keys, made, pace)
    run = _run(length, ctx)
    notes = _notes(keys, sched, given)
    if length != keys.number("epochs"):
        notes.append(f"timm trains for {length:g} epochs, warm-up, cycles and cooldown included.")
    lr, more = _by_update(made, run) if by_update else (_by_epoch(made, run), ())
    total = run.need_total(_WHO)
    lr = in_order(padded(lr, total))
    return Plan(lr=lr, peak={"lr": made.base}, notes=(*notes, *more))


def _refuse(keys: Keys, sched: str) -> None:
    if sched == "plateau":
        rule = "has sched=plateau, a feedback schedule: its rates depend on metrics"
        raise ScheduleError(_WHO, rule, "give a schedule that is a function of the update")
    if keys.has("lr_noise"):
        rule = "has lr_noise, whose random numbers only timm draws"
        raise ScheduleError(_WHO, rule, "leave it out, or give the live scheduler")


def _by_epoch(made: TimmScheduler, run: RunFacts) -> Schedule:
    values = checked(_WHO, "lr", made.first(epochs(run.horizon)))
    return steps(by_epoch(run.horizon, values) / made.base)


def _by_update(made: TimmScheduler, run: RunFacts) -> tuple[Schedule, tuple[str, ...]]:
    total = run.need_total(_WHO)
    fields = {**vars(made), **({"decay_t": made.milestones} if made.kind == "MultiStep" else {})}
    shape = SHAPES[f"{made.kind}LRScheduler"](_Fields(fields), made.base, total)
    values = made.first(total) if needs_run([shape], total) else None
    schedule, _, notes = settle(_WHO, "lr", KeyLevels(made.base, shape, values))
    return schedule, notes


class _Fields:
    """The attributes that a live scheduler has."""

    stable_power = decay_power = 0.5

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.__dict__.update(fields)


def _flags(source: Any) -> dict[str, Any]:
    """Return the arguments by name, short ones by their long ones."""
    short = {"b": "batch_size", "dr": "decay_rate"}
    return {short.get(name, name): value for name, value in flags(_WHO, source).items()}


def _peak(keys: Keys, ctx: RunFacts) -> float:
    """Return the rate that is given, or the one that timm scales by the size of an update."""
    if as_number(keys.given.get("lr")):
        return keys.number("lr", above=True)
    if keys.has("train_img_sizes") or not keys.has("batch_size") or ctx.processes is None:
        rule = "has no lr: timm takes lr_base times the samples of an update by lr_base_size"
        raise ScheduleError(_WHO, rule, ask("processes", ", beside a batch_size; or give an lr"))
    size = keys.number("batch_size", above=True) * ctx.processes
    ratio = size * max(1, keys.whole("grad_accum_steps", 1)) / keys.whole("lr_base_size", 256)
    adaptive = any(name in str(keys.get("opt", "sgd")).lower() for name in ("ada", "lamb"))
    scale = keys.given.get("lr_base_scale") or ("sqrt" if adaptive else "linear")
    scale = Keys(_WHO, {"lr_base_scale": scale}).choice("lr_base_scale", ("linear", "sqrt"))
    return keys.number("lr_base", 0.1, above=True) * (ratio**0.5 if scale == "sqrt" else ratio)


def _scheduler(keys: Keys, sched: str, peak: float, pace: int) -> TimmScheduler:
    """Return what timm's factory makes, in steps of which an epoch has `pace`."""
    kind = _KINDS[sched]
    length, warmup = (pace * keys.number(name) for name in ("epochs", "warmup_epochs"))
    if not length:
        raise ScheduleError(_WHO, "has no epochs", "give epochs=…")
    made = TimmScheduler(
        kind,
        peak,
        t_initial=_plain(length),
        lr_min=keys.number("min_lr"),
        warmup_t=0 if sched == "none" else _plain(warmup),
        warmup_lr_init=keys.number("warmup_lr"),
        warmup_prefix=keys.flag("warmup_prefix"),
        decay_rate=keys.number("decay_rate"),
        power=keys.number("decay_rate"),
    )
    change = dataclasses.replace
    if kind in _CYCLIC:
        return change(
            made,
            cycle_mul=keys.number("lr_cycle_mul", low=1.0),
            cycle_decay=keys.number("lr_cycle_decay"),
            cycle_limit=keys.whole("lr_cycle_limit"),
            k_decay=keys.number("lr_k_decay", above=True),
        )
    if sched == "multistep":
        return change(made, milestones=[pace * epoch for epoch in _milestones(keys)])
    if kind == "Step":
        return change(made, decay_t=_plain(pace * keys.number("decay_epochs", above=True)))
    return _with_decay(made, keys, sched, pace) if kind == "WSD" else made


def _milestones(keys: Keys) -> list[float]:
    given = keys.get("decay_milestones")
    given = given if isinstance(given, list | tuple) else [given]
    found = [Keys(_WHO, {"decay_milestones": x}).number("decay_milestones") for x in given]
    if found != sorted(found):
        rule = "has decay_milestones that do not rise"
        raise ScheduleError(_WHO, rule, "write them in order", given=given)
    return [_plain(epoch) for epoch in found]


def _with_decay(made: TimmScheduler, keys: Keys, sched: str, pace: int) -> TimmScheduler:
    """Return the scheduler with its stable phase and its decay."""
    length = made.t_initial - (0 if made.warmup_prefix else made.warmup_t)
    share = keys.number("decay_epochs", above=True)
    decay = round(share * (length if share < 1 else pace))
    if not 0 < decay <= length:
        rule = f"has decay_epochs={share:g} in {length:g} steps behind the warm-up"
        raise ScheduleError(_WHO, rule, "give a decay that fits")
    scale = made.warmup_t
    if keys.has("lr_stable_timescale"):
        scale = pace * keys.number("lr_stable_timescale", above=True)
    if sched == "rsqrt" and not scale:
        rule = "has sched=rsqrt without a warm-up"
        raise ScheduleError(_WHO, rule, "give lr_stable_timescale=…")
    fall = keys.choice("lr_decay_fn", DECAYS, "linear" if sched == "rsqrt" else "1-sqrt")
    return dataclasses.replace(
        made,
        t_initial=_plain(length),
        warmup_prefix=True,
        decay_t=decay,
        decay_fn=fall,
        stable_fn="rsqrt" if sched == "rsqrt" else "constant",
        stable_timescale=_plain(scale),
    )


def _epochs(keys: Keys, made: TimmScheduler, pace: int) -> float:
    """Return how many epochs the script trains."""
    if made.kind in (*_CYCLIC, "WSD"):
        steps = made.cycles + pace * keys.number("cooldown_epochs")
        return steps if pace == 1 else steps // pace
    extra = keys.number("warmup_epochs") if keys.flag("warmup_prefix") else 0
    return keys.number("epochs") + extra


def _run(length: float, ctx: RunFacts) -> RunFacts:
    """Return what is known of the run, with its length; one that was told counts more."""
    epoch = ctx.need(_WHO, "epoch")
    return ctx if ctx.total is not None else ctx.lasting(max(1, math.ceil(length * epoch)))


def _notes(keys: Keys, sched: str, given: Mapping[str, Any]) -> list[str]:
    notes: list[str] = []
    used = ["sched", "epochs", *([] if sched == "none" else ["warmup_epochs", "warmup_lr"])]
    used += [] if sched in ("constant", "none") else _USED[_KINDS[sched]].split()
    left_out = {name: keys.given.get(name, "cosine") for name in used if name not in given}
    if left_out:
        values = ", ".join(f"{name}={value}" for name, value in left_out.items())
        notes.append(f"Left out, so the script's own: {values}; older versions have others.")
    begin = keys.number("start_epoch", 0)
    if begin:
        notes.append(f"The run begins at epoch {begin:g} of this plan.")
    if keys.has("layer_decay"):
        notes.append("layer_decay: the layers below the last run at their lr_scale of these rates.")
    return notes


def _plain(value: float) -> float:
    """Return a whole number as an int, so that timm's divisions give what they give there."""
    return int(value) if float(value).is_integer() else value


_MARKS = Marks(
    FormatMark("sched", 2, [*_KINDS, "plateau"]),
    *marks("sched_on_updates lr_k_decay lr_noise_pct lr_cycle_decay lr_base_size warmup_prefix"),
    *marks("warmup_lr cooldown_epochs warmup_epochs decay_epochs patience_epochs", 1),
    *marks("repeated_aug data_path distillation_type", -20),
)
_FACTS = {"lr": "lr", "batch_size": "batch_size", "accumulation": "grad_accum_steps"}
_READS = " ".join([_KEYS, *_DEFAULTS, *_NO_RATES, "b dr layer_decay train_img_sizes"])
FORMATS = (Format("timm_args", "timm's args.yaml", _MARKS, _read, _FACTS, _READS),)
