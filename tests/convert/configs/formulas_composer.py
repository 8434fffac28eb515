"""Rates computed from published formulas: the schedulers of Composer and of LLM Foundry.

`now` counts in the unit of the times given; every function returns one multiplier of the rate.
"""

from __future__ import annotations

import math


def _anneal(p: float, low: float) -> float:
    p = min(max(p, 0.0), 1.0)
    return low + (1 - low) * (1 + math.cos(math.pi * p)) / 2


def step(now: int, size: int, gamma: float) -> float:
    return gamma ** (now // size)


def multistep(now: int, milestones: list[int], gamma: float) -> float:
    return gamma ** sum(now >= milestone for milestone in milestones)


def constant(now: int, end: int, alpha: float) -> float:
    return alpha if now < end else 1.0


def linear(now: int, end: int, first: float, last: float) -> float:
    return first + min(1.0, now / end) * (last - first)


def exponential(now: int, period: int, gamma: float) -> float:
    return gamma ** (now / period)


def cosine(now: int, end: int, low: float) -> float:
    return _anneal(now / end, low)


def polynomial(now: int, end: int, power: float, low: float) -> float:
    return low + (1 - min(1.0, now / end)) ** power * (1 - low)


def restarts(now: int, first: int, grow: float, low: float) -> float:
    size = end = first
    while end <= now:
        size = int(grow * size)
        end += size
    return _anneal((now - (end - size)) / size, low)


def warmed(now: int, warmup: int, end: int, kind: str, **shape: float) -> float:
    """A warm-up to `first`, then linear, cosine or polynomial towards `last` at `end`."""
    first, last = shape.get("first", 1.0), shape["last"]
    if now < warmup:
        return first * min(1.0, now / shape.get("slope", warmup))
    p = min(1.0, (now - warmup) / (end - warmup)) if end > warmup else 0.0
    if kind == "linear":
        return first + p * (last - first)
    if kind == "cosine":
        return _anneal(p, last)
    return last + (1 - p) ** shape["power"] * (1 - last)


def multistep_warmed(now: int, warmup: int, milestones: list[int], gamma: float) -> float:
    return now / warmup if now < warmup else multistep(now, milestones, gamma)


def inverse_root(
    now: int, warmup: int, scale: int, cooldown: int, end: int, high: float, low: float
) -> float:
    if now < warmup:
        return now / warmup

    def root(t: int) -> float:
        return high + (1 - high) / math.sqrt((t + scale - warmup) / scale)

    begin = max(end - cooldown, warmup)
    if now < begin:
        return root(now)
    top = root(begin)
    if not cooldown:
        return top
    return top + min(1.0, (now - begin) / cooldown) * (low - top)
