"""The multi-power law fitted as its authors fit it, for a comparison of optima under one law.

L(t) = floor + amount·S(t)^-alpha - drop·Σ_k (η_{k-1} - η_k)·G(η_k^-gamma·S_k(t)),
G(x) = 1 - (1 + scale·x)^-beta. Time begins with the first update of the warm-up, whose rises are
negative drops. Residuals are of logarithms, robust (Huber, 1e-3). First floor, amount, alpha and
drop with G = 1 from 135 starts; then all seven from scale 1, beta
and gamma .5 by 200 steps of AdamW.

Source: Luo et al. 2025, arXiv 2503.12811; written from the description of the recipe.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from scipy.optimize import minimize

from ratewise.choose import Curve
from ratewise.predict.grid import RateSegments
from ratewise.predict.multipower import MultiPowerLaw

HUBER = 1e-3
PEAK = 3e-4
STEPS = 200
PATIENCE = 20
RATES = np.array([5e-2, 5e-2, 5e-3, 5e-2, 5e-2, 5e-3, 5e-3])
DECAY = 0.01
MERGED = 8
Array = Any


def rates_of(curve: Curve) -> Array:
    """Return the rate of every update; a step between two logged points comes at 8,000."""
    found = curve.every_rate.copy()
    if curve.name.startswith("wsdcon"):
        found[2160:8000], found[8000:] = PEAK, found[-1]
    return found


class Sums:
    """What the law needs of a run: S at the points, and every few drops with the sum before."""

    def __init__(self, rates: Array, steps: Array) -> None:
        every = np.cumsum(rates)
        self.at, self.now = every[steps - 1], rates[steps - 1]
        falls = np.append(0.0, rates[:-1] - rates[1:])
        size = -(-len(rates) // MERGED) * MERGED - len(rates)
        falls, level, before = (
            np.append(x, np.full(size, x[-1])).reshape(-1, MERGED)
            for x in (falls, rates, every - rates)
        )
        falls = falls.copy()
        falls.reshape(-1)[len(rates) :] = 0.0
        there = np.flatnonzero(np.abs(falls).sum(1))
        weight = np.abs(falls[there])
        weight /= weight.sum(1, keepdims=True)
        self.falls = falls[there].sum(1)
        self.logs = np.log((weight * level[there]).sum(1))
        self.since = np.maximum(self.at[:, None] - (weight * before[there]).sum(1), 0.0)

    def losses(self, p: Array) -> tuple[Array, Array]:
        """Return the losses at the points, float[n], and their derivatives, float[n, 7]."""
        floor, amount, alpha, drop, scale, beta, gamma = p
        fall = self.at**-alpha
        x = scale * np.exp(-gamma * self.logs) * self.since
        left = (1 + x) ** -beta
        gain = (1 - left) @ self.falls
        inner = drop * beta * left / (1 + x) * x * self.falls
        by = [
            np.ones_like(fall), fall, -amount * np.log(self.at) * fall, -gain,
            -inner.sum(1) / scale, -drop * (left * np.log1p(x)) @ self.falls, inner @ self.logs,
        ]  # fmt: skip
        return floor + amount * fall - drop * gain, np.stack(by, 1)


def published_fit(curves: list[Curve]) -> Array:
    """Return floor, amount, alpha, drop, scale, beta and gamma."""
    runs = [Sums(rates_of(one), np.asarray(one.steps).astype(int)) for one in curves]
    losses = np.concatenate([np.asarray(one.losses) for one in curves])
    p = np.append(_simple(runs, losses), [1.0, 0.5, 0.5])
    best, best_value, waited = p.copy(), np.inf, 0
    first, second = np.zeros(7), np.zeros(7)
    for step in range(1, STEPS + 1):
        told, slopes = (np.concatenate(x) for x in zip(*(r.losses(p) for r in runs), strict=True))
        value, pull = _huber(np.log(losses / told))
        slope = -(pull / told) @ slopes
        if value < best_value:
            best, best_value, waited = p.copy(), value, 0
        else:
            waited += 1
        if waited >= PATIENCE or np.linalg.norm(slope) < 1e-5:
            break
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        move = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        p = p * (1 - RATES * DECAY) - RATES * move
    return best


def _simple(runs: list[Sums], losses: Array) -> Array:
    """Return floor, amount, alpha and drop of the law whose drops count at once."""
    at, now = (np.concatenate([getattr(one, x) for one in runs]) for x in ("at", "now"))

    def objective(q: Array) -> tuple[float, Array]:
        floor, amount, alpha, drop = q
        fall = at**-alpha
        told = np.maximum(floor + amount * fall - drop * (PEAK - now), 1e-6)
        value, pull = _huber(np.log(losses / told))
        slopes = [np.ones_like(at), fall, -amount * np.log(at) * fall, now - PEAK]
        return value, -(pull / told) @ np.stack(slopes, 1)

    ends: list[Any] = []
    for shift in np.linspace(-0.2, 0.2, 5):
        floor = losses.min() + shift
        over = losses - floor > 0
        slope, top = np.polyfit(np.log(at[over]), np.log(losses[over] - floor), 1)
        for a, b, drop in product((-0.1, 0, 0.1), (-0.1, 0, 0.1), (100, 550, 1000)):
            start = [floor, np.exp(top) + a, max(-slope + b, 0.0), drop]
            ends.append(
                minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * 4,
                         options={"ftol": 1e-9, "gtol": 1e-6, "maxiter": 1000})
            )  # fmt: skip
    return min(ends, key=lambda end: end.fun).x


def _huber(residual: Array) -> tuple[float, Array]:
    size = np.abs(residual)
    value = np.where(size <= HUBER, 0.5 * size**2, HUBER * (size - 0.5 * HUBER)).sum()
    return float(value), np.clip(residual, -HUBER, HUBER)


def final(p: Array, rates: Array) -> float:
    """Return the loss after the last update of a run, each update by itself."""
    floor, amount, alpha, drop, scale, beta, gamma = p
    every = np.cumsum(rates)
    since = every[-1] - every + rates
    x = scale * np.maximum(rates, 1e-300) ** -gamma * since
    gain = np.append(0.0, rates[:-1] - rates[1:]) @ (1 - (1 + x) ** -beta)
    return float(floor + amount * every[-1] ** -alpha - drop * gain)


def as_law(p: Array) -> MultiPowerLaw:
    """Return the same law as ratewise writes it, but for what the warm-up's rises still change."""
    floor, amount, alpha, drop, scale, beta, gamma = map(float, p)
    return MultiPowerLaw(
        floor=floor + drop * PEAK,
        amount=amount * PEAK**-alpha,
        exponent=alpha,
        drop=drop * PEAK,
        scale=scale * PEAK ** (1 - gamma),
        beta=beta,
        gamma=gamma,
        reference=PEAK,
        length=1.0,
    )


def published_optimum(law: MultiPowerLaw, total: int, warmup: int, steps: int = 10_000) -> Array:
    """Return the rates that the published way of searching finds, float[total].

    The drop of every update is free and ≥ 0; Adam with rate 5e-9, so many steps, from no drop.
    """
    head = PEAK * np.arange(1, warmup + 1) / (warmup + 1)
    free = total - warmup
    drops, first, second = np.zeros(free), np.zeros(free), np.zeros(free)
    ones = np.ones(total)
    best, least = np.full(free, PEAK), np.inf
    for step in range(1, steps + 1):
        rates = np.maximum(PEAK - np.cumsum(drops), 1e-9 * PEAK)
        every = np.append(head, rates)
        falls = np.append(np.zeros(warmup + 1), rates[:-1] - rates[1:])
        loss, by_rate, by_fall = law.last(RateSegments(every, falls, ones, ones))
        if loss < least:
            best, least = rates, loss
        slope = by_fall[warmup:] - np.cumsum(by_rate[warmup:][::-1])[::-1]
        slope[0] = 0.0
        first, second = 0.9 * first + 0.1 * slope, 0.999 * second + 0.001 * slope**2
        move = first / (1 - 0.9**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        drops = np.maximum(drops - 5e-9 * move, 0.0)
    return np.append(head, best)
