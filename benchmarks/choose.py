"""The search of `choose` against other searches, on recorded grids, at as many updates.

The tasks are recorded grids (`grids/record.py`): eight shapes, five peaks, two warm-ups and two or
three seeds, of which everyone may train some. Ours is `Searcher`, as `choose` uses it. What it
knows of other tasks is what the package knows, without the task itself. It is begun at every peak
of the grid; the rest is deterministic. Printed is the regret: how far the final metric of the run
that a search would take lies behind the best of the grid, for that seed; the median over all
beginnings and seeds, and the worst. Peers have 30 repeats for each seed (`grids/peers.py`, kept in
`grids/peers/found.json`).

    python benchmarks/choose.py             # all tasks, a minute or two
    python benchmarks/choose.py digits
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "grids"))
from peers import BUDGETS, FOUND
from replay import HERE, TASKS, Grid

from ratewise.choose.experience import Experience
from ratewise.choose.search import LEAST, WORTH
from ratewise.choose.searcher import Searcher

JUDGED = 10
"""Runs after which a search is judged: an eighth of the grid."""

DRAWS = 200
"""Times that the runs after a sweep are drawn."""

FINALISTS = 3
"""Runs that are repeated with other seeds."""


class Step(NamedTuple):
    """A run, and where the search stands after it: how many runs that cost, and its best."""

    spent: float
    run: int
    best: int
    ended: bool


class Replay(NamedTuple):
    """A search of a grid with one seed, from one beginning."""

    seed: int
    steps: list[Step]

    def at(self, budget: float) -> int | None:
        """Return what it would take after so many runs' worth of updates, if it had any by then."""
        known = [step.best for step in self.steps if step.spent <= budget]
        return known[-1] if known else None


def replay(grid: Grid, seed: int, peak: float, experience: Experience) -> Replay:
    """Search a grid, beginning at a peak, up to a quarter of it."""
    searcher = Searcher(grid.rates, experience)
    spent, steps, run, ended = 0, list[Step](), searcher.begin(peak), False
    while spent < BUDGETS[-1] * grid.total:
        spent += int(searcher.costs[run])
        searcher.tell(run, float(grid.final[run, seed]))
        best, proposal = searcher.best, searcher.ask()
        assert proposal is not None
        ended = ended or (len(searcher.known) >= LEAST and proposal.worth < WORTH)
        if best is not None:
            steps.append(Step(spent / grid.total, run, best, ended))
        run = proposal.run
    return Replay(seed, steps)


def replays(grid: Grid, experience: Experience) -> list[Replay]:
    """Search a grid with every seed from every beginning."""
    peaks = sorted({one.peak for one in grid.candidates})
    every = range(len(grid.seeds))
    return [replay(grid, seed, peak, experience) for seed in every for peak in peaks]


def regrets(grid: Grid, found: Sequence[Replay], budget: float) -> list[float]:
    """Return how far behind the best each search is after so many runs."""
    picks = [(one.at(budget), one.seed) for one in found]
    return [grid.regret(pick, seed) for pick, seed in picks if pick is not None]


def line(name: str, values: Sequence[float]) -> str:
    return f"  {name:<32}" + "".join(f"{value:9.4f}" for value in values)


class Sweep(NamedTuple):
    """What one shape at all peaks comes to, median regret.

    Args:
        short: Five runs, with the short warm-up.
        both: Five more, with the long one.
        others: Or five others, drawn from all at the peak that was best.
    """

    short: float
    both: float
    others: float

    @classmethod
    def of(cls, grid: Grid, shape: str) -> Sweep:
        """Sweep a grid with a shape, as somebody who has guessed it."""
        both = [i for i, one in enumerate(grid.candidates) if one.shape == shape]
        short = [i for i in both if grid.candidates[i].warmup == "2%"]
        behind = grid.final - grid.final.min(axis=0)
        random, others = np.random.default_rng(0), list[float]()
        for column in behind.T:
            best = min(short, key=lambda run, column=column: column[run])
            peak = grid.candidates[best].peak
            rest = [i for i, one in enumerate(grid.candidates) if one.peak == peak and i != best]
            for _ in range(DRAWS):
                more = random.permutation(rest)[:5]
                others.append(float(min(column[best], column[more].min())))
        few, all_of_it = (float(np.median(behind[runs].min(axis=0))) for runs in (short, both))
        return cls(few, all_of_it, float(np.median(others)))


def repeated(grid: Grid, found: Sequence[Replay]) -> str:
    """Return where the search ends of itself, and what repeating the best few comes to."""
    mean = grid.final.mean(axis=1)
    ends: list[tuple[float, float, float]] = []
    for one in found:
        last = next((step for step in one.steps if step.ended), one.steps[-1])
        seen = [step.run for step in one.steps if step.spent <= last.spent]
        finalists = sorted(seen, key=lambda run, seed=one.seed: grid.final[run, seed])[:FINALISTS]
        pick = min(finalists, key=lambda run: mean[run])
        ends.append((last.spent, mean[last.best] - mean.min(), mean[pick] - mean.min()))
    spent, alone, proved = np.median(np.array(ends), axis=0)
    return (
        f"  it ends of itself after {spent:.1f} runs; regret in the mean of the seeds {alone:.4f}, "
        f"after repeats of the best {FINALISTS} {proved:.4f}"
    )


def default(grid: Grid) -> float:
    """Return what a Trainer comes to unasked, linear from 5e-5."""
    known = json.loads((HERE / "defaults" / "linear.json").read_text())[grid.name]
    found = [known[str(seed)] - grid.final[:, i].min() for i, seed in enumerate(grid.seeds)]
    return float(np.median(found))


def noise(grid: Grid) -> float:
    """Return the retrain noise: the deviation over seeds, of the best fifth of the grid."""
    good = np.argsort(grid.final.mean(axis=1))[: len(grid.final) // 5]
    return float(np.sqrt(np.mean(grid.final[good].var(axis=1, ddof=1))))


def shown(name: str, peers: Any) -> list[float]:
    """Print the table of a task; return what it is judged by: ours, best peer and best sweep."""
    grid, experience = Grid(name), Experience.known()
    print(f"{name}: regret after so many runs of {grid.total} updates, of {len(grid.candidates)}; "
          f"retrain noise {noise(grid):.4f}")  # fmt: skip
    print("  " + " " * 32 + "".join(f"{budget:>9}" for budget in BUDGETS))
    found = replays(grid, experience.without(name))
    each = [regrets(grid, found, budget) for budget in BUDGETS]
    print(line("ours, median", [float(np.median(one)) for one in each]))
    print(line("ours, worst", [max(one) for one in each]), flush=True)
    bare = replays(grid, experience.without(*TASKS))
    each_bare = [regrets(grid, bare, budget) for budget in BUDGETS]
    print(line("knowing no other task, median", [float(np.median(one)) for one in each_bare]))
    print(line("knowing no other task, worst", [max(one) for one in each_bare]))
    for peer, told in peers.items():
        print(line(f"{peer}, median", [told[str(budget)][0] for budget in BUDGETS]))
        print(line(f"{peer}, worst", [told[str(budget)][1] for budget in BUDGETS]))
    shapes = dict.fromkeys(one.shape for one in grid.candidates)
    sweeps = {shape: Sweep.of(grid, shape) for shape in shapes}
    for shape, one in sweeps.items():
        print(f"  {'sweep: ' + shape:<32} 5 runs {one.short:.4f}, both warm-ups {one.both:.4f}, "
              f"then 5 others {one.others:.4f}")  # fmt: skip
    print(f"  {'default: linear from 5e-5':<32} 1 run  {default(grid):.4f}")
    print(repeated(grid, found), flush=True)
    ours = float(np.median(each[BUDGETS.index(JUDGED)]))
    rivals = [told[str(JUDGED)][0] for told in peers.values()]
    return [ours, min(rivals), min(min(one.both, one.others) for one in sweeps.values())]


def main() -> None:
    """Print a table for each task, and how ours stands after ten runs."""
    peers = json.loads(FOUND.read_text())
    judged = {name: shown(name, peers[name]) for name in sys.argv[1:] or TASKS}
    print(f"after {JUDGED} runs: ours, a third of the best peer, the best sweep of 5 + 5")
    for name, (ours, peer, sweep) in judged.items():
        told = "reached" if ours <= min(peer / 3, sweep) else "not reached"
        print(f"  {name:<12}{ours:9.4f}{peer / 3:9.4f}{sweep:9.4f}  {told}")


if __name__ == "__main__":
    main()
