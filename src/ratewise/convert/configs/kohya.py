"""The TOML of kohya's sd-scripts, in sections or without, and the flags of the same names.

The schedules are those of Transformers, made by `get_scheduler_fix` over `max_train_steps`. With
several processes Accelerate steps them once for each: a warm-up in whole steps is then shorter.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ratewise._extras import require
from ratewise.convert.formats import Evidence, Format, FormatMark, Marks, RunFacts, marks
from ratewise.convert.live._hf_config import KWARGS, arguments, kwargs_of
from ratewise.convert.live._hf_shapes import Timing, build
from ratewise.convert.live.torch import read as read_torch
from ratewise.convert.pieces.flags import flags
from ratewise.convert.pieces.keys import Keys, as_number, names, section
from ratewise.convert.pieces.layout import in_order, padded
from ratewise.schedule import Plan, Schedule, ScheduleError
from ratewise.schedule.errors import nearest, number, shorten

_WHO = "sd-scripts"
_NAMES = [name for name in KWARGS if name != "cosine_warmup_with_min_lr"]
_CLASSES = (
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LinearLR",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "StepLR",
)
"""Those of PyTorch that numbers are enough to make."""
_RATES = (
    "learning_rate unet_lr text_encoder_lr learning_rate_te learning_rate_te1 learning_rate_te2 "
    "learning_rate_te3"
)
_KEYS = (
    "lr_scheduler lr_scheduler_type lr_scheduler_args lr_scheduler_num_cycles lr_scheduler_power "
    "lr_scheduler_timescale lr_scheduler_min_lr_ratio lr_warmup_steps lr_decay_steps "
    "max_train_steps max_train_epochs network_train_unet_only network_train_text_encoder_only "
    "optimizer_type optimizer_args"
)
_NO_RATES = (
    "force_scheduler_zero_steps_offset",
    "huber_schedule",
    "token_warmup_min",
    "token_warmup_step",
)
_RATE, _STEPS = 2e-6, 1600
"""What is used where nothing is said."""


def _read(source: Any, ctx: RunFacts) -> Plan:
    given = {k: v for k, v in _flat(source).items() if v not in (None, "") and k not in _NO_RATES}
    keys = Keys(_WHO, given).among(_KEYS, _RATES, also=("lr_", "learning_rate"))
    for name in given:
        if name.endswith("_lr") and name not in _RATES.split():
            advice = nearest(name, _RATES.split())
            raise ScheduleError(_WHO, f"has {name}, rates of groups that are not read", advice)
    notes = _left_out(source, given)
    base, rates = _rates(keys, ctx.more.get("lr"), notes)
    ctx = ctx.lasting(_length(keys, ctx, notes))
    free = str(keys.given.get("optimizer_type", "")).lower().endswith("schedulefree")
    if free:
        notes.append("A schedule-free optimizer has no schedule here: the rate is constant.")
        keys = keys.having(lr_scheduler="constant", lr_warmup_steps=0, lr_scheduler_args=None)
    elif keys.has("lr_scheduler_type"):
        return _custom(keys, rates, ctx, notes)
    lr = in_order(padded(_schedule(keys, base, ctx, notes), ctx.need_total(_WHO)))
    main, *others = rates
    groups = {name: Plan(lr=lr, peak={"lr": rates[name]}) for name in others}
    return Plan(lr=lr, peak={"lr": rates[main]}, groups=groups, notes=tuple(notes))


def _schedule(keys: Keys, base: float, ctx: RunFacts, notes: list[str]) -> Schedule:
    _refuse_adafactor(keys)
    name = keys.choice("lr_scheduler", _NAMES, "constant")
    processes = ctx.processes or 1
    steps = ctx.need_total(_WHO) * processes
    warmup = _part(keys, "lr_warmup_steps", steps)
    if name == "constant" and warmup:
        rule = 'has a warm-up and lr_scheduler="constant", which sd-scripts refuses'
        raise ScheduleError(_WHO, rule, 'write lr_scheduler="constant_with_warmup"')
    kwargs = kwargs_of(_WHO, name, _arguments(keys, name, warmup, steps))
    if name.startswith("constant") and kwargs:
        raise ScheduleError(_WHO, f"has lr_scheduler_args and {name}, which has none", "drop them")
    filled = arguments(_WHO, name, kwargs, base)
    for length in ("timescale", "num_decay_steps", "num_stable_steps"):
        if filled.get(length) is not None:
            filled[length] = filled[length] / processes
    if processes > 1 and warmup:
        notes.append(f"{processes:g} processes step it as often at every update.")
    clock = Timing(warmup / processes, ctx.total, ctx.total, free=processes == 1)
    made = build(_WHO, name, clock, filled)
    notes.extend(made.notes)
    return made.layout.schedule()


def _refuse_adafactor(keys: Keys) -> None:
    fixed = [pair.replace(" ", "") for pair in _listed(keys, "optimizer_args")]
    relative = str(keys.given.get("optimizer_type")).lower() == "adafactor"
    relative = relative and "relative_step=False" not in fixed
    if relative or str(keys.given.get("lr_scheduler")).startswith("adafactor"):
        rule = "has Adafactor with relative steps, which makes its own rates"
        raise ScheduleError(_WHO, rule, "write relative_step=False in optimizer_args")


def _arguments(keys: Keys, name: str, warmup: int, steps: float) -> dict[str, Any]:
    """Return the arguments that sd-scripts gives to a schedule, and those of the user."""
    cycles = keys.whole("lr_scheduler_num_cycles", 1)
    low = keys.given.get("lr_scheduler_min_lr_ratio")
    own: dict[str, Any] = {}
    if name == "cosine_with_restarts":
        own = {"num_cycles": cycles}
    elif name == "polynomial":
        own = {"power": keys.number("lr_scheduler_power", 1.0)}
    elif name == "inverse_sqrt":
        scale = keys.given.get("lr_scheduler_timescale")
        own = {"timescale": as_number(scale) if scale is not None else warmup or 10_000}
    elif name == "cosine_with_min_lr":
        own = {"num_cycles": cycles / 2, "min_lr_rate": low}
    elif name == "warmup_stable_decay":
        decay = _part(keys, "lr_decay_steps", steps)
        own = {"num_decay_steps": decay, "num_stable_steps": steps - warmup - decay}
        own |= {"num_cycles": cycles / 2, "min_lr_ratio": low or 0.0}
    users = _pairs(keys)
    for name in own:
        if name in users:
            raise ScheduleError(_WHO, f"has {name} in lr_scheduler_args too", "give it once")
    return own | users


def _pairs(keys: Keys) -> dict[str, Any]:
    """Return `lr_scheduler_args`, ["T_max=100"], by name."""
    found: dict[str, Any] = {}
    for pair in _listed(keys, "lr_scheduler_args"):
        name, _, value = pair.partition("=")
        try:
            found[name] = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            rule = f"has {shorten(pair)} in lr_scheduler_args"
            fix = 'write "name=value", the value in Python'
            raise ScheduleError(_WHO, rule, fix) from None
    return found


def _listed(keys: Keys, name: str) -> list[str]:
    given = keys.given.get(name)
    several = given if isinstance(given, list | tuple) else [] if given is None else [given]
    return [str(each) for each in several]


def _part(keys: Keys, name: str, steps: float) -> int:
    """Return a length: in steps if it is an int, a share of all steps if it is a float or in %."""
    value = keys.given.get(name, 0)
    plain = as_number(str(value).removesuffix("%"))
    if isinstance(plain, int | float) and str(value).endswith("%"):
        plain = plain / 100.0
    if isinstance(plain, float):
        return int(number(_WHO, name, plain, high=1.0) * steps)
    return Keys(_WHO, {name: value}).whole(name)


def _length(keys: Keys, ctx: RunFacts, notes: list[str]) -> int:
    """Return the updates of the run; epochs count more than steps."""
    if ctx.total is not None:
        return ctx.total
    if ctx.epochs is not None or keys.has("max_train_epochs"):
        epochs = ctx.epochs or keys.number("max_train_epochs", above=True)
        return max(1, int(epochs * ctx.need_epoch(_WHO)))
    if not keys.has("max_train_steps"):
        notes.append(f"Left out, so sd-scripts' own: max_train_steps={_STEPS}.")
    return keys.whole("max_train_steps", _STEPS, low=1)


def _left_out(source: Any, given: Mapping[str, Any]) -> list[str]:
    """Return a note of what is not read in the sections of a file.

    Raises:
        ScheduleError: a key that is almost one of sd-scripts', or a value in place of a section.
    """
    inner = source.values() if isinstance(source, Mapping) else ()
    if not any(isinstance(value, Mapping) for value in inner):
        return []
    known = {*names(_READS), *_FACTS.values()}
    for name in given:
        near = get_close_matches(name, known - {*given}, n=1, cutoff=0.87)
        if name not in known and near:
            raise ScheduleError(_WHO, f"has the key {name}", f"did you mean {near[0]}")
        if name in source and name.endswith("_arguments"):
            section(f"{_WHO} {name}", source[name])
    others = [name for name in given if name not in known]
    return [f"Not read: {', '.join(others)}."] if others else []


# Rates --------------------------------------------------------------------------------------


def _rates(keys: Keys, told: float | None, notes: list[str]) -> tuple[float, dict[str, float]]:
    """Return the optimizer's own rate, and that of every group that is trained.

    The U-Net comes first: its rate is the plan's.
    """
    base = keys.number("learning_rate", _RATE)
    if told is not None and not keys.has("unet_lr"):
        base = told
    elif not keys.has("learning_rate"):
        notes.append(f"Left out, so sd-scripts' own: learning_rate={_RATE:g}.")
    main = keys.number("unet_lr", base) if told is None else told
    stated = next((name for name in ("unet_lr", "learning_rate") if keys.has(name)), None)
    if told is not None and stated and keys.number(stated) != told:
        notes.append(f"lr={told:g} was given; the config says {stated}={keys.given[stated]}.")
    found = {"unet": main, **_text_encoders(keys, base)}
    if keys.flag("network_train_text_encoder_only"):
        del found["unet"]
    found = {name: rate for name, rate in found.items() if rate}
    if not found:
        raise ScheduleError(_WHO, "has a rate of 0 for all that it trains", "give learning_rate=…")
    if any("lr" in pair.partition("=")[0] for pair in _listed(keys, "network_args")):
        notes.append("network_args give rates of their own to parts of the network.")
    if len(set(found.values())) == 1:
        return base, dict([*found.items()][:1])
    notes.append("Name the optimizer's groups to run this plan: " + ", ".join(found) + ".")
    return base, found


def _text_encoders(keys: Keys, base: float) -> dict[str, float]:
    """Return the rates of text encoders, which a network has and a fine-tuning may have."""
    own = {f"text_encoder{i}": f"learning_rate_te{i}" for i in ("", 1, 2, 3)}
    separate = {group: keys.number(name) for group, name in own.items() if keys.has(name)}
    if separate:
        return separate
    network = keys.has("network_module") or keys.has("unet_lr") or keys.has("text_encoder_lr")
    if keys.flag("network_train_unet_only") or not network:
        return {}
    given = keys.given.get("text_encoder_lr")
    several = given if isinstance(given, list | tuple) else [base if given is None else given]
    rates = [Keys(_WHO, {"text_encoder_lr": each}).number("text_encoder_lr") for each in several]
    numbered = len(rates) > 1
    return {f"text_encoder{i if numbered else ''}": rate for i, rate in enumerate(rates, 1)}


# A class of PyTorch -------------------------------------------------------------------------


def _custom(keys: Keys, rates: dict[str, float], ctx: RunFacts, notes: list[str]) -> Plan:
    """Return the plan of a class of PyTorch, made on an optimizer with these rates."""
    module, _, name = str(keys.given["lr_scheduler_type"]).rpartition(".")
    if module not in ("", "torch.optim.lr_scheduler") or name not in _CLASSES:
        rule = f"has lr_scheduler_type={shorten(keys.given['lr_scheduler_type'])}"
        raise ScheduleError(_WHO, rule, f"read it live; without it run, {nearest(name, _CLASSES)}")
    if _part(keys, "lr_warmup_steps", 1) or (ctx.processes or 1) > 1:
        rule = "has lr_scheduler_type with a warm-up or several processes"
        raise ScheduleError(_WHO, rule, "drop lr_warmup_steps, or read the live scheduler")
    torch = require("torch", extra="torch")
    groups = [
        {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate, "name": group}
        for group, rate in rates.items()
    ]
    try:
        made = getattr(torch.optim.lr_scheduler, name)(torch.optim.AdamW(groups), **_pairs(keys))
    except Exception as error:
        rule = f"has lr_scheduler_args that {name} refuses ({shorten(str(error), 100)})"
        raise ScheduleError(_WHO, rule, "correct them") from error
    plan = read_torch(made, ctx)
    return dataclasses.replace(plan, notes=(*notes, *plan.notes))


# Recognition --------------------------------------------------------------------------------


def _flat(source: Any) -> dict[str, Any]:
    """Return the keys of all sections together, as sd-scripts reads them."""
    return {path.rpartition(".")[2]: value for path, value in _paths(source).items()}


def _paths(source: Any) -> dict[str, Any]:
    """Return the values by path, of sections too."""
    found: dict[str, Any] = {}
    for key, value in flags(_WHO, source).items():
        if isinstance(value, Mapping):
            found.update({f"{key}.{name}": inner for name, inner in value.items()})
        else:
            found[key] = value
    return found


@dataclass(frozen=True)
class _Sections(Format):
    """A format whose keys may lie in sections of any name."""

    def stated(self, source: Any, fact: str) -> tuple[str, Any] | None:
        paths = {path.rpartition(".")[2]: path for path in _paths(source)}
        if fact == "total" and "max_train_epochs" in paths:
            return None
        path = paths.get(self.facts.get(fact, ""), "")
        value = _paths(source).get(path)
        return None if value is None else (path, value)


class _SectionMarks(Marks):
    """The marks of a format whose keys may lie in sections."""

    def __call__(self, source: Any) -> Evidence:
        sections = isinstance(source, Mapping) and all(isinstance(k, str) for k in source)
        return super().__call__({**_flat(source), **source} if sections else source)


_MARKS = _SectionMarks(
    *marks("network_module lr_scheduler_num_cycles lr_scheduler_power lr_scheduler_timescale"),
    *marks("lr_scheduler_min_lr_ratio max_train_epochs unet_lr text_encoder_lr"),
    *marks("max_data_loader_n_workers"),
    *marks("lr_scheduler_args optimizer_args network_dim", 2),
    *marks("lr_warmup_steps max_train_steps optimizer_type", 1),
    FormatMark("lr_scheduler", -20, lambda name: not isinstance(name, str)),
    *marks("lr_num_cycles lr_power lr_warmup", -4),
    *marks("LoRA_type additional_parameters mem_eff_attn", -20),  # of the page in front of it
)
_FACTS = {
    "total": "max_train_steps",
    "epochs": "max_train_epochs",
    "batch_size": "train_batch_size",
    "accumulation": "gradient_accumulation_steps",
}
_READS = " ".join([_KEYS, _RATES, "network_module network_args", *_NO_RATES])
FORMATS = (_Sections("kohya", "TOML or flags of sd-scripts", _MARKS, _read, _FACTS, _READS),)
