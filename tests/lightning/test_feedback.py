"""What Lightning measures, heard by schedules that listen; checkpoints in between."""

from __future__ import annotations

import random
import signal
from pathlib import Path
from typing import Any

import lightning
import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

import ratewise as rw
from ratewise.lightning import attach
from ratewise.torch import Scheduler
from tests import warm
from tests.lightning import ranks, tiny
from tests.lightning.killed import EVERY, LOSSES, PLAN, TOTAL, losses

pytestmark = pytest.mark.filterwarnings("ignore:::lightning")


def simulated(plan: Any, total: int, name: str, measured: Any) -> list[float]:
    done = plan.resolve(total).simulate([(t, {name: value}) for t, value in measured])
    return [tiny.LR * level for level in done.values(total).tolist()]


def truth() -> list[float]:
    return simulated(PLAN, TOTAL, "val_loss", [(t, losses(t)) for t in range(2, TOTAL, 2)])


def test_a_plateau_behind_a_warmup() -> None:
    """Validations steer the rate once the warm-up is over; the sanity check does not."""
    module = attach(tiny.Module(losses), PLAN)
    tiny.fit(module, 6, **EVERY)
    assert module.measured[0] == (2, LOSSES[1])
    assert tiny.used(module.made) == truth()
    assert len(set(tiny.used(module.made)[4:22])) >= 3


class Save(lightning.Callback):
    """Saves when an update has been made, and stops the run there."""

    def __init__(self, update: int, path: Any) -> None:
        self.update, self.path = update, path

    def on_train_batch_end(self, trainer: Any, *rest: Any) -> None:
        if trainer.global_step == self.update:
            trainer.save_checkpoint(self.path)
            raise KeyError("stopped")


@pytest.mark.parametrize("stop", [1, 5, 7, 9, 15, 17])
def test_a_checkpoint_in_the_middle_of_a_patience(stop: int, tmp_path: Any) -> None:
    """Stopped between two validations, also inside an epoch, and resumed: the same rates."""
    path = tmp_path / "run.ckpt"
    first = attach(tiny.Module(losses), PLAN)
    with pytest.raises(KeyError, match="stopped"):
        tiny.fit(first, 6, **EVERY, callbacks=[Save(stop, path)])
    second = attach(tiny.Module(losses), PLAN)
    tiny.fit(second, 6, path, **EVERY)
    assert tiny.used(first.made) + tiny.used(second.made) == truth()


def test_saved_with_a_validation_the_state_has_heard_it(tmp_path: Any) -> None:
    """ModelCheckpoint saves what it saves at a validation after the schedule has heard that."""
    saving = ModelCheckpoint(tmp_path, filename="{step}", save_top_k=-1)
    whole = attach(tiny.Module(losses), PLAN)
    tiny.fit(whole, 6, **EVERY, enable_checkpointing=True, callbacks=[saving])
    assert tiny.used(whole.made) == truth()
    for step in (4, 8, 12, 22):
        second = attach(tiny.Module(losses), PLAN)
        tiny.fit(second, 6, tmp_path / f"step={step}.ckpt", **EVERY)
        assert tiny.used(second.made) == truth()[step:], step


@pytest.mark.slow
def test_killed_at_a_random_update_the_run_is_the_same(tmp_path: Path) -> None:
    """SIGKILL, then resumed from the last checkpoint: the rates of a run that lived."""
    update = random.randrange(5, TOTAL)
    words = ["-m", "tests.lightning.killed", tmp_path, update]
    died = warm.run(words, imported=warm.LIGHTNING)
    assert died.returncode == -signal.SIGKILL, died.stderr
    expected = truth()
    assert [float(x) for x in (tmp_path / "used").read_text().split()] == expected[:update]
    last = max(tmp_path.glob("*.ckpt"), key=lambda path: int(path.stem.split("=")[1]))
    second = attach(tiny.Module(losses), PLAN)
    tiny.fit(second, 6, last, **EVERY)
    start = int(last.stem.split("=")[1])
    assert (tiny.used(second.made), start > update - 3) == (expected[start:], True), update


@pytest.mark.slow
def test_several_processes_hear_the_first(tmp_path: Path) -> None:
    """Where each process measures something else, all follow what the first one measured."""
    words = ["-m", "tests.lightning.ranks", tmp_path]
    done = warm.run(words, imported=warm.LIGHTNING)
    assert done.returncode == 0, done.stderr
    used = [[float(x) for x in (tmp_path / str(r)).read_text().split()] for r in range(2)]
    heard = [(t, {"val_loss": 1.0}) for t in range(3, 12, 3)]
    levels = ranks.PLAN.resolve(12, epoch=3).simulate(heard).values(12)
    assert used[0] == used[1] == [tiny.LR * level for level in levels.tolist()]
    assert used[0][-1] < tiny.LR


def test_losses_of_training_are_heard_with_each_update() -> None:
    """What training_step logs is heard once an update, also under accumulation."""
    plan = rw.Plateau("loss", patience=1, threshold=1e9, threshold_mode="abs", factor=0.5)
    module = attach(tiny.Module(), plan)
    tiny.fit(module, 12, max_epochs=1, accumulate_grad_batches=2)
    heard = [(t, 1.0) for t in range(1, 6)]
    assert tiny.used(module.made) == simulated(plan, 6, "loss", heard)


def test_losses_of_an_epoch_are_heard_at_its_end() -> None:
    """What is logged on_epoch counts once an epoch, not with each update that follows."""
    plan = rw.Plateau("epoch_loss", patience=0, threshold=1e9, threshold_mode="abs", factor=0.5)
    module = attach(tiny.Module(), plan)
    tiny.fit(module, 3, max_epochs=4, validation=2)
    heard = [(t, 1.0) for t in range(3, 12, 3)]
    assert tiny.used(module.made) == simulated(plan, 12, "epoch_loss", heard)


def test_a_metric_that_does_not_change_is_measured_all_the_same() -> None:
    """Ten equal values are ten observations."""
    plan = rw.Plateau("val_loss", patience=0, factor=0.5)
    module = attach(tiny.Module(), plan)
    tiny.fit(module, 2, max_epochs=5, validation=1)
    assert tiny.used(module.made)[::2] == [tiny.LR * f for f in (1, 1, 0.5, 0.25, 0.125)]


@pytest.mark.parametrize("name", ["val_los", "accuracy"])
def test_a_metric_that_nothing_measures_is_refused(name: str) -> None:
    """A misspelt name at the first validation, any other when an epoch is over."""
    module = attach(tiny.Module(), rw.Plateau(name))
    with pytest.raises(rw.ScheduleError, match=f"waits for {name}, but measured were .*val_loss"):
        tiny.fit(module, 4, max_epochs=3, validation=1)
    assert len(tiny.used(module.made)) == 4


@pytest.mark.parametrize(
    ("measured", "advice"),
    [("good", "was shown mine='good'"), ([1.0], "a number"), (None, "measured were .*val_loss")],
)
def test_a_metric_of_a_callback_that_is_no_number_is_refused(measured: Any, advice: str) -> None:
    """What a callback puts beside the trainer's own metrics is a number, or is refused."""

    class Puts(tiny.lightning.Callback):
        def on_validation_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            trainer.callback_metrics["mine"] = measured

    module = attach(tiny.Module(), rw.Plateau("mine"))
    with pytest.raises(rw.ScheduleError, match=advice):
        tiny.fit(module, 2, max_epochs=3, validation=1, callbacks=[Puts()])
    assert len(tiny.used(module.made)) == 2


def test_a_run_that_finds_its_own_length_ends() -> None:
    """EarlyCool stops the trainer behind its cooldown."""
    plan = rw.EarlyCool("val_loss", patience=0, decay=3)
    module = attach(tiny.Module(), plan)
    trainer = tiny.fit(module, 100, max_epochs=1, val_check_interval=2, validation=1)
    assert trainer.global_step == 7
    expected = simulated(plan, 100, "val_loss", [(2, 1.0), (4, 1.0)])[:7]
    assert tiny.used(module.made) == expected


def test_a_checkpoint_of_another_length_needs_a_policy(tmp_path: Any) -> None:
    """A longer run is refused with both totals, and goes on under a named policy."""
    plan = rw.Warmup("25%") >> rw.Cosine(to=0.1)
    first = attach(tiny.Module(), plan)
    trainer = tiny.fit(first, 6, max_epochs=1)
    trainer.save_checkpoint(tmp_path / "run.ckpt")
    with pytest.raises(rw.ScheduleError, match="its total is 6, the code's 12"):
        tiny.fit(attach(tiny.Module(), plan), 6, tmp_path / "run.ckpt", max_epochs=2)
    longer = attach(tiny.Module(), plan, resume="code")
    tiny.fit(longer, 6, tmp_path / "run.ckpt", max_epochs=2)
    assert tiny.used(longer.made) == tiny.rates(plan, 12)[6:]
    assert Scheduler.of(longer.made).committed == 12
