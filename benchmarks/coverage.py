"""How many final losses lie inside the 90 % intervals, data set by data set.

    python benchmarks/coverage.py [--published] [--every N]

Published curves: all choices of one, two and three runs to fit, all the others to test. Recorded
grids: the probes of each seed to fit, all its other runs to test. Runs that diverged do not count:
no law foresees them. `--published` leaves the grids out; of choices of three `--every N` takes each
N-th.
"""

from __future__ import annotations

import argparse
import sys
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from _runs import SEEDS, TASKS, runs

from ratewise.choose import Curve, Fit, fit
from ratewise.predict.final_loss import exact
from tests.predict.curves import SIZES, TEST, TRAIN, load

NAMES = (*TRAIN, *TEST)


class Told(NamedTuple):
    """Of one final loss: whether it was inside; half the interval, the miss and mean held out."""

    inside: bool
    half: float
    miss: float
    held: float


def tell(fitted: Fit, curve: Curve) -> Told:
    """Return what an interval says of a run."""
    low, high = fitted.interval(curve.every_rate)
    true = float(np.asarray(curve.losses)[-1])
    miss = abs(exact(fitted.law, curve.every_rate) / true - 1)
    held = float(np.mean(np.abs(fitted.held))) if fitted.held else 0.0
    return Told(low <= true <= high, (high - low) / 2 / true, miss, held)


def published(size: int, count: int, every: int = 1) -> list[Told]:
    """Return what is told with so many runs to fit, over all choices of them or every n-th."""
    found: list[Told] = []
    for train in list(combinations(NAMES, count))[every // 2 :: every]:
        fitted = fit([load(size, name) for name in train])
        found += [tell(fitted, load(size, name)) for name in NAMES if name not in train]
    return found


def recorded(task: str, seed: int) -> list[Told]:
    """Return what the probes of a seed tell of its other runs."""
    probes, others = runs(task, seed)
    fitted = fit(probes)
    return [tell(fitted, one) for one in others if not one.diverged]


def line(name: str, told: list[Told]) -> str:
    """Return one line of the table."""
    inside, half = np.mean([one.inside for one in told]), np.median([one.half for one in told])
    miss, held = (np.mean([getattr(one, what) for one in told]) for what in ("miss", "held"))
    return (
        f"{name:24} {inside:6.1%} of {len(told):4} inside, half-width ±{half:.2%}; missed by "
        f"{miss:.2%}, held out {held:.2%}"
    )


def _flat(sets: list[list[Told]]) -> list[Told]:
    return [one for found in sets for one in found]


def main() -> None:
    """Print the coverage of each data set, of each kind and over all."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("--published", action="store_true", help="the published curves alone")
    asked.add_argument("--every", type=int, default=1, help="take every n-th choice of three runs")
    given = asked.parse_args()
    kinds: dict[str, list[list[Told]]] = {"recorded": [], "published": []}
    for task in () if given.published else TASKS:
        for seed in SEEDS:
            kinds["recorded"].append(recorded(task, seed))
            print(line(f"{task}, seed {seed}", kinds["recorded"][-1]), flush=True)
    for size in SIZES:
        for count in (1, 2, 3):
            kinds["published"].append(published(size, count, given.every if count == 3 else 1))
            print(line(f"{size}M, {count} to fit", kinds["published"][-1]), flush=True)
    for kind, found in kinds.items():
        if found:
            print(line(f"all {kind}", _flat(found)))
    sets = [found for every in kinds.values() for found in every]
    shares = [float(np.mean([one.inside for one in found])) for found in sets]
    print(line("all", _flat(sets)))
    among = sum(0.85 <= share <= 0.95 for share in shares)
    print(f"mean over data sets {np.mean(shares):.1%}, {among} of {len(shares)} in 85 to 95 %")


if __name__ == "__main__":
    main()
