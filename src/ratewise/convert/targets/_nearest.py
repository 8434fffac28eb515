"""The scheduler of DeepSpeed that comes nearest to levels, where none gives them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.convert.targets._deepspeed import (
    COUNTS,
    DeepSpeedType,
    candidates,
    cosine,
    cycle,
    warmup,
)

MOST = 2000
"""Updates at which two schedules are compared while searching."""
_RELATIVE = ("WarmupCosineLR",)


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
