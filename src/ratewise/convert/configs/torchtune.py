"""The `lr_scheduler` of a torchtune YAML config."""

from __future__ import annotations

from typing import Any

from ratewise.convert.formats import Context, Format
from ratewise.convert.pieces.keys import Keys, dig, plan, section
from ratewise.convert.pieces.moves import climb, hold, lay, swing
from ratewise.schedule import Plan, ScheduleError

_WHO = "torchtune lr_scheduler"
_COSINE = "get_cosine_schedule_with_warmup"
_KEYS = ("_component_", "num_warmup_steps", "num_training_steps", "num_cycles", "last_epoch")


def _read(source: Any, ctx: Context) -> Plan:
    keys = Keys(_WHO, section(_WHO, _section(source)))
    name = str(keys.need("_component_"))
    if name.rpartition(".")[2] != _COSINE:
        fix = f"only {_COSINE} can be read; build another one and read the live object"
        raise ScheduleError(_WHO, f"has _component_={name!r}", fix)
    keys.only(_KEYS)
    rate = dig(source, "optimizer", "lr")
    peak = Keys("torchtune optimizer", {"lr": rate}).rate(ctx)
    warmup = keys.whole("num_warmup_steps")
    cycles = keys.number("num_cycles", 0.5)
    notes = ["Update 0 runs at rate 0 and changes nothing."] if warmup else []
    rise = (warmup, climb(warmup)) if warmup else (0, hold())
    if not keys.has("num_training_steps"):
        return plan(lay(ctx.total, rise, (None, swing(0.0, 1, cycles))), peak, notes)
    steps = keys.whole("num_training_steps")
    run = ctx.total or steps
    if run > max(steps, warmup):
        notes.append(f"The cosine ends at update {steps}; behind it the rate moves on, up again.")
    fall = swing(0.0, max(steps - warmup, 1), cycles)
    return plan(lay(run, rise, (run - warmup, fall)), peak, notes)


def _section(source: Any) -> Any:
    inner = dig(source, "lr_scheduler")
    return source if inner is None else inner


def _matches(source: Any) -> bool:
    name = dig(_section(source), "_component_")
    return isinstance(name, str) and ("lr_sched" in name or name.endswith(_COSINE))


FORMATS = (Format("torchtune", "torchtune YAML", _matches, _read),)
