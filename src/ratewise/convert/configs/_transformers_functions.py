"""The functions of Transformers that return a scheduler, by the arguments of a config."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratewise.convert.live._hf_config import KWARGS, arguments, kwargs_of
from ratewise.convert.live._hf_shapes import Timing, build
from ratewise.convert.pieces.keys import Keys
from ratewise.schedule import Schedule, ScheduleError

KINDS = {
    "get_constant_schedule": "constant",
    "get_constant_schedule_with_warmup": "constant_with_warmup",
    "get_linear_schedule_with_warmup": "linear",
    "get_cosine_schedule_with_warmup": "cosine",
    "get_cosine_with_hard_restarts_schedule_with_warmup": "cosine_with_restarts",
    "get_polynomial_decay_schedule_with_warmup": "polynomial",
    "get_inverse_sqrt_schedule": "inverse_sqrt",
    "get_cosine_with_min_lr_schedule_with_warmup": "cosine_with_min_lr",
    "get_cosine_with_min_lr_schedule_with_warmup_lr_rate": "cosine_warmup_with_min_lr",
    "get_wsd_schedule": "warmup_stable_decay",
}
ANY = "get_scheduler"
"""The one that is told the name."""
NAMES = (*KINDS, ANY)
_TIMES = ("num_warmup_steps", "num_training_steps")
_TIMELESS = ("constant", "constant_with_warmup", "inverse_sqrt")
"""Kinds that need no length."""


def levels(name: str, keys: Keys, peak: float, run: int | None) -> tuple[Schedule, list[str]]:
    """Return the levels of one of `NAMES` and its notes, in calls of its `step`."""
    keys.only(*_known(name))
    given = {key: value for key, value in keys.given.items() if value is not None}
    kind = KINDS.get(name, "")
    if name == ANY:
        kind = keys.choice("name", KWARGS)
        given |= kwargs_of(keys.who, kind, given.pop("scheduler_specific_kwargs", None))
    if given.get("last_epoch", -1) != -1:
        rule = "has last_epoch, which is for a run that goes on"
        raise ScheduleError(keys.who, rule, "leave it out")
    kwargs = {key: given[key] for key in KWARGS[kind] if key in given}
    reading = build(
        keys.who, kind, _timing(keys, kind, run, kwargs), _filled(keys, kind, kwargs, peak)
    )
    return reading.layout.schedule(), reading.notes


def _known(name: str) -> tuple[str, ...]:
    if name == ANY:
        return ("name scheduler_specific_kwargs", *_TIMES)
    return ("last_epoch", *_TIMES, *KWARGS[KINDS[name]])


def _timing(keys: Keys, kind: str, run: int | None, kwargs: Mapping[str, Any]) -> Timing:
    warmup = 0 if kind == "constant" else keys.whole("num_warmup_steps")
    steps: int | None = None
    if kind not in _TIMELESS and kwargs.get("num_stable_steps") is None:
        steps = keys.whole("num_training_steps", low=1)
    return Timing(warmup, steps, run, free=False)


def _filled(keys: Keys, kind: str, kwargs: dict[str, Any], peak: float) -> dict[str, Any]:
    filled = arguments(keys.who, kind, kwargs_of(keys.who, kind, kwargs), peak)
    if kind == "inverse_sqrt" and filled["timescale"] is None:
        filled["timescale"] = keys.whole("num_warmup_steps") or 10_000
    return filled
