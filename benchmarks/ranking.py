"""What laws fitted to cheap probes say of every other run of the recorded grids.

Fitted to fifteen probes of each seed: at each of five peaks the constant run, one cooled over its
last fifth, and one cooled at its half. Of all whole runs of the seed (80, those that diverged
last of all): rank correlation of predicted and measured final losses, over all and over the peaks
that the fit kept, mean absolute error, how far behind the best the first pick and the best of three
end, and how many losses of the runs that were no probes lie inside the 90 % interval. Peaks above
those that the fit kept are no picks.

    python benchmarks/ranking.py [TASK …] [--laws LAW …]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from ratewise._arrays import Floats

sys.path.insert(0, str(Path(__file__).parents[1]))

from _runs import SEEDS, TASKS, runs

from ratewise.choose import Curve, fit
from ratewise.predict.final_loss import exact

LAWS = ("auto", "effective", "nonparametric", "mixed", "ema", "multipower", "momentum", "power")
PICKS = 3


def last(curve: Curve) -> float:
    """Return the measured final loss, infinite if the run diverged."""
    return np.inf if curve.diverged else float(np.asarray(curve.losses)[-1])


def score(task: str, seed: int, law: str) -> list[float]:
    """Return two correlations, error, two regrets, coverage and seconds, and print them."""
    probes, others = runs(task, seed)
    began = time.perf_counter()
    fitted = fit(probes, law)
    seconds = time.perf_counter() - began
    whole = others + [one for one in probes if len(one.every_rate) == len(others[0].every_rate)]
    true = np.array([last(one) for one in whole])
    told = np.array([exact(fitted.law, one.every_rate) for one in whole])
    alive = np.isfinite(true)
    off = float(np.abs(told - true)[alive].mean())
    highest = max(one.every_rate.max() for one in fitted.curves)
    allowed = np.array([one.every_rate.max() <= 1.001 * highest for one in whole])
    rank, near = _rank(told, true), _rank(told[allowed], true[allowed])
    picks = np.argsort(np.where(allowed, told, np.inf))[:PICKS]
    first, three = true[picks[0]] - true.min(), true[picks].min() - true.min()
    inside: list[bool] = []
    for one in others:
        low, high = fitted.interval(one.every_rate)
        if not one.diverged:
            inside.append(low <= last(one) <= high)
    found = [rank, near, off, float(first), float(three), float(np.mean(inside)), seconds]
    name = fitted.name if law == "auto" else ""
    print(f"{task:10} {seed} {law:10} {_told(found)} {name} {len(whole)} runs", flush=True)
    return found


def _rank(told: Floats, true: Floats) -> float:
    """Return the rank correlation, 0 where a law says the same of all."""
    if np.ptp(told) == 0:
        return 0.0
    found: Any = spearmanr(told, true)
    return float(found.statistic)


def _told(found: list[float]) -> str:
    rank, near, off, first, three, inside, seconds = found
    return (
        f"Spearman {rank:5.2f}, kept peaks {near:5.2f}  error {off:.3f}  "
        f"first pick +{first:.4f}  best of three +{three:.4f}  inside {inside:4.0%}  "
        f"{seconds:.2f} s"
    )


def main() -> None:
    """Print everything, task by task, and the means of each law."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tasks", nargs="*", default=TASKS)
    parser.add_argument("--laws", nargs="+", default=LAWS)
    given = parser.parse_args()
    every = [(task, seed) for task in given.tasks for seed in SEEDS]
    found = {law: [score(task, seed, law) for task, seed in every] for law in given.laws}
    for law, rows in found.items():
        print(f"mean         {law:10} {_told(np.mean(rows, axis=0).tolist())}")


if __name__ == "__main__":
    main()
