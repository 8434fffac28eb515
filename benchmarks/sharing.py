"""How many updates shared prefixes save, how much time that is, and that they change nothing.

1. Updates trained for 27 schedules against training each alone, and for two kinds of them alone.
2. Those 27 trained, a small network with dropout, batch normalisation and a shuffled, augmented
   loader: wall-clock time in one process, in one and two workers, and on Ray with two CPUs, each
   against training each alone; weights, losses and metrics compared to the bit.

The times hold the start of workers, not that of Ray's cluster. Ratios are of one run. On a machine
that has other work they move by a fifth and more, and several workers gain less than they could.

Run:  OMP_NUM_THREADS=1 python benchmarks/sharing.py [SCALE] [--here]

SCALE divides the length of the runs: 10 gives a first impression. With --here
nothing is trained in other processes.
"""

from __future__ import annotations

import argparse
import logging
import math
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from _sharing_task import task

import ratewise as rw
from ratewise.choose import Record, compare
from ratewise.runs.tree import PrefixTree

WARMUP = 50


def shapes(warmup: int = WARMUP) -> dict[str, tuple[rw.Schedule, int]]:
    """Return the 27 schedules by name, each with its total."""
    up = rw.Warmup(warmup)
    moves = {"linear": rw.Linear, "cosine": rw.Cosine, "sqrt": rw.Sqrt}
    found: dict[str, tuple[rw.Schedule, int]] = {}
    for share in (10, 20, 40, 60):
        for name, move in moves.items():
            down = move(to=0, over=f"{share}%")
            found[f"trunk, {name} {share}%"] = up >> rw.Hold() >> down, 1000
    for total in (250, 500, 1000, 2000):
        down = rw.Linear(to=0, over="20%")
        found[f"trunk, linear 20%, {total} updates"] = up >> rw.Hold() >> down, total
    for at in (50, 70, 90):
        for factor in (0.1, 0.3):
            found[f"step at {at}% by {factor}"] = up >> rw.Step(at=[f"{at}%"], factor=factor), 1000
    smooth = {
        "linear to 0": rw.Linear(to=0),
        "cosine to 0": rw.Cosine(to=0),
        "cosine to 10%": rw.Cosine(to=0.1),
        "polynomial 2": rw.Polynomial(to=0, power=2),
        "exponential to 1%": rw.Exponential(to=0.01),
    }
    found |= {f"smooth, {name}": (up >> move, 1000) for name, move in smooth.items()}
    return found


def count(title: str, chosen: Mapping[str, tuple[rw.Schedule, int]]) -> PrefixTree:
    tree = PrefixTree.of((0, s.resolve(total=n).values()) for s, n in chosen.values())
    states = sum(segment.is_returned_to for segment in tree.segments)
    print(
        f"{title:<24}{len(chosen):>3} runs  {tree.planned:>7,} trained of {tree.asked:>7,} asked"
        f"  {tree.sharing:.2f}× fewer  {states} states saved"
    )
    return tree


Candidates = Mapping[str, tuple[rw.Schedule, int]]


def together(candidates: Candidates, **how: Any) -> tuple[Record, ...]:
    return compare(task(), candidates, **how).runs


def each_alone(candidates: Candidates) -> tuple[Record, ...]:
    return tuple(compare(task(), {name: one}).runs[0] for name, one in candidates.items())


class Took(NamedTuple):
    """What training took: seconds by the clock, of CPU, and of CPU that others took meanwhile."""

    wall: float
    cpu: float
    others: float

    @property
    def share(self) -> str:
        return f"{self.others / self.wall / (os.cpu_count() or 1):.0%} of the machine"


def timed(train: Callable[[], Sequence[Record]]) -> tuple[Sequence[Record], Took]:
    """Return the runs and what they took, ended workers among it."""
    before = np.array([time.perf_counter(), sum(os.times()[:4]), busy()])
    runs = train()
    wall, cpu, all_of_it = [time.perf_counter(), sum(os.times()[:4]), busy()] - before
    return runs, Took(wall, cpu, max(all_of_it - cpu, 0.0))


def busy() -> float:
    """Return the seconds of CPU that this machine has spent, on Linux; NaN elsewhere."""
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0]
    except OSError:
        return math.nan
    user, nice, system, _, _, *rest = map(int, first.split()[1:])
    return (user + nice + system + sum(rest[:3])) / os.sysconf("SC_CLK_TCK")


def same(runs: Sequence[Record], others: Sequence[Record]) -> bool:
    """Return whether weights, losses and metrics are equal to the last bit."""
    return all(
        one.metrics == other.metrics and one.losses.tobytes() == other.losses.tobytes()
        for one, other in zip(runs, others, strict=True)
    )


def start_ray() -> float | None:
    """Start a cluster of two CPUs; return the seconds it took, or None without Ray."""
    try:
        import ray
    except ImportError:
        return None
    begin = time.perf_counter()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    return time.perf_counter() - begin


def train(scale: int, here: bool) -> None:
    """Train all 27 in every way, and print what each takes against training each alone."""
    candidates = {name: (s, n // scale) for name, (s, n) in shapes(WARMUP // scale).items()}
    compare(task(), {"warm": ("Hold()", 50)})
    alone, base = timed(lambda: each_alone(candidates))
    updates = sum(len(run.losses) for run in alone)
    print(
        f"each alone: {updates:,} updates in {base.wall:.0f} s, "
        f"{base.wall / updates * 1e3:.1f} ms each; others took {base.share}"
    )
    ways: dict[str, Callable[[], Sequence[Record]]] = {
        "shared, this process": lambda: together(candidates),
    }
    if not here:
        ways["shared, 1 worker"] = lambda: together(candidates, workers=1)
        ways["shared, 2 workers"] = lambda: together(candidates, workers=2)
    started = None if here else start_ray()
    if started is not None:
        ways["shared, Ray, 2 CPUs"] = lambda: together(candidates, engine="ray")
    for name, way in ways.items():
        runs, took = timed(way)
        equal = same(runs, alone)
        # Ray's workers are no children of this process: who took what is not known.
        cpu = f"{base.cpu / took.cpu:.2f}× less CPU time, others took {took.share}"
        print(
            f"{name:<21} {took.wall / base.wall:.2f} of the time, "
            f"{base.wall / took.wall:.2f}× faster; bit-identical: {'yes' if equal else 'NO'}"
            + ("" if "Ray" in name else f"; {cpu}")
        )
        assert equal, name
    if not here:
        none = "no Ray here"
        print(none if started is None else f"Ray's cluster itself: {started / base.wall:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("scale", nargs="?", type=int, default=1)
    parser.add_argument("--here", action="store_true")
    given = parser.parse_args()
    torch.set_num_threads(1)
    print(f"seed 0, {platform.machine()}, torch {torch.__version__}, 1 thread")
    every = shapes()
    tree = count("all", every)
    count("smooth only", {k: v for k, v in every.items() if k.startswith("smooth")})
    count("trunks only", {k: v for k, v in every.items() if k.startswith("trunk")})
    count("steps only", {k: v for k, v in every.items() if k.startswith("step")})
    begin = time.perf_counter()
    long = 10_000 // given.scale
    levels = [s.resolve(total=long).values() for s, _ in every.values()]
    runs = [(seed, peak * one) for one in levels for peak in (1, 2, 3, 4, 5) for seed in range(3)]
    middle = time.perf_counter()
    PrefixTree.of(runs)
    took = time.perf_counter() - middle
    print(
        f"tree of {len(runs)} runs × {long:,} updates: {took:.2f} s ({middle - begin:.2f} s levels)"
    )
    assert (tree.asked, tree.planned <= 12_500) == (26_750, True)
    train(given.scale, given.here)


if __name__ == "__main__":
    main()
