"""Rates computed from published formulas: DeepSpeed, Megatron, torchtitan, torchtune, T5X.

Each function returns what the framework uses at updates 0 … n-1, written down as its formula says,
one update at a time, in plain Python.
"""

from __future__ import annotations

import math
from collections.abc import Callable


def half_wave(p: float) -> float:
    return (1 + math.cos(math.pi * p)) / 2


# DeepSpeed: update 0 runs at what the constructor sets, update t at the value for i = t - 1 ---


def ds_range_test(n: int, low: float, size: int, growth: float, stairs: bool) -> list[float]:
    return [low * (1 + growth * (t // size if stairs else t / size)) for t in range(n)]


def _ds_warm(i: int, steps: int, kind: str) -> float:
    return math.log(i + 1) / math.log(steps) if kind == "log" else i / steps


def ds_warmup(n: int, low: float, high: float, steps: int, kind: str) -> list[float]:
    steps = max(2, steps)
    rates = [low]
    for i in range(n - 1):
        share = _ds_warm(i, steps, kind) if i < steps else 1.0
        rates.append(low + (high - low) * share)
    return rates[:n]


def ds_warmup_decay(
    n: int, total: int, low: float, high: float, steps: int, kind: str
) -> list[float]:
    steps = max(2, steps)
    rates = [low]
    for i in range(n - 1):
        if i < steps:
            share = _ds_warm(i, steps, kind)
        else:
            share = max(0.0, (total - i) / max(1.0, total - steps))
        rates.append(low + (high - low) * share)
    return rates[:n]


def ds_warmup_cosine(
    n: int, lr: float, total: int, start: float, steps: int, low: float, kind: str
) -> list[float]:
    steps = max(2, steps)
    rates = [0.0]
    for i in range(n - 1):
        if i < steps:
            ratio = start + (1 - start) * _ds_warm(i, steps, kind)
        else:
            p = min(1.0, (i - steps + 1) / max(1, total - steps))
            ratio = low + (1 - low) * half_wave(p)
        rates.append(lr * ratio)
    return rates[:n]


def _ds_scale(t: int, up: int, down: int, stairs: int, more: int) -> float:
    """The share of the way up at position t of a cycle; the cycle begins again at its end."""
    t %= up + down
    if t <= up:
        return math.floor(t * stairs / up) / stairs if stairs else t / up
    left = up + down - t
    return math.floor(left * more / down) / more if more else left / down


def ds_one_cycle(
    n: int,
    low: float,
    high: float,
    up: int,
    down: int,
    stairs: int,
    more: int,
    fall: float,
    pace: int,
) -> list[float]:
    rates = [low]
    for i in range(n - 1):
        if i < up + down:
            rates.append(low + (high - low) * _ds_scale(i + 1, up, down, stairs, more))
        elif fall and pace:
            rates.append(low / (1 + fall * (i - up - down + 1) / pace))
        else:
            rates.append(low)
    return rates[:n]


def ds_momentum(
    n: int,
    low: float,
    high: float,
    up: int,
    down: int,
    stairs: int,
    more: int,
    grow: float,
    pace: int,
) -> list[float]:
    values = [low]
    for i in range(n - 1):
        if i < up + down:
            values.append(high - (high - low) * _ds_scale(i + 1, up, down, stairs, more))
        elif grow and pace:
            values.append(high * (1 + grow * (i - up - down + 1) / pace))
        else:
            values.append(high)
    return values[:n]


# Megatron: x counts samples -----------------------------------------------------------------


def megatron(
    n: int,
    size: int,
    style: str,
    lr: float,
    low: float,
    init: float,
    warmup: float,
    decay: float,
    last: float = 0.0,
    last_style: str = "exponential",
) -> list[float]:
    tails: dict[str, Callable[[float], float]] = {
        "linear": lambda p: 1 - p,
        "cosine": half_wave,
        "exponential": lambda p: 2 * 0.5**p - 1,
        "minus_sqrt": lambda p: 1 - math.sqrt(p),
    }
    rates: list[float] = []
    for t in range(n):
        x = t * size
        if warmup > 0 and x <= warmup:
            rates.append(init + (lr - init) * x / warmup)
        elif style == "constant":
            rates.append(lr)
        elif x > decay:
            rates.append(low)
        elif style == "inverse-square-root":
            rates.append(max(low, lr * math.sqrt(max(warmup, 1)) / math.sqrt(max(x, 1))))
        elif style == "WSD":
            begin = decay - last
            share = 1.0 if x <= begin else tails[last_style]((x - begin) / last)
            rates.append(low + (lr - low) * share)
        else:
            rates.append(low + (lr - low) * tails[style]((x - warmup) / (decay - warmup)))
    return rates


def megatron_weight_decay(n: int, start: float, end: float, steps: int, style: str) -> list[float]:
    values: list[float] = []
    for t in range(n):
        p = min(t / steps, 1.0)
        share = p if style == "linear" else (1 + math.cos(math.pi * (1 - p))) / 2
        values.append(end if t > steps else start + share * (end - start))
    return values


# torchtitan ---------------------------------------------------------------------------------


def torchtitan(
    n: int, total: int, warmup: int, ratio: float | None, kind: str, low: float
) -> list[float]:
    warmup = min(warmup, total)
    decay = total - warmup
    if ratio is not None:
        decay = min(round(total * ratio), decay)
    stable = total + 1 - warmup - decay
    rates: list[float] = []
    for t in range(n):
        if t < warmup:
            rates.append((t + 1) / warmup)
        elif t < warmup + stable:
            rates.append(1.0)
        else:
            p = (t + 1 - warmup - stable) / decay
            share = {"linear": lambda p: 1 - p, "sqrt": lambda p: 1 - math.sqrt(p)}.get(
                kind, half_wave
            )(p)
            rates.append(low + (1 - low) * share)
    return rates


# Transformers' cosine, as torchtune and Axolotl have it --------------------------------------


def cosine(n: int, total: int, warmup: int, cycles: float = 0.5, low: float = 0.0) -> list[float]:
    rates: list[float] = []
    for t in range(n):
        if t < warmup:
            rates.append(t / max(1, warmup))
        else:
            p = (t - warmup) / max(1, total - warmup)
            rates.append(low + (1 - low) * max(0.0, half_wave(2 * cycles * p)))
    return rates


# T5X and Flax -------------------------------------------------------------------------------


def factors(
    n: int,
    names: list[str],
    base: float,
    warmup: int,
    factor: float,
    per_decay: int,
    per_cycle: int,
) -> list[float]:
    rates: list[float] = []
    for t in range(n):
        rate = 1.0
        for name in names:
            if name == "constant":
                rate *= base
            elif name == "linear_warmup":
                rate *= min(1.0, t / warmup)
            elif name == "rsqrt_decay":
                rate /= math.sqrt(max(t, warmup))
            elif name == "rsqrt_normalized_decay":
                rate *= math.sqrt(warmup) / math.sqrt(max(t, warmup))
            elif name == "decay_every":
                rate *= factor ** (t // per_decay)
            else:
                p = max(0.0, (t - warmup) / per_cycle)
                rate *= max(0.0, half_wave(p % 1.0))
        rates.append(rate)
    return rates
