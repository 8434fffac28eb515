"""The range test against others: on a curve that is known, and on real tasks.

1. A synthetic curve that is steepest at 10^-3.5, with noise: what the rules of other finders, each
   written here from its published description, find on the same losses. Their running averages
   lag, so what they find moves with the number of rungs.
2. Real tasks: a range test, then a run at the suggested peak (a warm-up of 2 %, then a cosine),
   against the best of a grid of five peaks with the same shape and the same two seeds. The rule
   of the suggestion was chosen on four of the tasks, with other seeds; those that are called new
   were not looked at for that. Beside it torch-lr-finder and Lightning's tuner, where installed,
   with the 100 updates that they make by default, and with 500, about as many as ratewise makes.

3. Short runs: what `choose` finds on twelve real tasks with a twentieth of a budget of 24 runs, or
   twice that more where it has to train short runs; whether there is an answer, and how far from
   the best peak of a grid. Each run has at most 300 updates, of batches of 8 to 32. And the same on
   twelve more, `unseen`, of runs of 150 to 400 updates, on which nothing was chosen.

Run:  python benchmarks/finder.py [curve | tasks | answers | unseen] [--repeats N]
      pip install torch-lr-finder    # for its column
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import json
import logging
import platform
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parent / "grids"))

import tasks as recorded
import torch
from _finder_rules import RULES
from _finder_tasks import subjects
from _finder_unseen import BEST, unseen
from cheap import CHEAP
from torch import nn

import ratewise as rw
from ratewise.choose import TorchTask, find
from ratewise.choose.peak_range import where_to_look
from tests.range_test.curves import STEEPEST, Curve

HERE = Path(__file__).resolve().parent
REPEATS = 100
SEEDS = (0, 1)
SWEEPS = (1000, 1001, 1002)
"""Seeds of the range tests; none of them was looked at when the rule was chosen."""
SHAPE = rw.Warmup("2%") >> rw.Cosine(to=0)

# 1. A curve that is known -------------------------------------------------------------------------


def curve(repeats: int = REPEATS) -> None:
    """Print medians and interquartile ranges of the steepest point found."""
    print(f"\nsteepest found, log10, {repeats} repeats: median (interquartile range); "
          f"the truth is {STEEPEST}")  # fmt: skip
    columns = [(noise, rungs) for noise in (0.02, 0.1) for rungs in (50, 100, 300, 1000)]
    table: dict[str, list[str]] = {name: [] for name in ("ratewise", *RULES)}
    for noise, rungs in columns:
        results: dict[str, list[float]] = {name: [] for name in table}
        for draw in range(repeats):
            task = Curve(noise=noise, draw=draw)
            found = find(task, rungs=rungs, updates=1, seeds=1)
            answered = found.steepest if found.rate else None
            results["ratewise"].append(np.log10(answered.rate) if answered else np.nan)
            losses = task.open(0).train(found.ladder.all_rates)[1:]
            for name, rule in RULES.items():
                results[name].append(rule(found.ladder.places, losses))
        for name, values in results.items():
            low, middle, high = np.nanquantile(values, (0.25, 0.5, 0.75))
            table[name].append(f"{middle:6.2f} ({high - low:.2f})")
    head = [f"{noise:g}, {rungs}" for noise, rungs in columns]
    print(f"{'noise, rungs':26s}", *(f"{cell:>13s}" for cell in head))
    for name, cells in table.items():
        print(f"{name:26s}", *(f"{cell:>13s}" for cell in cells))


# 2. Real tasks ------------------------------------------------------------------------------------


def final(subject: recorded.Subject, peak: float) -> float:
    """Return the final metric, a mean over the seeds; infinite if a run diverged.

    A run diverges if a loss is not finite, or if it ends 10 % above what it started with.
    """
    values: list[float] = []
    for seed in SEEDS:
        run = subject.task.open(seed)
        (start,) = run.measure().values()
        losses = run.train(peak * SHAPE.resolve(subject.total).values())
        (value,) = run.measure().values()
        sound = np.isfinite(losses).all() and np.isfinite(value) and value < 1.1 * start
        values.append(value if sound else np.inf)
    return float(np.mean(values))


def grid(name: str, subject: recorded.Subject) -> dict[float, float]:
    """Return the final metric at each peak, recorded where it is, else trained now."""
    path = HERE / "grids" / f"{name}.json"
    if not path.exists():
        return {peak: final(subject, peak) for peak in subject.peaks}
    values: dict[float, list[float]] = {}
    for run in json.loads(path.read_text())["runs"]:
        asked = (run["shape"], run["warmup"], run["fork"]) == ("cosine", "2%", None)
        if asked and run["seed"] in SEEDS:
            values.setdefault(run["peak"], []).append(run["metric"][str(subject.total)])
    return {peak: float(np.mean(several)) for peak, several in values.items()}


def ours(subject: recorded.Subject) -> tuple[float | None, int]:
    found = find(subject.task, seeds=SWEEPS)
    return found.rate, found.updates


def ours_small(subject: recorded.Subject) -> tuple[float | None, int]:
    found = find(subject.task, seeds=SWEEPS[:1], updates=1)
    return found.rate, found.updates


class Lossy(nn.Module):
    """A model that returns its loss, so that any finder can train it."""

    def __init__(self, task: TorchTask) -> None:
        super().__init__()
        self.model, self.loss = task.model(), task.loss

    def forward(self, batch: Any) -> Any:
        return self.loss(self.model, batch)


def listed(task: TorchTask, several: int = 600) -> list[Any]:
    batches = iter(task.data(100))
    return [next(batches) for _ in range(several)]


def of_torch_lr_finder(subject: recorded.Subject, several: int = 100) -> tuple[float | None, int]:
    import matplotlib

    matplotlib.use("Agg")
    from torch_lr_finder import LRFinder  # pyright: ignore[reportMissingImports]

    torch.manual_seed(100)
    model = Lossy(subject.task)
    optimizer = subject.task.optimizer(model)
    for group in optimizer.param_groups:
        group["lr"] = 1e-7
    finder = LRFinder(model, optimizer, lambda loss, _: loss, device="cpu")
    loader: Any = [(batch, torch.zeros(1)) for batch in listed(subject.task)]
    data = torch.utils.data.DataLoader(loader, batch_size=None)
    silent = io.StringIO()
    with contextlib.redirect_stdout(silent), contextlib.redirect_stderr(silent):
        finder.range_test(data, end_lr=10, num_iter=several)
        rate = float(finder.plot(suggest_lr=True)[1])
    return rate, len(finder.history["lr"])


def of_lightning(subject: recorded.Subject, several: int = 100) -> tuple[float | None, int]:
    import lightning
    from lightning.pytorch.tuner.tuning import Tuner

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.lr = Lossy(subject.task), 1e-3

        def training_step(self, batch: Any, index: int) -> Any:
            return self.inner(batch)

        def configure_optimizers(self) -> Any:
            optimizer = subject.task.optimizer(self.inner)
            for group in optimizer.param_groups:
                group["lr"] = self.lr
            return optimizer

    torch.manual_seed(100)
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False}
    quiet |= {"enable_progress_bar": False, "enable_model_summary": False}
    trainer = lightning.Trainer(accelerator="cpu", max_epochs=1, **quiet)
    batches: Any = listed(subject.task)
    data = torch.utils.data.DataLoader(batches, batch_size=None)
    with contextlib.redirect_stderr(io.StringIO()):
        found = Tuner(trainer).lr_find(Module(), data, num_training=several)
    assert found is not None
    return found.suggestion(), len(found.results["lr"])


FINDERS: dict[str, tuple[str, Callable[[recorded.Subject], tuple[float | None, int]]]] = {
    "ratewise": ("torch", ours),
    "ratewise, 1 x 1 update": ("torch", ours_small),
    "torch-lr-finder": ("torch_lr_finder", of_torch_lr_finder),
    "torch-lr-finder, 500": ("torch_lr_finder", partial(of_torch_lr_finder, several=500)),
    "Lightning's tuner": ("lightning", of_lightning),
    "Lightning's tuner, 500": ("lightning", partial(of_lightning, several=500)),
}


def tasks() -> None:
    """Print, for each task and finder, how much worse its run is than the best of the grid."""
    print(
        "\nfinal loss of a run at the suggestion, over the best of five peaks (same shape, seeds)"
    )
    for name, subject in subjects().items():
        known = grid(name, subject)
        best = min(known, key=lambda peak: known[peak])
        print(f"{name}: best peak of the grid {best:g}, loss {known[best]:.4f}", flush=True)
        for title, (module, finder) in FINDERS.items():
            if importlib.util.find_spec(module) is None:
                print(f"  {title:23s} not installed")
                continue
            begun = time.perf_counter()
            rate, updates = finder(subject)
            taken = time.perf_counter() - begun
            told = "no answer" if rate is None else outcome(subject, rate, known[best])
            print(f"  {title:23s} {told}; {updates} updates, {taken:.1f} s", flush=True)


def outcome(subject: recorded.Subject, rate: float, best: float) -> str:
    loss = final(subject, rate)
    if not np.isfinite(loss):
        return f"{rate:.2e}: diverged"
    return f"{rate:.2e}: {loss:.4f}, {100 * (loss / best - 1):+.1f} %"


# 3. Short runs ------------------------------------------------------------------------------------

SHORT = 300


TRAINED_GRIDS = {
    "cells": 0.1,
    "perceptron (new)": 0.01,
    "pictures (new)": 0.03,
    "copies (new)": 0.01,
}
"""The best peak where no grid is recorded, as `tasks` prints it."""

NEAR = 3.0
"""A factor from the best peak within which an answer is counted as near it."""


def answers() -> None:
    """Print what `choose` finds on tasks whose runs are short."""
    several = {**subjects(), **{name: make() for name, make in CHEAP.items()}}
    several |= {name: recorded.SUBJECTS[name]() for name in ("minilm", "lora")}
    best = dict(TRAINED_GRIDS)
    for name in several.keys() - best.keys():
        known = grid(name, several[name])
        best[name] = min(known, key=lambda peak: known[peak])
    answered(
        {name: replace(one, total=min(one.total, SHORT)) for name, one in several.items()}, best
    )


def answered(several: dict[str, recorded.Subject], best: dict[str, float]) -> None:
    """Print what `choose` finds before it chooses, and how far that is from the best peak."""
    found = near = 0
    for name, subject in several.items():
        total = subject.total
        begun = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            journal = Path(folder) / "runs.db"
            peaks, range_test, _, spent = where_to_look(subject.task, total, 24 * total, journal)
        assert range_test is not None
        found += range_test.rate is not None
        off = float("inf") if range_test.rate is None else range_test.rate / best[name]
        near += 1 / NEAR <= off <= NEAR
        told = range_test.reason if range_test.rate is None else f"{range_test.rate:.2g}"
        seconds = time.process_time() - begun
        print(f"{name}: {told} ({type(range_test).__name__}); peaks {peaks[0]:g} to {peaks[-1]:g}, "
              f"best in a grid {best[name]:g}; {spent / total:.2f} runs, {seconds:.0f} s of CPU",
              flush=True)  # fmt: skip
    print(f"an answer on {found} of {len(several)}, within a factor of {NEAR:g} on {near}")


def main() -> None:
    """Print the figures."""
    parts = ("curve", "tasks", "answers", "unseen")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar=" | ".join(parts), help="all, if none is named")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="curves with other noise")
    given = parser.parse_args()
    chosen = given.parts or parts
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(f"{platform.machine()}, Python {platform.python_version()}, torch {torch.__version__}")
    if "curve" in chosen:
        curve(given.repeats)
    if "tasks" in chosen:
        tasks()
    if "answers" in chosen:
        answers()
    if "unseen" in chosen:
        answered(unseen(), BEST)


if __name__ == "__main__":
    main()
