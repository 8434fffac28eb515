"""Schedules refined by the gradient norms of one run, against the linear decay of that run.

For each small task of the recorded grids: one run with linear decay, at the best of five peaks,
logs its norms; from these come two refined schedules, one with the same warm-up in front and one
without. All are trained at five peaks and five other seeds. Printed are the mean final loss of
each at its own best peak, and the differences to linear decay, seed by seed.

    python benchmarks/refining.py [TASK …] [--updates N]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ratewise._arrays import Floats

sys.path.insert(0, str(Path(__file__).parent / "grids"))

from tasks import SUBJECTS, Subject

import ratewise as rw
from ratewise.choose import refine

SEEDS, LOGGED = (10, 11, 12, 13, 14), 99


def final(subject: Subject, schedule: rw.Schedule, peak: float, seed: int) -> float:
    """Return the held-out loss at the end of a run."""
    run = subject.task.open(seed)
    run.train(peak * schedule.resolve(subject.total).values())
    return float(run.measure()["metric"])


def finals(subject: Subject, schedule: rw.Schedule) -> tuple[float, Floats]:
    """Return the best of the peaks, and the final loss there for each seed."""
    table = np.array(
        [[final(subject, schedule, peak, seed) for seed in SEEDS] for peak in subject.peaks]
    )
    at = int(np.nanargmin(table.mean(1)))
    return subject.peaks[at], table[at]


def norms_of(subject: Subject, schedule: rw.Schedule, peak: float, power: int) -> list[float]:
    """Return the L1 or L2 norm of all gradients at every update of a run."""
    seen: list[float] = []

    def note(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        every = [p.grad for group in optimizer.param_groups for p in group["params"]]
        total = sum(float(g.abs().pow(power).sum()) for g in every if g is not None)
        seen.append(total ** (1 / power))

    def hooked(model: torch.nn.Module) -> torch.optim.Optimizer:
        optimizer = subject.task.optimizer(model)
        optimizer.register_step_pre_hook(note)
        return optimizer

    logging = replace(subject, task=replace(subject.task, optimizer=hooked))
    final(logging, schedule, peak, LOGGED)
    return seen


def main() -> None:
    """Refine, train and print, task by task."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("tasks", nargs="*", default=("digits", "table", "characters"))
    parser.add_argument("--updates", type=int, help="of each run, in place of those of the grid")
    given = parser.parse_args()
    for name in given.tasks:
        subject = SUBJECTS[name]()
        subject = replace(subject, total=given.updates or subject.total)
        kind = "sgd" if "SGD" in subject.about else "adam"
        warmup = round(0.02 * subject.total)
        linear = rw.Warmup(warmup) >> rw.Linear(to=0)
        peak, base = finals(subject, linear)
        norms = norms_of(subject, linear, peak, 2 if kind == "sgd" else 1)
        fifths = " ".join(f"{part.mean():.3g}" for part in np.array_split(norms, 5))
        print(f"{name}: norms by fifths {fifths}", flush=True)
        print(f"  linear {base.mean():.4f} at {peak:g}")
        for kept in (warmup, 0):
            refined = refine(norms, optimizer=kind, warmup=kept)
            at, found = finals(subject, refined)
            off = found - base
            error = off.std(ddof=1) / np.sqrt(len(off))
            print(f"  refined {found.mean():.4f} at {at:g}: {off.mean():+.4f} ± {error:.4f}")
            print(f"    {refined}", flush=True)


if __name__ == "__main__":
    main()
