"""Derive from the recorded grids what the search of `choose` knows of other tasks.

Of each grid: how far every schedule ends behind the best, at each peak, by the distance of that
peak from the best one. The means over seeds are taken, so one number for each of the 80 runs; the
file is a part of the package.

    python benchmarks/grids/experience.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from replay import TASKS, Candidate, Grid

from ratewise._arrays import Floats
from ratewise.choose.experience import FILE, FURTHEST

GOOD = 3
"""Runs whose mean counts as the best of a grid: the very best one was lucky, too."""

TYPICAL = 5
"""Schedules, the best at a peak, whose mean says how good that peak is."""

SHARP = 0.15
"""How much worse a peak has to be to count less, by a factor of e, in the search for the best."""


def landscape(grid: Grid) -> dict[str, Any]:
    """Return what is kept of a grid: distances of its peaks, and how far behind each run ended."""
    peaks = sorted({one.peak for one in grid.candidates})
    finite = np.where(np.isfinite(grid.final), grid.final, np.nan)
    mean: Floats = np.nanmax(finite) * np.ones(len(finite))
    ended = np.isfinite(finite).any(axis=1)
    mean[ended] = np.nanmean(finite[ended], axis=1)
    best, middle = float(np.sort(mean)[:GOOD].mean()), float(np.median(mean))
    behind = np.minimum((mean - best) / (middle - best), FURTHEST)
    place = {one: i for i, one in enumerate(grid.candidates)}
    rows = [
        [behind[place[Candidate(shape, peak, warmup)]] for peak in peaks]
        for shape, warmup in schedules(grid).values()
    ]
    good = np.sort(np.array(rows), axis=0)[:TYPICAL].mean(axis=0)
    weight = np.exp(-good / SHARP)
    centre = float(weight @ np.log(peaks) / weight.sum())
    return {
        "distance": [round(float(np.log(peak) - centre), 3) for peak in peaks],
        "behind": [[round(float(one), 2) for one in row] for row in rows],
    }


def schedules(grid: Grid) -> dict[str, tuple[str, str]]:
    """Return shape and warm-up of each schedule of a grid, by its text."""
    found = zip(grid.schedules, grid.candidates, strict=True)
    return {text: (one.shape, one.warmup) for text, one in found}


def derived() -> dict[str, Any]:
    """Return the whole file."""
    grids = [Grid(name) for name in TASKS]
    return {
        "schedules": list(schedules(grids[0])),
        "tasks": {grid.name: landscape(grid) for grid in grids},
    }


def written(known: dict[str, Any]) -> str:
    """Return the file as text, a row of numbers to a line."""
    tasks = [
        f' {json.dumps(name)}: {{"distance": {json.dumps(one["distance"])}, "behind": [\n  '
        + ",\n  ".join(json.dumps(row) for row in one["behind"])
        + "]}"
        for name, one in known["tasks"].items()
    ]
    names = json.dumps(known["schedules"], indent=1)
    return f'{{"schedules": {names},\n"tasks": {{\n' + ",\n".join(tasks) + "}}\n"


if __name__ == "__main__":
    Path(FILE).write_text(written(derived()))
