"""A Lightning module is fitted for the test by a trainer of its own, and nothing changes."""

from __future__ import annotations

import copy
import logging
from typing import Any

import lightning
import numpy as np
import pytest
import torch

from ratewise import ScheduleError
from ratewise.choose import find
from tests.lightning.tiny import Recorder, trainer, used
from tests.range_test.test_plain_loop import plain
from tests.tasks.fixtures import Noisy, network

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    torch.set_num_threads(1)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Module(lightning.LightningModule):
    """Two groups, a scheduler by batches, dropout, odd buffers; it may fail at a batch."""

    def __init__(self, fails: int = -1, error: Any = ValueError) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = network()
        self.fails, self.error = fails, error
        self.told: list[Any] = []

    def training_step(self, batch: Any, index: int) -> Any:
        if self.global_step == self.fails:
            raise self.error
        loss = torch.nn.functional.cross_entropy(self.net(batch[0]), batch[1])
        self.log("loss", loss)
        return loss

    def configure_optimizers(self) -> Any:
        head, body = self.net[5].parameters(), self.net[1].parameters()
        made = Recorder([{"params": list(head)}, {"params": list(body), "lr": 1e-4}], lr=1e-3)
        self.told.append(made)
        scheduler = torch.optim.lr_scheduler.StepLR(made, 1, 0.5)
        return [made], [{"scheduler": scheduler, "interval": "step"}]


def loader() -> Any:
    order = torch.Generator().manual_seed(5)
    return torch.utils.data.DataLoader(Noisy(), batch_size=16, shuffle=True, generator=order)


def state(module: Any, batches: Any) -> Any:
    modes = [one.training for one in module.modules()]
    gradients = [one.grad for one in module.parameters()]
    odd = [module.net[0].calls, module.net[0].seen, batches.generator.get_state()]
    parts = [module.state_dict(), modes, gradients, odd, torch.get_rng_state()]
    return plain(parts), np.random.get_state()[1].tobytes()


def attached(module: Any) -> Any:
    try:
        return module.trainer
    except RuntimeError:
        return None


@pytest.mark.parametrize("fitted", [False, True])
def test_module_and_trainer_are_as_they_were(fitted: bool) -> None:
    """Fresh or fitted: weights, modes, generators, and the trainer that the module belongs to."""
    module, batches, own = Module(), loader(), trainer(max_epochs=2)
    if fitted:
        own.fit(module, batches)
    was, belongs = state(module, batches), attached(module)
    told = own.global_step, own.current_epoch, copy.copy(own.optimizers), own.should_stop
    find(module, trainer=own, batches=batches, rungs=10, updates=1, seeds=2)
    assert state(module, batches) == was
    assert attached(module) is belongs
    assert (own.global_step, own.current_epoch, own.optimizers, own.should_stop) == told
    again = trainer(max_epochs=1)
    again.fit(module, batches)
    assert again.global_step == 6


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_nothing_behind(error: type[BaseException]) -> None:
    """A failing step in the middle of a sweep: it is passed on, and all is put back."""
    module, batches = Module(fails=5, error=error), loader()
    was = state(module, batches)
    with pytest.raises((ScheduleError, KeyboardInterrupt)) as caught:
        find(module, batches=batches, rungs=10, updates=1, seeds=2)
    assert isinstance(caught.value.__cause__ or caught.value, error)
    assert state(module, batches) == was
    assert attached(module) is None


@pytest.mark.parametrize("several", [1, 3])
def test_the_rates_are_the_ladders_whatever_the_scheduler_does(several: int) -> None:
    """By updates, with the groups' ratio, with the accumulation of the trainer that was given."""
    module = Module()
    own = trainer(accumulate_grad_batches=several)
    ladder = {"rungs": 10, "updates": 1, "seeds": 1, "highest": 1e-2}
    found = find(module, trainer=own, batches=loader(), **ladder)
    rates = found.ladder.all_rates.tolist()
    assert len(found.sweeps[0].losses) == len(rates)
    assert used(module.told[-1]) == rates
    np.testing.assert_allclose(used(module.told[-1], 1), np.array(rates) / 10, rtol=1e-12)
    assert 0.4 < found.sweeps[0].losses[0] < 1.5  # of one batch, not of a third of it


def test_a_batch_that_the_module_skips_has_no_loss() -> None:
    """A step that returns nothing trains on nothing; the losses are those of the other batches."""

    class Skips(Module):
        def training_step(self, batch: Any, index: int) -> Any:
            return None if index % 3 == 1 else super().training_step(batch, index)

    found = find(Skips(), batches=loader(), rungs=10, updates=1, seeds=1, highest=1e-2)
    assert 6 <= len(found.sweeps[0].losses) < 11
    assert np.isfinite(found.sweeps[0].losses).all()


def test_it_finds_where_a_real_module_breaks() -> None:
    """The test of a module and of the same loop written out agree."""
    ours = Module()
    ladder = {"updates": 5, "highest": 1e3, "lowest": 1e-5}
    one = find(ours, batches=loader(), **ladder)
    net = Module()
    optimizer = net.configure_optimizers()[0][0]

    def step(batch: Any) -> Any:
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net.net(batch[0]), batch[1])
        loss.backward()
        optimizer.step()
        return loss

    parts = {"step": step, "model": net, "optimizer": optimizer, "batches": loader()}
    other = find(**parts, **ladder)
    assert one.sweeps[0].losses[0] == pytest.approx(other.sweeps[0].losses[0], rel=1e-5)
    assert one.minimum.low < other.minimum.high
    assert other.minimum.low < one.minimum.high


def test_what_cannot_be_tested_is_refused() -> None:
    """Optimizing by hand, several optimizers, and batches that can be used only once."""
    module = Module()
    with pytest.raises(ScheduleError, match="only once"):
        find(module, batches=iter(loader()))
    module.automatic_optimization = False
    with pytest.raises(ScheduleError, match="by hand"):
        find(module, batches=loader())


def test_a_data_module_will_do() -> None:
    """Its loaders are used, and it belongs to no trainer afterwards."""

    class Data(lightning.LightningDataModule):
        def train_dataloader(self) -> Any:
            return loader()

    data = Data()
    found = find(Module(), batches=data, rungs=10, updates=1, seeds=1, highest=1e-2)
    again = find(Module(), batches=loader(), rungs=10, updates=1, seeds=1, highest=1e-2)
    assert len(found.sweeps[0].losses) == len(again.sweeps[0].losses) == 11
    assert data.trainer is None
