"""Lightning: the interval, accumulation and checkpoints change nothing."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import pytest
import torch

from ratewise.torch import Scheduler

lightning = pytest.importorskip("lightning")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:::lightning")]
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

TOTAL = 12


def module(tools: Any, config: dict[str, Any], total: int = TOTAL) -> Any:
    """A module with one layer that hands its scheduler to Lightning under `config`."""

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            loss = self.layer(batch).sum()
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> Any:
            self.made = tools.SGD(self.parameters(), lr=3e-4, momentum=0.9)
            self.scheduler = Scheduler(self.made, tools.plan, total=total)
            return {"optimizer": self.made, "lr_scheduler": {"scheduler": self.scheduler, **config}}

    return Module()


_KNOWS_WEIGHTS_ONLY = "weights_only" in inspect.signature(lightning.Trainer.fit).parameters


def fit(model: Any, batches: int, path: Any = None, epochs: int = 2, **options: Any) -> Any:
    trainer = lightning.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        max_epochs=epochs,
        **options,
    )
    data = torch.utils.data.DataLoader(torch.ones(batches, 2), batch_size=1)
    asked = {"weights_only": True} if path and _KNOWS_WEIGHTS_ONLY else {}
    trainer.fit(model, data, ckpt_path=path, **asked)
    return trainer


@pytest.mark.parametrize("config", [{"interval": "step"}, {"interval": "epoch"}, {"frequency": 3}])
@pytest.mark.parametrize(("batches", "window"), [(6, 1), (22, 4)])
def test_interval_and_accumulation_change_nothing(
    tools: Any, config: dict[str, Any], batches: int, window: int
) -> None:
    """Two epochs make 12 updates, the partial last windows included, with f(0) … f(11)."""
    model = module(tools, config)
    fit(model, batches, accumulate_grad_batches=window)
    assert tools.trace(model.made) == tools.expected(tools.plan, TOTAL)
    assert model.scheduler.committed == TOTAL


@pytest.mark.parametrize("interval", ["step", "epoch"])
def test_a_checkpoint_resumes_the_trace(tools: Any, interval: str, tmp_path: Any) -> None:
    """Stopped after 5 updates, in the middle of an epoch, and resumed: the same 12 rates."""
    first = module(tools, {"interval": interval})
    trainer = fit(first, 6, max_steps=5)
    trainer.save_checkpoint(tmp_path / "run.ckpt")
    second = module(tools, {"interval": interval})
    fit(second, 6, tmp_path / "run.ckpt", epochs=-1, max_steps=TOTAL)
    assert tools.trace(first.made) + tools.trace(second.made) == tools.expected(tools.plan, TOTAL)


def test_the_wrapper_of_lightning_is_looked_through(tools: Any) -> None:
    """A scheduler made on a LightningOptimizer drives the optimizer inside."""
    from lightning.pytorch.core.optimizer import LightningOptimizer

    optimizer = tools.make()
    scheduler = Scheduler(LightningOptimizer(optimizer), tools.plan, total=9)
    assert scheduler.optimizer is optimizer
    tools.run(optimizer, 9)
    assert tools.trace(optimizer) == tools.expected(tools.plan, 9)
