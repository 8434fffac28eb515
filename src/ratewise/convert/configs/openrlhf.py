"""The flags of OpenRLHF, whose schedules are those of Transformers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, dig, marks, only_one
from ratewise.convert.pieces.case import transformers_plan
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys, section
from ratewise.schedule import Plan, ScheduleError

_WHO = "OpenRLHF"
_RATES = "adam.lr actor.adam.lr learning_rate actor_learning_rate muon.lr actor.muon.lr"
_SHARED = "lr_scheduler lr_warmup_ratio min_lr_ratio"
_FLOORED = ("cosine_with_min_lr", "cosine_warmup_with_min_lr")
_NAMES = (
    *("linear", "cosine", "cosine_with_restarts", "polynomial", "constant"),
    *("constant_with_warmup", "inverse_sqrt", *_FLOORED),
)
_CRITIC = "The critic has rates of its own."


def _read(source: Any, ctx: RunFacts) -> Plan:
    given = flags(_WHO, source)
    rate = _rate(given, ctx)
    actor = section(_WHO, given.get("actor"))
    keys = Keys(_WHO, {**given, **{k: actor[k] for k in _SHARED.split() if k in actor}})
    ratio = keys.number("lr_warmup_ratio", 0.03, high=1.0)
    kind = keys.choice("lr_scheduler", _NAMES, _FLOORED[0])
    left = ", ".join(_left_out(keys, kind))
    notes = [f"Left out, so OpenRLHF's own: {left}."] if left else []
    if "critic" in given or "critic_learning_rate" in given:
        notes.append(_CRITIC)
    total = ctx.need_total(_WHO)
    floor = {"min_lr_rate": keys.number("min_lr_ratio", 0.1, high=1.0)} if kind in _FLOORED else {}
    arguments = {
        "learning_rate": rate,
        "lr_scheduler_type": kind,
        "lr_scheduler_kwargs": floor,
        "warmup_steps": 0 if kind == "constant" else math.ceil(total * ratio),
    }
    return transformers_plan(arguments, ctx, notes)


def _rate(given: Mapping[str, Any], ctx: RunFacts) -> float:
    said = {path: given.get(path, dig(given, path)) for path in _RATES.split()}
    only_one(_WHO, said, "adam.lr", "actor.adam.lr", "learning_rate", "actor_learning_rate")
    if said["muon.lr"] is not None or said["actor.muon.lr"] is not None:
        rule = "has a rate for muon and one for adam"
        raise ScheduleError(_WHO, rule, "read one optimizer, with its flags alone")
    path = next((path for path in _RATES.split() if said[path] is not None), "adam.lr")
    keys = Keys(_WHO, {path: said[path]})
    return keys.rate(ctx, path) or keys.number(path, above=True)


def _left_out(keys: Keys, kind: str) -> list[str]:
    left = [] if keys.has("lr_scheduler") else [f"lr_scheduler={kind}"]
    left += [] if keys.has("lr_warmup_ratio") or kind == "constant" else ["lr_warmup_ratio=0.03"]
    return left + ([] if keys.has("min_lr_ratio") or kind not in _FLOORED else ["min_lr_ratio=0.1"])


_MARKS = Marks(
    *marks("adam.lr actor.adam.lr", 4),
    *marks("micro_train_batch_size", 4),
    *marks("actor_learning_rate", 2),
    *marks("--per_device_train_batch_size --lr_scheduler_type --num_train_epochs", -20),
    *marks("ds.zero_stage ckpt.output_dir actor.model_name_or_path", 2),
    *marks("lr_warmup_ratio pretrain max_epochs", 1),
    FormatMark("", 2, lambda source: isinstance(source, str) and "openrlhf" in source),
)
_FACTS = {
    "lr": "adam.lr actor.adam.lr learning_rate actor_learning_rate",
    "epochs": "train.max_epochs max_epochs",
}
_READS = " ".join(
    [_RATES, _SHARED, *(f"actor.{key}" for key in _SHARED.split()), "critic critic_learning_rate"]
)
FORMATS = (Format("openrlhf", "flags of OpenRLHF", _MARKS, _read, _FACTS, _READS),)
