"""Rates computed from published formulas: the schedulers of fairseq, at `num_updates` = t."""

from __future__ import annotations

import math


def inverse_sqrt(t: int, lr: float, warmup: int, init: float) -> float:
    init = max(init, 0.0)
    return init + t * (lr - init) / warmup if t < warmup else lr * math.sqrt(warmup / t)


def polynomial(t: int, lr: float, warmup: int, end: float, power: float, total: float) -> float:
    if warmup > 0 and t <= warmup:
        return lr * t / warmup
    if t >= total:
        return end
    return (lr - end) * (1 - (t - warmup) / (total - warmup)) ** power + end


def cosine(
    t: int,
    lr: float,
    warmup: int,
    init: float,
    low: float,
    period: float,
    grow: float,
    shrink: float,
) -> float:
    init = low if init < 0 else init
    if t < warmup:
        return init + t * (lr - init) / warmup
    x = t - warmup
    if grow == 1:
        i = math.floor(x / period)
        size, k = period, x - period * i
    else:
        i = math.floor(math.log(1 - x / period * (1 - grow), grow))
        size, k = grow**i * period, x - (1 - grow**i) / (1 - grow) * period
    a, b = low * shrink**i, lr * shrink**i
    return a + (b - a) * (1 + math.cos(math.pi * k / size)) / 2


def tri_stage(t: int, lr: float, lengths: tuple[int, int, int], init: float, final: float) -> float:
    warmup, stay, decay = lengths
    if t < warmup:
        return lr * (init + (1 - init) * t / warmup)
    if t < warmup + stay:
        return lr
    k = t - warmup - stay
    return lr * math.exp(math.log(final) * k / decay) if k <= decay else lr * final


def triangular(t: int, lr: float, top: float, period: float, shrink: float, both: bool) -> float:
    half = period // 2
    i = math.floor(t / (2 * half))
    high, low = top * shrink**i, lr * shrink**i if both else lr
    x = abs(t / half - 2 * (i + 1) + 1)
    return low + (high - low) * max(0.0, 1 - x)


def step(
    t: int, lr: float, warmup: int, init: float, low: float, period: int, factor: float
) -> float:
    init = low if init < 0 else init
    if t < warmup:
        return init + t * (lr - init) / warmup
    return max(lr * factor ** ((t - warmup) // period), low)


def fixed(
    t: int, lrs: list[float], warmup: int, epoch: int, anneal: int | None, shrink: float
) -> float:
    number = t // epoch + 1
    if anneal is None or number < anneal:
        lr = lrs[min(number - 1, len(lrs) - 1)]
    else:
        lr = lrs[-1] * shrink ** (number + 1 - anneal)
    return lr * (t + 1) / warmup if t < warmup else lr


def manual(
    n: int, lr: float, by_epoch: dict[int, float], by_update: dict[int, float], epoch: int
) -> list[float]:
    rate = by_epoch.get(1, by_update.get(1, lr))
    rates: list[float] = []
    for t in range(n):
        if t % epoch == 0:
            known = [e for e in by_epoch if e <= t // epoch + 1]
            rate = by_epoch[max(known)] if known else rate
        known = [u for u in by_update if u <= t]
        rate = by_update[max(known)] if known else rate
        rates.append(rate)
    return rates
