"""The task around a Lightning module: exact, isolated, and it says what it cannot do."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lightning")

import lightning
import torch
from torch import nn

import ratewise as rw
from ratewise.choose import Run, Task, compare
from ratewise.lightning import attach
from tests.lightning.tiny import trainer
from tests.tasks.fixtures import every_bit
from tests.tasks.laws import check_pickled_state, check_pieces, check_saved_state
from tests.tasks.modules import LR, RATES, Net, shuffled, streamed, task_of

DATA = pytest.mark.parametrize("data", [shuffled, streamed])


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_the_ready_task_follows_the_protocols() -> None:
    """`LightningTask` is a `Task`, what it opens a `Run`, and the peak is the optimizer's rate."""
    assert isinstance(task_of(), Task)
    assert isinstance(task_of().open(0), Run)
    assert task_of().peak == LR


@DATA
@pytest.mark.parametrize("cuts", [(1,), (3,), (2, 5), (1, 2, 3, 4, 5, 6)])
def test_training_in_pieces_is_training_in_one(data: Any, cuts: tuple[int, ...]) -> None:
    """Also across the ends of epochs; the module sees the same fit, hook by hook."""
    whole, pieces = task_of(data=data).open(1), task_of(data=data).open(1)
    check_pieces(whole, pieces, RATES, cuts, lambda run: (every_bit(run.module), run.module.seen))


@DATA
@pytest.mark.parametrize("before", [0, 1, 3, 6])
def test_a_state_survives_pickling_into_another_run(data: Any, before: int) -> None:
    """A run opened elsewhere goes on from a pickled state, any number of times."""
    here, there = task_of(data=data).open(3), task_of(data=data).open(3)
    check_pickled_state(
        here, there, np.full(before, 1e-2), RATES, lambda run: every_bit(run.module)
    )


def test_training_on_does_not_alter_a_saved_state() -> None:
    """A state is a copy: the same bytes before and after more training."""
    check_saved_state(task_of().open(0), RATES)


def test_measuring_disturbs_nothing() -> None:
    """A metric that draws, validates with a trainer and breaks weights leaves no trace."""

    def rude(module: Any) -> float:
        module.train()
        module.net(torch.randn(8, 6))
        module.validation_step = lambda x, batch_idx: module.log("v", module.net(x[0]).mean())
        (found,) = trainer().validate(module, shuffled(0), verbose=False)
        torch.manual_seed(0)
        random.seed(0)
        with torch.no_grad():
            next(module.parameters()).fill_(9)
        return found["v"]

    quiet, disturbed = task_of().open(0), task_of(metric=rude).open(0)
    for run in (quiet, disturbed):
        run.train(RATES)
    assert np.isfinite(disturbed.measure()["metric"])
    assert quiet.train(RATES).tobytes() == disturbed.train(RATES).tobytes()
    assert every_bit(quiet.module) == every_bit(disturbed.module)


def test_candidates_may_bring_optimizers() -> None:
    """The module trains with the optimizer that a candidate brings."""
    task = task_of().with_optimizer(lambda net: torch.optim.SGD(net.parameters(), lr=0.25))
    assert task.peak == 0.25
    run = task.open(0)
    run.train(RATES)
    assert isinstance(run.optimizer, torch.optim.SGD)


def test_the_process_keeps_its_random_numbers() -> None:
    """Drawing after a comparison gives what drawing without it would have given."""

    def draws() -> Any:
        return float(torch.rand(())), random.random(), float(np.random.rand())

    lightning.seed_everything(1, verbose=False)
    expected = draws()
    lightning.seed_everything(1, verbose=False)
    compare(task_of(), {"a": "Hold()"}, total=3)
    assert draws() == expected


def test_ctrl_c_comes_through() -> None:
    """An interrupt in the module's code is not made into an exit."""

    class Stops(Net):
        def training_step(self, batch: Any, index: int) -> Any:
            raise KeyboardInterrupt

    run = task_of(module=Stops).open(0)
    with pytest.raises(KeyboardInterrupt):
        run.train(RATES)


def test_a_module_that_ends_the_fit_is_told_so() -> None:
    """A fit that stops by itself is no run of the length that was asked for."""

    class Ends(Net):
        def on_train_batch_end(self, *_: Any) -> None:
            self.trainer.should_stop = self.global_step >= 3

    run = task_of(module=Ends).open(0)
    with pytest.raises(rw.ScheduleError, match="ended the fit 3 updates on, of 7"):
        run.train(RATES)


class ByHand(Net):
    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False


class Without(Net):
    def configure_optimizers(self) -> Any:
        return None


class Attached(Net):
    def configure_optimizers(self) -> Any:
        return attach(torch.optim.SGD(self.parameters(), lr=LR), "Linear(to=0)", module=self)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"module": 3}, "is no function, got 3"),
        ({"module": lambda: nn.Linear(2, 2)}, "needs a Lightning module"),
        ({"module": ByHand}, "optimizes by hand"),
        ({"module": Without}, "has no optimizer"),
        ({"module": Attached}, "follows a schedule already"),
        ({"data": lambda seed: iter([1])}, "cannot be read again"),
        ({"data": lambda seed: []}, "gave no batch"),
        ({"trainer": 3}, "is no dict, got 3"),
        ({"trainer": {"max_epochs": 3}}, "is for the comparison to say"),
        ({"higher_is_better": "bits"}, "needs a tuple of names"),
        ({"optimizer": lambda net: torch.optim.SGD(net.parameters(), lr=0.0)}, "above 0"),
    ],
)
def test_a_task_that_cannot_work_is_refused(change: dict[str, Any], words: str) -> None:
    """What is wrong comes as a `ScheduleError` that says what to write, with nothing trained."""
    with pytest.raises(rw.ScheduleError, match=words):
        task_of(**change).open(0)
