"""The schedules that Transformers knows by name, to tell whether one of them is the plan.

Formulas of `transformers.optimization`, over updates t of a run of T, with a warm-up of W:
all of them climb as t/W.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ratewise._arrays import Floats


@dataclass(frozen=True)
class TrainerType:
    """One of the types, with its arguments.

    Attributes:
        kind: `lr_scheduler_type`.
        warmup: `warmup_steps`.
        more: `lr_scheduler_kwargs`.
    """

    kind: str
    warmup: int = 0
    more: dict[str, Any] = field(default_factory=dict[str, Any])


def levels(named: TrainerType, total: int, peak: float) -> Floats:
    """Return the levels that Transformers gives to the updates of a run."""
    t = np.arange(total, dtype=np.float64)
    climb = t / max(1, named.warmup)
    if named.kind == "warmup_stable_decay":
        return _stable(named, t, total)
    after = _AFTER[named.kind](named.more, named.warmup, np.maximum(t, named.warmup), total, peak)
    return np.where(t < named.warmup, climb, after)


def candidates(wanted: Floats, peak: float | None) -> Iterator[TrainerType]:
    """Yield types that could give these levels, with arguments read off them."""
    warmup = _warmup(wanted)
    yield from _without_floor(warmup)
    last = len(wanted) - 1
    if len(wanted) - warmup < 2:
        return
    p = (last - warmup) / (len(wanted) - warmup)
    remaining = (1 + np.cos(np.pi * p)) / 2
    floor = float((wanted[last] - remaining) / (1 - remaining))
    if 0 < floor < 1:
        yield TrainerType("cosine_with_min_lr", warmup, {"min_lr_rate": _short(floor)})
    yield from _polynomials(wanted, warmup, peak)
    yield from _plateaus(wanted, warmup)


def _without_floor(warmup: int) -> Iterator[TrainerType]:
    if not warmup:
        yield TrainerType("constant")
    for kind in ("constant_with_warmup", "linear", "cosine", "inverse_sqrt"):
        yield TrainerType(kind, warmup)
    for cycles in (1.0, 1.5, 2.0, 2.5, 3.0):
        yield TrainerType("cosine", warmup, {"num_cycles": cycles})
    for count in range(2, 33):
        yield TrainerType("cosine_with_restarts", warmup, {"num_cycles": count})


def _polynomials(wanted: Floats, warmup: int, peak: float | None) -> Iterator[TrainerType]:
    n = len(wanted) - warmup
    rest = wanted[warmup:]
    ends = [0.0] if peak is None else [0.0, *_ends(rest, n)]
    for end in ends:
        k = n // 2
        share = (rest[k] - end) / (1 - end) if end < 1 else 0.0
        if k and 0 < share < 1:
            power = _short(float(np.log(share) / np.log1p(-k / n)))
            if power > 0:
                scale = 1.0 if peak is None else peak
                yield TrainerType(
                    "polynomial", warmup, {"lr_end": _short(end * scale), "power": power}
                )


def _ends(rest: Floats, n: int) -> Iterator[float]:
    """Yield end levels that the last update fits, for plain powers."""
    for power in (1.0, 2.0, 0.5, 3.0, 0.9, 1.5, 4.0):
        share = (1 / n) ** power
        end = float((rest[-1] - share) / (1 - share))
        if 0 < end < 1:
            yield end


def _plateaus(wanted: Floats, warmup: int) -> Iterator[TrainerType]:
    """Yield warm-up, stay, decay: the decay starts at the last update at the peak."""
    at_peak = np.flatnonzero(wanted[warmup:] == 1.0)
    if not at_peak.size or warmup + at_peak[-1] + 1 >= len(wanted):
        return
    start = warmup + int(at_peak[-1])
    decay = len(wanted) - start
    p = (decay - 1) / decay
    shapes = {"linear": 1 - p, "cosine": (1 + np.cos(np.pi * p)) / 2, "1-sqrt": 1 - np.sqrt(p)}
    for shape, left in shapes.items():
        floor = _short(float((wanted[-1] - left) / (1 - left)))
        for climb in ("linear", "cosine", "1-sqrt"):
            more = {"num_decay_steps": decay, "decay_type": shape, "warmup_type": climb}
            for least in dict.fromkeys((0.0, floor)):
                if 0 <= least < 1:
                    yield TrainerType(
                        "warmup_stable_decay", warmup, {**more, "min_lr_ratio": least}
                    )


def _warmup(wanted: Floats) -> int:
    """Return the first update at the peak, where the levels rise up to it."""
    peak = np.flatnonzero(np.isclose(wanted, 1.0, rtol=1e-12, atol=0))
    return int(peak[0]) if peak.size else 0


def _short(value: float) -> float:
    """Return a number without the dust of rounding."""
    return float(f"{value:.12g}") if abs(value) > 1e-13 else 0.0


# The formulas -------------------------------------------------------------------------------


def _cosine(more: Any, warmup: int, t: Floats, total: int, peak: float) -> Floats:
    p = (t - warmup) / max(1, total - warmup)
    factor = 0.5 * (1 + np.cos(np.pi * more.get("num_cycles", 0.5) * 2 * p))
    floor = more.get("min_lr_rate", 0.0)
    return np.maximum(0.0, factor * (1 - floor) + floor)


def _restarts(more: Any, warmup: int, t: Floats, total: int, peak: float) -> Floats:
    p = (t - warmup) / max(1, total - warmup)
    return np.maximum(0.0, 0.5 * (1 + np.cos(np.pi * ((more["num_cycles"] * p) % 1.0))))


def _linear(more: Any, warmup: int, t: Floats, total: int, peak: float) -> Floats:
    return np.maximum(0.0, (total - t) / max(1, total - warmup))


def _polynomial(more: Any, warmup: int, t: Floats, total: int, peak: float) -> Floats:
    left = np.maximum(0.0, 1 - (t - warmup) / (total - warmup))
    return ((peak - more["lr_end"]) * left ** more["power"] + more["lr_end"]) / peak


def _inverse(more: Any, warmup: int, t: Floats, total: int, peak: float) -> Floats:
    scale = warmup or 10_000
    return 1 / np.sqrt((t + scale - warmup) / scale)


def _ones(more: Any, warmup: int, t: Floats, total: int, peak: float) -> Floats:
    return np.ones_like(t)


def _stable(named: TrainerType, t: Floats, total: int) -> Floats:
    more, n = named.more, named.more["num_decay_steps"]
    floor = more["min_lr_ratio"]
    p = np.minimum(t / max(1, named.warmup), 1.0)
    climbs = {"linear": p, "cosine": (1 - np.cos(np.pi * p)) / 2, "1-sqrt": 1 - np.sqrt(1 - p)}
    q = np.clip((t - (total - n)) / n, 0.0, 1.0)
    falls = {"linear": 1 - q, "cosine": (1 + np.cos(np.pi * q)) / 2, "1-sqrt": 1 - np.sqrt(q)}
    up = climbs[more["warmup_type"]] * (1 - floor) + floor
    down = falls[more["decay_type"]] * (1 - floor) + floor
    return np.where(t < named.warmup, up, np.where(t < total - n, 1.0, down))


_AFTER = {
    "constant": _ones,
    "constant_with_warmup": _ones,
    "linear": _linear,
    "cosine": _cosine,
    "cosine_with_min_lr": _cosine,
    "cosine_with_restarts": _restarts,
    "polynomial": _polynomial,
    "inverse_sqrt": _inverse,
}
