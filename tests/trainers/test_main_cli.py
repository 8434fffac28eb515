"""Lightning's command line: a file, and not a line of Python."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("jsonargparse")

import lightning.pytorch as pl
from lightning.pytorch.cli import LightningCLI
from torch.utils.data import DataLoader

from ratewise.torch import Scheduler
from tests.trainers.ledger import elsewhere, held
from tests.trainers.tiny import BATCHES, EPOCHS, LR, TEXT, Recorder, killed, line, rates, rows, used

FILE = """
trainer:
  max_epochs: {epochs}
  accelerator: cpu
  default_root_dir: {folder}
  enable_progress_bar: false
  enable_model_summary: false
  num_sanity_val_steps: 0
  log_every_n_steps: 1
  logger:
    class_path: lightning.pytorch.loggers.CSVLogger
    init_args: {{save_dir: {folder}, name: log, flush_logs_every_n_steps: 1}}
  callbacks:
    - class_path: lightning.pytorch.callbacks.LearningRateMonitor
      init_args: {{logging_interval: step}}
    - class_path: lightning.pytorch.callbacks.ModelCheckpoint
      init_args: {{dirpath: {folder}, filename: run, save_on_train_epoch_end: true,
                   enable_version_counter: false}}
    - class_path: ratewise.lightning.Attach
      init_args: {{schedule: '{schedule}'}}
"""
LISTENING = 'Warmup(2) >> Plateau("val_loss", patience=0, factor=0.5)'
pytestmark = pytest.mark.filterwarnings("ignore")


class Line(pl.LightningModule):
    """As anybody's module, with what it learns from."""

    die: Callable[[], None] | None = None

    def __init__(self) -> None:
        super().__init__()
        self.line = line()

    def training_step(self, batch: Any, _: int) -> Any:
        return (self.line(batch[0]) - batch[1]).square().mean()

    def validation_step(self, batch: Any, _: int) -> None:
        self.log("val_loss", 1.0)

    def configure_optimizers(self) -> Any:
        self.made = Recorder(self.parameters(), lr=LR)
        return self.made

    def train_dataloader(self) -> Any:
        return DataLoader(rows(), batch_size=1)

    def val_dataloader(self) -> Any:
        return DataLoader(rows(1), batch_size=1)

    def on_train_batch_end(self, *args: Any) -> None:
        if self.die is not None and len(used(self.made)) == BATCHES + 2:
            Path(self.trainer.default_root_dir, "used.json").write_text(json.dumps(used(self.made)))
            self.die()


def fit(folder: Path, schedule: str = TEXT, *words: str) -> Any:
    """Run `fit --config FILE` to the end; return the rates that were used."""
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    file = folder / "config.yaml"
    text = schedule.replace("'", "''")
    file.write_text(FILE.format(folder=folder, epochs=EPOCHS, schedule=text))
    asked = ["fit", "--config", str(file), *words]
    cli = LightningCLI(Line, args=asked, save_config_callback=None, seed_everything_default=False)  # pyright: ignore[reportArgumentType]
    return used(cli.model.made)


@held("Lightning CLI", "rates exact")
@held("Lightning CLI", "log right")
def test_the_file_is_enough(tmp_path: Path) -> None:
    """The run's length is the trainer's; its monitor writes the rate of each update beside it."""
    assert fit(tmp_path) == rates()
    with open(tmp_path / "log" / "version_0" / "metrics.csv", encoding="utf-8") as file:
        logged = [row for row in csv.DictReader(file) if row["lr-Recorder"]]
    assert [float(row["lr-Recorder"]) for row in logged] == rates()
    assert [int(row["step"]) for row in logged] == list(range(len(rates())))


@held("Lightning CLI", "resume by our state")
@held("Lightning CLI", "killed and resumed")
def test_killed_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--ckpt_path` finds the schedule's state in the checkpoint of the last epoch."""

    def run(die: Callable[[], None]) -> None:
        monkeypatch.setattr(Line, "die", staticmethod(die))
        fit(tmp_path)

    killed(run)
    assert json.loads((tmp_path / "used.json").read_text()) == rates()[: BATCHES + 2]
    assert fit(tmp_path, TEXT, "--ckpt_path", str(tmp_path / "run.ckpt")) == rates()[BATCHES:]


@held("Lightning CLI", "metric heard")
def test_what_is_validated_is_heard(tmp_path: Path) -> None:
    """No epoch is better than the first, so the second one halves the rate of the third."""
    found = fit(tmp_path, LISTENING)
    assert found[2 * BATCHES - 1] == LR
    assert found[2 * BATCHES :] == [LR / 2] * BATCHES


def test_a_scheduler_beside_the_optimizer_in_the_file(tmp_path: Path) -> None:
    """`lr_scheduler: ratewise.torch.Scheduler`, whose total the file has to say."""

    class Bare(Line):
        configure_optimizers = pl.LightningModule.configure_optimizers  # the command line's own

    file = tmp_path / "config.yaml"
    without = FILE[: FILE.index("    - class_path: ratewise")]
    both = f"optimizer: {{class_path: tests.trainers.tiny.Recorder, init_args: {{lr: {LR}}}}}\n"
    both += "lr_scheduler:\n  class_path: ratewise.torch.Scheduler\n"
    both += f'  init_args: {{schedule: "{TEXT}", total: {BATCHES * EPOCHS}}}\n'
    file.write_text(without.format(folder=tmp_path, epochs=EPOCHS) + both)
    saved: Any = {"save_config_callback": None, "seed_everything_default": False}
    cli = LightningCLI(Bare, args=["fit", "--config", str(file)], **saved)
    assert used(cli.trainer.optimizers[0]) == rates()


def test_a_file_of_jsonargparse_alone_makes_the_scheduler(tmp_path: Path) -> None:
    """For a script of one's own, such as Fabric's: `type=Callable[[Optimizer], Scheduler]`."""
    import jsonargparse

    parser = jsonargparse.ArgumentParser()
    parser.add_argument("--scheduler", type=Callable[[torch.optim.Optimizer], Scheduler])
    parser.add_argument("--config", action="config")
    file = tmp_path / "config.yaml"
    file.write_text(
        "scheduler:\n  class_path: ratewise.torch.Scheduler\n"
        f'  init_args: {{schedule: "{TEXT}", total: {BATCHES * EPOCHS}}}\n'
    )
    found = parser.parse_args(["--config", str(file)])
    instantiate = getattr(parser, "instantiate", None) or parser.instantiate_classes
    optimizer = Recorder(line().parameters(), lr=LR)
    instantiate(found).scheduler(optimizer)
    for _ in rates():
        optimizer.step()
    assert used(optimizer) == rates()


elsewhere(
    "Lightning CLI",
    "YAML",
    "tests/lightning/test_cli.py::test_a_callback_in_the_file_attaches",
    "`class_path: ratewise.lightning.Attach` among the callbacks",
)
