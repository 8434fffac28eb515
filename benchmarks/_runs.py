"""The runs of the recorded grids as curves: probes that laws are fitted to, and all the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

import ratewise as rw
from ratewise.choose import Curve

HERE = Path(__file__).parent / "grids"
TASKS = tuple(sorted(path.stem for path in HERE.glob("*.json")))
SEEDS = (0, 1)
WARMUP = "2%"
COOLDOWN = 0.2
WHOLE = ("constant", "wsd 20%")


def runs(task: str, seed: int) -> tuple[list[Curve], list[Curve]]:
    """Return the probes of a seed and its other whole runs; see `probe`.

    A run whose loss became infinite ends with its last finite loss and says that it diverged.
    """
    known: Any = json.loads((HERE / f"{task}.json").read_text())
    total = int(known["total"])
    mine = [run for run in known["runs"] if run["seed"] == seed]
    written = {_which(run): run["schedule"] for run in mine if run["fork"] is None}
    found: tuple[list[Curve], list[Curve]] = ([], [])
    for run in mine:
        if probe(run) or run["fork"] is None:
            schedule = rw.parse(written[_which(run)])
            assert isinstance(schedule, rw.Schedule)
            rates = run["peak"] * schedule.resolve(total).values()
            if run["fork"] is not None:
                rates = _cooled(rates, round(run["fork"] * total))
            found[not probe(run)].append(_curve(run, rates))
    return found


def probe(run: Any) -> bool:
    """Whether a run is constant, cooled over its last fifth, or the first cooled at its half."""
    if run["warmup"] != WARMUP:
        return False
    cooled = run["fork"] == 0.5 and run["shape"] == "constant"
    return cooled or (run["fork"] is None and run["shape"] in WHOLE)


def _which(run: Any) -> tuple[str, float, str]:
    return run["shape"], run["peak"], run["warmup"]


def _cooled(rates: Any, cut: int) -> Any:
    n = round(COOLDOWN * cut)
    down = rates[cut - 1] * (1 - np.arange(1, n + 1) / (n + 1))
    return np.concatenate([rates[:cut], down])


def _curve(run: Any, rates: Any) -> Curve:
    points = sorted((int(t), value) for t, value in run["metric"].items() if int(t) <= len(rates))
    losses = [np.inf if value is None else value for _, value in points]
    name = f"{run['shape']}, peak {run['peak']:g}, warm-up {run['warmup']}"
    return Curve.trained(rates, [t for t, _ in points], losses, name)
