"""The keys of `TrainingArguments`, checked and completed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from ratewise.convert.formats import RunFacts, completed, only_one
from ratewise.convert.live._hf_shapes import Timing
from ratewise.convert.pieces.keys import as_number
from ratewise.schedule import ScheduleError
from ratewise.schedule.errors import nearest, number, shorten, whole

KEYS = (
    "learning_rate",
    "lr_scheduler_kwargs",
    "lr_scheduler_type",
    "max_steps",
    "num_train_epochs",
    "warmup_ratio",
    "warmup_steps",
)
"""What a schedule depends on; `warmup_ratio` is of Transformers 4."""

FEEDBACK = ("reduce_lr_on_plateau", "greedy")

_FLOOR = {"num_cycles": 0.5, "min_lr": None, "min_lr_rate": None}
KWARGS: dict[str, dict[str, Any]] = {
    "constant": {},
    "constant_with_warmup": {},
    "linear": {},
    "cosine": {"num_cycles": 0.5},
    "cosine_with_restarts": {"num_cycles": 1.0},
    "polynomial": {"lr_end": 1e-7, "power": 1.0},
    "inverse_sqrt": {"timescale": None},
    "cosine_with_min_lr": _FLOOR,
    "cosine_warmup_with_min_lr": {**_FLOOR, "warmup_lr_rate": None},
    "warmup_stable_decay": {
        "num_decay_steps": None,
        "num_stable_steps": None,
        "warmup_type": "linear",
        "decay_type": "cosine",
        "min_lr_ratio": 0.0,
        "num_cycles": 0.5,
    },
}
"""`lr_scheduler_kwargs` of each type, with defaults."""

RAMPS = ("linear", "cosine", "1-sqrt")


def kind_of(who: str, given: Any) -> str:
    """Return the scheduler type by name; it may be an enum."""
    name = getattr(given, "value", given)
    if isinstance(name, str) and name.startswith("SchedulerType."):  # as it is printed
        name = name.partition(".")[2].lower()
    if name in FEEDBACK:
        return str(name)
    if not isinstance(name, str) or name not in KWARGS:
        advice = nearest(name, [*KWARGS, *FEEDBACK])
        raise ScheduleError(who, f"has lr_scheduler_type={shorten(name)}", advice)
    return name


def amount(who: str, name: str, value: Any, **bounds: Any) -> float:
    """Return a number in [0, inf), also from text such as "5e-5", which YAML reads as text."""
    return number(who, name, as_number(value), **bounds)


def check_near_misses(who: str, given: Mapping[str, Any]) -> None:
    """Refuse a key that is almost one of ours; other keys are the trainer's own affair."""
    for key in given:
        near = get_close_matches(str(key), KEYS, n=1, cutoff=0.87)
        if key not in KEYS and near:
            raise ScheduleError(who, f"has the key {shorten(key)}", f"did you mean {near[0]}")


def steps_of(who: str, given: Mapping[str, Any], context: RunFacts) -> int | None:
    """Return the updates of the run, from the caller, `max_steps` or `num_train_epochs`."""
    steps = as_number(given.get("max_steps"))
    if steps is not None and steps != -1:
        count = whole(who, "max_steps", int(steps) if _integral(steps) else steps, low=1)
        if context.total not in (None, count):
            rule = f"has max_steps={count} and was given total={context.total}"
            raise ScheduleError(who, rule, "keep one of them")
        return count
    epochs, epoch = given.get("num_train_epochs"), context.horizon.epoch
    if context.total is not None or epochs is None or epoch is None:
        return context.total
    length = amount(who, "num_train_epochs", epochs, above=True)
    return math.ceil(length * (int(epoch) if epoch.denominator == 1 else float(epoch)))


def _integral(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def clock_of(who: str, given: Mapping[str, Any], context: RunFacts) -> tuple[Timing, list[str]]:
    """Return what the trainer tells its scheduler about time, with notes."""
    total = steps_of(who, given, context)
    zero_is_none = {key: given.get(key) or None for key in ("warmup_steps", "warmup_ratio")}
    only_one(who, zero_is_none, "warmup_steps", "warmup_ratio")
    plain = {key: 0 if given.get(key) is None else given[key] for key in zero_is_none}
    steps = amount(who, "warmup_steps", plain["warmup_steps"])
    ratio = amount(who, "warmup_ratio", plain["warmup_ratio"], high=1.0)
    notes: list[str] = []
    if ratio:
        notes.append(
            f"warmup_ratio is a key of Transformers 4; version 5 knows warmup_steps={ratio:g}."
        )
    share = ratio or (steps if steps < 1 else 0)
    if not share:
        return Timing(int(steps), total, total, free=True), notes
    if total is None:
        fix = context.ask_total("; or write max_steps, or warmup_steps as a whole number")
        rule = f"has a warm-up of {share:g} of {context.lasts()}, whose length is not known"
        raise ScheduleError(who, rule, fix)
    return Timing(math.ceil(total * share), total, total, free=True), notes


def kwargs_of(who: str, kind: str, given: Any) -> dict[str, Any]:
    """Return `lr_scheduler_kwargs`, completed by defaults and with known keys only."""
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            rule = f"has lr_scheduler_kwargs={shorten(given)}"
            raise ScheduleError(who, rule, "give a dict, or JSON") from None
    if given is not None and not isinstance(given, Mapping):
        raise ScheduleError(who, f"has lr_scheduler_kwargs={shorten(given)}", "give a dict")
    given = dict(given or {})
    if kind.startswith("constant") or kind in FEEDBACK:
        return given
    return completed(f"{who}, lr_scheduler_kwargs of {kind!r},", given, KWARGS[kind])


def arguments(who: str, kind: str, kwargs: dict[str, Any], peak: float) -> dict[str, Any]:
    """Return the kwargs as numbers in the form that the shapes take."""
    get = dict(kwargs)
    for name in ("num_cycles", "power", "min_lr_ratio", "warmup_lr_rate", "timescale"):
        if get.get(name) is not None:
            above = name == "timescale"
            get[name] = amount(who, name, get[name], above=above)
    if kind == "polynomial":
        get["low"] = _end_of_polynomial(who, get["lr_end"], peak)
    if kind == "warmup_stable_decay":
        _check_stable(who, get)
    if kind in ("cosine_with_min_lr", "cosine_warmup_with_min_lr"):
        get["min_lr_rate"] = _min_rate(who, get, peak)
    if kind == "cosine":
        get.setdefault("min_lr_rate", 0.0)
    return get


def _end_of_polynomial(who: str, given: Any, peak: float) -> float:
    end = amount(who, "lr_end", given)
    if end >= peak:
        rule = f"has lr_end={end:g} and a learning rate of {peak:g}"
        raise ScheduleError(who, rule, "give lr_end below the learning rate")
    return end / peak


def _min_rate(who: str, get: Mapping[str, Any], peak: float) -> float:
    only_one(who, get, "min_lr", "min_lr_rate")
    if get["min_lr_rate"] is not None:
        return amount(who, "min_lr_rate", get["min_lr_rate"])
    if get.get("min_lr") is None:
        raise ScheduleError(who, "has no floor", "give min_lr or min_lr_rate")
    floor = amount(who, "min_lr", get["min_lr"])
    if not peak:
        raise ScheduleError(who, "has min_lr and a learning rate of 0", "give min_lr_rate")
    return floor / peak


def _check_stable(who: str, get: dict[str, Any]) -> None:
    for name in ("warmup_type", "decay_type"):
        if get[name] not in RAMPS:
            advice = nearest(get[name], RAMPS)
            raise ScheduleError(who, f"has {name}={shorten(get[name])}", advice)
    if get["num_decay_steps"] is None:
        raise ScheduleError(who, "has no num_decay_steps", "give num_decay_steps=…")
    for name in ("num_decay_steps", "num_stable_steps"):
        if get[name] is not None:
            low = -math.inf if name == "num_stable_steps" else 0.0
            get[name] = amount(who, name, get[name], low=low)
