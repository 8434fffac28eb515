"""The flags of a script that uses the Trainer of Transformers, and the keys of a model card."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ratewise.convert.formats import (
    TRAINER_FACTS,
    Evidence,
    Format,
    FormatMark,
    Marks,
    RunFacts,
    marks,
    only_one,
    program,
    programs,
)
from ratewise.convert.pieces.case import transformers_plan
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys, as_number, names
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import shorten

_WHO = "Trainer"
_KEYS = (
    "learning_rate lr_scheduler_type lr_scheduler_kwargs warmup_steps warmup_ratio max_steps "
    "num_train_epochs"
)
_CARD = {
    "lr_scheduler_warmup_ratio": "warmup_ratio",
    "lr_scheduler_warmup_steps": "warmup_steps",
    "num_epochs": "num_train_epochs",
    "training_steps": "max_steps",
}
"""What a model card calls them."""
_PARTS = (
    *("mm_projector", "mm_vision_tower", "vision_tower", "connector", "vision", "merger"),
    *("vit", "aligner", "language_model"),
)
"""Parts of a model that trainers built on it give rates of their own, `--mm_projector_lr`."""
_FLOORED = r"open_instruct/\w+\.py"
"""Scripts that round a warm-up down to whole updates."""
_EXAMPLES = r"run_(?:clm|mlm|plm|fim|glue|xnli|qa|squad|ner|swag|translation|summarization)\w*\.py"
"""Scripts among the examples of Transformers, with its Trainer and without."""
_SCRIPT = {"num_warmup_steps": "warmup_steps", "max_train_steps": "max_steps"}
"""What scripts call them that have a loop of their own; their defaults differ."""


_PART_RATES = " ".join(f"{part}_lr" for part in _PARTS)


def _read(source: Any, ctx: RunFacts) -> Plan:
    return read_arguments(_WHO, source, ctx)


def read_arguments(who: str, source: Any, ctx: RunFacts, also: tuple[str, ...] = ()) -> Plan:
    """Return the plan of flags or keys with the names of the Trainer's arguments.

    Args:
        who: What messages call them.
        source: Flags as a text, or keys and values.
        ctx: What is known of the run.
        also: How other keys begin that are refused.
    """
    given = flags(who, source)
    keys = Keys(who, given).among(_KEYS, *_CARD, *_SCRIPT, _PART_RATES, also=also)
    own_loop = isinstance(source, str) and keys.has("num_warmup_steps")
    if own_loop and not programs(source, _EXAMPLES):
        keys.need("lr_scheduler_type")
    if isinstance(source, str) and keys.has("config"):
        rule = f"has --config {shorten(given['config'])}, a file with keys of its own"
        raise ScheduleError(who, rule, "read that file, or give all flags")
    for card, own in {**_CARD, **_SCRIPT}.items():
        only_one(who, given, card, own)
        if keys.has(card):
            keys = keys.having(**{own: given[card]})
    if ctx.total is not None:
        keys = keys.having(max_steps=None)  # what was told counts more
    notes: list[str] = []
    if isinstance(source, str) and not keys.has("lr_scheduler_type"):
        swift = re.search(r"\bswift(?:\s+|/cli/)(?:sft|pt|rlhf)\b", source) is not None
        kind, whose = ("cosine", "ms-swift") if swift else ("linear", "the Trainer")
        keys = keys.having(lr_scheduler_type=kind)
        notes.append(f"Left out, so {whose}'s own: lr_scheduler_type={kind}.")
    rate = keys.rate(ctx, "learning_rate")
    known = {name: as_number(keys.given[name]) for name in names(_KEYS) if keys.has(name)}
    if rate is not None:
        known["learning_rate"] = rate
    if known.get("warmup_ratio") and programs(source, _FLOORED):
        share = keys.number("warmup_ratio", high=1.0)
        known["warmup_steps"] = int(_steps_of(who, known, ctx, "warmup_ratio") * share)
        del known["warmup_ratio"]
    return _grouped(keys, transformers_plan(known, ctx, notes))


def _steps_of(who: str, known: Mapping[str, Any], ctx: RunFacts, name: str) -> int:
    """Return the updates of the run, which a share of it needs."""
    steps = known.get("max_steps")
    if ctx.total is None and steps not in (None, -1):
        return Keys(who, {"max_steps": steps}).whole("max_steps", low=1)
    return ctx.need_total(f"{who} {name}")


def _grouped(keys: Keys, plan: Plan) -> Plan:
    """Return the plan with those parts of the model that have rates of their own."""
    rates = {part: keys.number(f"{part}_lr", 0.0) for part in _PARTS if keys.has(f"{part}_lr")}
    own = (0.0, plan.peak.get("lr"))  # what is not trained, and what has the rate of all
    found = {
        part: Plan(lr=plan.lr, peak={"lr": rate}) for part, rate in rates.items() if rate not in own
    }
    if not found:
        return plan
    note = f"Name the optimizer's groups to run this plan: {', '.join(found)}."
    return replace(plan, groups=found, notes=(*plan.notes, note))


def _is_whole(source: Any) -> bool:
    """Whether all arguments are there, as TrainingArguments or a log of them have them."""
    return isinstance(source, Mapping) and "per_device_train_batch_size" in source


_OF_CARDS = Marks(
    FormatMark("", -20, _is_whole),
    *marks("lr_scheduler_warmup_ratio lr_scheduler_warmup_steps", 5),
    *marks("num_epochs training_steps", 3),
    *marks("train_batch_size", 2),
    *marks("lr_scheduler_type learning_rate", 1),
    FormatMark("lr_scheduler", -20),
)
_OF_FLAGS = Marks(
    *marks("--lr_scheduler_type --lr-scheduler-type", 4),
    *marks("per_device_train_batch_size", 3),
    *marks("num_warmup_steps evaluation_strategy eval_strategy", 2),
    *marks("--num_train_epochs --warmup_ratio --warmup_steps --output_dir learning_rate", 1),
    *marks("save_strategy report_to", 1),
    program(rf"trl\s+(?:sft|dpo|grpo|kto|reward|rloo)|{_EXAMPLES}"),
    *marks("lr warmup_proportion lr_schedule lr_scheduler actor_learning_rate", -20),
    *marks("finetuning_type cutoff_len", -20),  # LLaMA-Factory, which has defaults of its own
    *marks("train_batch_size", -2),
)


def _evidence(source: Any) -> Evidence:
    """Return the marks of a model card, or of a command: their keys say different things."""
    return (_OF_FLAGS if isinstance(source, str) else _OF_CARDS)(source)


READS = " ".join([_KEYS, *_CARD, _PART_RATES, *_PARTS])
_FACTS = {**TRAINER_FACTS, "total": f"{TRAINER_FACTS['total']} max_train_steps"}
_WHAT = "Trainer flags or a model card"
FORMATS = (Format("trainer", _WHAT, _evidence, _read, _FACTS, " ".join([READS, *_SCRIPT])),)
