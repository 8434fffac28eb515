"""Every level of a run of ten million updates, against the bare numpy formula.

Target: at most 1.3 times its time, at most 200 MB of memory.

    python benchmarks/values.py [UPDATES]
"""

from __future__ import annotations

import gc
import platform
import resource
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from multiprocessing import get_context
from typing import Any

import numpy as np

import ratewise as rw

N = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
WARM = N // 20
EVERY = N // 10
ROUNDS = 7
TIME, MEMORY = 1.3, 200.0


def cosine() -> Any:
    return (1 + np.cos(np.pi * (np.arange(N) / N))) / 2


def linear() -> Any:
    return 1 - np.arange(N) / N


def warmup_cosine() -> Any:
    up = np.arange(1, WARM + 1) / (WARM + 1)
    down = 0.1 + 0.9 * ((1 + np.cos(np.pi * (np.arange(N - WARM) / (N - WARM)))) / 2)
    return np.concatenate([up, down])


def repeat() -> Any:
    return (1 + np.cos(np.pi * (np.arange(N) % EVERY / EVERY))) / 2


CASES: dict[str, tuple[rw.Schedule, Callable[[], Any]]] = {
    "Cosine": (rw.Cosine(to=0), cosine),
    "Linear": (rw.Linear(to=0), linear),
    "Warmup >> Cosine": (rw.Warmup("5%") >> rw.Cosine(to=0.1), warmup_cosine),
    "Repeat": (rw.Repeat(rw.Cosine(to=0), every="10%"), repeat),
}


def seconds(f: Callable[[], Any]) -> float:
    gc.collect()
    start = time.perf_counter()
    f()
    return time.perf_counter() - start


def timed(name: str) -> tuple[float, float]:
    """Return the median seconds of ours and of the formula, measured in turns."""
    schedule, formula = CASES[name]
    resolved = schedule.resolve(N)
    assert np.allclose(resolved.values(N), formula(), rtol=1e-9, atol=1e-12)
    pairs = [(seconds(lambda: resolved.values(N)), seconds(formula)) for _ in range(ROUNDS)]
    ours, theirs = zip(*pairs, strict=True)
    return statistics.median(ours), statistics.median(theirs)


def memory(name: str) -> tuple[float, float]:
    """Return the megabytes that one call takes: as Python counts them, and as the system does."""
    resolved = CASES[name][0].resolve(N)
    resolved.values(10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    resolved.values(N)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    tracemalloc.start()
    resolved.values(N)
    peak = tracemalloc.get_traced_memory()[1]
    return peak / 1e6, grown * (1 if sys.platform == "darwin" else 1024) / 1e6


def main() -> None:
    print(f"values({N:,}), median of {ROUNDS} in turns; no randomness, so no seed")
    print(
        f"{platform.processor() or platform.machine()}, {platform.system()}, numpy {np.__version__}"
    )
    print(f"{'':18}{'ours':>9}{'numpy':>9}{'ratio':>8}{'memory':>9}{'resident':>10}")
    # The largest size of a process never falls, and is handed on to processes it starts.
    sizes: dict[str, tuple[float, float]] = {}
    for name in CASES:
        with get_context("spawn").Pool(1) as fresh:
            sizes[name] = fresh.apply(memory, (name,))
    worst_ratio = worst_memory = 0.0
    for name in CASES:
        peak, grown = sizes[name]
        ours, theirs = timed(name)
        ratio = ours / theirs
        worst_ratio, worst_memory = max(worst_ratio, ratio), max(worst_memory, peak, grown)
        times = f"{ours * 1e3:6.0f} ms{theirs * 1e3:6.0f} ms{ratio:8.2f}"
        print(f"{name:18}{times}{peak:6.0f} MB{grown:7.0f} MB")
    reached = worst_ratio <= TIME and worst_memory <= MEMORY
    print(
        f"worst ratio {worst_ratio:.2f} (target {TIME}), worst memory {worst_memory:.0f} MB "
        f"(target {MEMORY:.0f}): {'reached' if reached else 'missed'}"
    )


if __name__ == "__main__":
    main()
