"""What is written for Lightning."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert import write
from tests.convert.targets.samples import run_alone

pytest.importorskip("lightning")

FIT = """
import logging, warnings
warnings.simplefilter("ignore")
import torch
import lightning

logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

class Module(lightning.LightningModule):
    def __init__(self, space):
        super().__init__()
        self.layer, self.space, self.used = torch.nn.Linear(1, 1), space, []

    def training_step(self, batch, index):
        return self.layer(batch).sum()

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
        optimizer.register_step_pre_hook(self.record)
        return self.space["optimizer_and_scheduler"](optimizer)

    def record(self, optimizer, args, kwargs):
        group = optimizer.param_groups[0]
        self.used.append((group["lr"], group["betas"][0]))

for name, job in jobs.items():
    module = Module(written(job["source"]))
    data = torch.utils.data.DataLoader(torch.ones(30, 1), batch_size=1)
    trainer = lightning.Trainer(
        max_epochs=2, accumulate_grad_batches=job["accumulate"], accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )
    trainer.fit(module, data)
    results[name] = module.used
"""


def test_a_fit_uses_the_rates_of_the_plan(tmp_path: Path) -> None:
    """A rate alone, and a plan with momentum and a peak: in a real fit over two epochs, with and
    without accumulation, every update uses its own value, without ratewise.
    """
    rate = rw.Warmup(5) >> rw.Cosine(to=0.1)
    plan = rw.Plan(lr=rate, momentum=rw.Linear(to=0.5), peak={"lr": 3e-4})
    jobs = {
        "rate": {"source": write(rate, "lightning", total=60), "accumulate": 1},
        "accumulated": {"source": write(rate, "lightning", total=20), "accumulate": 3},
        "plan": {"source": write(plan, "lightning", total=20), "accumulate": 3},
    }
    got = {name: np.array(used) for name, used in run_alone(tmp_path, FIT, jobs).items()}
    for name, n in (("rate", 60), ("accumulated", 20)):
        np.testing.assert_allclose(got[name][:, 0], 0.01 * rate.resolve(n).values(), rtol=1e-15)
        assert set(got[name][:, 1]) == {0.9}
    np.testing.assert_allclose(got["plan"][:, 0], plan.rates(20), rtol=1e-15)
    momentum = rw.Linear(to=0.5).resolve(20).values()
    np.testing.assert_allclose(got["plan"][:, 1], 0.9 * momentum, rtol=1e-15)


def test_the_scheduler_is_stepped_behind_each_update() -> None:
    """The dict that Lightning reads says so, and the comment shows where it goes."""
    source = write(rw.Plan(lr=rw.Cosine(), peak={"lr": 3e-4}), "lightning", total=60)
    ast.parse(source)
    assert '"interval": "step"' in source
    assert "#     def configure_optimizers(self):" in source
    assert "lr=0.0003)" in source
