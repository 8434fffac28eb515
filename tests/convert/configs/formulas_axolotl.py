"""Rates computed from published formulas: the schedulers of Axolotl, and PyTorch's one-cycle."""

from __future__ import annotations

from tests.convert.configs.formulas import cosine, half_wave


def quadratic(n: int, total: int, warmup: int) -> list[float]:
    plain = cosine(n, total, warmup)
    return [(t / warmup) ** 2 if t < warmup else rate for t, rate in enumerate(plain)]


def constant_ratio(n: int, total: int, warmup: int, ratio: float, low: float) -> list[float]:
    stop = int(total * ratio)
    rates: list[float] = []
    for t in range(n):
        if t < warmup:
            rates.append(t / warmup)
        else:
            p = (min(t, stop) - warmup) / max(1, stop - warmup)
            rates.append(max(0.0, (1 - low) * half_wave(p)) + low)
    return rates


def rex(n: int, total: int, warmup: int, low: float, skipped: int = 1) -> list[float]:
    rates: list[float] = []
    for t in range(n):
        s = t + skipped
        left = total - s
        if s <= warmup:
            rates.append(s / warmup)
        elif left <= 0:
            rates.append(low)
        else:
            z = left / (total - warmup)
            rates.append(low + (1 - low) * z / (0.1 + 0.9 * z))
    return rates


def jagged(n: int, every: int, warmup: int, anneal: int, low: float, skipped: int) -> list[float]:
    scales: list[float] = []
    for s in range(skipped, n + skipped):
        k = s % every
        share = 1.0
        if s >= every - anneal and k < warmup:
            share = k / warmup
        elif s >= every - anneal and k > every - anneal:
            share = (every - k) / anneal
        scales.append(low + (1 - low) * share if s >= every - anneal else 1.0)
    return scales


def one_cycle(
    n: int, steps: int, share: float, levels: tuple[float, ...], shape: str, three: bool
) -> list[float]:
    """Phases between real positions; the phase of an update is the first that has not ended."""
    ends = [share * steps - 1, steps - 1]
    if three:
        ends.insert(1, 2 * share * steps - 2)
    out: list[float] = []
    for t in range(n):
        begin = 0.0
        for i, end in enumerate(ends):
            if t <= end or i == len(ends) - 1:
                p = (t - begin) / (end - begin)
                a, b = levels[i], levels[i + 1]
                out.append(b + (a - b) * half_wave(p) if shape == "cos" else a + (b - a) * p)
                break
            begin = end
    return out
