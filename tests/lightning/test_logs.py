"""What Lightning's own monitor writes beside an update, as beside the framework's own scheduler."""

from __future__ import annotations

import csv
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import CSVLogger

import ratewise as rw
from ratewise.lightning import Observe, attach
from ratewise.torch import Scheduler
from tests.lightning import tiny

PLAN = rw.Warmup(3) >> rw.Cosine(to=0.1)
pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore:Detected call of:UserWarning")
CASES = {
    "updates": (6, {"max_epochs": 2}, 12),
    "accumulation": (8, {"max_epochs": 2, "accumulate_grad_batches": 4}, 4),
    "a short last window": (7, {"max_epochs": 3, "accumulate_grad_batches": 3}, 9),
    "validation in an epoch": (6, {"max_epochs": 2, "val_check_interval": 2}, 12),
}


def native(optimizer: Any, plan: Any, total: int) -> Any:
    """PyTorch's scheduler of the same levels, stepped by Lightning behind every update."""
    levels = [*plan.resolve(total).values(total).tolist(), 0.0]
    own = torch.optim.lr_scheduler.LambdaLR(optimizer, levels.__getitem__)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": own, "interval": "step"}}


class Native(tiny.Module):
    """Has PyTorch's scheduler."""

    def __init__(self, plan: Any, total: int) -> None:
        super().__init__()
        self.plan, self.total = plan, total

    def configure_optimizers(self) -> Any:
        return native(super().configure_optimizers(), self.plan, self.total)


def logged(folder: Any, module: Any, batches: int, callbacks: Any, **options: Any) -> Any:
    """Fit; return {column: its values}, as far as the monitor wrote it."""
    logger = CSVLogger(folder, name="", version="", flush_logs_every_n_steps=1)
    chosen = {"logger": logger, "log_every_n_steps": 1, "callbacks": callbacks, **options}
    tiny.fit(module, batches, validation=1, **chosen)
    with open(f"{logger.log_dir}/metrics.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in rows[0] if name.startswith("lr-")]
    return {
        name: [(int(row["step"]), float(row[name])) for row in rows if row[name]]
        for name in columns
    }


def test_four_linear_updates(tmp_path: Any) -> None:
    """Beside update k stands the rate of update k; the last one is there."""
    module = attach(tiny.Module(), rw.Linear(to=0))
    found = logged(tmp_path, module, 4, [LearningRateMonitor("step")], max_epochs=1)
    wanted = [tiny.LR * level for level in (1, 0.75, 0.5, 0.25)]
    assert [rate for _, rate in found["lr-Recorder"]] == wanted == tiny.used(module.made)


@pytest.mark.parametrize("interval", ["step", "epoch", None])
@pytest.mark.parametrize(("batches", "options", "total"), CASES.values(), ids=CASES)
def test_the_monitor_writes_what_it_writes_beside_the_native_scheduler(
    batches: int, options: Any, total: int, interval: Any, tmp_path: Any
) -> None:
    """The same lines at the same steps, and every update uses what it used without a monitor."""
    module, theirs = attach(tiny.Module(), PLAN), Native(PLAN, total)
    ours = logged(tmp_path / "a", module, batches, [LearningRateMonitor(interval)], **options)
    their = logged(tmp_path / "b", theirs, batches, [LearningRateMonitor(interval)], **options)
    assert ours == their
    lines = options["max_epochs"] * (1 if interval == "epoch" else batches)
    assert len(ours["lr-Recorder"]) == lines
    assert tiny.used(module.made) == tiny.used(theirs.made) == tiny.rates(PLAN, total)


@pytest.mark.parametrize("where", ["behind the monitor", "before it", "the trainer is unknown"])
def test_the_monitor_may_stand_anywhere(where: str, tmp_path: Any) -> None:
    """`Observe` goes to the front, also of a trainer that `attach` was not told of."""

    class Alone(tiny.Module):
        def configure_optimizers(self) -> Any:
            return attach(super().configure_optimizers(), PLAN, total=6)

    module = Alone() if where == "the trainer is unknown" else attach(tiny.Module(), PLAN)
    callbacks = [LearningRateMonitor("step"), Observe()]
    callbacks = callbacks[::-1] if where == "before it" else callbacks
    found = logged(tmp_path, module, 6, callbacks, max_epochs=1)
    assert [rate for _, rate in found["lr-Recorder"]] == tiny.rates(PLAN, 6)
    assert tiny.used(module.made) == tiny.rates(PLAN, 6)


class Two(tiny.Module):
    """Two optimizers of two groups and one, stepped by hand, the second every other time."""

    def __init__(self, own: bool) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.other = torch.nn.Linear(2, 1)
        self.own = own

    def training_step(self, batch: Any, index: int) -> None:
        for i, (optimizer, layer) in enumerate(
            zip(self.optimizers(), (self.layer, self.other), strict=True)
        ):
            if not i or index % 2:
                optimizer.zero_grad()
                self.manual_backward(layer(batch).sum())
                optimizer.step()
                if self.own:
                    self.lr_schedulers()[i].step()

    def configure_optimizers(self) -> Any:
        groups: Any = [
            {"params": [self.layer.weight], "lr": 1e-3, "name": "head"},
            {"params": [self.layer.bias], "name": "body"},
        ]
        made = tiny.Recorder(groups, lr=tiny.LR), torch.optim.Adam(self.other.parameters(), lr=1e-2)
        self.made = made[0]
        return [native(one, PLAN, 12) for one in made] if self.own else list(made)


def test_all_groups_of_several_optimizers(tmp_path: Any) -> None:
    """Each group of each optimizer has its column, with the rate of its own next update."""
    monitor = [LearningRateMonitor("step")]
    ours = logged(tmp_path / "a", attach(Two(False), PLAN, total=12), 6, monitor, max_epochs=2)
    monitor = [LearningRateMonitor("step")]
    their = logged(tmp_path / "b", Two(True), 6, monitor, max_epochs=2)
    assert ours == their
    assert set(ours) == {"lr-Recorder/head", "lr-Recorder/body", "lr-Adam"}


def test_momentum_and_weight_decay_are_those_of_the_update(tmp_path: Any) -> None:
    """What else a plan schedules stands beside its update too."""

    class Moving(tiny.Module):
        def configure_optimizers(self) -> Any:
            parts = {"lr": tiny.LR, "momentum": 0.9, "weight_decay": 0.1}
            self.made = torch.optim.SGD(self.parameters(), **parts)
            return self.made

    fall = rw.Linear(to=0.5)
    module = attach(Moving(), rw.Plan(lr=PLAN, momentum=fall, weight_decay=fall))
    monitor = LearningRateMonitor("step", log_momentum=True, log_weight_decay=True)
    found = logged(tmp_path, module, 6, [monitor], max_epochs=1)
    levels = fall.resolve(6).values(6).tolist()
    assert [m for _, m in found["lr-SGD-momentum"]] == [0.9 * level for level in levels]
    assert [w for _, w in found["lr-SGD-weight_decay"]] == [0.1 * level for level in levels]


def test_a_plateau_is_logged_as_it_is_used(tmp_path: Any) -> None:
    """What a validation decides stands beside the first update that follows it."""
    plateau = rw.Plateau("val_loss", patience=0, factor=0.5)
    module = attach(tiny.Module(), plateau)
    found = logged(tmp_path, module, 3, [LearningRateMonitor("step")], max_epochs=4)
    used = tiny.used(module.made)
    assert [rate for _, rate in found["lr-Recorder"]] == used
    assert used[-1] < used[0] == tiny.LR


class Look(lightning.Callback):
    """Notes whether the groups hold, behind a batch, what the last update used."""

    def __init__(self) -> None:
        self.held: list[bool] = []

    def on_train_batch_end(self, trainer: Any, module: Any, *rest: Any) -> None:
        scheduler = Scheduler.of(module.made)
        self.held.append([module.made.param_groups[0]["lr"]] == scheduler.get_last_lr())


def test_behind_a_batch_the_groups_hold_what_was_used() -> None:
    """So does what is saved there: in the middle of a window, the rate of the window before."""
    look, module = Look(), attach(tiny.Module(), PLAN)
    tiny.fit(module, 12, max_epochs=1, accumulate_grad_batches=3, callbacks=[look])
    assert look.held == [True] * 12
    assert tiny.used(module.made) == tiny.rates(PLAN, 4)
