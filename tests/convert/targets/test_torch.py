"""What is written for PyTorch."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert import write
from tests.convert.targets.samples import (
    DOUBLE,
    EVERY_KIND,
    HORIZON,
    PAST,
    TOTAL,
    differ,
    random_runs,
    run_alone,
)

pytest.importorskip("torch")

RATES_USED = """
import torch

def trace(source, n):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = written(source)["make_scheduler"](optimizer)
    used = []
    for _ in range(n):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return used

for name, job in jobs.items():
    results[name] = trace(job["source"], job["n"])
"""

SEVERAL_KEYS = """
import torch

def optimizer():
    parameters = [torch.nn.Parameter(torch.ones(1)) for _ in range(3)]
    groups = [
        {"params": parameters[:1]},
        {"params": parameters[1:2], "name": "head", "lr": 0.5, "weight_decay": 0.2},
        {"params": parameters[2:], "name": "tail", "betas": (0.8, 0.95)},
    ]
    return torch.optim.AdamW(groups, lr=0.1, weight_decay=0.01, betas=(0.9, 0.99))

def make():
    opt = optimizer()
    return opt, written(jobs["source"])["make_scheduler"](opt)

def run(opt, scheduler, n):
    used = []
    for _ in range(n):
        keys = [(g["lr"], *g["betas"], g["weight_decay"]) for g in opt.param_groups]
        used.append(keys)
        opt.step()
        scheduler.step()
    return used

opt, scheduler = make()
results["first"] = run(opt, scheduler, 40)
import io
file = io.BytesIO()
torch.save({"optimizer": opt.state_dict(), "scheduler": scheduler.state_dict()}, file)
results["rest"] = run(opt, scheduler, 30)
file.seek(0)
saved = torch.load(file, weights_only=True)
opt, scheduler = make()
scheduler.load_state_dict(saved["scheduler"])
opt.load_state_dict(saved["optimizer"])
results["resumed"] = run(opt, scheduler, 30)
"""

PLAN = rw.Plan(
    lr=rw.Warmup(10) >> rw.Cosine(to=0.1),
    momentum=rw.Cosine(to=0.9, over=50) >> rw.Hold(),
    keys={"betas[1]": rw.Linear(to=0.5)},
    groups={"head": rw.Plan(lr=rw.Hold(0.5), weight_decay=rw.Linear(to=0))},
    peak={"lr": 3e-4},
    notes=("Read from a file.\nWith two lines.",),
)


def test_rates_used_are_those_of_the_schedule(tmp_path: Path) -> None:
    """Every kind and 40 random compositions: the rates an optimizer uses, over the run and past
    its end, are the schedule's to two units in the last place of the peak, without ratewise.
    """
    schedules = {**EVERY_KIND, **random_runs()}
    jobs = {
        name: {"source": write(schedule, "torch", **HORIZON), "n": PAST}
        for name, schedule in schedules.items()
    }
    assert differ(run_alone(tmp_path, RATES_USED, jobs), schedules, DOUBLE) == {}


def test_a_schedule_without_end_is_written_without_a_total() -> None:
    """What needs no total is right at any update, however far, and grows to no more than finite."""
    schedules = [
        rw.InverseSqrt(100),
        rw.ExponentialDecay(1.5, every=3),
        rw.Restarts(10, grow=2),
        rw.Restarts(7, to=0.1),
        rw.Step(0.5, every=1000),
    ]
    for schedule in schedules:
        space: dict[str, Any] = {}
        exec(write(schedule, "torch"), space)
        for t in (0, 1, 6, 7, 10, 30, 999, 1000, 10**6 + 3):
            level = space["level"](t)
            assert min(level, 1e300) == pytest.approx(min(schedule(t), 1e300), rel=1e-13, abs=1e-16)
        assert np.isfinite(space["level"](2**40))


def test_only_the_framework_and_the_standard_library_are_imported() -> None:
    """The code imports nothing of ratewise, and not numpy."""
    allowed = {"torch", *sys.stdlib_module_names}
    for plan in (PLAN, *EVERY_KIND.values()):
        tree = ast.parse(write(plan, "torch", **HORIZON))
        found = {
            a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names
        }
        found |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert {name.partition(".")[0] for name in found} <= allowed


def test_every_key_of_every_group_follows_its_schedule(tmp_path: Path) -> None:
    """Momentum (a beta), a beta by index, weight decay, named groups and peaks; and a run resumed
    from a checkpoint of primitives goes on with the same values.
    """
    source = write(PLAN, "torch", total=TOTAL)
    got = run_alone(tmp_path, SEVERAL_KEYS, {"source": source})
    assert got["resumed"] == got["rest"]
    used = np.array(got["first"] + got["rest"])
    settled = PLAN.resolve(TOTAL)
    values = {key: schedule.values(70) for key, schedule in settled.schedules().items()}
    head = settled.groups["head"].schedules()
    wanted = np.zeros_like(used)
    for group, first_beta, second_beta, decay in ((0, 0.9, 0.99, 0.01), (2, 0.8, 0.95, 0.01)):
        columns = (
            3e-4 * values["lr"],
            first_beta * values["momentum"],
            second_beta * values["betas[1]"],
            np.full(70, decay),
        )
        wanted[:, group] = np.stack(columns, axis=1)
    wanted[:, 1] = wanted[:, 0]
    wanted[:, 1, 0] = 3e-4 * head["lr"].values(70)
    wanted[:, 1, 3] = 0.2 * head["weight_decay"].values(70)
    np.testing.assert_allclose(used, wanted, rtol=4e-16 * 4)


def test_a_plan_of_the_rate_alone_sets_its_peak(tmp_path: Path) -> None:
    """A peak that the plan knows replaces the optimizer's own rate."""
    plan = rw.Plan(lr=rw.Linear(to=0), peak={"lr": 3e-4})
    jobs = {"linear": {"source": write(plan, "torch", total=10), "n": 12}}
    got = run_alone(tmp_path, RATES_USED, jobs)["linear"]
    np.testing.assert_allclose(got[:10], plan.rates(10), rtol=4e-16)
    assert got[10:] == [0.0, 0.0]


def test_the_header_says_what_it_is() -> None:
    """The text form, the total and the notes are comments, one line each."""
    source = write(PLAN, "torch", total=TOTAL)
    comments = [line for line in source.splitlines() if line.startswith("#")]
    text = " ".join(line.lstrip("# ") for line in comments)
    assert "Warmup(10) >> Cosine(to=0.1)" in text
    assert "The run has 100 updates." in text
    assert "Note: Read from a file. With two lines." in text


def test_code_is_short_to_read() -> None:
    """A plain schedule is one branch for each move, with its formula in it."""
    source = write(rw.Warmup(500) >> rw.Cosine(to=0.1), "torch", total=10_000)
    assert "    if t < 500:\n        return (t + 1) / 501\n" in source
    assert "u = (1 + math.cos(math.pi * ((t - 500) / 9500))) / 2" in source
    assert source.rstrip().endswith("return LambdaLR(optimizer, level)")
