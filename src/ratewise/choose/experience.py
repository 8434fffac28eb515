"""What is known of other tasks: how far behind the best each schedule ended there, by its peak.

Tasks differ in where their best peak lies, and agree in much else: how a run falls off on both
sides of it, and that a schedule which is low on average wants a higher one. The file holds
recorded grids, as `benchmarks/grids/experience.py` derives them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ratewise._arrays import Floats
from ratewise.schedule import parse
from ratewise.tasks.protocols import Rates

FILE = Path(__file__).parent / "experience.json"

FURTHEST = 3.0
"""A run further behind the best than so many times the middle one counts as that."""

TAIL = 0.05
"""Share of a run, at its end, whose mean rate says how far it is cooled."""

NEAR = (0.03, 0.025, 0.02)
"""How near a schedule has to be to a recorded one to be like it, in each trait."""

STEEPEST = 0.1
"""Least slope beyond the recorded peaks, per factor of e: it only gets worse there."""

LENGTH = 1000
"""Updates in which the recorded schedules are written out to see their traits."""


@dataclass(frozen=True, eq=False)
class Landscape:
    """A recorded task.

    Args:
        distance: Logarithm of each peak over the best one, float64[peaks], ascending.
        behind: How far behind the best each schedule ended at each peak, in units of how far the
            middle run did, float64[schedules, peaks].
    """

    distance: Floats
    behind: Floats

    def at(self, distance: Floats) -> Floats:
        """Return how far behind each schedule ends, float64[schedules, …]; linear in between."""
        x = self.distance
        found = np.empty((len(self.behind), *distance.shape))
        for row, known in enumerate(self.behind):
            low = max((known[0] - known[1]) / (x[1] - x[0]), STEEPEST)
            high = max((known[-1] - known[-2]) / (x[-1] - x[-2]), STEEPEST)
            beyond = low * np.maximum(x[0] - distance, 0) + high * np.maximum(distance - x[-1], 0)
            found[row] = np.interp(distance, x, known) + beyond
        return np.minimum(found, FURTHEST)


@dataclass(frozen=True, eq=False)
class Experience:
    """Recorded tasks, on which the same schedules were tried.

    Args:
        traits: What the schedules are told apart by, float64[schedules, 3], as of `traits`.
        tasks: The tasks by name.
    """

    traits: Floats
    tasks: dict[str, Landscape]

    @classmethod
    @cache
    def known(cls) -> Experience:
        """Return what the package knows."""
        told: Any = json.loads(FILE.read_text(encoding="utf-8"))
        levels = [parse(text).resolve(LENGTH).values() for text in told["schedules"]]  # type: ignore[union-attr]
        tasks = {
            name: Landscape(np.array(one["distance"]), np.array(one["behind"]))
            for name, one in told["tasks"].items()
        }
        return cls(traits(levels), tasks)

    def without(self, *names: str) -> Experience:
        """Return the same without some tasks."""
        rest = {name: task for name, task in self.tasks.items() if name not in names}
        return Experience(self.traits, rest)

    def surfaces(self, runs: Sequence[Rates], centres: Floats) -> Floats:
        """Return how far behind each run would be, if the task were like a recorded one.

        Args:
            runs: Rates of the runs, float64[total] each.
            centres: Logarithms of what might be the best peak.

        Returns:
            float64[tasks, centres, runs]; a run is like the recorded schedules that are near it
            in their traits.
        """
        alike = self._alike(traits(runs))
        peaks = np.log([run.max() for run in runs])
        distance = peaks - centres[:, None]
        told = [np.einsum("rs,scr->cr", alike, task.at(distance)) for task in self.tasks.values()]
        return np.array(told).reshape(-1, len(centres), len(runs))

    def _alike(self, asked: Floats) -> Floats:
        """Return how much each run is like each recorded schedule, shares of 1."""
        apart = (((asked[:, None] - self.traits) / NEAR) ** 2).sum(axis=-1)
        weight = np.exp(-0.5 * (apart - apart.min(axis=1, keepdims=True)))
        return weight / weight.sum(axis=1, keepdims=True)


def traits(runs: Sequence[Rates]) -> Floats:
    """Return what schedules are told apart by, whatever their peaks, float64[runs, 3].

    The logarithm of the mean level; the square root of the mean level of the last twentieth; the
    square root of the share of the run before the peak.
    """
    rows: list[tuple[float, float, float]] = []
    for run in runs:
        level, tail = run / run.max(), max(1, round(TAIL * len(run)))
        climb = int(np.argmax(level > 0.999)) / len(run)  # pyright: ignore
        rows.append((math.log(level.mean()), math.sqrt(level[-tail:].mean()), math.sqrt(climb)))
    return np.array(rows)
