"""Rates computed from published formulas: the policies of NeMo, at step t."""

from __future__ import annotations

import math
from typing import Any


def rate(kind: str, t: int, lr: float, low: float, steps: int, **shape: Any) -> float:
    """Return the rate of a policy: warm-up, then its own formula, then the floor."""
    warmup, stay = shape.get("warmup", 0), shape.get("constant", 0)
    held = warmup + shape["hold"] if shape.get("hold") is not None else 0
    if kind == "NoamAnnealing":
        return _noam(t, lr, low, warmup, shape["d_model"])
    if kind == "T5InverseSquareRootAnnealing":
        if t <= stay:
            return stay**-0.5
        return low if t > steps else t**-0.5
    if warmup > 0 and t <= warmup:
        return lr * t / warmup if stay else lr * (t + 1) / (warmup + 1)
    if "Hold" in kind and warmup <= t < held:
        return lr
    if kind == "CosineAnnealing" and stay and t > steps - stay:
        return low
    if t > steps:
        return low
    return _own(kind, t, lr, low, steps, warmup, stay, held, shape)


def _own(
    kind: str,
    t: int,
    lr: float,
    low: float,
    steps: int,
    warmup: int,
    stay: int,
    held: int,
    shape: dict[str, Any],
) -> float:
    if kind in ("WarmupPolicy", "WarmupHoldPolicy"):
        return lr
    if kind == "WarmupAnnealing":
        return low + (1 - (t - warmup) / (steps - warmup)) * (lr - low)
    if kind == "WarmupHoldAnnealLinear":
        return lr - (lr - low) * (t - held) / (steps - held)
    if kind == "WarmupHoldAnnealOneMinusSquareRoot":
        return max(low, lr * (1 - math.sqrt((t - held) / (steps - held))))
    if kind == "SquareAnnealing":
        return max(low, lr * ((steps - t) / (steps - warmup)) ** 2)
    if kind == "SquareRootAnnealing":
        return max(low, lr * math.sqrt((steps - t) / steps))
    if kind == "CosineAnnealing":
        p = (t - warmup) / (steps - warmup - stay)
        return low + (lr - low) * (1 + math.cos(math.pi * p)) / 2
    if kind == "InverseSquareRootAnnealing":
        return lr / math.sqrt((t + 1) / (warmup + 1))
    if kind == "NoamHoldAnnealing":
        past = max(1, (t - max(held - warmup, 0)) ** shape["decay_rate"])
        return max(low, lr * max(1, warmup ** shape["decay_rate"]) / past)
    begin, of = warmup, steps - warmup
    if kind == "PolynomialHoldDecayAnnealing":
        begin, of = held, steps - max(warmup, held)
    return (lr - low) * (1 - min(t - begin, of) / of) ** shape["power"] + low


def _noam(t: int, lr: float, low: float, warmup: int, width: int) -> float:
    s = max(1, t)
    share = min(s**-0.5, s * warmup**-1.5) if warmup else s**-0.5
    value = lr * width**-0.5 * share
    return max(value, low) if s > warmup else value
