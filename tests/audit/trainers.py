"""Short runs of real trainers, right and with mistakes made where their users make them."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.audit.mistakes import Case

LR = 3e-4


def shape(total: int, warmup: int, floor: float = 0.0) -> Callable[[int], float]:
    """A cosine behind a linear warm-up, as everybody writes it."""

    def level(t: int) -> float:
        if t < warmup:
            return t / warmup
        progress = min((t - warmup) / max(total - warmup, 1), 1.0)
        return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))

    return level


def plan(warmup: int, floor: float = 0.0) -> str:
    return f"Warmup({warmup}, start=0) >> Cosine(to={floor!r})"


# Trainer of Transformers ----------------------------------------------------------------------


class Line(torch.nn.Module):
    """The smallest model that a Trainer takes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def forward(self, x: Any = None, labels: Any = None) -> dict[str, Any]:
        return {"loss": (self.layer(x) - labels).square().mean()}


def trainer(name: str, rng: random.Random, folder: Path) -> Case:
    """A Trainer with a scheduler of the user's own, as `optimizers=` takes it."""
    import transformers

    total, warmup = rng.randint(90, 140), rng.randint(10, 20)
    wrong = {"total": total, "warmup": warmup}
    kinds, given = (name,) if name else (), {"total": total, "lr": LR}
    lr = LR
    if name == "wrong_total":
        wrong["total"] = round(total * rng.uniform(1.4, 2.8))
    elif name == "wrong_peak":
        lr = 5e-5  # the default, where learning_rate was forgotten
    elif name == "wrong_warmup":
        wrong["warmup"] = warmup * 3
    elif name == "world_size":
        lr = LR * 4
    level = shape(**wrong)
    if name == "off_by_one":
        level, given = (lambda t, level=level: level(t + 2)), given
    if name == "wrong_shape":
        level = lambda t: t / warmup if t < warmup else max(0.0, (total - t) / (total - warmup))  # noqa: E731
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, level)
    callbacks: list[Any] = []
    if name == "steps_per_update":

        class Again(transformers.TrainerCallback):
            """Steps the schedule once more, as if nobody did."""

            def on_step_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
                parts["lr_scheduler"].step()

        callbacks.append(Again())
    rows = [{"x": torch.ones(2), "labels": torch.zeros(1)} for _ in range(8)]
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), max_steps=total, logging_steps=rng.choice((1, 2, 3)), report_to=[],
        save_strategy="no", use_cpu=True, disable_tqdm=True, per_device_train_batch_size=4,
    )  # fmt: skip
    made = transformers.Trainer(model, arguments, train_dataset=rows, callbacks=callbacks,
                                optimizers=(optimizer, scheduler))  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        made.train()
    made.save_state()
    return Case(name, "transformers", folder / "trainer_state.json", plan(warmup), given, kinds)


# Lightning ------------------------------------------------------------------------------------


def lightning(name: str, rng: random.Random, folder: Path) -> Case:
    """A module whose scheduler Lightning steps, and its CSVLogger."""
    import lightning as pl
    from lightning.pytorch.callbacks import LearningRateMonitor
    from lightning.pytorch.loggers import CSVLogger

    batches, epochs = 2 * rng.randint(10, 15), 4
    total = batches * epochs
    warmup = rng.randint(8, 14)
    wrong = round(total * 1.7) if name == "wrong_total" else total
    kinds = (name,) if name else ()

    class Module(pl.LightningModule):
        """One layer."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(2, 1)

        def training_step(self, batch: Any, index: int) -> Any:
            return self.layer(batch).square().mean()

        def configure_optimizers(self) -> Any:
            lr = LR * (2 if name == "world_size" else 1)
            optimizer = torch.optim.SGD(self.parameters(), lr=lr)
            level = shape(wrong, warmup)
            if name == "off_by_one":
                level = lambda t: shape(wrong, warmup)(t + 1)  # noqa: E731
            scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, level)
            told: dict[str, Any] = {"scheduler": scheduler, "interval": "step"}
            if name == "per_epoch":
                del told["interval"]
            if name == "updates_per_step":
                told["frequency"] = 2
            return {"optimizer": optimizer, "lr_scheduler": told}

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logger = CSVLogger(str(folder), name="", version="")
    rows: Any = torch.ones(batches, 2)
    data = torch.utils.data.DataLoader(rows, batch_size=1)
    made = pl.Trainer(
        accelerator="cpu", logger=logger, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, max_epochs=epochs, log_every_n_steps=1,
        callbacks=[LearningRateMonitor("step")],
    )  # fmt: skip
    made.fit(Module(), data)
    given: dict[str, Any] = {"total": total, "lr": LR}
    if name == "per_epoch":
        given["epoch"] = float(batches)
    return Case(name, "lightning", folder / "metrics.csv", plan(warmup), given, kinds)


# Keras ----------------------------------------------------------------------------------------


def keras(name: str, rng: random.Random, folder: Path) -> Case:
    """A model of Keras with its CSVLogger, which writes a row for each epoch."""
    import keras as library

    batches, epochs = rng.randint(4, 7), rng.randint(18, 26)
    total, warmup = batches * epochs, rng.randint(10, 20)
    lr = LR * (3 if name == "wrong_peak" else 1)
    length = round(total * 0.6) if name == "wrong_total" else total
    level = shape(length, warmup)
    layer = library.layers.Dense(1)
    model = library.Sequential([library.Input((2,)), layer])
    model.compile(library.optimizers.SGD(lr), "mse")
    folder.mkdir(parents=True, exist_ok=True)

    class ByUpdate(library.callbacks.Callback):
        """Sets the rate of each update, and writes it into the logs of the epoch."""

        updates = 0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            self.model.optimizer.learning_rate = lr * level(self.updates)  # pyright: ignore
            self.updates += 1 if name != "frozen" else 0

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if logs is not None:
                logs["learning_rate"] = float(self.model.optimizer.learning_rate)  # pyright: ignore

    by_update: Any = ByUpdate()
    if name == "per_epoch":  # it is handed the epoch
        by_update = library.callbacks.LearningRateScheduler(lambda epoch: lr * level(epoch))
    log = folder / "log.csv"
    x = np.ones((batches, 2), np.float32)
    quiet: Any = 0
    model.fit(x, x[:, :1], batch_size=1, epochs=epochs, verbose=quiet,
              callbacks=[by_update, library.callbacks.CSVLogger(str(log))])  # fmt: skip
    given: dict[str, Any] = {"total": total, "lr": LR, "epoch": float(batches)}
    return Case(name, "keras", log, plan(warmup), given, (name,) if name else ())


# Accelerate -----------------------------------------------------------------------------------


def accelerate(name: str, rng: random.Random, folder: Path, processes: int = 1) -> Case:
    """A loop with a prepared scheduler, in which batches are accumulated."""
    from accelerate import Accelerator

    accumulate = 2
    total, warmup = rng.randint(80, 140), rng.randint(8, 16)
    seen = processes if not name else 1
    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=accumulate)
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    wrong = total * accumulate if name == "wrong_total" else total
    level = shape(wrong * seen, warmup * seen)
    scheduler: Any = torch.optim.lr_scheduler.LambdaLR(optimizer, level)
    batches = total * accumulate * processes
    rows: Any = [{"x": torch.ones(2), "labels": torch.zeros(1)} for _ in range(batches)]
    data = torch.utils.data.DataLoader(rows, batch_size=1)
    if name == "each_batch":
        model, optimizer, data = accelerator.prepare(model, optimizer, data)
    else:
        model, optimizer, data, scheduler = accelerator.prepare(model, optimizer, data, scheduler)
    lines, made = ["step,lr"], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for batch in data:
            with accelerator.accumulate(model):
                accelerator.backward(model(**batch)["loss"])
                optimizer.step()
                if accelerator.sync_gradients:
                    made += 1
                    lines.append(f"{made},{optimizer.param_groups[0]['lr']!r}")
                scheduler.step()
                optimizer.zero_grad()
    if accelerator.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log.csv").write_text("\n".join(lines) + "\n")
    kinds = {"": (), "wrong_total": ("wrong_total",)}.get(name, ("steps_per_update",))
    given = {"total": total, "lr": LR, "framework": "accelerate"}
    return Case(name, "accelerate", folder / "log.csv", plan(warmup), given, kinds)


TRAINERS: dict[str, tuple[Callable[..., Case], tuple[str, ...]]] = {
    "transformers": (
        trainer,
        ("", "wrong_total", "wrong_peak", "wrong_warmup", "world_size", "off_by_one",
         "wrong_shape", "steps_per_update"),
    ),
    "lightning": (
        lightning,
        ("", "per_epoch", "wrong_total", "world_size", "off_by_one", "updates_per_step"),
    ),
    "keras": (keras, ("", "per_epoch", "wrong_total", "wrong_peak", "frozen")),
    "accelerate": (accelerate, ("", "each_batch", "wrong_total")),
}  # fmt: skip
"""What trains, and the mistakes that can be made there."""


def run(framework: str, name: str, seed: int, folder: Path) -> Case:
    """Train with a framework, and with a mistake or none."""
    rng = random.Random(f"{framework} {name} {seed}")
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return TRAINERS[framework][0](name, rng, folder)
