"""What a journal costs: the driver's time for each stretch, and how long `status` takes.

1. 1,000 candidates with 5 seeds, about 10,000 stretches of a task that takes no time: a comparison
   with a journal against the same without, and the difference for each stretch.
2. `status` on that journal, against opening it at all.
3. The same comparison again: nothing is trained.

Run:  python benchmarks/journal.py [CANDIDATES]
"""

from __future__ import annotations

import platform
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import ratewise as rw
from ratewise.choose import compare
from ratewise.runs.journal import status

SEEDS = 5


class Run:
    """Nothing to train: what is left is the driver's own time."""

    def __init__(self, seed: int) -> None:
        self.w = float(seed)

    def train(self, rates: Any) -> Any:
        self.w -= float(rates.sum())
        return np.full(len(rates), self.w)

    def measure(self) -> dict[str, float]:
        return {"loss": self.w}

    def save(self) -> float:
        return self.w

    def restore(self, state: float) -> None:
        self.w = state


class Task:
    """Opens runs."""

    peak = 0.1
    fingerprint = "nothing"

    def open(self, seed: int) -> Run:
        return Run(seed)


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    result = call()
    return time.perf_counter() - begun, result


def main() -> None:
    """Print the figures."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    total = count + 20
    candidates = {
        f"cooldown from {t}": rw.Hold(over=t) >> rw.Linear(to=0, over=10) >> rw.Hold()
        for t in range(5, count + 5)
    }
    asked: Any = {"total": total, "peaks": [0.1], "seeds": SEEDS}
    print(f"{platform.machine()}, Python {platform.python_version()}, {count:,} candidates")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.db"
        plain, _ = timed(lambda: compare(Task(), candidates, **asked))
        kept, _ = timed(lambda: compare(Task(), candidates, **asked, journal=path))
        with sqlite3.connect(path) as file:
            (stretches,) = file.execute("SELECT COUNT(*) FROM stretches").fetchone()
        print(f"{stretches:,} stretches, journal of {path.stat().st_size / 1e6:.0f} MB")
        print(
            f"with a journal {kept / plain:.2f}x the driver's time without; "
            f"{(kept - plain) / stretches * 1e3:.2f} ms more for each stretch"
        )
        looks = [timed(lambda: status(path))[0] for _ in range(20)]
        opens = [timed(lambda: sqlite3.connect(path).execute("SELECT 1"))[0] for _ in range(20)]
        look, opened = statistics.median(looks), statistics.median(opens)
        print(f"status: {look * 1e3:.1f} ms, {look / opened:.0f}x opening the file")
        again, result = timed(lambda: compare(Task(), candidates, **asked, journal=path))
        print(f"again: {again / kept:.2f}x of the first time, {result.trained} updates trained")


if __name__ == "__main__":
    main()
