"""Schedules to write down, and a fresh process to run what was written."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings

import ratewise as rw
from tests import warm
from tests.schedule.strategies import runs

TOTAL = 100
PAST = TOTAL + 12
"""Updates compared: the run, and some past its end."""
HORIZON: dict[str, Any] = {"total": TOTAL, "epoch": 30, "samples": 50, "tokens": 100}

DOUBLE = 2 * 2.0**-52
"""Two units in the last place of float64, at the peak or the largest level."""
SINGLE = 2 * 2.0**-23
"""The same of float32."""

EVERY_KIND: dict[str, rw.Schedule] = {
    "hold": rw.Hold(0.3),
    "linear": rw.Linear(to=0.1),
    "warm-up": rw.Warmup(10) >> rw.Hold(),
    "warm-up from a level": rw.Warmup(10, start=0.2) >> rw.Linear(to=0),
    **{
        f"warm-up {shape}": rw.Warmup(30, start=start, shape=shape) >> rw.Cosine(to=0.1)
        for shape, start in zip(
            ("cosine", "sqrt", "quadratic", "log"), (None, 0.0, None, 0.1), strict=True
        )
    },
    "cosine": rw.Cosine(to=0.1, over=90),
    "polynomial": rw.Polynomial(to=0.05, power=0.9),
    "one minus root": rw.Hold() >> rw.Sqrt(to=0, over="20%"),
    "exponential": rw.Exponential(to=0.001),
    "exponential climb": rw.Exponential(to=1, start=1e-4),
    "steps": rw.Step(0.1, at=("30%", "60%", "90%")),
    "steps again and again": rw.Step(0.7, every=9),
    "steps up": rw.Step(1.5, every=20),
    "steps to nothing": rw.Step(0.0, every=20),
    "levels": rw.Piecewise({5: 0.5, 20: 1.0, 60: 0.25}),
    "lines": rw.Piecewise({0: 0.1, 20: 1, 130: 0}, shape="linear"),
    "cosines": rw.Piecewise({10: 0.1, 20: 1, 70: 0.2}, shape="cosine"),
    "a long table": rw.Piecewise({4 * i: (i % 7) / 8 for i in range(25)}),
    "decay": rw.ExponentialDecay(0.97),
    "decay in stairs": rw.ExponentialDecay(0.5, every="25%", staircase=True),
    "growth": rw.ExponentialDecay(1.04),
    "growth in stairs": rw.ExponentialDecay(1.5, every=17, staircase=True),
    "natural decay": rw.NaturalDecay(2.0, every=70),
    "inverse time": rw.InverseTime(3.0, every=40, staircase=True),
    "power": rw.Warmup(20, start=0) >> rw.Power(0.51, every=20),
    "saturation": rw.Saturate(15),
    "polynomial cycles": rw.PolynomialCycles(to=0.1, power=2, every=30),
    "tanh": rw.Tanh(to=0.01),
    "rex": rw.Rex(to=0, bend=0.1),
    "wave": rw.Wave(to=0.2, cycles=2.5),
    "wave with an exponent": rw.Wave(to=0, cycles=1.25, exponent=1.5),
    "linear cosine": rw.LinearCosine(cycles=2.5, alpha=0.1, beta=0.01),
    "part": rw.Part(rw.Cosine(to=0.1), begin=1.5, of=99.25),
    "warped": rw.Part(rw.Polynomial(to=0), warp=1.7),
    "cycles": rw.Restarts(20, to=0.1),
    "growing cycles": rw.Restarts(10, grow=2, shrink=0.7, times=3),
    "shrinking cycles": rw.Repeat(rw.Warmup(3) >> rw.Exponential(to=0.1), every=16, shrink=0.8),
    "cycles with an end": rw.Repeat(rw.Linear(to=0.3), every=12, times=4) >> rw.Sqrt(to=0),
    "jagged": rw.Jagged(rw.Warmup(10) >> rw.Cosine(to=0.1), every=25, warmup=4),
    "periods": rw.WSDCycles((30, 60), warmup=10, decay=0.3),
    "cut": (rw.Warmup(10) >> rw.Cosine()).cool(at=60, over=30),
    "product": (rw.Warmup(10) >> rw.Hold()) * rw.ExponentialDecay(0.98) * 0.5,
    "clipped": rw.Cosine().clip(0.2, 0.9),
    "upside down": rw.Cosine().between(1.0, 0.25),
    "triangles": rw.Cyclic(0.1, 7, 13, mode="exp_range", gamma=0.99),
}


@functools.cache
def random_runs(count: int = 40) -> dict[str, rw.Schedule]:
    """The same random compositions each time; of two that follow each other, one."""
    found: list[rw.Schedule] = []

    @settings(
        max_examples=2 * count + 40,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(runs())
    def collect(schedule: rw.Schedule) -> None:
        try:
            resolved = schedule.resolve(**HORIZON)
        except rw.ScheduleError:
            return
        if np.max(resolved.values(PAST)) < 1e6:
            found.append(schedule)

    collect()
    chosen = found[::2][:count]
    assert len(chosen) == count
    return {f"random {i}": schedule for i, schedule in enumerate(chosen)}


def expected(schedule: rw.Schedule, n: int = PAST) -> np.ndarray:
    return schedule.resolve(**HORIZON).values(n)


def differ(got: dict[str, Any], schedules: dict[str, rw.Schedule], most: float) -> dict[str, float]:
    """Cases whose levels are further from the schedule's than `most` at its scale."""
    worst: dict[str, float] = {}
    for name, schedule in schedules.items():
        wanted = expected(schedule)
        error = np.abs(np.array(got[name]) - wanted).max() / max(1.0, wanted.max())
        if not error <= most:
            worst[name] = float(error)
    return worst


FRAMEWORKS = ("torch", "keras", "lightning", "optax", "transformers.trainer")


def run_alone(folder: Path, driver: str, jobs: dict[str, Any], **env: str) -> dict[str, Any]:
    """Run a driver on jobs in a process that knows neither ratewise nor this folder's modules."""
    folder.mkdir(parents=True, exist_ok=True)
    script, given, results = folder / "driver.py", folder / "jobs.json", folder / "results.json"
    script.write_text(PREAMBLE + driver + EPILOGUE, encoding="utf-8")
    given.write_text(json.dumps(jobs), encoding="utf-8")
    quiet = {"OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu", **env}
    imported = [name for name in FRAMEWORKS if f"import {name.partition('.')[0]}" in driver]
    run = warm.run([script, given, results], imported=imported, cwd=folder, **quiet)
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(results.read_text(encoding="utf-8"))


PREAMBLE = """\
import json, sys
jobs = json.load(open(sys.argv[1], encoding="utf-8"))
results = {}

def written(source, name="written"):
    space = {"__name__": name}
    exec(compile(source, name, "exec"), space)
    return space

"""

EPILOGUE = """
assert "ratewise" not in sys.modules
json.dump(results, open(sys.argv[2], "w", encoding="utf-8"))
"""
