"""The schedulers that DeepSpeed knows, as levels of a peak, and which of them a plan may be.

DeepSpeed steps its scheduler behind the update, and its first step is number 0: update 0 uses the
lowest rate, update t uses the formula at i = t - 1. (One cycle counts from 1, so it is not late.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratewise._arrays import Floats
from ratewise.convert.targets._nodes import short

RATES = ("warmup_min_lr", "warmup_max_lr", "cycle_min_lr", "cycle_max_lr")
"""Arguments that are rates: levels here, times the peak in the config."""
COUNTS = ("warmup_num_steps", "total_num_steps", "cycle_first_step_size", "cycle_second_step_size")
MOST = 2000
"""Updates at which two schedules are compared while searching."""
_RELATIVE = ("WarmupCosineLR",)


@dataclass(frozen=True)
class DeepSpeedType:
    """One of the types, with its arguments; rates are levels."""

    kind: str
    params: dict[str, Any]

    def levels(self, t: NDArray[Any]) -> Floats:
        with np.errstate(all="ignore"):
            return _KINDS[self.kind](self.params, np.asarray(t, dtype=np.float64))


def _gamma(params: dict[str, Any], i: Floats) -> tuple[Floats, int]:
    steps = max(2, params["warmup_num_steps"])
    if params["warmup_type"] == "linear":
        return i / steps, steps
    return np.log(i + 1) / np.log(steps), steps


def _warmup(params: dict[str, Any], t: Floats) -> Floats:
    i = np.maximum(t - 1, 0)
    gamma, steps = _gamma(params, i)
    if "total_num_steps" in params:
        total = params["total_num_steps"]
        after = np.maximum(0.0, (total - i) / max(1.0, total - steps))
    else:
        after = np.ones_like(i)
    low, high = params["warmup_min_lr"], params["warmup_max_lr"]
    level = low + (high - low) * np.where(i < steps, gamma, after)
    return np.where(t < 1, low, level)


def _cosine(params: dict[str, Any], t: Floats) -> Floats:
    i = np.maximum(t - 1, 0)
    gamma, steps = _gamma(params, i)
    low, floor = params["warmup_min_ratio"], params["cos_min_ratio"]
    p = np.minimum(1.0, (i - steps + 1) / max(1, params["total_num_steps"] - steps))
    after = np.maximum(0.0, floor + (1 - floor) * ((1 + np.cos(np.pi * p)) / 2))
    level = np.where(i < steps, low + gamma * (1 - low), after)
    return np.where(t < 1, 0.0, level)


def _cycle(params: dict[str, Any], t: Floats) -> Floats:
    up, down = float(params["cycle_first_step_size"]), float(params["cycle_second_step_size"])
    low, high, total = params["cycle_min_lr"], params["cycle_max_lr"], up + down
    x = t / total
    scale = np.where(x <= up / total, x / (up / total), (x - 1) / (up / total - 1))
    rate = params["decay_lr_rate"] / (params["decay_step_size"] or 1)
    return np.where(t <= total, low + (high - low) * scale, low / (1 + rate * (t - total)))


_KINDS = {
    "WarmupLR": _warmup,
    "WarmupDecayLR": _warmup,
    "WarmupCosineLR": _cosine,
    "OneCycle": _cycle,
}


# What levels could be -----------------------------------------------------------------------


def candidates(wanted: Floats) -> Iterator[DeepSpeedType]:
    """Yield types that could give these levels, with arguments read off them."""
    if len(wanted) < 3:
        return
    last = len(wanted) - 1
    top = float(wanted.max())
    for shape in ("linear", "log"):
        steps = _steps(wanted, shape, float(wanted[1]), top)
        yield warmup(steps, float(wanted[0]), top, shape)
        share = (wanted[last] - wanted[0]) / (top - wanted[0]) if top > wanted[0] else 1.0
        for total in _totals(last, steps, float(share)):
            yield warmup(steps, float(wanted[0]), top, shape, total)
        steps = _steps(wanted, shape, float(wanted[1]), 1.0)
        for total in (last, last + 1, last + 2):
            p = min(1.0, (last - steps) / max(1, total - steps))
            left = (1 + np.cos(np.pi * p)) / 2
            floor = float((wanted[last] - left) / (1 - left)) if left < 1 else 0.0
            yield cosine(steps, float(wanted[1]), short(floor), shape, total)
    yield from _cycles(wanted, top)


def warmup(
    steps: int, low: float, high: float, shape: str, total: int | None = None
) -> DeepSpeedType:
    """Return `WarmupLR`, or with a total `WarmupDecayLR`."""
    params: dict[str, Any] = {"warmup_min_lr": low, "warmup_max_lr": high}
    params |= {"warmup_num_steps": steps, "warmup_type": shape}
    if total is None:
        return DeepSpeedType("WarmupLR", params)
    return DeepSpeedType("WarmupDecayLR", {"total_num_steps": total, **params})


def cosine(steps: int, low: float, floor: float, shape: str, total: int) -> DeepSpeedType:
    """Return `WarmupCosineLR`."""
    params = {"total_num_steps": total, "warmup_min_ratio": low, "warmup_num_steps": steps}
    return DeepSpeedType("WarmupCosineLR", {**params, "cos_min_ratio": floor, "warmup_type": shape})


def cycle(up: int, down: int, low: float, high: float, rate: float) -> DeepSpeedType:
    params = {"cycle_min_lr": low, "cycle_max_lr": high}
    sizes = {"cycle_first_step_size": up, "cycle_second_step_size": down}
    decay = {"decay_lr_rate": rate, "decay_step_size": 1 if rate else 0}
    return DeepSpeedType("OneCycle", {**params, **sizes, **decay, "cycle_momentum": False})


def _steps(wanted: Floats, shape: str, low: float, high: float) -> int:
    """Return the length of the warm-up by the first level above the lowest."""
    rise, whole = float(wanted[2]) - low, high - low
    if rise <= 0 or whole <= 0:
        return 2
    steps = whole / rise if shape == "linear" else np.exp(min(np.log(2) * whole / rise, 40.0))
    return max(2, round(min(float(steps), 1e12)))


def _totals(last: int, steps: int, share: float) -> Iterator[int]:
    yield from (last, last + 1, last + 2)
    if share < 1 and steps < last:
        yield max(1, round((last - 1 - share * steps) / (1 - share)))


def _cycles(wanted: Floats, top: float) -> Iterator[DeepSpeedType]:
    up, low, last = int(wanted.argmax()), float(wanted[0]), len(wanted) - 1
    if not 0 < up < last or top <= low:
        return
    drop = top - float(wanted[up + 1])
    down = max(1, round((top - low) / drop)) if drop > 0 else 1
    past = last - up - down
    rate = 0.0
    if past > 0 and 0 < wanted[last] < low:
        rate = short((low / float(wanted[last]) - 1) / past)
    yield cycle(up, down, low, top, rate)


# The nearest, where none gives the levels -------------------------------------------------


def nearest(wanted: Floats, with_peak: bool) -> tuple[DeepSpeedType, float]:
    """Return the type and arguments with the smallest worst error found, and that error.

    From several beginnings, one argument at a time is moved by ever smaller steps. Without a peak
    only the type whose arguments are all relative can be written.
    """
    t = np.unique(np.linspace(0, len(wanted) - 1, MOST).astype(np.int64))
    t = np.union1d(t, np.arange(min(50, len(wanted))))
    best: tuple[float, DeepSpeedType] | None = None
    for start in _starts(wanted):
        if with_peak or start.kind in _RELATIVE:
            found = _improve(start, t, wanted[t])
            best = found if best is None or found[0] < best[0] else best
    assert best is not None
    named = best[1]
    return named, float(np.abs(named.levels(np.arange(len(wanted))) - wanted).max())


def _starts(wanted: Floats) -> Iterator[DeepSpeedType]:
    yield from candidates(wanted)
    n, top, end = len(wanted), float(wanted.max()), float(wanted[-1])
    up = max(2, int(wanted.argmax()))
    for shape in ("linear", "log"):
        for steps in dict.fromkeys((2, up)):
            yield warmup(steps, 0.0, end, shape)
            yield warmup(steps, end if end < top else 0.0, top, shape, n)
            yield cosine(steps, 0.0, min(end, 1.0), shape, n)
    yield cycle(up, max(1, n - up), float(wanted.min()), top, 0.0)


def _improve(named: DeepSpeedType, t: Any, wanted: Floats) -> tuple[float, DeepSpeedType]:
    best = (_error(named, t, wanted), named)
    step = 0.5
    while step > 1e-4:
        moved = min(
            ((_error(n, t, wanted), n) for n in _around(best[1], step)),
            key=lambda pair: pair[0],
            default=best,
        )
        best, step = (moved, step) if moved[0] < best[0] * (1 - 1e-6) else (best, step / 2)
    return best


def _error(named: DeepSpeedType, t: Any, wanted: Floats) -> float:
    error = float(np.abs(named.levels(t) - wanted).max())
    return error if np.isfinite(error) else float("inf")


def _around(named: DeepSpeedType, step: float) -> Iterator[DeepSpeedType]:
    for key, value in named.params.items():
        if isinstance(value, str | bool) or key == "decay_step_size":
            continue
        for sign in (1, -1):
            moved = _moved(key, value, sign * step)
            if moved != value and _allowed(named, key, moved):
                yield DeepSpeedType(named.kind, {**named.params, key: moved})


def _moved(key: str, value: Any, by: float) -> Any:
    if key in COUNTS:
        least = 2 if key == "warmup_num_steps" else 1
        return max(least, value + (round(value * by) or (1 if by > 0 else -1)))
    if key == "decay_lr_rate":
        return max(0.0, value * (1 + by))
    return float(min(max(value + by, 0.0), 1.0 if key.endswith("ratio") else np.inf))


def _allowed(named: DeepSpeedType, key: str, moved: Any) -> bool:
    params = {**named.params, key: moved}
    return params.get("warmup_num_steps", 0) < params.get("total_num_steps", np.inf)
