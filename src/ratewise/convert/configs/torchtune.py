"""The `lr_scheduler` of a torchtune YAML config."""

from __future__ import annotations

from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, rate_at, section, under
from ratewise.convert.pieces.moves import rise, swing
from ratewise.schedule import Plan, ScheduleError

_WHO = "torchtune lr_scheduler"
_COSINE = "get_cosine_schedule_with_warmup"


def _read(source: Any, ctx: RunFacts) -> Plan:
    keys = Keys(_WHO, section(_WHO, under(source, "lr_scheduler")))
    name = str(keys.need("_component_"))
    if name.rpartition(".")[2] != _COSINE:
        fix = f"only {_COSINE} can be read; build another one and read the live object"
        raise ScheduleError(_WHO, f"has _component_={name!r}", fix)
    keys.only("_component_ num_warmup_steps num_training_steps num_cycles last_epoch")
    case = Case(keys, ctx, rate_at("torchtune optimizer", source, "optimizer.lr", ctx))
    warmup, cycles = keys.whole("num_warmup_steps"), keys.number("num_cycles", 0.5)
    case.idle(warmup)
    if not keys.has("num_training_steps"):
        return case.plan(rise(warmup), (None, swing(0.0, 1, cycles)))
    steps = keys.whole("num_training_steps")
    run = ctx.total or steps
    if run > max(steps, warmup):
        note = f"The cosine ends at update {steps}; behind it the rate moves on, up again."
        case.notes.append(note)
    return case.plan(rise(warmup), (run - warmup, swing(0.0, max(steps - warmup, 1), cycles)))


def _is_ours(name: Any) -> bool:
    return isinstance(name, str) and ("lr_sched" in name or name.endswith(_COSINE))


_MARKS = Marks(
    FormatMark("lr_scheduler._component_", value=_is_ours),
    FormatMark("_component_", value=_is_ours),
)
_FACTS = {"lr": "optimizer.lr", "total": "lr_scheduler.num_training_steps"}
FORMATS = (Format("torchtune", "torchtune YAML", _MARKS, _read, _FACTS, "lr_scheduler gamma"),)
