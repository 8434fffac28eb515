"""The JSON that kohya_ss, the page in front of sd-scripts, saves and hands on to it.

Its lr_warmup is a percentage of the run, a 0 stands for what is not set, and a network is trained
in the parts whose rates are not 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratewise.convert.configs.kohya import FORMATS as _SD_SCRIPTS
from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, dig, marks
from ratewise.convert.pieces.keys import Keys, as_number, names, section
from ratewise.schedule import Plan, ScheduleError

_WHO = "kohya_ss"
_KEPT = (
    "lr_scheduler lr_scheduler_args lr_scheduler_num_cycles lr_scheduler_power lr_scheduler_type "
    "optimizer_args train_batch_size gradient_accumulation_steps"
)
_NUMBERS = (
    "learning_rate unet_lr text_encoder_lr learning_rate_te learning_rate_te1 learning_rate_te2 "
    "lr_warmup lr_warmup_steps max_train_steps max_train_epochs epoch"
)
_OTHERS = (
    "block_lr down_lr_weight mid_lr_weight up_lr_weight loraplus_lr_ratio loraplus_unet_lr_ratio "
    "loraplus_text_encoder_lr_ratio t5xxl_lr"
)
"""Rates of single parts, which are not read where they say something."""
_NO_RATES = "block_lr_zero_threshold min_timestep huber_schedule LoRA_type optimizer"


def _read(source: Any, ctx: RunFacts) -> Plan:
    given = section(_WHO, source)
    for name in names(_OTHERS):
        if given.get(name) not in (None, "", 0, "0", False):
            rule = f"has {name}, rates of single parts of the network"
            raise ScheduleError(_WHO, rule, "empty it, and give those groups plans of their own")
    keys = Keys(_WHO, {k: v for k, v in given.items() if v not in (None, "")})
    found = {name: keys.given[name] for name in names(_KEPT) if keys.has(name)}
    found = {k: _words(v) if k.endswith("_args") else v for k, v in found.items()}
    numbers = {name: keys.number(name, 0.0) for name in names(_NUMBERS)}
    found["learning_rate"] = numbers["learning_rate"]
    found["optimizer_type"] = keys.given.get("optimizer", "AdamW")
    found["lr_warmup_steps"] = int(numbers["lr_warmup_steps"]) or numbers["lr_warmup"] / 100 or 0
    if numbers["max_train_epochs"]:
        found["max_train_epochs"] = int(numbers["max_train_epochs"])
    elif numbers["max_train_steps"]:
        found["max_train_steps"] = int(numbers["max_train_steps"])
    else:
        found["max_train_epochs"] = int(numbers["epoch"]) or 1
    found.update(_trained(keys, numbers))
    return _SD_SCRIPTS[0].read(found, ctx)


def _words(value: Any) -> Any:
    return value.replace('"', "").split() if isinstance(value, str) else value


def _trained(keys: Keys, numbers: Mapping[str, float]) -> dict[str, Any]:
    """Return which parts of the model are trained, and their rates."""
    if not keys.has("LoRA_type"):
        own = (
            ("learning_rate_te1", "learning_rate_te2")
            if keys.flag("sdxl")
            else ("learning_rate_te",)
        )
        return {name: numbers[name] for name in own if keys.has(name)}
    unet, text = numbers["unet_lr"], numbers["text_encoder_lr"]
    return {
        "network_module": "networks.lora",
        "network_train_unet_only": not text and bool(unet),
        "network_train_text_encoder_only": not unet and bool(text),
        **({"unet_lr": unet} if unet else {}),
        **({"text_encoder_lr": text} if text else {}),
    }


_MARKS = Marks(
    FormatMark("lr_warmup", 2),
    *marks("LoRA_type additional_parameters", 3),
    *marks("mem_eff_attn save_model_as caption_extension max_train_epochs", 1),
    FormatMark("", -20, lambda source: isinstance(source, str)),
)
_FACTS = {
    "lr": "learning_rate",
    "total": "max_train_steps",
    "batch_size": "train_batch_size",
    "accumulation": "gradient_accumulation_steps",
}
_READS = f"{_KEPT} {_NUMBERS} {_OTHERS} {_NO_RATES}"


@dataclass(frozen=True)
class _Saved(Format):
    """A format in which a length of 0 is none, and epochs count more than steps."""

    def stated(self, source: Any, fact: str) -> tuple[str, Any] | None:
        found = super().stated(source, fact)
        epochs = as_number(dig(source, "max_train_epochs"))
        return None if fact == "total" and epochs not in (None, "", 0) else found


FORMATS = (_Saved("kohya_gui", "JSON of kohya_ss", _MARKS, _read, _FACTS, _READS),)
