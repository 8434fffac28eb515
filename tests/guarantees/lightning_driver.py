"""Lightning."""

from __future__ import annotations

import csv
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from ratewise.lightning import attach
from ratewise.torch import Scheduler
from tests.guarantees.setup import HELD_OUT, LR, Ran, Setup
from tests.guarantees.torch_driver import Recorder, line, tensors


class Module(lightning.LightningModule):
    """A line; validation measures val_loss."""

    def __init__(self) -> None:
        super().__init__()
        self.line = line()
        self.heard: list[tuple[int, float]] = []

    def training_step(self, batch: Any, index: int) -> Any:
        return (self.line(batch[0]) - batch[1]).square().mean()

    def validation_step(self, batch: Any, index: int) -> None:
        loss = (self.line(batch[0]) - batch[1]).square().mean()
        self.log("val_loss", loss)
        if not self.trainer.sanity_checking:
            self.heard.append((self.global_step, float(loss)))

    def configure_optimizers(self) -> Any:
        self.made = Recorder(self.parameters(), lr=LR)
        return self.made


class Native(Module):
    """The same, with PyTorch's own scheduler of the same levels."""

    def __init__(self, levels: list[float]) -> None:
        super().__init__()
        self.levels = levels

    def configure_optimizers(self) -> Any:
        made = super().configure_optimizers()
        levels = [*self.levels, 0.0]
        own = torch.optim.lr_scheduler.LambdaLR(made, lambda t: levels[t])
        return {"optimizer": made, "lr_scheduler": {"scheduler": own, "interval": "step"}}


class Watch(lightning.Callback):
    """Tells of every update, and ends a run early."""

    def __init__(self, setup: Setup) -> None:
        self.setup, self.seen = setup, 0

    def on_train_batch_end(self, trainer: Any, module: Any, *rest: Any) -> None:
        used = module.made.__dict__.get("used", [])
        if len(used) > self.seen:
            self.seen = len(used)
            self.setup.after(trainer.global_step, used[-1])

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        if self.setup.stop is not None and trainer.current_epoch >= self.setup.stop:
            raise StopIteration


class Fitted:
    """attach(module, plan) and trainer.fit(module)."""

    name = "lightning"
    flushes = True

    def train(self, plan: Any, setup: Setup) -> Ran:
        ran = self._fit(module := attach(Module(), plan, resume=setup.policy), setup)
        ran.replay = Scheduler.of(module.made).replay()
        return ran

    def native(self, levels: list[float], setup: Setup) -> Ran:
        """Run the levels with the scheduler of the framework itself."""
        return self._fit(Native(levels), setup)

    def _fit(self, module: Any, setup: Setup) -> Ran:
        logger = CSVLogger(setup.folder, name="log", flush_logs_every_n_steps=1)
        saving = ModelCheckpoint(
            setup.folder, "run", save_on_train_epoch_end=True, enable_version_counter=False
        )
        trainer = lightning.Trainer(
            accelerator="cpu",
            max_epochs=setup.epochs,
            accumulate_grad_batches=setup.accumulation,
            callbacks=[Watch(setup), LearningRateMonitor("step"), saving],
            logger=logger,
            log_every_n_steps=1,
            enable_progress_bar=False,
            enable_model_summary=False,
            limit_val_batches=1.0 if setup.listen else 0,
        )
        val = torch.utils.data.TensorDataset(*map(torch.tensor, HELD_OUT))
        loaders = (
            torch.utils.data.DataLoader(tensors(setup.batches), batch_size=1),
            torch.utils.data.DataLoader(val, batch_size=len(val)),
        )
        path = str(setup.folder / "run.ckpt") if setup.resume else None
        try:
            trainer.fit(module, *loaders, ckpt_path=path)
        except StopIteration:
            logger.finalize("stopped")
        used = module.made.__dict__.get("used", [])
        logger.save()
        with open(f"{logger.log_dir}/metrics.csv", encoding="utf-8") as file:
            rates = [float(r["lr-Recorder"]) for r in csv.DictReader(file) if r["lr-Recorder"]]
        return Ran(used, rates, module.heard)
