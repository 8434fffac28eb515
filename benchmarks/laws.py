"""Loss-curve laws on published curves: how far off, how long it takes, and the best schedule.

Fitted to three runs of a language model, tested on six others; see docs/predict.md.
"""

from __future__ import annotations

import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

import ratewise as rw
from ratewise.choose import fit
from ratewise.choose.laws.fitting import FORMS, final_error, fit_one
from tests.choose.laws.curves import SIZES, TEST, TRAIN, load, mean_error, predicted

NAMES = (*TRAIN, *TEST)


def score(law: object, size: int) -> str:
    """Return R², mean absolute error and error of the last loss, means over the test runs."""
    curves = [load(size, name) for name in TEST]
    off = [predicted(law, one) - one.losses for one in curves]
    spread = [np.square(one.losses - one.losses.mean()).sum() for one in curves]
    r2 = np.mean([1 - np.square(o).sum() / s for o, s in zip(off, spread, strict=True)])
    last = np.mean([abs(final_error(law, one)) * one.losses[-1] for one in curves])
    return f"R² {r2:.4f}  MAE {mean_error(law, size):.5f}  last loss {last:.4f}"


def few(size: int, count: int) -> str:
    """Return the mean test error over all choices of so many training runs, law by law."""
    told: list[str] = []
    for name in ("mixed", "momentum", "multipower", "ema"):
        errors: list[float] = []
        for train in combinations(NAMES, count):
            law = fit_one(name, [load(size, one) for one in train]).law
            errors.append(mean_error(law, size, [one for one in NAMES if one not in train]))
        told.append(f"{name} {np.mean(errors):.5f}")
    return "  ".join(told)


def main() -> None:
    """Print everything, size by size."""
    for size in SIZES:
        curves = [load(size, name) for name in TRAIN]
        for name in ("auto", *FORMS):
            began = time.perf_counter()
            found = fit_one(name, curves) if name != "auto" else fit(curves)
            seconds = time.perf_counter() - began
            print(f"{size}M {name:11} {score(found.law, size)}  {seconds:.2f} s")
        found = fit(curves, "multipower")
        began = time.perf_counter()
        best = found.best(total=24000, lr=3e-4, warmup=2160)
        seconds = time.perf_counter() - began
        loss = found.predict(best, lr=3e-4, total=24000).loss
        cosine = found.predict(rw.Warmup(2160) >> rw.Cosine(to=0.1), lr=3e-4, total=24000).loss
        print(f"{size}M best {loss:.4f}, cosine to 10% {cosine:.4f}, in {seconds:.2f} s: {best}")
        for count in (1, 2):
            print(f"{size}M {count} training run(s), all choices: {few(size, count)}", flush=True)


if __name__ == "__main__":
    main()
