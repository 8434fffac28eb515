"""The YAML of MLX-LM's LoRA training: a rate, or a schedule of MLX by name with its arguments.

A warm-up of W updates takes W + 1: update W is its last and at the peak, and what follows begins
at its own start, at the peak again. With a schedule, `learning_rate` plays no part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ratewise.convert.formats import Format, FormatMark, Marks, RunFacts, dig, marks
from ratewise.convert.pieces.case import Case
from ratewise.convert.pieces.keys import Keys, section
from ratewise.convert.pieces.layout import in_order, padded, ramp
from ratewise.convert.pieces.moves import Piece, decay, fall, part, stay, whole
from ratewise.schedule import ExponentialDecay, Plan, ScheduleError, Step

_WHO = "MLX-LM"
_DEFAULTS = {"learning_rate": 1e-5, "iters": 1000}
_KEYS = "learning_rate lr_schedule iters grad_accumulation_steps"
_MOST = "name arguments warmup warmup_init"


def _read(source: Any, ctx: RunFacts) -> Plan:
    given = {name: value for name, value in section(_WHO, source).items() if value is not None}
    top = Keys(_WHO, given).among(_KEYS, also=("lr_",))
    notes: list[str] = []
    used = ["iters"] if top.has("lr_schedule") else ["iters", "learning_rate"]
    left_out = {name: _DEFAULTS[name] for name in used if name not in given}
    if ctx.total is not None or ctx.epochs is not None:
        left_out.pop("iters", None)
        ctx.need_total(_WHO)
    told = ctx.more.get("lr")
    if told is not None:
        left_out.pop("learning_rate", None)
    if left_out:
        values = ", ".join(f"{name}={value:g}" for name, value in left_out.items())
        notes.append(f"Left out, so MLX-LM's own: {values}.")
    settings = dig(source, "optimizer_config.adafactor") or {}
    if top.given.get("optimizer") == "adafactor" and dig(settings, "relative_step") is not False:
        rule = "has Adafactor with relative steps, which makes its own rates"
        raise ScheduleError(_WHO, rule, "write relative_step: false in optimizer_config")
    if ctx.accumulation is not None:
        top = top.having(grad_accumulation_steps=ctx.accumulation)
    batches = top.whole("grad_accumulation_steps", 1, low=1)
    run = ctx.total or top.whole("iters", 1000, low=1) // batches
    if not run:
        raise ScheduleError(_WHO, f"has no update in {top.given['iters']} iters", "give more iters")
    if not top.has("lr_schedule"):
        rate = top.number("learning_rate", 1e-5, above=True) if told is None else told
        return Case(top, ctx.lasting(run), rate, notes).plan(stay(1.0, run))
    return _scheduled(top, ctx.lasting(run), told, notes)


def _scheduled(top: Keys, ctx: RunFacts, told: float | None, notes: list[str]) -> Plan:
    who = f"{_WHO} lr_schedule"
    keys = Keys(who, section(who, top.given["lr_schedule"])).only(_MOST)
    name = keys.choice("name", _SCHEDULES, what="name")
    words, make = _SCHEDULES[name]
    arguments = keys.items("arguments")
    known = words.split()
    least = len(known) - (name == "cosine_decay")
    if not least <= len(arguments) <= len(known):
        rule = f"has {len(arguments)} arguments for {name}"
        raise ScheduleError(who, rule, f"give {', '.join(known)}")
    settings = Keys(f"{who} {name}", dict(zip(known, arguments, strict=False)))
    peak = settings.number("init", above=True)
    rate = top.given.get("learning_rate")
    if rate is not None and Keys(_WHO, {"lr": rate}).number("lr") != peak:
        notes.append(f"learning_rate={rate} plays no part beside lr_schedule.")
    case = Case(settings.having(warmup_init=keys.given.get("warmup_init")), ctx, peak, notes)
    warmup = keys.whole("warmup", 0)
    climb: list[Piece] = []
    if warmup:
        start = case.keys.level("warmup_init", peak, high=True)
        case.idle(warmup, start)
        notes.append(f"Updates {warmup} and {warmup + 1} both run at the first rate of {name}.")
        climb = [(warmup, part(ramp(start, 1.0), warmup)), stay(1.0, 1)]
    lr = in_order(padded(case.lay(*climb, *make(case)), case.run))
    if told not in (None, peak):
        notes.append(f"lr={told:g} was given: every rate is scaled from a peak of {peak:g}.")
        return case.at(told).of(lr)
    return case.of(lr)


# By name, with MLX's own arguments ----------------------------------------------------------


def _cosine(case: Case) -> list[Piece]:
    low = case.keys.level("end", case.peak, high=True)
    return [fall(decay("cosine", low), case.keys.whole("decay_steps", low=1)), stay(low)]


def _linear(case: Case) -> list[Piece]:
    low = case.keys.level("end", case.peak, high=True)
    return [fall(decay("linear", low), case.keys.whole("steps", low=1)), stay(low)]


def _step(case: Case) -> list[Piece]:
    every = case.keys.whole("step_size", low=1)
    return [(None, whole(Step(case.keys.number("decay_rate"), every=every, start=1.0)))]


def _exponential(case: Case) -> list[Piece]:
    rate = case.keys.number("decay_rate", above=True)
    return [(None, whole(ExponentialDecay(rate, start=1.0)))]


_SCHEDULES: Mapping[str, tuple[str, Callable[[Case], list[Piece]]]] = {
    "cosine_decay": ("init decay_steps end", _cosine),
    "linear_schedule": ("init end steps", _linear),
    "step_decay": ("init decay_rate step_size", _step),
    "exponential_decay": ("init decay_rate", _exponential),
}
"""The arguments of every schedule in their order, and what makes it."""


def _known(value: Any) -> bool:
    name = dig(value, "name")
    return isinstance(name, str) and name in _SCHEDULES and "arguments" in value


_MARKS = Marks(
    FormatMark("lr_schedule", 5, _known),
    *marks("fine_tune_type lora_parameters adapter_path grad_checkpoint steps_per_report", 2),
    *marks("steps_per_eval resume_adapter_file iters num_layers lora_layers", 1),
    FormatMark("lr_schedule", -20, lambda found: not isinstance(found, Mapping)),
)
_FACTS = {"batch_size": "batch_size", "accumulation": "grad_accumulation_steps"}
_READS = f"{_KEYS} optimizer optimizer_config.adafactor"
FORMATS = (Format("mlx_lm", "MLX-LM LoRA YAML", _MARKS, _read, _FACTS, _READS),)
