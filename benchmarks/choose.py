"""The search of `choose` against other searches, on recorded grids, at as many updates.

The tasks are recorded grids (`grids/record.py`): eight shapes, five peaks, two warm-ups and two
seeds, of which everyone may train some. Ours is `Searcher`, as `choose` uses it, begun at the
second and the fourth peak. Printed is the regret: how far the final metric of the run that a
search would take lies behind the best of the grid, for that seed. Peers have 30 repeats for each
seed; ours is deterministic, so it is begun at other peaks too, to show what that changes.

    python benchmarks/choose.py
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "grids"))
from peers import SEARCHES
from replay import HERE, TASKS, Grid, recorded

from ratewise.choose.law_prior import law_prior
from ratewise.choose.search import LEAST, REFITS, WORTH
from ratewise.choose.searcher import Searcher

REPEATS = 30
BUDGETS = (6, 8, 10, 14, 20)
BEGINNINGS = {"ours": (1, 3), "ours, begun low": (0, 2), "ours, begun high": (2, 4)}
PROBES = ("linear", "wsd 20%")
SWEEPS = ("linear", "wsd 20%", "cosine", "constant")

Step = tuple[float, int, bool]
"""Updates spent, the best run so far, and whether the search would have ended there."""


def searched(grid: Grid, seed: int, peaks: Sequence[int], law: bool = True) -> list[Step]:
    """Return what the search has found after each run, up to a quarter of the grid."""
    ladder = sorted({one.peak for one in grid.candidates})
    place = {tuple(one): i for i, one in enumerate(grid.candidates)}
    searcher = Searcher(grid.rates)
    spent, steps = 0, list[Step]()
    waiting = [place[(shape, ladder[at], "2%")] for shape in PROBES for at in peaks]
    while spent < BUDGETS[-1] * grid.total:
        ended = False
        if waiting:
            run = waiting.pop(0)
        else:
            proposal = searcher.ask()
            assert proposal is not None
            run, ended = proposal.run, len(searcher.known) >= LEAST and proposal.worth < WORTH
            best = searcher.best
            assert best is not None
            steps.append((spent / grid.total, best, ended))
        spent += int(searcher.costs[run])
        searcher.tell(run, float(grid.final[run, seed]))
        if law and len(searcher.known) in REFITS:
            records = [recorded(grid.name, one, seed) for one in searcher.known]
            searcher.use_prior(law_prior(records, grid.rates))
    return steps


def at(steps: Sequence[Step], budget: float) -> int | None:
    """Return what a search would take with a budget, in runs; None before its probes are done."""
    known = [run for spent, run, _ in steps if spent <= budget]
    return known[-1] if known else None


def line(name: str, regrets: Sequence[Sequence[float]]) -> str:
    """Return medians, one for each budget."""
    cells = [f"{np.median(one):9.4f}" if len(one) else f"{'–':>9}" for one in regrets]
    return f"  {name:<30}" + "".join(cells)


def row(name: str, grid: Grid, pick: Callable[[int, int, int], int | None], repeats: int) -> str:
    """Return a line of the table: the median regret over repeats and seeds at each budget."""
    found: list[list[float]] = []
    for budget in BUDGETS:
        picks = [
            (pick(seed, budget, repeat), seed) for repeat in range(repeats) for seed in grid.seeds
        ]
        found.append([grid.regret(run, seed) for run, seed in picks if run is not None])
    return line(name, found)


def sweep(grid: Grid, shape: str) -> str:
    """Return what one shape at every peak comes to, with a short warm-up."""
    runs = [i for i, one in enumerate(grid.candidates) if one.shape == shape and one.warmup == "2%"]
    found = [min(grid.final[runs, seed]) - grid.final[:, seed].min() for seed in grid.seeds]
    return f"  {'sweep: ' + shape:<30}{len(runs):>4} runs {np.median(found):9.4f}"


def repeated(grid: Grid, steps: Iterable[tuple[int, list[Step]]], count: int) -> str:
    """Return what repeating the best few with the other seed comes to, in means over seeds."""
    mean = grid.final.mean(axis=1)
    ends: list[tuple[float, float, float]] = []
    for seed, found in steps:
        spent, best, _ = next((one for one in found if one[2]), found[-1])
        seen = list(dict.fromkeys(run for cost, run, _ in found if cost <= spent))
        finalists = sorted(seen, key=lambda run: grid.final[run, seed])[:count]
        pick = min(finalists, key=lambda run: mean[run])
        ends.append((spent, mean[best] - mean.min(), mean[pick] - mean.min()))
    spent, alone, proved = np.median(np.array(ends), axis=0)
    return (
        f"  it ends of itself after {spent:.1f} runs; regret in the mean of both seeds "
        f"{alone:.4f}, after repeats of the best {count} {proved:.4f}"
    )


def default(grid: Grid) -> str:
    """Return what a Trainer does unasked comes to."""
    known = json.loads((HERE / "defaults" / "linear.json").read_text())[grid.name]
    found = [known[str(seed)] - grid.final[:, i].min() for i, seed in enumerate(grid.seeds)]
    return f"  {'default: linear from 5e-5':<30}{1:>4} run  {np.median(found):9.4f}"


def main() -> None:
    """Print a table for each task."""
    for name in TASKS:
        grid = Grid(name)
        print(f"{name}: median regret after so many runs of {grid.total} updates, of "
              f"{len(grid.candidates)}")  # fmt: skip
        print("  " + " " * 30 + "".join(f"{budget:>9}" for budget in BUDGETS))
        for which, peaks in BEGINNINGS.items():
            steps = {seed: searched(grid, seed, peaks) for seed in grid.seeds}
            print(row(which, grid, lambda seed, budget, _, s=steps: at(s[seed], budget), 1))
            if which == "ours":
                told = repeated(grid, steps.items(), 3)
        without = {seed: searched(grid, seed, BEGINNINGS["ours"], False) for seed in grid.seeds}
        print(row("ours, no law", grid, lambda seed, b, _, s=without: at(s[seed], b), 1))
        for peer, search in SEARCHES.items():
            print(
                row(
                    peer,
                    grid,
                    lambda seed, b, r, f=search, g=grid: f(g, seed, b * g.total, r),
                    REPEATS,
                ),
                flush=True,
            )
        for shape in SWEEPS:
            print(sweep(grid, shape))
        print(default(grid))
        print(told, flush=True)


if __name__ == "__main__":
    main()
