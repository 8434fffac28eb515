"""Tasks whose loss is a known curve of the last rate, with noise: what is found can be checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

STEEPEST, LOWEST = -3.5, -1.85


def valley(x: Any) -> Any:
    """A fall of 1.9 around 10^-3.5, and a rise that makes the minimum 10^-1.85."""
    width, power = 0.4, 3.0
    z = 1 / (1 + np.exp(-(LOWEST - STEEPEST) / width))
    slope = 1.9 * z * (1 - z) / width
    fall = 1.9 / (1 + np.exp(-(np.asarray(x) - STEEPEST) / width))
    rise = np.exp(power * (np.asarray(x) - LOWEST)) * slope / power
    return 2.3 - fall + rise


class Follows:
    """A run whose state is the last rate it used: its loss shows at the next update."""

    def __init__(self, task: Curve, seed: int) -> None:
        self.task, self.random = task, np.random.default_rng((seed, task.draw))
        self.x = -np.inf

    def train(self, rates: Any) -> Any:
        losses = np.empty(len(rates))
        for i, rate in enumerate(rates):
            x = max(self.x, -12.0)
            noise = self.task.noise * self.random.normal()
            losses[i] = self.task.scale * (self.task.curve(x - self.task.shift) + noise)
            self.x = np.log10(rate)
        return losses

    def measure(self) -> dict[str, float]:
        return {}

    def save(self) -> Any:
        return self.x, self.random.bit_generator.state

    def restore(self, state: Any) -> None:
        self.x, self.random.bit_generator.state = state


@dataclass(frozen=True)
class Curve:
    """A task with a curve that may be moved by decades and scaled."""

    curve: Callable[[Any], Any] = valley
    noise: float = 0.0
    shift: float = 0.0
    scale: float = 1.0
    draw: int = 0

    def open(self, seed: int) -> Follows:
        return Follows(self, seed)
