"""What laws foresee of a 124 M language model's runs: peaks, lengths and kinds left out in turn.

    python benchmarks/llm_runs.py FOLDER [LAW …] [--only TEXT]

FOLDER holds `peakP_KIND_TOTAL.csv` with the columns update, rate, val_loss, as the SOURCES.md
beside the data says. Printed for each share that is left out: the mean absolute error of the last
losses, the rank correlation and the regret of the best foreseen within a length, and how many of
the last losses are inside the 90 % intervals. Of peaks and of kinds, each left out in turn, the
same of all that was foreseen of them. Laws are those of `fit`; without any, "auto".
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from ratewise.choose import Curve, Fit, fit
from ratewise.predict.final_loss import exact

WARMUP = 300
SHORT = 15_000


@dataclass(frozen=True, eq=False)
class Run:
    """A run of the data, assembled with what it shares with the trunk of its peak."""

    peak: float
    kind: str
    total: int
    curve: Curve

    @property
    def end(self) -> float:
        return float(np.asarray(self.curve.losses)[-1])


@dataclass(frozen=True, eq=False)
class Told:
    """What was foreseen of the last loss of a run."""

    run: Run
    loss: float
    low: float
    high: float


@dataclass(frozen=True)
class Score:
    """How well the last losses of some runs were foreseen."""

    error: float
    ranks: dict[int, float]
    regrets: dict[int, float]
    inside: float
    width: float

    def __str__(self) -> str:
        told = [f"MAE {self.error:.4f}"]
        told += [
            f"{t // 1000}k ρ {r:.2f} regret {self.regrets[t]:.4f}" for t, r in self.ranks.items()
        ]
        return "  ".join([*told, f"inside {self.inside:.0%} ±{self.width:.4f}"])


def read_runs(folder: Path) -> list[Run]:
    """Return all runs; what lies before the first point of a cooldown is the trunk of its peak."""
    tables = {
        path.stem: np.loadtxt(path, delimiter=",", skiprows=1) for path in folder.glob("*.csv")
    }
    found: list[Run] = []
    for name in sorted(tables):
        known = re.fullmatch(r"peak([\d.e-]+)_(.+?)(?:_(\d+))?", name)
        assert known is not None, name
        table, trunk = tables[name], tables.get(f"peak{known[1]}_trunk")
        if trunk is not None and table[0, 0] > 2 * WARMUP:
            table = np.concatenate([trunk[trunk[:, 0] < table[0, 0]], table])
        peak, last = float(known[1]), int(table[-1, 0])
        found.append(Run(peak, known[2], int(known[3] or last), _curve(name, peak, table)))
    return found


def _curve(name: str, peak: float, table: np.ndarray) -> Curve:
    updates = np.arange(1, int(table[-1, 0]) + 1)
    rates = np.interp(updates, table[:, 0], table[:, 1])
    rates[updates < table[0, 0]] = peak
    rates[:WARMUP] = peak * updates[:WARMUP] / WARMUP
    return Curve.trained(rates, table[:, 0], table[:, 2], name)


def cut(run: Run, total: int) -> Run:
    """Return the first updates of a run."""
    steps = np.asarray(run.curve.steps)
    kept = steps <= total
    rates = run.curve.every_rate[:total]
    curve = Curve.trained(rates, steps[kept], np.asarray(run.curve.losses)[kept], run.curve.name)
    return Run(run.peak, run.kind, total, curve)


def splits(runs: Sequence[Run]) -> Iterator[tuple[str, list[Run], list[Run]]]:
    """Yield what is left out, the runs that are fitted, and those that are foreseen."""
    peaks = sorted({run.peak for run in runs})
    for peak in peaks[1:-1]:
        yield f"a: peak {peak:g}", *_apart(runs, [run for run in runs if run.peak == peak])
    short = [run for run in runs if run.total <= SHORT]
    short += [cut(run, SHORT) for run in runs if run.kind == "trunk"]
    yield f"b: above {SHORT}", short, [run for run in runs if run.total > SHORT]
    for kind in sorted({run.kind for run in runs} - {"trunk"}):
        yield f"c: {kind}", *_apart(runs, [run for run in runs if run.kind == kind])
    cosines = [run for run in runs if "cosine" in run.kind]
    yield "all cosines", *_apart(runs, cosines)
    long = [run for run in runs if run.kind[-3:] in ("0.6", "0.8", "0.9")]
    yield "all long cooldowns", *_apart(runs, long)
    four = [run for run in runs if run.kind == "cooldown-linear-0.2" and run.total > SHORT]
    yield "d: all but four", four, [run for run in runs if run not in four]


def _apart(runs: Sequence[Run], left: list[Run]) -> tuple[list[Run], list[Run]]:
    return [run for run in runs if run not in left], left


def foresee(fitted: Fit, runs: Sequence[Run]) -> list[Told]:
    """Return what a fit says of the last losses of some runs."""
    rates = [run.curve.every_rate for run in runs]
    return [
        Told(run, exact(fitted.law, every), *fitted.interval(every))
        for run, every in zip(runs, rates, strict=True)
    ]


def judge(fitted: Fit, runs: Sequence[Run]) -> Score:
    """Return how well a fit foresees the last losses of some runs."""
    return score(foresee(fitted, runs))


def score(foreseen: Sequence[Told]) -> Score:
    """Return how well last losses were foreseen."""
    runs = [one.run for one in foreseen]
    ends = np.array([run.end for run in runs])
    told = np.array([one.loss for one in foreseen])
    bounds = np.array([(one.low, one.high) for one in foreseen])
    ranks: dict[int, float] = {}
    regrets: dict[int, float] = {}
    for total in sorted({run.total for run in runs}):
        at = np.array([run.total == total for run in runs])
        if at.sum() >= 3:
            ranks[total] = _rank(told[at], ends[at])
            regrets[total] = float(ends[at][told[at].argmin()] - ends[at].min())
    inside = float(((bounds[:, 0] <= ends) & (ends <= bounds[:, 1])).mean())
    width = float(np.median(np.diff(bounds)) / 2)
    return Score(float(np.abs(told - ends).mean()), ranks, regrets, inside, width)


def _rank(told: np.ndarray, true: np.ndarray) -> float:
    found: Any = spearmanr(told, true)
    return float(found[0])


def main() -> None:
    """Print the figures of each law and of each share that is left out."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    asked.add_argument("folder", type=Path, nargs="?")
    asked.add_argument("laws", nargs="*", default=["auto"])
    asked.add_argument("--only", default="", help="left out that begin so")
    given = asked.parse_args()
    if given.folder is None:
        print("The data are not kept with the code: give the FOLDER that holds them.")
        return
    runs = read_runs(given.folder)
    for law in given.laws or ["auto"]:
        pooled: dict[str, list[Told]] = {}
        for left, known, unseen in splits(runs):
            if left.startswith(given.only):
                began = time.process_time()
                fitted = fit([run.curve for run in known], law)
                took = time.process_time() - began
                told = foresee(fitted, unseen)
                pooled.setdefault(left[:2], []).extend(told)
                line = f"{law} ({fitted.name})  {left:24} {score(told)}  {took:.1f} CPU s"
                print(line, flush=True)
        for letter, what in ("a:", "peaks"), ("c:", "kinds"):
            if letter in pooled:
                print(f"{law}  {letter} all {what}, each in turn  {score(pooled[letter])}")


if __name__ == "__main__":
    main()
