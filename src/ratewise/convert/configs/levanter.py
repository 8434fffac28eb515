"""The `optimizer` of a Levanter YAML config.

With W the warm-up, D the decay and T the run, in updates or as shares of T, level(t) = t/W, then 1,
then the decay from 1 to m over the last D updates. With cycles each of them does so, from where the
one before it has ended; behind all of them a cooldown goes to m in a line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate, pairwise
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, dig, marks, only_one
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, as_number, names, section
from ratewise.convert.pieces.moves import (
    Piece,
    decay,
    fall,
    floored,
    hold,
    lay,
    rise,
    stay,
    whole,
)
from ratewise.schedule import InverseTime, Plan, Power, ScheduleError
from ratewise.schedule.errors import nearest, shorten

_WHO = "Levanter optimizer"
_KEYS = "learning_rate min_lr_ratio warmup decay lr_schedule rewarmup cooldown"
_CYCLES = ("cycle_length", "cycles", "haps")
_PLAIN = (
    "type weight_decay weight_decay_modules default_weight_decay_mask beta1 beta2 epsilon "
    "max_grad_norm nesterov update_rms_clipping momentum gamma rho update_interval clip_threshold "
    "backend_steps muon_epsilon use_kimi_scaling lr"
)
_OTHERS = {"muon": ("adamw", "adam_lr"), "scion": ("signum", "scion_to_signum_lr")}
"""Optimizers with a group that has a rate of its own: what it is called here, and its key."""
_TYPES = (
    *("adam", "adamw", "mini", "adopt", "cautious", "kron", "lion", "mars", "rmsprop", "soap"),
    *("sophia-h", "sophia-g", *_OTHERS),
)
_OWN: dict[str, Any] = {"learning_rate": 6e-4, "min_lr_ratio": 0.1, "warmup": 0.01}
_STEPS = 400_000
_SCHEDULES = ("constant", "cosine", "linear", "inv", "inv_sqrt")


def _read(source: Any, ctx: RunFacts) -> Plan:
    keys = Keys(_WHO, section(_WHO, dig(source, "optimizer")))
    keys.among(_KEYS, _PLAIN, " ".join(_CYCLES), *(key for _, key in _OTHERS.values()))
    only_one(_WHO, keys.given, *_CYCLES)
    kind = keys.choice("type", _TYPES, "adam")
    own = {**_OWN, **({"num_train_steps": _STEPS} if ctx.total is None else {})}
    steps = dig(source, "trainer.num_train_steps")
    if ctx.total is None:
        who, given = "Levanter trainer", {"num_train_steps": _STEPS if steps is None else steps}
        ctx = ctx.lasting(Keys(who, given).whole("num_train_steps", low=1))
    said = keys.given if steps is None else {**keys.given, "num_train_steps": steps}
    left = [f"{name}={value:g}" for name, value in own.items() if said.get(name) is None]
    notes = [f"Left out, so Levanter's own: {', '.join(left)}."] if left else []
    peak = keys.rate(ctx, "learning_rate") or _OWN["learning_rate"]
    case = Case(keys, ctx, peak, notes)
    lr = lay(case.run, *_pieces(case))
    return case.of(lr, groups=_groups(case, kind, lr))


def _groups(case: Case, kind: str, lr: Any) -> dict[str, Plan]:
    """Return the group that an optimizer treats in another way, if it has one."""
    if kind not in _OTHERS:
        return {}
    group, key = _OTHERS[kind]
    assert case.peak is not None
    rate = (
        case.keys.number("adam_lr", 6e-4, above=True)
        if kind == "muon"
        else case.peak * case.keys.number(key, 0.25, above=True)
    )
    case.notes.append(f"Name the group of what {kind} leaves to {group} {group} to run this plan.")
    return {group: Plan(lr=lr, peak={"lr": rate})}


def _pieces(case: Case) -> list[Piece]:
    keys, run = case.keys, case.run
    cooldown = _length(keys, "cooldown", run, 0)
    low = keys.number("min_lr_ratio", _OWN["min_lr_ratio"], high=1.0)
    found: list[Piece] = []
    level = 0.0
    for begin, end in pairwise((0, *_ends(keys, run - cooldown))):
        name, default = ("rewarmup", 0) if begin else ("warmup", _OWN["warmup"])
        warmup = _length(keys, name, end - begin, default)
        down = _length(keys, "decay", end - begin, end - begin - warmup)
        if warmup + down > end - begin:
            rule = (
                f"has a warm-up of {warmup} and a decay of {down} updates in a run of {end - begin}"
            )
            raise ScheduleError(_WHO, rule, "make them shorter")
        case.idle(0 if begin else warmup)
        found += [rise(warmup, level), stay(1.0, end - begin - warmup - down)]
        pieces, level = _decay(keys, down, warmup, low)
        found += pieces
    return [*found, fall(decay("linear", low, level), cooldown)] if cooldown else found


def _ends(keys: Keys, run: int) -> list[int]:
    """Return where cycles end, the last of them at the end of the run."""
    name = next((name for name in _CYCLES if keys.has(name)), "")
    value = as_number(keys.given.get(name))
    if isinstance(value, list | tuple):
        ends = keys.wholes(name)
        ends = [*accumulate(ends)] if name == "cycle_length" else ends
    elif name == "cycle_length":
        length = _length(keys, name, run)
        ends = [i * length for i in range(1, run // max(length, 1))]
    elif name:
        cycles = keys.whole(name, low=1)
        ends = [int(run / cycles * (i + 1)) for i in range(cycles - 1)]
    else:
        ends = []
    if [*ends, run] != sorted({*ends, run}) and ends[-1:] != [run]:
        rule = f"has {name} that end at {shorten(ends)} in a run of {run}"
        raise ScheduleError(_WHO, rule, "let them end one behind the other, inside of the run")
    return ends if ends[-1:] == [run] else [*ends, run]


def _decay(keys: Keys, n: int, warmup: int, low: float) -> tuple[list[Piece], float]:
    """Return the pieces of a decay of n updates, and the level that it ends at."""
    given = keys.given.get("lr_schedule")
    more = Keys(_WHO, given if isinstance(given, Mapping) else {"type": given})
    kind = more.given.get("type")
    if kind is not None and kind not in _SCHEDULES:
        rule = f"has lr_schedule={shorten(kind)}"
        raise ScheduleError(_WHO, rule, nearest(kind, _SCHEDULES))
    more.only("type", "timescale" if kind == "inv_sqrt" else "exponent")
    if more.number("exponent", 1.0) != 1:
        raise ScheduleError(_WHO, "has a cosine with an exponent", "leave exponent out")
    if kind == "constant" or not n:
        return [stay(1.0, n)], 1.0
    if kind == "inv":
        if not low:
            raise ScheduleError(_WHO, "divides by min_lr_ratio=0", "give one above 0")
        first = 1 / (1 + (1 / low - 1) / n)
        rest = whole(InverseTime(first * (1 / low - 1), every=n, start=first))
        return [(1, hold(first)), (n - 1, floored(rest, low))], low
    if kind == "inv_sqrt":
        scale = more.number("timescale", 10_000.0, above=True)
        flat = min(max(math.ceil(scale) - warmup, 0), n)
        begin = max(warmup + flat, 1)
        root = whole(Power(0.5, every=begin, start=min(1.0, math.sqrt(scale / begin))))
        end = max(low, min(1.0, math.sqrt(scale / max(warmup + n, 1))))
        return [stay(1.0, flat), (n - flat, floored(root, low))], end
    return [fall(decay(kind or "cosine", low), n)], low


def _length(keys: Keys, name: str, run: int, default: float | None = None) -> int:
    """Return a length in updates; of 1 or less it is a share of the run, cut to whole updates."""
    if not keys.has(name) and isinstance(default, int):
        return default
    value = keys.number(name, default)
    if value > 1 and not value.is_integer():
        rule = f"needs {name} as a share or as whole updates"
        raise ScheduleError(_WHO, rule, "give a share in [0, 1], or whole updates", given=value)
    return int(value * run) if value <= 1 else int(value)


_MARKS = Marks(
    *marks("trainer.num_train_steps optimizer.min_lr_ratio", 4),
    *marks("optimizer.warmup optimizer.lr_schedule", 3),
    *marks("trainer.model_axis_size trainer.train_batch_size trainer.mp trainer.tracker", 2),
    FormatMark("optimizer.learning_rate", 1),
    FormatMark("scheduler", -20),
)
_FACTS = {"lr": "optimizer.learning_rate", "total": "trainer.num_train_steps"}
_READS = " ".join(
    f"optimizer.{key}"
    for key in names(_KEYS, _PLAIN, *_CYCLES, *(key for _, key in _OTHERS.values()))
)
FORMATS = (Format("levanter", "Levanter YAML", _MARKS, _read, _FACTS, _READS),)
