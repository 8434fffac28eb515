"""The flags of the training scripts of diffusers, whose schedules are those of Transformers."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ratewise.convert.formats import (
    Format,
    FormatMark,
    Marks,
    RunFacts,
    ask,
    marks,
    program,
    programs,
)
from ratewise.convert.live._hf_config import arguments, kwargs_of
from ratewise.convert.live._hf_shapes import Timing, build
from ratewise.convert.pieces.case import transformers_plan
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys, names
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import number

_WHO = "diffusers"
_NAMES = names("constant constant_with_warmup cosine cosine_with_restarts linear polynomial")
_KEYS = (
    "learning_rate scale_lr lr_scheduler lr_warmup_steps lr_num_cycles lr_power text_encoder_lr "
    "train_text_encoder train_text_encoder_ti"
)
_SCRIPTS = (
    r"(?:train_(?:amused|autoencoder|cm_ct|cogvideox|control|custom_diffusion|diffusion_|dreambooth"
    r"|flux|gligen|instruct_pix2pix|lcm_distill|multi_subject_dreambooth|pixart|realfill|sana|sdxl_lpl"
    r"|t2i_adapter|text_to_image|unconditional|vqgan|wuerstchen)\w*|textual_inversion\w*)\.py"
)
"""The scripts among its examples."""
_COSINE = re.compile(r"unconditional|autoencoder_rae")
"""Those that take a cosine where nothing is said; the others take a constant rate."""
_BATCHES = re.compile(
    r"train_(?:text_to_image\w*_(?:sdxl|prior|decoder)|instruct_pix2pix_sdxl|unconditional|sdxl_lpl)\."
)
"""Those that count every length in batches, and step their scheduler once for each process."""
_WARMUP = 500
"""Updates of warm-up where nothing is said, in all of them."""


def _read(source: Any, ctx: RunFacts) -> Plan:
    keys = Keys(_WHO, flags(_WHO, source)).among(_KEYS, also=("unet_learning",))
    run = programs(source, _SCRIPTS)
    script = run.pop() if len(run) == 1 else ""
    notes: list[str] = []
    kind = "cosine" if _COSINE.search(script) else "constant"
    name = keys.choice("lr_scheduler", _NAMES, kind)
    if script and not keys.has("lr_scheduler"):
        notes.append(f"Left out, so that of {script}: lr_scheduler={kind}.")
    if name != "constant" and not keys.has("lr_warmup_steps"):
        if script:
            keys = keys.having(lr_warmup_steps=_WARMUP)
            notes.append(f"Left out, so that of {script}: lr_warmup_steps={_WARMUP}.")
        elif isinstance(source, str):  # which of its scripts it is for, nobody says
            raise ScheduleError(_WHO, "has no lr_warmup_steps", ask("lr_warmup_steps"))
        else:
            notes.append("lr_warmup_steps is not given and read as 0; most scripts use 500.")
    kwargs: dict[str, Any] = {}
    if name == "cosine_with_restarts":
        kwargs = {"num_cycles": keys.whole("lr_num_cycles", 1)}
    if name == "polynomial":
        kwargs = {"power": keys.number("lr_power", 1.0, above=True)}
    given = {
        "lr_scheduler_type": name,
        "learning_rate": _rate(keys, ctx),
        "lr_scheduler_kwargs": kwargs,
        "warmup_steps": keys.whole("lr_warmup_steps", 0) if name != "constant" else 0,
    }
    if ctx.total is None and keys.has("max_train_steps"):
        ctx = ctx.lasting(keys.whole("max_train_steps", low=1))
    stretch = _stretch(script, keys, ctx) if name != "constant" else 1.0
    if stretch == 1:
        return _grouped(keys, transformers_plan(given, ctx, notes))
    notes.append(
        f"{script} counts lr_warmup_steps and the run in batches: they are {stretch:g} times as "
        "long as they say, and the run ends before its schedule does."
        if stretch > 1
        else f"{script} steps its scheduler once for each process: lengths are {stretch:g} of "
        "what they say."
    )
    return _grouped(keys, _stretched(given, ctx, stretch, notes))


def _grouped(keys: Keys, plan: Plan) -> Plan:
    """Return the plan with the rate of the text encoder, where that is trained with its own."""
    trained = keys.flag("train_text_encoder") or keys.flag("train_text_encoder_ti")
    if not keys.has("text_encoder_lr") or not trained:
        return plan
    rate = keys.number("text_encoder_lr", above=True)
    note = "Name the optimizer's group of the text encoder text_encoder to run this plan."
    groups = {"text_encoder": Plan(lr=plan.lr, peak={"lr": rate})}
    return replace(plan, groups=groups, notes=(*plan.notes, note))


def _stretch(script: str, keys: Keys, ctx: RunFacts) -> float:
    """Return how often the lengths that are given go into those that the schedule has."""
    if not _BATCHES.search(script):
        return 1.0
    batches = keys.number("gradient_accumulation_steps", 1.0, above=True)
    return batches / (ctx.processes or 1)


def _stretched(given: dict[str, Any], ctx: RunFacts, stretch: float, notes: list[str]) -> Plan:
    kind, peak = given["lr_scheduler_type"], number(_WHO, "learning_rate", given["learning_rate"])
    run, kwargs = ctx.need_total(_WHO), kwargs_of(_WHO, kind, given["lr_scheduler_kwargs"])
    clock = Timing(given["warmup_steps"] * stretch, run * stretch, run, free=False)
    made = build(_WHO, kind, clock, arguments(_WHO, kind, kwargs, peak))
    notes = [*notes, *made.notes]
    return Plan(lr=made.layout.schedule(), peak={"lr": peak}, notes=tuple(notes))


def _rate(keys: Keys, ctx: RunFacts) -> float:
    """Return the rate, which `scale_lr` multiplies by the samples of an update."""
    rate = keys.rate(ctx, "learning_rate")
    if rate is None:
        raise ScheduleError(_WHO, "has no learning_rate", ask("lr"))
    if not keys.flag("scale_lr"):
        return rate
    if ctx.processes is None:
        rule = "has scale_lr, which multiplies the rate by the number of processes"
        raise ScheduleError(_WHO, rule, ask("processes"))
    batches = keys.number("gradient_accumulation_steps", 1.0, above=True)
    return rate * batches * keys.number("train_batch_size", above=True) * ctx.processes


_MARKS = Marks(
    program(_SCRIPTS),
    FormatMark("lr_scheduler", 1, _NAMES),
    *marks("lr_num_cycles lr_power max_train_steps", 2),
    *marks("lr_warmup_steps pretrained_model_name_or_path", 1),
    *marks("network_module lr_scheduler_args lr_scheduler_num_cycles lr_scheduler_power", -20),
)
_FACTS = {
    "lr": "learning_rate",
    "total": "max_train_steps",
    "epochs": "num_train_epochs num_epochs",
    "batch_size": "train_batch_size",
    "accumulation": "gradient_accumulation_steps",
}
FORMATS = (Format("diffusers", "flags of diffusers' scripts", _MARKS, _read, _FACTS, _KEYS),)
