"""Reading the schedules of Transformers: training arguments, configs and schedulers."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from ratewise.convert.formats import (
    SURE,
    TRAINER_FACTS,
    Evidence,
    Format,
    Marks,
    RunFacts,
    marks,
)
from ratewise.convert.live._border import guarded
from ratewise.convert.live._feedback import greedy, live_greedy, plateau
from ratewise.convert.live._hf_config import (
    FEEDBACK,
    KEYS,
    amount,
    arguments,
    check_near_misses,
    clock_of,
    kind_of,
    kwargs_of,
)
from ratewise.convert.live._hf_shapes import Timing, build
from ratewise.convert.pieces.keys import Keys
from ratewise.convert.sources.unknown import like
from ratewise.schedule import Plan, ScheduleError
from ratewise.schedule.errors import number, shorten

_WHO = "Transformers config"
_LAMBDAS = {
    "_get_constant_lambda": "constant",
    "_get_constant_schedule_with_warmup_lr_lambda": "constant_with_warmup",
    "_get_linear_schedule_with_warmup_lr_lambda": "linear",
    "_get_cosine_schedule_with_warmup_lr_lambda": "cosine",
    "_get_cosine_with_hard_restarts_schedule_with_warmup_lr_lambda": "cosine_with_restarts",
    "_get_polynomial_decay_schedule_with_warmup_lr_lambda": "polynomial",
    "_get_inverse_sqrt_schedule_lr_lambda": "inverse_sqrt",
    "_get_cosine_with_min_lr_schedule_with_warmup_lr_rate_lambda": "cosine_warmup_with_min_lr",
    "_get_wsd_scheduler_lambda": "warmup_stable_decay",
}
_OWN_LIMIT = (
    "Groups with a rate of their own get another floor than {name} says: it is divided by the "
    "optimizer's default rate and then multiplies each group's own."
)


def _read(source: Any, context: RunFacts) -> Plan:
    return (_read_scheduler if _is_scheduler(source) else _read_config)(source, context)


# Configs ------------------------------------------------------------------------------------


_MARKS = Marks(
    *marks("lr_scheduler_type lr_scheduler_kwargs per_device_train_batch_size"),
    *marks("num_train_epochs", 2),
    *marks("learning_rate warmup_ratio output_dir gradient_accumulation_steps logging_steps", 1),
    *marks("eval_strategy evaluation_strategy save_strategy report_to", 1),
    *marks("lr_scheduler decay_method train_steps", -20),
)
"""A rate with a warm-up in steps is anybody's: what others do behind it is not known."""


_NOTHING = ("None", "null")
"""How nothing is printed as a text."""


def _matches(source: Any) -> Evidence | bool:
    if isinstance(source, Mapping):
        found = _MARKS(source)
        known = bool({*KEYS} & {*source})
        return (found.weight >= SURE or found) if known else False
    return _is_arguments(source) or _is_scheduler(source)


def _is_arguments(source: Any) -> bool:
    kinds = type(source).__mro__
    return any(
        kind.__name__ == "TrainingArguments" and kind.__module__.startswith("transformers.")
        for kind in kinds
    )


def _read_config(source: Any, context: RunFacts) -> Plan:
    who = _WHO
    if isinstance(source, Mapping):
        nothing = {k for k in KEYS if isinstance(source.get(k), str) and source[k] in _NOTHING}
        given = {key: None if key in nothing else value for key, value in source.items()}
        given = like(source, given)
        Keys(who, given).among(*KEYS, "metric_for_best_model")
    elif _is_arguments(source):
        given = {key: getattr(source, key, None) for key in (*KEYS, "metric_for_best_model")}
        who = type(source).__name__
    else:
        rule = f"cannot be read from {shorten(source)}"
        raise ScheduleError(who, rule, "give TrainingArguments, or a dict with their keys")
    check_near_misses(who, given)
    return _plan_of_config(who, given, context)


def _plan_of_config(who: str, given: Mapping[str, Any], context: RunFacts) -> Plan:
    notes: list[str] = []
    kind = kind_of(who, given.get("lr_scheduler_type", "linear"))
    if given.get("learning_rate") is None:
        notes.append("learning_rate is not given: Transformers uses 5e-05.")
    rate = given.get("learning_rate")
    peak = amount(who, "learning_rate", 5e-5 if rate is None else rate)
    kwargs = kwargs_of(who, kind, given.get("lr_scheduler_kwargs"))
    if kind in FEEDBACK:
        metric = str(given.get("metric_for_best_model") or "loss")
        metric = metric if metric.startswith("eval_") else f"eval_{metric}"
        read = greedy if kind == "greedy" else plateau
        return read(f"{who}, lr_scheduler_kwargs of {kind!r},", kwargs, peak, metric)
    if kind.startswith("constant") and kwargs:
        notes.append(f'The type "{kind}" ignores lr_scheduler_kwargs.')
    clock, more = clock_of(who, given, context)
    filled = arguments(who, kind, kwargs, peak)
    if kind == "inverse_sqrt" and filled["timescale"] is None:
        filled["timescale"] = clock.warmup or 10_000
    reading = build(who, kind, clock, filled)
    for name in ("min_lr", "lr_end"):
        if kwargs.get(name):
            more.append(_OWN_LIMIT.format(name=name))
    notes = [*notes, *more, *reading.notes]
    return Plan(lr=reading.layout.schedule(), peak={"lr": peak}, notes=tuple(notes))


# Schedulers ---------------------------------------------------------------------------------


def _is_scheduler(source: Any) -> bool:
    kind = type(source)
    if kind.__name__ == "GreedyLR":
        return kind.__module__.startswith("transformers.")
    if kind.__name__ != "LambdaLR" or not kind.__module__.startswith("torch."):
        return False
    lambdas = getattr(source, "lr_lambdas", [])
    return (
        bool(lambdas)
        and isinstance(lambdas, list)
        and all(_known(each) is not None for each in lambdas)
    )


def _known(function: Any) -> str | None:
    """Return the scheduler type that a multiplier function is of, or None."""
    inner = function.func if isinstance(function, functools.partial) else function
    module = getattr(inner, "__module__", None) or ""
    if not module.startswith("transformers."):
        return None
    return _LAMBDAS.get(getattr(inner, "__name__", ""))


def _read_scheduler(source: Any, context: RunFacts) -> Plan:
    if type(source).__name__ == "GreedyLR":
        return live_greedy("GreedyLR", source, context)
    who = "LambdaLR of Transformers"
    first, *others = source.lr_lambdas
    given = dict(getattr(first, "keywords", {}))
    for other in others:
        if _known(other) != _known(first) or getattr(other, "keywords", {}) != given:
            raise ScheduleError(who, "has groups with schedules of their own", "read one of them")
    kind = _known(first)
    assert kind is not None
    peak, notes = _base(source)
    warmup = number(who, "num_warmup_steps", given.pop("num_warmup_steps", 0))
    steps = given.pop("num_training_steps", None)
    clock = Timing(warmup, steps, context.total, free=False)
    reading = build(who, kind, clock, _partial(who, kind, given))
    return Plan(
        lr=reading.layout.schedule(),
        peak={} if peak is None else {"lr": peak},
        notes=(*notes, *reading.notes),
    )


def _partial(who: str, kind: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return what a partial function holds, in the form that the shapes take."""
    if kind == "polynomial":
        return arguments(who, kind, given, number(who, "lr_init", given.pop("lr_init")))
    if kind == "cosine":
        given.setdefault("min_lr_rate", 0.0)
    given["min_lr_rate"] = number(who, "min_lr_rate", given.get("min_lr_rate", 0.0))
    return arguments(who, kind, given, 1.0)


def _base(source: Any) -> tuple[float | None, list[str]]:
    rates = {number("LambdaLR", "a base rate", rate) for rate in source.base_lrs}
    if len(rates) == 1:
        return rates.pop(), []
    return None, [
        "The groups have base rates of their own: the plan multiplies each group's own rate and "
        "names no peak."
    ]


FORMATS = (
    Format(
        "transformers",
        "Transformers training arguments, live or as a config, or a scheduler",
        _matches,
        guarded(_read),
        TRAINER_FACTS,
        " ".join((*KEYS, "metric_for_best_model")),
    ),
)
