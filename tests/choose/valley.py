"""Small tasks in numpy: a noisy valley, and one whose metric is nothing but noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise.tasks.protocols import Losses, Rates

STEEP = np.geomspace(0.02, 4.0, 12)
"""Curvatures: the flat ones want high rates for long, the steep ones are noisy at high rates."""


class ValleyRun:
    """Gradient descent on half the sum of steep·w², with noise in the gradients."""

    def __init__(self, seed: int, noise: float) -> None:
        self.random = np.random.default_rng(seed)
        self.noise = noise
        self.w = np.ones(len(STEEP))

    def train(self, rates: Rates) -> Losses:
        losses = np.empty(len(rates))
        for i, rate in enumerate(rates):
            losses[i] = self.loss()
            noise = self.noise * self.random.standard_normal(len(STEEP))
            self.w = self.w - rate * (STEEP * self.w + noise)
            if not np.abs(self.w).max() < 1e6:
                self.w = np.full(len(STEEP), np.nan)
        return losses

    def loss(self) -> float:
        return float(0.5 * (STEEP * self.w**2).sum()) + 1.0

    def measure(self) -> dict[str, float]:
        return {"loss": self.loss(), "score": -self.loss()}

    def save(self) -> Any:
        return {"w": self.w.copy(), "random": self.random.bit_generator.state}

    def restore(self, state: Any) -> None:
        self.w = state["w"].copy()
        self.random.bit_generator.state = state["random"]


@dataclass(frozen=True)
class Valley:
    """A task whose best schedule is a high rate that is cooled at the end."""

    noise: float = 0.3
    peak: float | None = 0.1
    higher_is_better: tuple[str, ...] = ("score",)

    def open(self, seed: int) -> ValleyRun:
        return ValleyRun(seed, self.noise)


class CountedRun(ValleyRun):
    """A run that leaves a byte in a file for every update, whichever process trains it."""

    log = ""

    def train(self, rates: Rates) -> Losses:
        with open(self.log, "ab") as file:
            file.write(b"." * len(rates))
        return super().train(rates)


@dataclass(frozen=True)
class Counted(Valley):
    """A valley whose updates are counted in a file."""

    log: str = ""

    def open(self, seed: int) -> CountedRun:
        run = CountedRun(seed, self.noise)
        run.log = self.log
        return run


class DiceRun(ValleyRun):
    """A run whose metric is drawn anew with every seed and rate, whatever the schedule."""

    def measure(self) -> dict[str, float]:
        digest = abs(hash((float(self.w[0]), float(self.w[-1]))))
        return {"loss": 1.0 + np.random.default_rng(digest).uniform()}


@dataclass(frozen=True)
class Dice(Valley):
    """A task on which no schedule is better than another."""

    higher_is_better: tuple[str, ...] = ()

    def open(self, seed: int) -> DiceRun:
        return DiceRun(seed, self.noise)


class Cliff(Valley):
    """A task that breaks at every rate."""

    def open(self, seed: int) -> ValleyRun:
        run = ValleyRun(seed, self.noise)
        run.w = np.full(len(STEEP), np.nan)
        return run


valley = Valley()
