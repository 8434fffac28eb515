"""The flags of the training scripts of diffusers, whose schedules are those of Transformers."""

from __future__ import annotations

from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, ask, marks
from ratewise.convert.pieces.case import transformers_plan
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys, names
from ratewise.schedule import Plan, ScheduleError

_WHO = "diffusers"
_NAMES = names("constant constant_with_warmup cosine cosine_with_restarts linear polynomial")
_KEYS = "learning_rate scale_lr lr_scheduler lr_warmup_steps lr_num_cycles lr_power"


def _read(source: Any, ctx: RunFacts) -> Plan:
    keys = Keys(_WHO, flags(_WHO, source)).among(_KEYS)
    name = keys.choice("lr_scheduler", _NAMES, "constant")
    notes: list[str] = []
    if isinstance(source, str) and name != "constant":  # scripts differ in the default
        keys.need("lr_warmup_steps")
    if name != "constant" and not keys.has("lr_warmup_steps"):
        notes.append("lr_warmup_steps is not given and read as 0; most scripts use 500.")
    kwargs: dict[str, Any] = {}
    if name == "cosine_with_restarts":
        kwargs = {"num_cycles": keys.whole("lr_num_cycles", 1)}
    if name == "polynomial":
        kwargs = {"power": keys.number("lr_power", 1.0, above=True)}
    arguments = {
        "lr_scheduler_type": name,
        "learning_rate": _rate(keys, ctx),
        "lr_scheduler_kwargs": kwargs,
        "warmup_steps": keys.whole("lr_warmup_steps", 0) if name != "constant" else 0,
    }
    if ctx.total is None and keys.has("max_train_steps"):
        ctx = ctx.lasting(keys.whole("max_train_steps", low=1))
    return transformers_plan(arguments, ctx, notes)


def _rate(keys: Keys, ctx: RunFacts) -> float:
    """Return the rate, which `scale_lr` multiplies by the samples of an update."""
    rate = keys.rate(ctx, "learning_rate") or keys.need("learning_rate")
    if not keys.flag("scale_lr"):
        return rate
    if ctx.processes is None:
        rule = "has scale_lr, which multiplies the rate by the number of processes"
        raise ScheduleError(_WHO, rule, ask("processes"))
    batches = keys.number("gradient_accumulation_steps", 1.0, above=True)
    return rate * batches * keys.number("train_batch_size", above=True) * ctx.processes


_MARKS = Marks(
    FormatMark("lr_scheduler", 1, _NAMES),
    *marks("lr_num_cycles lr_power max_train_steps", 2),
    *marks("lr_warmup_steps pretrained_model_name_or_path", 1),
    *marks("network_module lr_scheduler_args lr_scheduler_num_cycles lr_scheduler_power", -20),
)
_FACTS = {
    "lr": "learning_rate",
    "total": "max_train_steps",
    "epochs": "num_train_epochs",
    "batch_size": "train_batch_size",
    "accumulation": "gradient_accumulation_steps",
}
FORMATS = (Format("diffusers", "flags of diffusers' scripts", _MARKS, _read, _FACTS, _KEYS),)
