"""Values computed from published formulas: the recursions of MMEngine's schedulers.

MMEngine has no closed forms: a scheduler is stepped after every update or epoch and changes the
value that the optimizer has at that moment. So it is done here, with a loop over updates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Scheduler:
    """One scheduler: what it is, its window in its own steps, and how long a step is."""

    kind: str
    begin: int
    end: int
    pace: int = 1
    args: dict[str, Any] = field(default_factory=dict[str, Any])
    clock: int = -1
    last: int = -1

    def step(self, value: float, base: float) -> float:
        """Advance by one step and return the value afterwards."""
        self.clock += 1
        if not self.begin <= self.clock < self.end:
            return value
        self.last += 1
        return _NEXT[self.kind](self.last, value, base, self.end - self.begin, self.args)


def trace(n: int, base: float, schedulers: list[Scheduler]) -> list[float]:
    """Return the values of n updates."""
    value = base
    for scheduler in schedulers:
        value = scheduler.step(value, base)
    values: list[float] = []
    for t in range(n):
        values.append(value)
        for pace in (1, 0):  # by update first, then by epoch
            for scheduler in schedulers:
                if (scheduler.pace == 1) == bool(pace) and (t + 1) % scheduler.pace == 0:
                    value = scheduler.step(value, base)
    return values


def _linear(k: int, value: float, base: float, n: int, args: dict[str, Any]) -> float:
    a, b = args["start_factor"], args["end_factor"]
    if k == 0:
        return value * a
    return value * (1 + (b - a) / ((n - 1) * a + (k - 1) * (b - a)))


def _constant(k: int, value: float, base: float, n: int, args: dict[str, Any]) -> float:
    if k == 0:
        return value * args["factor"]
    return value / args["factor"] if k == n - 1 else value


def _step(k: int, value: float, base: float, n: int, args: dict[str, Any]) -> float:
    return value * args["gamma"] if k and k % args["step_size"] == 0 else value


def _multistep(k: int, value: float, base: float, n: int, args: dict[str, Any]) -> float:
    return value * args["gamma"] ** args["milestones"].count(k)


def _exponential(k: int, value: float, base: float, n: int, args: dict[str, Any]) -> float:
    return value * args["gamma"] if k else value


def _poly(k: int, value: float, base: float, n: int, args: dict[str, Any]) -> float:
    low = args["eta_min"]
    return (value - low) * (1 - 1 / (n - k)) ** args["power"] + low if k else value


def _ratio(k: int, period: int) -> float:
    return (1 + math.cos(math.pi * k / period)) / (1 + math.cos(math.pi * (k - 1) / period))


def _cosine(k: int, value: float, base: float, n: int, args: dict[str, Any]) -> float:
    period, low = args.get("T_max") or n, args["eta_min"]
    if k == 0:
        return value
    if (k - 1 - period) % (2 * period) == 0:
        return value + (base - low) * (1 - math.cos(math.pi / period)) / 2
    return _ratio(k, period) * (value - low) + low


def _restart(k: int, value: float, base: float, n: int, args: dict[str, Any]) -> float:
    begin = 0
    for period, weight in zip(args["periods"], args["restart_weights"], strict=True):
        if k < begin + period:
            if k == begin:
                return base * weight
            return _ratio(k - begin, period) * (value - args["eta_min"]) + args["eta_min"]
        begin += period
    return value


def _quadratic(k: int, value: float, base: float, n: int, args: dict[str, Any]) -> float:
    return (value if k else 0.0) + base * (2 * k + 1) / n**2


_NEXT = {
    "QuadraticWarmup": _quadratic,
    "Linear": _linear,
    "Constant": _constant,
    "Step": _step,
    "MultiStep": _multistep,
    "Exponential": _exponential,
    "Poly": _poly,
    "CosineAnnealing": _cosine,
    "CosineRestart": _restart,
}
