"""Recorded grids, to be searched again and again without training anything."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import ratewise as rw
from ratewise._arrays import Floats
from ratewise.runs.records import Record
from ratewise.runs.tree import PrefixTree

HERE = Path(__file__).parent
TASKS = tuple(sorted(path.stem for path in HERE.glob("*.json")))
POINTS = 10


class Candidate(NamedTuple):
    """A schedule at a peak."""

    shape: str
    peak: float
    warmup: str


def written(text: str) -> rw.Schedule:
    """Return the schedule that a grid has written down."""
    schedule = rw.parse(text)
    assert isinstance(schedule, rw.Schedule), text
    return schedule


class Grid:
    """A recorded grid: of every candidate and seed what was measured, and of its cooled forks.

    Attributes:
        final: Metric at the end, float64[candidates, seeds]; infinite where a run diverged.
        tenths: Metric at each tenth, float64[candidates, seeds, 10].
        cooled: Metric of the forks cooled at a share, float64[candidates, seeds] for each share.
    """

    def __init__(self, name: str) -> None:
        known: Any = json.loads((HERE / f"{name}.json").read_text())
        self.name, self.total = name, int(known["total"])
        whole = [run for run in known["runs"] if run["fork"] is None]
        self.candidates = list(dict.fromkeys(_which(run) for run in whole))
        self.seeds = sorted({run["seed"] for run in whole})
        place = {which: i for i, which in enumerate(self.candidates)}
        size = len(self.candidates), len(self.seeds)
        self.tenths = np.full((*size, POINTS), np.inf)
        shares = sorted({run["fork"] for run in known["runs"] if run["fork"] is not None})
        self.cooled = {share: np.full(size, np.inf) for share in shares}
        self.schedules = [""] * len(place)
        for run in known["runs"]:
            at = place[_which(run)], self.seeds.index(run["seed"])
            if run["fork"] is None:
                self.schedules[at[0]] = run["schedule"]
                self.tenths[at] = [
                    _value(run, (i + 1) * self.total // POINTS) for i in range(POINTS)
                ]
            else:
                self.cooled[run["fork"]][at] = _value(run, run["length"])
        self.final = self.tenths[:, :, -1]

    def regret(self, candidate: int, seed: int) -> float:
        """Return how far a candidate ends behind the best of the grid."""
        return float(self.final[candidate, seed] - self.final[:, seed].min())

    @cached_property
    def rates(self) -> list[Floats]:
        """Absolute rates of each candidate, float64[total]."""
        return [
            one.peak * written(text).resolve(self.total).values()
            for one, text in zip(self.candidates, self.schedules, strict=True)
        ]

    def cost(self, runs: Iterable[Floats]) -> int:
        """Return the updates of runs of one seed when what they share is trained once."""
        return PrefixTree.of((0, rates) for rates in runs).planned


@cache
def _runs(name: str) -> dict[tuple[Candidate, int], Any]:
    known: Any = json.loads((HERE / f"{name}.json").read_text())
    return {(_which(run), run["seed"]): run for run in known["runs"] if run["fork"] is None}


def recorded(name: str, candidate: int, seed: int) -> Record:
    """Return a run of a grid as a record; its losses are means over fiftieths, so in steps."""
    grid = _grid(name)
    run = _runs(name)[grid.candidates[candidate], seed]
    rates = grid.rates[candidate]
    pieces = np.array_split(np.arange(len(rates)), len(run["loss"]))
    losses = np.empty(len(rates))
    for piece, loss in zip(pieces, run["loss"], strict=True):
        losses[piece] = np.nan if loss is None else loss
    broke = None if np.isfinite(losses).all() else int(np.argmax(~np.isfinite(losses)))
    one = grid.candidates[candidate]
    metrics = {"metric": float(grid.final[candidate, seed])}
    return Record(one.shape, run["schedule"], one.peak, seed, metrics, losses, rates, broke)


@cache
def _grid(name: str) -> Grid:
    return Grid(name)


def _which(run: Any) -> Candidate:
    return Candidate(run["shape"], run["peak"], run["warmup"])


def _value(run: Any, update: int) -> float:
    found = run["metric"].get(str(update))
    return float("inf") if found is None else float(found)
