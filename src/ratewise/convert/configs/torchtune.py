"""The `lr_scheduler` of a torchtune YAML config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, rate_at, section, under
from ratewise.convert.pieces.moves import rise, stay, swing
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import Fix

_WHO = "torchtune lr_scheduler"
_COSINE = "get_cosine_schedule_with_warmup"


def _read(source: Any, ctx: RunFacts) -> Plan:
    if _has_optimizer(source):
        _check_epoch(source, ctx)
        if source.get("lr_scheduler") is None:
            return _constant(source, ctx)
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


def _has_optimizer(source: Any) -> bool:
    """Whether it is a whole config, not its section alone."""
    return isinstance(source, Mapping) and "optimizer" in source


def _constant(source: Any, ctx: RunFacts) -> Plan:
    """Return the plan of a recipe that runs without a scheduler."""
    keys = Keys("torchtune optimizer", section("torchtune optimizer", source["optimizer"]))
    peak = rate_at(keys.who, source, "optimizer.lr", ctx)
    notes = ["There is no lr_scheduler: the rate stays."]
    return Case(keys, ctx, keys.number("lr", above=True) if peak is None else peak, notes).plan(
        stay(1.0)
    )


def _check_epoch(source: Any, ctx: RunFacts) -> None:
    keys, epoch = Keys("torchtune", source), ctx.horizon.epoch
    if epoch is None or not keys.has("max_steps_per_epoch"):
        return
    most = keys.whole("max_steps_per_epoch", low=1)
    if epoch > most:
        rule = f"ends an epoch of {float(epoch):g} updates after max_steps_per_epoch={most}"
        raise ScheduleError("torchtune", rule, Fix("give {epoch}", epoch=str(most)))


def _is_ours(name: Any) -> bool:
    return isinstance(name, str) and ("lr_sched" in name or name.endswith(_COSINE))


_MARKS = Marks(
    FormatMark("lr_scheduler._component_", value=_is_ours),
    FormatMark("_component_", value=_is_ours),
    *marks("optimizer._component_"),
    *marks("model._component_ tokenizer._component_ checkpointer._component_", 2),
)
_FACTS = {
    "lr": "optimizer.lr",
    "total": "lr_scheduler.num_training_steps",
    "epochs": "epochs",
    "batch_size": "batch_size",
    "accumulation": "gradient_accumulation_steps",
}
_READS = "lr_scheduler max_steps_per_epoch gamma"
FORMATS = (Format("torchtune", "torchtune YAML", _MARKS, _read, _FACTS, _READS),)
