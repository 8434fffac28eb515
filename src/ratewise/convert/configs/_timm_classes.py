"""The scheduler classes of timm by the arguments that a config gives them."""

from __future__ import annotations

import math
from typing import Any

from ratewise.convert.live._described import DescribedOptimizer, DescribedScheduler
from ratewise.convert.pieces.keys import Keys
from ratewise.schedule import ScheduleError

_WARMUP: dict[str, Any] = {"warmup_t": 0, "warmup_lr_init": 0.0}
_CYCLES: dict[str, Any] = {
    "t_initial": None,
    "lr_min": 0.0,
    "cycle_mul": 1.0,
    "cycle_decay": 1.0,
    "cycle_limit": 1,
    **_WARMUP,
    "warmup_prefix": False,
}
_STEPS: dict[str, Any] = {"decay_t": None, "decay_rate": 1.0, **_WARMUP, "warmup_prefix": True}
CLASSES: dict[str, dict[str, Any]] = {
    "CosineLRScheduler": {**_CYCLES, "k_decay": 1.0},
    "TanhLRScheduler": {**_CYCLES, "lb": -7.0, "ub": 3.0},
    "PolyLRScheduler": {**_CYCLES, "power": 0.5, "k_decay": 1.0},
    "StepLRScheduler": _STEPS,
    "MultiStepLRScheduler": _STEPS,
    "WSDLRScheduler": {
        "t_initial": None,
        "decay_t": None,
        "lr_min": 0.0,
        "stable_fn": "constant",
        "stable_timescale": 0.0,
        "stable_power": 0.5,
        "decay_fn": "1-sqrt",
        "decay_power": 0.5,
        "decay_ratio": 0.1,
        **_WARMUP,
    },
}
"""Arguments with their defaults; None has to be given."""
_DECAYS = ("linear", "1-sqrt", "cosine", "power", "exp")
_OTHERS = "t_in_epochs noise_range_t noise_pct noise_std noise_seed initialize"


def describe(name: str, keys: Keys, optimizer: DescribedOptimizer) -> DescribedScheduler:
    """Return a scheduler of one of `CLASSES` as its constructor would leave it."""
    known = CLASSES[name]
    keys.only(" ".join(known), _OTHERS)
    if keys.has("noise_range_t"):
        rule = "adds noise to the rate, whose numbers only running it tells"
        raise ScheduleError(keys.who, rule, "make it and read the live object")
    kept = {each: _value(keys, each, default) for each, default in known.items()}
    if name == "MultiStepLRScheduler":
        kept["decay_t"] = keys.wholes("decay_t")
    _check_cycles(keys, kept)
    if kept.get("stable_fn", "constant") != "constant":
        kept["stable_timescale"] = kept["stable_timescale"] or kept["warmup_t"]
    return DescribedScheduler(
        name,
        optimizer,
        base_values=[optimizer.lr],
        param_group_field="lr",
        t_in_epochs=keys.flag("t_in_epochs", True),
        noise_range_t=None,
        **kept,
    )


def _check_cycles(keys: Keys, kept: dict[str, Any]) -> None:
    """Refuse cycles that grow, where the logarithm that timm counts them by is rounded down."""
    grow, limit = kept.get("cycle_mul", 1.0), int(min(kept.get("cycle_limit", 1), 200))
    if grow == 1.0:
        return
    for i in range(1, limit + 1):
        begin = kept["t_initial"] * sum(grow**k for k in range(i))
        inside = 1 - begin / kept["t_initial"] * (1 - grow)
        if inside <= 0 or math.floor(math.log(inside, grow)) != i:
            rule = f"has cycle_mul={grow:g}, by which its cycles begin where only running it tells"
            raise ScheduleError(keys.who, rule, "make it and read the live object")


def _value(keys: Keys, name: str, default: Any) -> Any:
    if isinstance(default, bool):
        return keys.flag(name, default)
    if isinstance(default, str):
        words = ("constant", "rsqrt", "power") if name == "stable_fn" else _DECAYS
        return keys.choice(name, words, default)
    if name in ("lb", "ub"):
        return keys.number(name, default, low=-1e6, high=1e6)
    if name == "decay_t" and isinstance(keys.given.get(name), list | tuple):
        return keys.wholes(name)
    value = keys.number(name, default)
    return int(value) if value.is_integer() and not isinstance(default, float) else value
