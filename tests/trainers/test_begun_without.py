"""A run that began without ratewise, with a scheduler of its framework's or none, is gone on with.

What that scheduler has saved says nothing of ours: it is refused, or with `resume="code"` passed
over. At which update the run is, the trainer says, or who writes the loop.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, StepLR

import ratewise as rw
from ratewise.torch import Scheduler
from tests.trainers.tiny import LR, PLAN, Recorder, copied, line, loader, rates, used

pytestmark = pytest.mark.filterwarnings("ignore")
TOTAL, AT = 8, 3
FIX = "give resume='code', for the code's schedule"


def trainer(folder: Path, plan: Any = None, resume: str | None = None, **more: Any) -> Any:
    """A Trainer with two groups; without a plan, at its own rates."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    from ratewise.transformers import attach
    from tests.transformers import tiny

    options = {"max_steps": TOTAL, "save_strategy": "steps", "save_steps": AT, **more}
    made = transformers.Trainer(
        tiny.model(), tiny.arguments(folder, **options), train_dataset=tiny.rows(64)
    )
    return made if plan is None else attach(made, plan, resume=resume)


@pytest.mark.parametrize("own", ["linear", "constant"])
def test_a_checkpoint_of_the_trainer(own: str, tmp_path: Path) -> None:
    """Whatever rate it had come to, the peak and the update are the run's."""
    from tests.transformers.tiny import LR as PEAK

    trainer(tmp_path, lr_scheduler_type=own).train()
    path = str(tmp_path / f"checkpoint-{AT}")
    with pytest.raises(rw.ScheduleError, match=FIX):
        trainer(tmp_path, PLAN).train(resume_from_checkpoint=path)
    again, heard = trainer(tmp_path, PLAN, "code"), list[float]()
    again.create_optimizer()
    again.optimizer.register_step_post_hook(lambda one, *_: heard.append(one.param_groups[0]["lr"]))
    again.train(resume_from_checkpoint=path)
    assert heard == rates(TOTAL, PEAK)[AT:]


def module(kind: Any, own: bool) -> Any:
    """A module whose optimizer is of a kind, with a scheduler of PyTorch or without."""
    pl = pytest.importorskip("lightning.pytorch")

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.line = line()

        def training_step(self, batch: Any, _: int) -> Any:
            return (self.line(batch[0]) - batch[1]).square().mean()

        def configure_optimizers(self) -> Any:
            self.made = kind(self.parameters(), lr=LR)
            self.heard = list[float]()
            self.made.register_step_post_hook(
                lambda one, *_: self.heard.append(one.param_groups[0]["lr"])
            )
            config = {"scheduler": StepLR(self.made, 1), "interval": "step"}
            return {"optimizer": self.made, **({"lr_scheduler": config} if own else {})}

    return Module()


@pytest.mark.parametrize("own", [True, False], ids=["a scheduler", "none"])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_a_checkpoint_of_lightning(kind: Any, own: bool, tmp_path: Path) -> None:
    """The trainer counts the updates, and the optimizer may have no state that tells of any."""
    pl = pytest.importorskip("lightning.pytorch")
    from ratewise.lightning import attach

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    quiet: dict[str, Any] = {"logger": False, "enable_progress_bar": False, "accelerator": "cpu"}
    quiet |= {"enable_model_summary": False, "default_root_dir": tmp_path}
    first = pl.Trainer(max_epochs=1, **quiet)
    first.fit(module(kind, own), loader(AT))
    first.save_checkpoint(path := tmp_path / "run.ckpt")
    for resume in (None, "code"):
        again = pl.Trainer(max_epochs=2, enable_checkpointing=False, **quiet)
        made = attach(module(kind, False), PLAN, resume=resume)
        if own and resume is None:
            with pytest.raises(rw.ScheduleError, match=FIX):
                again.fit(made, loader(AT), ckpt_path=path)
            continue
        again.fit(made, loader(AT), ckpt_path=path)
        assert made.heard == rates(2 * AT)[AT:]


def test_a_loop_says_at_which_update_it_is() -> None:
    """An optimizer with moments and no count is asked about, whatever a scheduler had saved."""
    first = Recorder(line().parameters(), lr=LR)
    own = CosineAnnealingLR(first, TOTAL)
    step(first, AT, own)
    state = copied(first.state_dict())
    again = Recorder(line().parameters(), lr=LR)
    scheduler = Scheduler(again, PLAN, total=TOTAL, resume="code")
    again.load_state_dict(state)
    scheduler.load_state_dict(own.state_dict())
    with pytest.raises(rw.ScheduleError, match="does not say how many updates"):
        step(again, 1)
    scheduler.seek(AT)
    step(again, TOTAL - AT)
    assert used(again) == rates(TOTAL)[AT:]
    strict = Scheduler(Recorder(line().parameters(), lr=LR), PLAN, total=TOTAL)
    with pytest.raises(rw.ScheduleError, match=FIX):
        strict.load_state_dict(own.state_dict())


def step(optimizer: Any, updates: int, scheduler: Any = None) -> None:
    for _ in range(updates):
        for parameter in optimizer.param_groups[0]["params"]:
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
