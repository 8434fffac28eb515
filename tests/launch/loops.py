"""A script with the loops that are known, none of which knows of ratewise.

    python loops.py RATES.json [LOOP…]

The rates that each update used are written by hooks of the script's own.
"""

import json
import sys
from typing import Any

import torch

UPDATES = 6
found: dict[str, list[float]] = {}


def watch(name: str, optimizer: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Note the rate at every `optimizer.step`."""
    rates = found.setdefault(name, [])
    optimizer.register_step_post_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    return optimizer


class Model(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, x: Any, labels: Any = None) -> dict[str, Any]:
        out = self.layer(x)
        return {"loss": ((out - labels) ** 2).mean(), "logits": out}


DATA = [{"x": torch.ones(3), "labels": torch.ones(1)} for _ in range(4 * UPDATES)]


def accelerate(name: str = "accelerate", apart: bool = False) -> None:
    from accelerate import Accelerator

    model = Model()
    optimizer: Any = watch(name, torch.optim.SGD(model.parameters(), lr=0.1))
    decay: Any = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: 1 / (1 + t))
    accelerator = Accelerator(cpu=True)
    if apart:
        model, optimizer = accelerator.prepare(model, optimizer)
        decay = accelerator.prepare(decay)
    else:
        model, optimizer, decay = accelerator.prepare(model, optimizer, decay)
    for row in DATA[:UPDATES]:
        accelerator.backward(model(**row)["loss"])
        optimizer.step()
        decay.step()
        optimizer.zero_grad()


def accelerate_apart() -> None:
    """The scheduler is prepared by itself, behind the optimizer."""
    accelerate("accelerate_apart", apart=True)


def lightning() -> None:
    import lightning.pytorch as pl

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = Model()

        def training_step(self, batch: Any, _: int) -> Any:
            return self.model(**batch)["loss"]

        def configure_optimizers(self) -> Any:
            return watch("lightning", torch.optim.SGD(self.parameters(), lr=0.1))

    quiet: Any = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", enable_model_summary=False, **quiet)
    trainer.fit(model=Module(), train_dataloaders=torch.utils.data.DataLoader(DATA, batch_size=4))


def command_line() -> None:
    """Lightning's command line, as a script ends with it: the subcommand fits."""
    import lightning.pytorch as pl
    from lightning.pytorch.cli import LightningCLI

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = Model()

        def training_step(self, batch: Any, _: int) -> Any:
            return self.model(**batch)["loss"]

        def train_dataloader(self) -> Any:
            return torch.utils.data.DataLoader(DATA, batch_size=4)

        def configure_optimizers(self) -> Any:
            return watch("command_line", torch.optim.SGD(self.parameters(), lr=0.1))

    words = ["fit", "--trainer.max_epochs=1", "--trainer.accelerator=cpu", "--trainer.logger=false"]
    words += [f"--trainer.enable_{name}=false" for name in ("checkpointing", "progress_bar")]
    LightningCLI(Module, args=words, save_config_callback=None)


def transformers() -> None:
    from transformers import Trainer, TrainingArguments

    class Watched(Trainer):
        def create_optimizer(self, *args: Any, **kwargs: Any) -> Any:
            return watch("transformers", super().create_optimizer(*args, **kwargs))

    args = TrainingArguments(
        output_dir=sys.argv[1] + ".out", num_train_epochs=1, per_device_train_batch_size=4,
        learning_rate=0.1, report_to=[], save_strategy="no", use_cpu=True, disable_tqdm=True,
    )  # fmt: skip
    Watched(Model(), args, train_dataset=DATA).train()


if __name__ == "__main__":
    for name in sys.argv[2:]:
        globals()[name]()
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(found, file)
