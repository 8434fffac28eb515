"""A checkpoint that holds the optimizer alone resumes exactly, in every trainer, at every update.

The new run makes its trainer, and loads the optimizer's state before the schedule is bound to it,
or behind.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainers.ledger import elsewhere, held
from tests.trainers.tiny import LR, PLAN, TEXT, Recorder, copied, line, loader, rates, used

pytest.importorskip("accelerate")
UPDATES = 5
States = list[dict[str, Any]]
Load = tuple[str, dict[str, Any]] | None
"""In which order, and what; None in the first run."""


class Keeps:
    """Notes the state of an optimizer before every update, which is that behind the last one."""

    def __init__(self, optimizer: Any, load: Load) -> None:
        self.states: States = []
        self.optimizer, self.load = optimizer, load
        self.inside = False  # the hooked step of its base class, if somebody has made one of those
        optimizer.register_step_pre_hook(lambda made, *_: self.note(made))
        optimizer.register_step_post_hook(lambda *_: setattr(self, "inside", False))
        self.at("before")

    def note(self, optimizer: Any) -> None:
        if not self.inside:
            self.states.append(copied(optimizer.state_dict()))
        self.inside = True

    def at(self, place: str) -> None:
        """Load the state, if this is where it is loaded."""
        if self.load is not None and self.load[0] == place:
            self.optimizer.load_state_dict(copied(self.load[1]))


Ran = tuple[list[float], States]


def accelerate(load: Load, folder: Path) -> Ran:
    from accelerate import Accelerator

    from ratewise.torch import Scheduler

    accelerator, model = Accelerator(cpu=True), line()
    made: Any = Recorder(model.parameters(), lr=LR)
    keeps = Keeps(made, load)
    scheduler = Scheduler(made, PLAN, total=UPDATES)
    model, optimizer, scheduler, data = accelerator.prepare(model, made, scheduler, loader(UPDATES))
    keeps.at("behind")
    for x, y in data:
        accelerator.backward((model(x) - y).square().mean())
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    return used(made), keeps.states


def transformers(load: Load, folder: Path) -> Ran:
    from transformers import Trainer

    from tests.guarantees.trainer_driver import Regression, dataset
    from tests.transformers.tiny import arguments

    model = Regression()
    made = Recorder(model.parameters(), lr=LR)
    keeps = Keeps(made, load)
    args = arguments(folder, num_train_epochs=1, per_device_train_batch_size=1)
    rows = dataset(*loader(UPDATES).dataset.tensors)  # pyright: ignore
    return _trained(Trainer(model, args, train_dataset=rows, optimizers=(made, None)), keeps)


def _trained(trainer: Any, keeps: Keeps) -> Ran:
    from transformers import TrainerCallback

    from ratewise.transformers import attach

    class Loads(TrainerCallback):
        def on_train_begin(self, *args: Any, **parts: Any) -> None:
            keeps.at("behind")

    trainer.add_callback(Loads())
    attach(trainer, PLAN).train()
    return used(keeps.optimizer), keeps.states


def trl(load: Load, folder: Path) -> Ran:
    pytest.importorskip("trl")
    from tests.trainers.test_main_trl import sft

    trainer = sft(folder, ready=True, max_steps=UPDATES)
    made = Recorder(trainer.model.parameters(), lr=LR)
    keeps = Keeps(made, load)
    trainer.optimizer = made
    return _trained(trainer, keeps)


def lightning(load: Load, folder: Path) -> Ran:
    from ratewise.lightning import attach

    module, trainer = _module(load), _quiet()
    trainer.fit(attach(module, PLAN), loader(UPDATES))
    return used(module.keeps.optimizer), module.keeps.states


def _quiet(**options: Any) -> Any:
    import lightning.pytorch as pl

    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False}
    quiet |= {"enable_progress_bar": False, "enable_model_summary": False}
    return pl.Trainer(max_epochs=1, accelerator="cpu", **quiet, **options)


def _module(load: Load) -> Any:
    import lightning.pytorch as pl

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.line = line()

        def training_step(self, batch: Any, _: int) -> Any:
            return (self.line(batch[0]) - batch[1]).square().mean()

        def configure_optimizers(self) -> Any:
            made = Recorder(self.parameters(), lr=LR)
            self.keeps = Keeps(made, load)
            return made

        def on_train_start(self) -> None:
            self.keeps.at("behind")

    return Module()


def command_line(load: Load, folder: Path) -> Ran:
    from lightning.pytorch.cli import LightningCLI

    file = folder / "config.yaml"
    file.write_text(
        f"""
trainer:
  max_epochs: 1
  accelerator: cpu
  logger: false
  enable_checkpointing: false
  enable_progress_bar: false
  enable_model_summary: false
  callbacks:
    - class_path: ratewise.lightning.Attach
      init_args: {{schedule: "{TEXT}"}}
"""
    )
    kind = type(_module(load))
    saved: Any = {"save_config_callback": None, "seed_everything_default": False}
    cli = LightningCLI(kind, args=["--config", str(file)], run=False, **saved)
    cli.trainer.fit(cli.model, loader(UPDATES))
    return used(cli.model.keeps.optimizer), cli.model.keeps.states


TRAINERS: dict[str, tuple[str, Callable[[Load, Path], Ran]]] = {
    "Accelerate": ("accelerate", accelerate),
    "Transformers Trainer": ("transformers", transformers),
    "TRL": ("trl", trl),
    "Lightning": ("lightning", lightning),
    "Lightning CLI": ("jsonargparse", command_line),
}


@held("Accelerate", "optimizer alone, loaded first")
@held("Accelerate", "optimizer alone, loaded behind")
@held("Transformers Trainer", "optimizer alone, loaded first")
@held("Transformers Trainer", "optimizer alone, loaded behind")
@held("TRL", "optimizer alone, loaded first")
@held("TRL", "optimizer alone, loaded behind")
@held("Lightning", "optimizer alone, loaded first")
@held("Lightning", "optimizer alone, loaded behind")
@held("Lightning CLI", "optimizer alone, loaded first")
@held("Lightning CLI", "optimizer alone, loaded behind")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("trainer", TRAINERS)
def test_the_optimizer_alone_resumes_at_every_update(trainer: str, tmp_path: Path) -> None:
    """Its state is loaded before the schedule is bound, or behind; the rates go on exactly."""
    package, train = TRAINERS[trainer]
    pytest.importorskip(package)
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    whole, states = train(None, tmp_path)
    assert whole == rates(UPDATES)
    for at in range(1, UPDATES):
        for order in ("before", "behind"):
            rest, _ = train((order, states[at]), tmp_path)
            assert rest[: UPDATES - at] == whole[at:], (at, order)


elsewhere(
    "PyTorch loop",
    "optimizer alone, loaded first",
    "tests/torch/test_carried.py::test_the_optimizer_alone_resumes_exactly",
)
elsewhere(
    "PyTorch loop",
    "optimizer alone, loaded behind",
    "tests/torch/test_carried.py::test_the_optimizer_alone_resumes_exactly",
)
elsewhere(
    "Optax",
    "optimizer alone, loaded first",
    "tests/optax/test_resume.py::test_stopped_at_every_update",
    "the count is in the optimizer's state, and there is no other",
)
elsewhere(
    "Optax",
    "optimizer alone, loaded behind",
    "tests/optax/test_resume.py::test_stopped_at_every_update",
    "the count is in the optimizer's state, and there is no other",
)
