"""Successive halving on cooled forks against the searches of others, at as many updates.

The tasks are recorded grids (`grids/record.py`): 80 candidates each, of which everyone may train
some. Ours is `compare(…, prune="halving")` with one seed. Printed is the regret: how far the final
metric of the candidate that a search would take lies behind the best of the grid, for that seed.

    python benchmarks/halving.py [TASK …] [--repeats N]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "grids"))
from peers import SEARCHES
from replay import TASKS, Floats, Grid

from ratewise.compare.halving import Halving, forked
from ratewise.runs.specs import RunSpec

REPEATS = 30


def halved(grid: Grid, seed: int, halving: Halving) -> tuple[int, int]:
    """Return the candidate that is left at the end and is best, and the updates until then."""
    left = list(range(len(grid.candidates)))
    trained: list[Floats] = []
    for rung in halving.rungs:
        for i in left:
            one = RunSpec("", "", 1.0, 0, grid.rates[i])
            trained += [fork.rates for fork in forked(one, rung, halving.cooldown)]
        keep = int(np.ceil(halving.keep * len(left) - 1e-9))
        left = sorted(left, key=lambda i: grid.cooled[rung][i, seed])[:keep]
    trained += [grid.rates[i] for i in left]
    return min(left, key=lambda i: grid.final[i, seed]), grid.cost(trained)


def told(name: str, updates: int, whole: int, regrets: Sequence[float]) -> str:
    low, middle, high = np.quantile(regrets, (0.25, 0.5, 0.75))
    share = f"{updates / whole:.0%}"
    return f"  {name:<28}{share:>6}  {middle:8.4f}  [{low:.4f}, {high:.4f}]  n = {len(regrets)}"


def main() -> None:
    """Print a table for each task."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--repeats", type=int, default=REPEATS, help="of each peer, for each seed")
    given = parser.parse_args()
    for name in given.tasks:
        grid = Grid(name)
        if not grid.cooled:
            continue  # recorded without the forks that a halving is judged by
        whole = len(grid.candidates) * grid.total
        print(f"{name}: {len(grid.candidates)} candidates of {grid.total} updates")
        print(f"  {'':<28}{'cost':>6}  {'median regret':>8}  [quartiles]")
        ours = [halved(grid, seed, Halving()) for seed in grid.seeds]
        cost = max(updates for _, updates in ours)
        found = [grid.regret(pick, seed) for (pick, _), seed in zip(ours, grid.seeds, strict=True)]
        print(told("halving on cooled forks", cost, whole, found))
        for times in (1, 2):
            for peer, search in SEARCHES.items():
                regrets = [
                    grid.regret(search(grid, seed, times * cost, repeat), seed)
                    for repeat in range(given.repeats)
                    for seed in grid.seeds
                ]
                print(told(peer, times * cost, whole, regrets))
        every = grid.cost(grid.rates)
        print(told("all, shared", every, whole, [0.0] * len(grid.seeds)))


if __name__ == "__main__":
    main()
