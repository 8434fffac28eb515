"""The `optimizer` of a Levanter YAML config, without its cycles.

With W the warm-up, D the decay and T the run, in updates or as shares of T, level(t) = t/W, then 1,
then the decay from 1 to m over the last D updates.
"""

from __future__ import annotations

from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, dig, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, names, section
from ratewise.convert.pieces.moves import decay, fall, rise, stay
from ratewise.schedule import Plan, ScheduleError

_WHO = "Levanter optimizer"
_KEYS = "learning_rate min_lr_ratio warmup decay lr_schedule"
_CYCLES = ("rewarmup", "cooldown", "cycle_length", "cycles", "haps")
_PLAIN = (
    "type weight_decay weight_decay_modules default_weight_decay_mask beta1 beta2 epsilon "
    "max_grad_norm nesterov update_rms_clipping haps"
)
_OWN: dict[str, Any] = {"learning_rate": 6e-4, "min_lr_ratio": 0.1, "warmup": 0.01}
_SCHEDULES = ("constant", "cosine", "linear")


def _read(source: Any, ctx: RunFacts) -> Plan:
    keys = Keys(_WHO, section(_WHO, dig(source, "optimizer")))
    keys.among(_KEYS, _PLAIN, " ".join(_CYCLES))
    for name in _CYCLES:
        if keys.given.get(name) not in (None, 0, 0.0):
            rule = f"has {name}, one of its cycles, which are not read"
            raise ScheduleError(_WHO, rule, "leave it out, or write the moves one by one")
    kind = keys.given.get("type")
    if kind is not None and kind not in ("adam", "adamw"):
        rule = f"has the type {kind!r}, which may have rates of its own"
        raise ScheduleError(_WHO, rule, "read the config of adam")
    steps = dig(source, "trainer.num_train_steps")
    if ctx.total is None and steps is not None:
        ctx = ctx.lasting(
            Keys("Levanter trainer", {"num_train_steps": steps}).whole("num_train_steps", low=1)
        )
    left = [f"{name}={value:g}" for name, value in _OWN.items() if not keys.has(name)]
    notes = [f"Left out, so Levanter's own: {', '.join(left)}."] if left else []
    peak = keys.rate(ctx, "learning_rate") or _OWN["learning_rate"]
    return _plan(Case(keys, ctx, peak, notes))


def _plan(case: Case) -> Plan:
    keys, run = case.keys, case.run
    warmup = _length(keys, "warmup", run, _OWN["warmup"])
    down = _length(keys, "decay", run) if keys.has("decay") else run - warmup
    if warmup + down > run:
        rule = f"has a warm-up of {warmup} and a decay of {down} updates in a run of {run}"
        raise ScheduleError(_WHO, rule, "make them shorter")
    case.idle(warmup)
    low = keys.number("min_lr_ratio", _OWN["min_lr_ratio"], high=1.0)
    name = keys.choice("lr_schedule", _SCHEDULES, "cosine")
    if name == "constant" or not down:
        return case.plan(rise(warmup), stay(1.0))
    return case.plan(rise(warmup), stay(1.0, run - warmup - down), fall(decay(name, low), down))


def _length(keys: Keys, name: str, run: int, default: float | None = None) -> int:
    """Return a length in updates; of 1 or less it is a share of the run, cut to whole updates."""
    value = keys.number(name, default)
    if value > 1 and not value.is_integer():
        rule = f"needs {name} as a share or as whole updates"
        raise ScheduleError(_WHO, rule, "give a share in [0, 1], or whole updates", given=value)
    return int(value * run) if value <= 1 else int(value)


_MARKS = Marks(
    *marks("trainer.num_train_steps optimizer.min_lr_ratio", 4),
    *marks("optimizer.warmup optimizer.lr_schedule", 3),
    *marks("trainer.model_axis_size trainer.train_batch_size", 2),
    FormatMark("optimizer.learning_rate", 1),
    FormatMark("scheduler", -20),
)
_FACTS = {"lr": "optimizer.learning_rate", "total": "trainer.num_train_steps"}
_READS = " ".join(f"optimizer.{key}" for key in names(_KEYS, _PLAIN, *_CYCLES))
FORMATS = (Format("levanter", "Levanter YAML", _MARKS, _read, _FACTS, _READS),)
