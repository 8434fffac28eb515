"""The task around a Lightning module: the same as `trainer.fit()`, and shared runs too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("lightning")

import torch

import ratewise as rw
from ratewise.lightning import attach
from tests.lightning.tiny import trainer
from tests.tasks.fixtures import every_bit
from tests.tasks.laws import check_sharing
from tests.tasks.modules import LR, QUIET, RATES, Net, shuffled, streamed, task_of


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


SCHEDULE = rw.Warmup(2) >> rw.Cosine(to=0.1)


class Open(Net):
    """Does nothing at the end of an epoch, which a plain fit also ends when it is cut short."""

    def on_train_epoch_end(self) -> None:
        pass


class Two(Open):
    """Two groups, one at a tenth of the other's rate, with momentum."""

    def configure_optimizers(self) -> Any:
        first, *others = self.parameters()
        groups = [{"params": [first], "lr": LR / 10}, {"params": others}]
        return torch.optim.SGD(groups, lr=LR, momentum=0.9)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"accumulate_grad_batches": 2},
        {"accumulate_grad_batches": 3, "gradient_clip_val": 0.05},
        {"precision": "bf16-mixed"},
        {"limit_train_batches": 3, "accumulate_grad_batches": 2},
    ],
    ids=str,
)
@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("kind", [Open, Two])
def test_a_run_is_trainer_fit(options: dict[str, Any], streams: bool, kind: Any) -> None:
    """Weights are those of the plain fit with the schedule attached, to the bit."""

    def data(seed: int) -> Any:
        return streamed(seed, draws=False) if streams else shuffled(seed, QUIET)

    total = 9
    torch.manual_seed(4)
    module = attach(kind(), SCHEDULE, total=total)
    plain = trainer(max_steps=total, **options)
    plain.fit(module, data(4))
    assert plain.global_step == total
    run = task_of(module=kind, data=data, trainer={"accelerator": "cpu", **options}).open(4)
    run.train(LR * SCHEDULE.resolve(total).values(total))
    assert run.module.seen == module.seen
    assert run.module.extra == module.extra
    assert every_bit(run.module) == every_bit(module)


def test_worker_processes_draw_as_in_trainer_fit() -> None:
    """They begin an epoch before `on_train_start`, which draws, too; so does a restored run."""

    def data(seed: int) -> Any:
        return torch.utils.data.DataLoader(QUIET, batch_size=20, shuffle=True, num_workers=1)

    torch.manual_seed(4)
    module = attach(Open(), SCHEDULE, total=8)
    trainer(max_steps=8).fit(module, data(4))
    rates = LR * SCHEDULE.resolve(8).values(8)
    task = task_of(module=Open, data=data, trainer={"accelerator": "cpu"})
    for cut in (0, 3):
        run, other = task.open(4), task.open(4)
        run.train(rates[:cut])
        other.restore(run.save())
        for one in (run, other):
            one.train(rates[cut:])
            assert one.module.extra == module.extra
            assert every_bit(one.module) == every_bit(module)


def test_groups_keep_their_ratio_and_schedulers_are_left_aside() -> None:
    """A group at a tenth of the rate stays there, whatever the module's scheduler says."""
    used: list[list[float]] = []

    class Scheduled(Net):
        def configure_optimizers(self) -> Any:
            first, *others = self.parameters()
            groups = [{"params": [first], "lr": LR / 10}, {"params": others}]
            optimizer = torch.optim.SGD(groups, lr=LR)
            rates = optimizer.param_groups
            optimizer.register_step_post_hook(lambda *_: used.append([g["lr"] for g in rates]))
            steps = self.trainer.estimated_stepping_batches
            scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda t: t / steps)
            return [optimizer], [{"scheduler": scheduler, "interval": "step"}]

    task = task_of(module=Scheduled)
    assert task.peak == LR
    task.open(0).train(RATES)
    assert [pair[1] for pair in used] == RATES.tolist()
    np.testing.assert_allclose([pair[0] for pair in used], RATES / 10, rtol=1e-12)


def test_sharing_changes_no_bit() -> None:
    """Every loss and metric of a comparison is that of the run trained alone in one go."""
    check_sharing(task_of(), 1e-2, seeds=2)
