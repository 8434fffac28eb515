"""Loss-curve laws on published curves: how far off, how long it takes, and the best schedule.

Fitted to three runs of a language model, tested on six others; see docs/predict.md.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import combinations
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from _published_law import PEAK, as_law, published_fit, published_optimum

import ratewise as rw
from ratewise.choose import Curve, fit
from ratewise.predict.final_loss import exact
from ratewise.predict.fitting import FORMS, fit_one
from ratewise.predict.held_out import final_error
from ratewise.predict.law import Law
from ratewise.predict.optimum import optimal
from ratewise.schedule import Schedule
from ratewise.schedule.compose import Sequence
from tests.predict.curves import SIZES, TEST, TRAIN, load, mean_error, predicted

NAMES = (*TRAIN, *TEST)
PUBLISHED = {25: 3.1497, 100: 2.7941}
"""Final loss of the published optimiser's schedule under the published fit."""


BRANCH = {"constant_72000": 24000, "cosine_72000": 24000, "wsdcon_3": 8000, "wsdcon_18": 8000}
"""Update up to which a test run may share its points with one of training; others, 20,000."""


def score(law: Law, size: int) -> str:
    """Return R² and mean errors: of all points, behind the branch, and of the last loss."""
    curves = [load(size, name) for name in TEST]
    losses = [np.asarray(one.losses) for one in curves]
    off = [predicted(law, one) - true for one, true in zip(curves, losses, strict=True)]
    own = [np.asarray(one.steps) > BRANCH.get(one.name, 20000) for one in curves]
    behind = np.mean([np.abs(o[at]).mean() for o, at in zip(off, own, strict=True)])
    spread = [np.square(true - true.mean()).sum() for true in losses]
    r2 = np.mean([1 - np.square(o).sum() / s for o, s in zip(off, spread, strict=True)])
    last = np.mean(
        [abs(final_error(law, one)) * true[-1] for one, true in zip(curves, losses, strict=True)]
    )
    mean = mean_error(law, size)
    return f"R² {r2:.4f}  MAE {mean:.5f}  behind the branch {behind:.4f}  last loss {last:.4f}"


def few(size: int, count: int) -> str:
    """Return the mean test error over all choices of so many training runs, law by law."""
    told: list[str] = []
    for name in ("mixed", "momentum", "multipower", "ema", "effective"):
        errors: list[float] = []
        for train in combinations(NAMES, count):
            law = fit_one(name, [load(size, one) for one in train]).law
            errors.append(mean_error(law, size, [one for one in NAMES if one not in train]))
        told.append(f"{name} {np.mean(errors):.5f}")
    return "  ".join(told)


def optimum(size: int, curves: list[Curve]) -> str:
    """Return what the search for the best finds under the published fit, and the time it takes.

    The published optimiser's losses are without what the rises of the warm-up take away, which is
    drop·peak for every schedule alike; so are these.
    """
    parameters = published_fit(curves)
    law = as_law(parameters)
    began = time.perf_counter()
    best = optimal(law, PEAK, 24000, 2160, 2e-4)
    seconds = time.perf_counter() - began
    asked = {
        "ours": best,
        "cosine to 10%": rw.Warmup(2160) >> rw.Cosine(to=0.1),
        "linear to 0": rw.Warmup(2160) >> rw.Linear(to=0),
        "best linear cooldown": min(
            (rw.Warmup(2160) >> rw.Hold() >> rw.Linear(to=0, over=f"{share}%")
             for share in range(2, 60, 2)),
            key=lambda one: _end(law, one),
        ),
    }  # fmt: skip
    began = time.perf_counter()
    theirs = exact(law, published_optimum(law, 24000, 2160)) - law.drop
    longer = (time.perf_counter() - began) / seconds
    told = [f"{name} {_end(law, one) - law.drop:.4f}" for name, one in asked.items()]
    began = time.perf_counter()
    fit_one("multipower", curves)
    ratio = seconds / (time.perf_counter() - began)
    return (
        f"{size}M under the published fit: {', '.join(told)}, the published optimiser "
        f"{theirs:.4f} (with its own parameters {PUBLISHED[size]}), {longer:.0f} times as long as "
        f"ours; {seconds:.3f} s, {ratio:.1f} law fits, {points(best)} points: {best}"
    )


def points(schedule: Schedule) -> int:
    """Return how many points a schedule behind a warm-up is written down with."""
    assert isinstance(schedule, Sequence)
    last = schedule.moves[-1]
    assert isinstance(last, rw.Piecewise)
    return len(last.points)


def _end(law: Law, schedule: Schedule) -> float:
    return exact(law, PEAK * schedule.resolve(24000).values())


def main() -> None:
    """Print everything, size by size."""
    argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0]).parse_args()
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
        print(optimum(size, curves), flush=True)
        for count in (1, 2):
            print(f"{size}M {count} training run(s), all choices: {few(size, count)}", flush=True)


if __name__ == "__main__":
    main()
