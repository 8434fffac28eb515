"""What others would find on a recorded grid, by their own code where they have some.

Each search is given so many updates, every run trained alone, and returns the candidate that it
would take: the best of those it trained to the end, or the best it saw if it trained none.

What they find does not depend on our search, so it is kept in `peers/found.json`, and
`benchmarks/choose.py` reads it there. To do it again, for some tasks or all (minutes each):

    python benchmarks/grids/peers.py digits table
"""

from __future__ import annotations

import json
import sys
import types
from typing import Any

import numpy as np
from replay import HERE, POINTS, TASKS, Candidate, Grid

BUDGETS = (6, 8, 10, 14, 20)
"""Runs that a search may train, in updates."""

REPEATS = 30
"""Times that each peer is repeated with every seed."""

FOUND = HERE / "peers" / "found.json"

WORKERS = 4
"""Trials that ASHA has going at once."""


class Ledger:
    """Counts updates, and knows the best of what was seen."""

    def __init__(self, grid: Grid, seed: int, budget: int) -> None:
        self.grid, self.seed, self.left = grid, seed, budget
        self._best: tuple[bool, float] | None = None
        self.pick = 0

    def tenth(self, candidate: int, i: int) -> float:
        """Train a candidate for its next tenth; return what is measured there."""
        self.left -= self.grid.total // POINTS
        value = float(self.grid.tenths[candidate, self.seed, i])
        rank = (i < POINTS - 1, value)
        if self._best is None or rank < self._best:
            self._best, self.pick = rank, candidate
        return value


def random_search(grid: Grid, seed: int, budget: int, repeat: int) -> int:
    """Train candidates drawn at random to their ends."""
    ledger = Ledger(grid, seed, budget)
    for candidate in np.random.default_rng(repeat).permutation(len(grid.candidates)):
        if ledger.left < grid.total:
            break
        for i in range(POINTS):
            ledger.tenth(int(candidate), i)
    return ledger.pick


def optuna_search(grid: Grid, seed: int, budget: int, repeat: int) -> int:
    """Optuna: its TPE sampler proposes, its Hyperband pruner stops by the metric so far."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name=f"{grid.name} {seed} {repeat}",  # from which Hyperband draws its brackets
        sampler=optuna.samplers.TPESampler(seed=repeat),
        pruner=optuna.pruners.HyperbandPruner(1, POINTS, 3),
    )
    ledger = Ledger(grid, seed, budget)
    shapes = list(dict.fromkeys(one.shape for one in grid.candidates))
    warmups = list(dict.fromkeys(one.warmup for one in grid.candidates))
    peaks = sorted({one.peak for one in grid.candidates})
    place = {one: i for i, one in enumerate(grid.candidates)}
    while ledger.left >= grid.total // POINTS:
        trial = study.ask()
        shape = trial.suggest_categorical("shape", shapes)
        peak = peaks[trial.suggest_int("peak", 0, len(peaks) - 1)]
        candidate = place[Candidate(shape, peak, trial.suggest_categorical("warmup", warmups))]
        study.tell(trial, *_trial(ledger, trial, candidate))
    return ledger.pick


def _trial(ledger: Ledger, trial: Any, candidate: int) -> tuple[float | None, Any]:
    from optuna.trial import TrialState

    value = float("inf")
    for i in range(POINTS):
        if ledger.left < ledger.grid.total // POINTS:
            return None, TrialState.PRUNED
        value = ledger.tenth(candidate, i)
        if not np.isfinite(value):
            return None, TrialState.PRUNED
        trial.report(value, i + 1)
        if i < POINTS - 1 and trial.should_prune():
            return None, TrialState.PRUNED
    return value, None


def asha_search(grid: Grid, seed: int, budget: int, repeat: int) -> int:
    """ASHA: the scheduler of Ray Tune stops trials that are drawn at random, four at a time."""
    from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

    scheduler = AsyncHyperBandScheduler("tenth", "metric", "min", POINTS, 1, 3)
    ledger = Ledger(grid, seed, budget)
    order = iter(np.random.default_rng(repeat).permutation(len(grid.candidates)).tolist())
    going: list[list[Any]] = []
    while ledger.left >= grid.total // POINTS:
        while len(going) < WORKERS and (candidate := next(order, None)) is not None:
            trial = types.SimpleNamespace(trial_id=str(candidate))
            scheduler.on_trial_add(None, trial)  # pyright: ignore
            going.append([trial, candidate, 0])
        if not going:
            break
        one = going.pop(0)
        trial, candidate, i = one
        result = {"tenth": i + 1, "metric": min(ledger.tenth(candidate, i), 1e9)}
        action = scheduler.on_trial_result(None, trial, result)  # pyright: ignore
        if action == TrialScheduler.CONTINUE and i + 1 < POINTS:
            going.append([trial, candidate, i + 1])
    return ledger.pick


def raw_halving(grid: Grid, seed: int, budget: int, repeat: int) -> int:
    """Successive halving on raw losses: at 10 and at 30 % of the run the best third goes on."""
    rungs, keep = (1, 3, POINTS), 1 / 3
    tenth = grid.total // POINTS
    each = sum((b - a) * keep**i for i, (a, b) in enumerate(zip((0, *rungs), rungs, strict=False)))
    count = min(max(1, int(budget / (each * tenth))), len(grid.candidates))
    ledger = Ledger(grid, seed, budget)
    order = np.random.default_rng(repeat).permutation(len(grid.candidates))
    left, done = [int(one) for one in order[:count]], 0
    for rung in rungs:
        value: dict[int, float] = {}
        for candidate in left:
            for i in range(done, rung):
                if ledger.left >= tenth:
                    value[candidate] = ledger.tenth(candidate, i)
        done = rung
        ranked = sorted(value, key=lambda one: value[one])
        left = ranked[: max(1, round(keep * len(ranked)))]
    return ledger.pick


SEARCHES = {
    "random search": random_search,
    "Optuna, TPE + Hyperband": optuna_search,
    "Ray Tune, ASHA": asha_search,
    "successive halving, raw": raw_halving,
}


def found(grid: Grid) -> dict[str, dict[str, list[float]]]:
    """Return the median regret, and the worst, of each peer at each budget."""
    table: dict[str, dict[str, list[float]]] = {}
    for name, search in SEARCHES.items():
        table[name] = {}
        for budget in BUDGETS:
            regrets = [
                grid.regret(search(grid, seed, budget * grid.total, repeat), seed)
                for repeat in range(REPEATS)
                for seed in range(len(grid.seeds))
            ]
            told = float(np.median(regrets)), float(np.max(regrets))
            table[name][str(budget)] = [float(f"{one:.6g}") for one in told]
    return table


def main() -> None:
    """Replay the peers on the tasks that are named, and keep what they find."""
    for name in sys.argv[1:] or TASKS:
        known: Any = json.loads(FOUND.read_text()) if FOUND.exists() else {}
        known[name] = found(Grid(name))
        FOUND.parent.mkdir(exist_ok=True)
        FOUND.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
        print(name, known[name], flush=True)


if __name__ == "__main__":
    main()
