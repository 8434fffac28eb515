"""A schedule in the file of Lightning's command line, without a line of Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from lightning.pytorch.cli import LightningCLI

import ratewise as rw
from ratewise.lightning import Attach

SPEC = "Warmup('20%') >> Cosine(to=0.1)"
UPDATES = 10


class Watched(pl.LightningModule):
    """A module that returns an optimizer alone, and notes the rate of every update."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
        self.rates: list[float] = []

    def training_step(self, batch: Any, _: int) -> Any:
        return self.layer(batch).square().mean()

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1)
        rates = self.rates = []
        optimizer.register_step_post_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
        return optimizer


def test_a_callback_in_the_file_attaches(tmp_path: Path) -> None:
    """The length is the trainer's; every update runs at the rate of the schedule."""
    file = tmp_path / "config.yaml"
    file.write_text(
        f"""
trainer:
  max_steps: {UPDATES}
  accelerator: cpu
  logger: false
  enable_checkpointing: false
  enable_progress_bar: false
  enable_model_summary: false
  callbacks:
    - class_path: ratewise.lightning.Attach
      init_args:
        schedule: "{SPEC}"
""",
        encoding="utf-8",
    )
    saved: Any = {"save_config_callback": None, "seed_everything_default": False}
    data = torch.utils.data.DataLoader(torch.ones(40, 3), batch_size=4)
    cli = LightningCLI(Watched, args=["--config", str(file)], run=False, **saved)
    cli.trainer.fit(cli.model, data)
    wanted = 0.1 * rw.parse(SPEC).resolve(total=UPDATES).values()
    np.testing.assert_array_equal(cli.model.rates, wanted)


def test_it_attaches_once_and_again_with_each_trainer() -> None:
    """A second fit finds the schedule there; a slip in the text is heard where it is made."""
    module, data = Watched(), torch.utils.data.DataLoader(torch.ones(40, 3), batch_size=4)
    quiet: Any = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False,
                  "enable_model_summary": False, "accelerator": "cpu"}  # fmt: skip
    wanted = 0.1 * rw.parse(SPEC).resolve(total=UPDATES).values()
    for _ in range(2):
        pl.Trainer(max_steps=UPDATES, callbacks=[Attach(SPEC)], **quiet).fit(module, data)
        np.testing.assert_array_equal(module.rates, wanted)
    with pytest.raises(rw.ScheduleError, match="did you mean Cosine"):
        Attach("Cosin(to=0)")
