"""What is written for Transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert import write
from tests.convert.targets.samples import DOUBLE, EVERY_KIND, HORIZON, TOTAL, run_alone

pytest.importorskip("transformers")

PEAK = 3e-4
CLIMB = rw.Warmup(10, start=0)

NAMED: dict[str, tuple[rw.Schedule, dict[str, Any]]] = {
    "constant": (rw.Hold(), {}),
    "constant_with_warmup": (CLIMB >> rw.Hold(), {}),
    "linear": (CLIMB >> rw.Linear(to=0), {}),
    "linear without a warm-up": (rw.Linear(to=0), {}),
    "cosine": (CLIMB >> rw.Cosine(to=0), {}),
    "cosine waves": (CLIMB >> rw.Wave(to=0, cycles=1.5), {"num_cycles": 1.5}),
    "cosine_with_restarts": (
        CLIMB >> rw.Repeat(rw.Cosine(to=0), every=30, times=3),
        {"num_cycles": 3},
    ),
    "cosine_with_min_lr": (CLIMB >> rw.Cosine(to=0.1), {"min_lr_rate": 0.1}),
    "polynomial": (CLIMB >> rw.Polynomial(to=0, power=2.3), {"lr_end": 0.0, "power": 2.3}),
    "polynomial to a rate": (
        CLIMB >> rw.Polynomial(to=0.01, power=2),
        {"lr_end": 3e-6, "power": 2.0},
    ),
    "inverse_sqrt": (rw.InverseSqrt(10), {}),
    "warmup_stable_decay": (
        CLIMB >> rw.Hold() >> rw.Sqrt(to=0, over=20),
        {
            "num_decay_steps": 20,
            "decay_type": "1-sqrt",
            "warmup_type": "linear",
            "min_lr_ratio": 0.0,
        },
    ),
    "warmup_stable_decay with a floor": (
        rw.Warmup(10, start=0.1, shape="cosine") >> rw.Hold() >> rw.Cosine(to=0.1, over=20),
        {
            "num_decay_steps": 20,
            "decay_type": "cosine",
            "warmup_type": "cosine",
            "min_lr_ratio": 0.1,
        },
    ),
}

SCHEDULERS = """
import torch
from transformers import get_scheduler, TrainingArguments

for name, job in jobs.items():
    arguments = written(job["source"])["arguments"]
    args = TrainingArguments(output_dir="out", report_to=[], use_cpu=True, **arguments)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=args.learning_rate)
    scheduler = get_scheduler(
        args.lr_scheduler_type, optimizer, num_warmup_steps=args.get_warmup_steps(args.max_steps),
        num_training_steps=args.max_steps, scheduler_specific_kwargs=args.lr_scheduler_kwargs,
    )
    used = []
    for _ in range(args.max_steps):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    results[name] = {"kind": str(args.lr_scheduler_type.value), "used": used}
"""

TRAINERS = """
import torch
from transformers import Trainer, TrainingArguments

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, x, labels=None):
        return {"loss": ((self.layer(x) - labels) ** 2).mean()}

class Recording(Trainer):
    used = ()

    def create_scheduler(self, *args, **kwargs):
        out = super().create_scheduler(*args, **kwargs)
        inner = getattr(self.optimizer, "optimizer", self.optimizer)
        self.used = []
        inner.register_step_pre_hook(self.record)
        return out

    def record(self, optimizer, args, kwargs):
        group = optimizer.param_groups[0]
        self.used.append((group["lr"], group["betas"][0]))

data = [{"x": torch.ones(1), "labels": torch.ones(1)} for _ in range(80)]
for name, job in jobs.items():
    space, model = written(job["source"]), Model()
    given = space.get("arguments", {"max_steps": job["n"]})
    args = TrainingArguments(
        output_dir="out", report_to=[], use_cpu=True, per_device_train_batch_size=2,
        gradient_accumulation_steps=2, save_strategy="no", disable_tqdm=True, **given,
    )
    own = {}
    if "make_scheduler" in space:
        optimizer = torch.optim.AdamW(model.parameters(), lr=job["lr"])
        own["optimizers"] = optimizer, space["make_scheduler"](optimizer)
    trainer = Recording(model=model, args=args, train_dataset=data, **own)
    trainer.train()
    results[name] = trainer.used
"""


def plan_of(name: str) -> rw.Plan:
    return rw.Plan(lr=NAMED[name][0], peak={"lr": PEAK})


def test_a_type_of_transformers_is_named_and_gives_the_same_rates(tmp_path: Path) -> None:
    """Keywords are accepted by `TrainingArguments`, and the scheduler that they make gives every
    update of the run the plan's rate.
    """
    jobs = {name: {"source": write(plan_of(name), "transformers", total=TOTAL)} for name in NAMED}
    got = run_alone(tmp_path, SCHEDULERS, jobs)
    for name, (_, more) in NAMED.items():
        assert got[name]["kind"] == name.split(" ")[0]
        space: dict[str, Any] = {}
        exec(jobs[name]["source"], space)
        assert space["arguments"].get("lr_scheduler_kwargs", {}) == more
        wanted = plan_of(name).rates(TOTAL)
        np.testing.assert_allclose(got[name]["used"], wanted, rtol=1e-12, atol=PEAK * DOUBLE)


def test_a_trainer_uses_the_rates_of_the_plan(tmp_path: Path) -> None:
    """In real runs with accumulation: keywords, code for a schedule that no type is, and a plan
    with momentum; each update uses its own value, without ratewise.
    """
    rate = rw.Warmup(5) >> rw.Cosine(to=0.1)
    full = rw.Plan(lr=rate, momentum=rw.Linear(to=0.5), peak={"lr": PEAK})
    sources = {
        "keywords": write(plan_of("cosine_with_min_lr"), "transformers", total=20),
        "code": write(rate, "transformers", total=20),
        "plan": write(full, "transformers", total=20),
    }
    assert "arguments = {" in sources["keywords"]
    assert "optimizers=(optimizer, make_scheduler(optimizer))" in sources["code"]
    jobs = {name: {"source": s, "n": 20, "lr": 0.01} for name, s in sources.items()}
    got = {name: np.array(used) for name, used in run_alone(tmp_path, TRAINERS, jobs).items()}
    wanted = plan_of("cosine_with_min_lr").rates(20)
    np.testing.assert_allclose(got["keywords"][:, 0], wanted, rtol=1e-12, atol=PEAK * DOUBLE)
    np.testing.assert_allclose(got["code"][:, 0], 0.01 * rate.resolve(20).values(), rtol=1e-15)
    np.testing.assert_allclose(got["plan"][:, 0], full.rates(20), rtol=1e-15)
    momentum = 0.9 * rw.Linear(to=0.5).resolve(20).values()
    np.testing.assert_allclose(got["plan"][:, 1], momentum, rtol=1e-15)


def test_no_type_is_claimed_that_is_not_the_schedule() -> None:
    """A warm-up that wastes no update, and the kinds that Transformers does not have, are code."""
    named = {"hold", "linear", "cosine", "one minus root"}
    for name, schedule in EVERY_KIND.items():
        source = write(schedule, "transformers", **HORIZON)
        if name not in named:
            assert "make_scheduler" in source, name


def test_a_rate_at_the_end_needs_a_peak() -> None:
    """Its polynomial ends at an absolute rate, so without a peak the schedule is code."""
    schedule = CLIMB >> rw.Polynomial(to=0.01, power=2)
    assert "make_scheduler" in write(schedule, "transformers", total=TOTAL)


def test_a_constant_rate_needs_no_total() -> None:
    """Without a total only the constant is a type; what has an end of its own has its total."""
    assert '"lr_scheduler_type": "constant"' in write(rw.Hold(), "transformers")
    assert "make_scheduler" in write(rw.InverseSqrt(10), "transformers")
