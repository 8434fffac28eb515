"""Rates computed from Levanter's own: cycles one behind the other, then a cooldown."""

from __future__ import annotations

import math
from typing import Any


def _updates(length: float, run: int) -> int:
    return int(length * run) if length <= 1 else int(length)


def _decayed(kind: str, c: int, low: float, n: int, warmup: int) -> float:
    """The multiplier c steps into a decay over n."""
    if kind == "constant":
        return 1.0
    if kind == "linear":
        return 1 + (low - 1) * min(c / n, 1) if n else 1.0
    if kind == "cosine":
        return (1 - low) * 0.5 * (1 + math.cos(math.pi * min(c / n, 1))) + low
    if kind == "inv":
        return max(min(1.0, 1 / ((1 / low - 1) * max(c, 1) / n + 1)), low)
    return max(min(1.0, 1 / math.sqrt(max(c + warmup, 1) / 10_000)), low)


def rates(run: int, ends: list[int], **keys: Any) -> list[float]:
    """The rate of each update, where cycles end at these."""
    low, kind = keys["min_lr_ratio"], keys["lr_schedule"]
    cooldown = _updates(keys.get("cooldown", 0), run)
    found: list[float] = []
    last = 0.0
    for begin, end in zip([0, *ends], [*ends, run - cooldown], strict=True):
        warmup = _updates(keys.get("rewarmup" if begin else "warmup", 0), end - begin)
        down = _updates(keys["decay"], end - begin) if "decay" in keys else end - begin - warmup
        for t in range(end - begin):
            c = t - (end - begin - down)
            climbed = last + (1 - last) * t / warmup if t < warmup else 1.0
            found.append(climbed if c < 0 else _decayed(kind, c, low, down, warmup))
        last = _decayed(kind, down, low, down, warmup)
    found += [last + (low - last) * c / cooldown for c in range(cooldown)]
    return [keys["learning_rate"] * level for level in found]
