"""Tasks in numpy on which nothing, or only a little, can be learned."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ratewise.tasks.protocols import Losses, Rates

Measure = Callable[["NoiseRun"], dict[str, float]]


class NoiseRun:
    """A run that only keeps the rates it was trained with; its losses are what its task says."""

    def __init__(self, task: NoiseTask, seed: int) -> None:
        self.task, self.seed = task, seed
        self.rates: tuple[float, ...] = ()

    def train(self, rates: Rates) -> Losses:
        begun = len(self.rates)
        self.rates += tuple(rates.tolist())
        return np.array([self.task.loss(self, t) for t in range(begun, len(self.rates))])

    def measure(self) -> dict[str, float]:
        return self.task.metric(self)

    def save(self) -> Any:
        return self.rates

    def restore(self, state: Any) -> None:
        self.rates = state

    def noise(self, *words: Any) -> float:
        """Return a normal number that is another one for each run, and the same every time."""
        text = repr((self.task.name, self.seed, *words)).encode()
        number = int.from_bytes(hashlib.sha256(text).digest()[:8], "big")
        return float(np.random.default_rng(number).standard_normal())


@dataclass(frozen=True)
class NoiseTask:
    """A task with a metric of one's own: a function of the run, trained as far as it is."""

    metric: Measure
    loss: Callable[[NoiseRun, int], float] = lambda run, t: 1.0 + 0.01 * run.noise("loss", t)
    name: str = ""
    peak: float | None = 0.1
    higher_is_better: tuple[str, ...] = ()
    data: Any = None

    @property
    def fingerprint(self) -> str:
        return f"noise {self.name} {id(self)}"

    def open(self, seed: int) -> NoiseRun:
        return NoiseRun(self, seed)


def gaussian(mean: float = 1.0, spread: float = 0.1, common: float = 0.0) -> Measure:
    """Return a loss that is noise alone, in part the same for all runs of a seed."""

    def measure(run: NoiseRun) -> dict[str, float]:
        own, shared = run.noise("metric", run.rates), run.noise("seed", bool(run.rates))
        return {"loss": mean + spread * own + common * shared}

    return measure


def learned(by: float, spread: float = 0.1) -> Measure:
    """Return a loss that falls by so much in the better half of the rates, and noise."""

    def measure(run: NoiseRun) -> dict[str, float]:
        gone = min(1.0, sum(run.rates) / 0.2) if run.rates else 0.0
        return {"loss": 1.0 - by * gone + spread * run.noise("metric", run.rates)}

    return measure
