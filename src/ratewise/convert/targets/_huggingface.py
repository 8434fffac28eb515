"""The schedules that Transformers knows by name, to tell whether one of them is the plan.

What a type does is what it is read as.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.convert.live._hf_config import KWARGS, arguments
from ratewise.convert.live._hf_shapes import Timing, build
from ratewise.convert.targets._nodes import short


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
    who, kind = "Transformers", named.kind
    given = arguments(who, kind, {**KWARGS[kind], **named.more}, peak)
    if kind == "inverse_sqrt":
        given["timescale"] = named.warmup or 10_000
    shape = build(who, kind, Timing(named.warmup, total, total, free=True), given)
    return shape.layout.schedule().resolve(total).values(total)


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
        yield TrainerType("cosine_with_min_lr", warmup, {"min_lr_rate": short(floor)})
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
            power = short(float(np.log(share) / np.log1p(-k / n)))
            if power > 0:
                low = short(end * (1.0 if peak is None else peak))
                yield TrainerType("polynomial", warmup, {"lr_end": low, "power": power})


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
        floor = short(float((wanted[-1] - left) / (1 - left)))
        for climb in ("linear", "cosine", "1-sqrt"):
            more = {"num_decay_steps": decay, "decay_type": shape, "warmup_type": climb}
            for least in dict.fromkeys((0.0, floor)):
                own = {**more, "min_lr_ratio": least}
                if 0 <= least < 1:
                    yield TrainerType("warmup_stable_decay", warmup, own)


def _warmup(wanted: Floats) -> int:
    """Return the first update at the peak, where the levels rise up to it."""
    peak = np.flatnonzero(np.isclose(wanted, 1.0, rtol=1e-12, atol=0))
    return int(peak[0]) if peak.size else 0
