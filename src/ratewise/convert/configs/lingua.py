"""The `optim` of Meta Lingua: a warm-up, and a decay to lr_min_ratio at the end of the run.

With W the warm-up, T the steps and m the least level, level(t) = t/W for t < W, then by p =
(t - W)/(T - W) the cosine or the line from 1 to m, (W/t)^e but no less than m, or 1 until the last
share of the run, in which it is 1/(q/m + 1 - q).
"""

from __future__ import annotations

from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, dig, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, section
from ratewise.convert.pieces.moves import decay, fall, floored, rise, stay, whole
from ratewise.schedule import InverseTime, Plan, Power, ScheduleError

_WHO = "lingua optim"
_KEYS = (
    "lr scheduler warmup lr_min_ratio cycle_length cosine_theta annealing_step decay_fraction "
    "exp_factor"
)
_PLAIN = "weight_decay epsilon beta1 beta2 clip"
_OWN: dict[str, Any] = {"lr": 3e-4, "scheduler": "cosine", "warmup": 2000, "lr_min_ratio": 0.1}


def _read(source: Any, ctx: RunFacts) -> Plan:
    given = dig(source, "optim")
    if given is None:
        raise ScheduleError("lingua", "has no optim", "give the config that has it")
    keys = Keys(_WHO, section(_WHO, given)).only(_KEYS, _PLAIN)
    steps = dig(source, "steps")
    if ctx.total is None:
        ctx = ctx.lasting(Keys("lingua", {"steps": steps}).whole("steps", 1000, low=1))
    left = [f"{name}={value}" for name, value in _OWN.items() if not keys.has(name)]
    left += ["steps=1000"] if steps is None else []
    notes = [f"Left out, so lingua's own: {', '.join(left)}."] if left else []
    for name in ("cycle_length", "cosine_theta"):
        if keys.number(name, 1.0) != 1:
            raise ScheduleError(_WHO, f"has {name}, with which it is no plain decay", "give 1")
    return _plan(Case(keys, ctx, keys.rate(ctx) or _OWN["lr"], notes))


def _plan(case: Case) -> Plan:
    keys, run = case.keys, case.run
    kinds = ("constant", "linear", "cosine", "inv_sqrt", "wsd")
    kind = keys.choice("scheduler", kinds, "cosine")
    if kind == "constant":
        return case.plan(stay(1.0))
    warmup, low = keys.whole("warmup", 2000), keys.number("lr_min_ratio", 0.1, high=1.0)
    case.idle(warmup)
    climb = rise(warmup)
    if warmup >= run:
        note = f"The warm-up of {warmup} updates is longer than the run: it never reaches the peak."
        case.notes.append(note)
        return case.plan(climb)
    if kind == "inv_sqrt":
        power = keys.number("exp_factor", 0.5, above=True)
        return case.plan(climb, (None, floored(whole(Power(power, every=max(warmup, 1))), low)))
    if kind == "wsd":
        if not low:
            raise ScheduleError(_WHO, "divides by lr_min_ratio=0", "give one above 0")
        last = int(run * keys.number("decay_fraction", 0.1, high=1.0))
        down = InverseTime(1 / low - 1, every=last, start=1.0)
        held = max(run - last - warmup, 0)
        return case.plan(climb, stay(1.0, held), (last, whole(down)))
    return case.plan(climb, fall(decay(kind, low), run - warmup))


_MARKS = Marks(
    *marks("optim.lr_min_ratio optim.cosine_theta optim.exp_factor", 4),
    *marks("probe_freq distributed.fsdp_type", 2),
    FormatMark("optim.warmup", 2),
    FormatMark("optim.lr", 1),
)
_FACTS = {"lr": "optim.lr", "total": "steps"}
_READS = " ".join(f"optim.{key}" for key in f"{_KEYS} {_PLAIN}".split())
FORMATS = (Format("lingua", "Lingua YAML", _MARKS, _read, _FACTS, _READS),)
