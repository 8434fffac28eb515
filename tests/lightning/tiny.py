"""Real Lightning runs of tiny modules, whose optimizers write down the rates they use."""

from __future__ import annotations

import inspect
from typing import Any

import lightning
import torch

LR = 3e-4


class Recorder(torch.optim.SGD):
    """Keeps the rates of each update, read inside `step`, beside any hook."""

    def step(self, closure: Any = None) -> Any:
        result = super().step(closure)
        rates = [float(group["lr"]) for group in self.param_groups]
        self.__dict__.setdefault("used", []).append(rates)
        return result


class Module(lightning.LightningModule):
    """One layer; `losses` by number of updates are what it measures in validation."""

    def __init__(self, losses: Any = lambda t: 1.0) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.losses = losses
        self.measured: list[tuple[int, float]] = []

    def training_step(self, batch: Any, index: int) -> Any:
        loss = self.layer(batch).sum()
        self.log("loss", loss)
        self.log("epoch_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, index: int) -> None:
        value = float(self.losses(self.global_step))
        self.log("val_loss", value)
        if not self.trainer.sanity_checking:
            self.measured.append((self.global_step, value))

    def configure_optimizers(self) -> Any:
        self.made = Recorder(self.parameters(), lr=LR)
        return self.made


def used(optimizer: Any, group: int = 0) -> list[float]:
    """The rates that a group's updates used."""
    return [rates[group] for rates in optimizer.__dict__.get("used", [])]


def rates(schedule: Any, total: int, lr: float = LR, **horizon: Any) -> list[float]:
    return [lr * level for level in schedule.resolve(total, **horizon).values(total).tolist()]


def data(batches: int, size: int = 1) -> Any:
    return torch.utils.data.DataLoader(torch.ones(batches * size, 2), batch_size=size)


class Stream(torch.utils.data.IterableDataset[Any]):
    """Rows without a length."""

    def __iter__(self) -> Any:
        return iter(torch.ones(9, 2))


def trainer(**options: Any) -> Any:
    quiet = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    return lightning.Trainer(**{**quiet, **options})


def fit(
    module: Any, batches: Any = 6, path: Any = None, validation: int = 0, **options: Any
) -> Any:
    """Fit a module and return the trainer; `validation` is the number of batches to validate."""
    made = trainer(**options)
    loader = data(batches) if isinstance(batches, int) else batches
    parts: dict[str, Any] = {"val_dataloaders": data(validation)} if validation else {}
    if path and "weights_only" in inspect.signature(made.fit).parameters:
        parts["weights_only"] = True
    made.fit(module, loader, ckpt_path=path, **parts)
    return made
