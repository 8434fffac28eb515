"""Train every schedule of a grid once, and keep what was measured as a data file.

The grid: eight shapes, five peaks, two warm-ups, two or three seeds; of every run the metric at
each tenth, and of the runs of some a fork at a quarter and at a half that is cooled down at once,
over a fifth of what was trained. Runs that begin alike share what they begin with. What `choose`
and its peers would have found is replayed on these files, so that each can be repeated many times.

    python benchmarks/grids/record.py characters digits table minilm lora halves epochs adapters
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cheap import CHEAP
from numpy.typing import NDArray
from tasks import SUBJECTS, Subject

import ratewise as rw
from ratewise.runs.tree import PrefixTree

HERE = Path(__file__).parent
WARMUPS = ("2%", "10%")
SHAPES = {
    "constant": rw.Hold(),
    "linear": rw.Linear(to=0),
    "cosine": rw.Cosine(to=0),
    "cosine to 10%": rw.Cosine(to=0.1),
    "wsd 20%": rw.Hold() >> rw.Linear(to=0, over="20%"),
    "wsd 50%": rw.Hold() >> rw.Linear(to=0, over="50%"),
    "step": rw.Step(0.1, at=("60%", "85%")),
    "exponential": rw.Exponential(to=0.01),
}
DEFAULT_PEAK = 5e-5
COOLDOWN = 0.2
POINTS = 10
Rates = NDArray[np.float64]


def runs(subject: Subject) -> Iterator[tuple[dict[str, Any], Rates]]:
    """Yield what each run is, and its rates: the whole runs, and the forks of each."""
    for seed in subject.seeds:
        for peak in subject.peaks:
            for warmup in WARMUPS:
                for name, shape in SHAPES.items():
                    schedule = rw.Warmup(warmup) >> shape
                    rates = peak * schedule.resolve(subject.total).values()
                    what = {"shape": name, "peak": peak, "warmup": warmup, "seed": seed}
                    yield {**what, "schedule": str(schedule), "fork": None}, rates
                    for share in subject.forks:
                        cut = round(share * subject.total)
                        n = round(COOLDOWN * cut)
                        down = rates[cut - 1] * (1 - np.arange(1, n + 1) / (n + 1))
                        yield {**what, "fork": share}, np.concatenate([rates[:cut], down])


def train(subject: Subject) -> list[dict[str, Any]]:
    """Walk the tree of all runs; return what was measured of each."""
    asked = list(runs(subject))
    tree = PrefixTree.of((what["seed"], rates) for what, rates in asked)
    every = subject.total // POINTS
    states: dict[int, Any] = {}
    run: Any = None
    seen: list[dict[str, Any]] = []
    began = time.time()
    done = 0
    for index, segment in enumerate(tree.segments):
        if segment.parent is None:
            run, now = subject.task.open(segment.seed), {"metric": {}, "loss": []}
        else:
            run.restore(states[segment.parent])
            before = seen[segment.parent]
            now = {"metric": dict(before["metric"]), "loss": list(before["loss"])}
            if tree.segments[segment.parent].children[-1] == index:
                del states[segment.parent]
        t = segment.start
        while t < segment.stop:
            stop = min(segment.stop, (t // every + 1) * every)
            now["loss"] += run.train(
                segment.rates[t - segment.start : stop - segment.start]
            ).tolist()
            t = stop
            if t % every == 0 or t == segment.stop:
                now["metric"][t] = run.measure()["metric"]
        if segment.children:
            states[index] = run.save()
        seen.append(now)
        done += len(segment.rates)
        if index % 50 == 0:
            print(f"{done:,} of {tree.planned:,} updates, {time.time() - began:.0f} s", flush=True)
    ends = {run: index for index, one in enumerate(tree.segments) for run in one.ends}
    return [{**what, **_short(seen[ends[i]], len(rates))} for i, (what, rates) in enumerate(asked)]


def _short(seen: dict[str, Any], length: int) -> dict[str, Any]:
    """Return the metrics by update, and the training loss as means over fiftieths."""
    pieces = np.array_split(np.array(seen["loss"]), 50)
    return {
        "length": length,
        "metric": {str(t): _rounded(value) for t, value in sorted(seen["metric"].items())},
        "loss": [_rounded(piece.mean()) for piece in pieces],
    }


def _rounded(value: float) -> float | None:
    return float(f"{value:.6g}") if np.isfinite(value) else None


def default(subject: Subject) -> dict[str, float | None]:
    """Train what a Trainer of Transformers does unasked, linear from 5e-5; return the metrics."""
    found: dict[str, float | None] = {}
    rates = DEFAULT_PEAK * rw.Linear(to=0).resolve(subject.total).values()
    for seed in subject.seeds:
        run = subject.task.open(seed)
        run.train(rates)
        found[str(seed)] = _rounded(run.measure()["metric"])
    return found


def keep_default(name: str, subject: Subject) -> None:
    """Add what the default comes to, to the file of all tasks."""
    path = HERE / "defaults" / "linear.json"
    path.parent.mkdir(exist_ok=True)
    known: Any = json.loads(path.read_text()) if path.exists() else {}
    known[name] = default(subject)
    path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def main() -> None:
    """Record the tasks that are named."""
    torch.set_num_threads(1)
    known = SUBJECTS | CHEAP
    for name in sys.argv[1:] or known:
        subject = known[name]()
        began = time.time()
        records = train(subject)
        about = {
            "task": name,
            "about": subject.about,
            "total": subject.total,
            "torch": torch.__version__,
            "seconds": round(time.time() - began),
        }
        lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in records)
        text = json.dumps(about)[:-1] + f', "runs": [\n{lines}\n]}}\n'
        (HERE / f"{name}.json").write_text(text)
        keep_default(name, subject)
        print(f"{name}: {len(records)} runs, {about['seconds']} s", flush=True)


if __name__ == "__main__":
    main()
