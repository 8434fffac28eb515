"""A Transformers trainer is tested with its own parts, and nothing of it changes."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch

from ratewise import ScheduleError
from ratewise.choose import find
from tests.range_test.test_plain_loop import plain
from tests.transformers.tiny import LR, Tiny, make, model, used


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def state(trainer: Any) -> Any:
    """The trainer's own attributes by identity, and what the model and its optimizer hold."""
    own = {name: id(value) for name, value in vars(trainer).items()}
    net = trainer.model
    optimizer = trainer.optimizer.state_dict() if trainer.optimizer is not None else None
    modes = [module.training for module in net.modules()]
    gradients = [one.grad for one in net.parameters()]
    told = copy.deepcopy(vars(trainer.state)), copy.deepcopy(vars(trainer.control))
    parts = [net.state_dict(), optimizer, modes, gradients, torch.get_rng_state()]
    return own, plain(parts), repr(told), np.random.get_state()[1].tobytes()


def test_a_fresh_trainer_is_as_it_was(tmp_path: Any) -> None:
    """No optimizer is made for it, nothing is logged, no weight and no random number moves."""
    trainer = make(tmp_path)
    was, prepare = state(trainer), trainer.accelerator.prepare
    trainer.accelerator.prepare = None  # what is prepared would be noted down
    find(trainer, rungs=10, updates=1, seeds=2)
    trainer.accelerator.prepare = prepare
    assert state(trainer) == was
    assert trainer.optimizer is None
    trainer.train()
    twin = make(tmp_path)
    twin.train()
    assert plain(trainer.model.state_dict()) == plain(twin.model.state_dict())


def test_an_optimizer_that_was_given_is_as_it_was(tmp_path: Any) -> None:
    """Its moments, its rates and the ratio of its groups are kept, in the middle of training."""
    net = model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=LR)
    trainer = make(tmp_path, model=net, optimizers=(optimizer, None))
    trainer.train()
    trainer.optimizer = optimizer
    was = state(trainer)
    find(trainer, rungs=10, updates=1, seeds=2)
    assert state(trainer) == was
    assert optimizer.state_dict()["state"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_exception_leaves_nothing_behind(tmp_path: Any, error: type[BaseException]) -> None:
    """Also one from the user's own loss, in the middle of a sweep."""

    class Fails(Tiny):
        calls = 0

        def compute_loss(self, *args: Any, **options: Any) -> Any:
            Fails.calls += 1
            if Fails.calls == 6:
                raise error
            return super().compute_loss(*args, **options)

    trainer = make(tmp_path, kind=Fails)
    was = state(trainer)
    with pytest.raises((ScheduleError, KeyboardInterrupt)) as caught:
        find(trainer, rungs=10, updates=1)
    assert isinstance(caught.value.__cause__ or caught.value, error)
    assert Fails.calls == 6
    assert state(trainer) == was


@pytest.mark.parametrize("several", [1, 3])
def test_the_rates_are_the_ladders_by_updates(
    tmp_path: Any, several: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With accumulation too, each update uses the next rate, and the groups keep their ratio."""
    made: list[Any] = []
    create = Tiny.create_optimizer

    def noted(self: Any, *args: Any, **options: Any) -> Any:
        made.append(create(self, *args, **options))
        return made[-1]

    monkeypatch.setattr(Tiny, "create_optimizer", noted)
    trainer = make(tmp_path, gradient_accumulation_steps=several)
    found = find(trainer, rungs=10, updates=1, seeds=1, highest=1e-2)
    ladder = found.ladder.all_rates.tolist()

    class Of:
        optimizer = made[-1]

    assert used(Of) == ladder
    np.testing.assert_allclose(used(Of, 1), np.array(ladder) / 10, rtol=1e-12)


def test_the_losses_are_those_of_training(tmp_path: Any) -> None:
    """At one rate throughout, the first loss is the one that the trainer's own first step has."""
    options = {"per_device_train_batch_size": 24, "max_grad_norm": 0.0}
    trainer = make(tmp_path, **options)
    found = find(trainer, rungs=10, updates=1, seeds=1)
    trainer.model.train()
    batch = next(iter(trainer.get_train_dataloader()))
    with torch.no_grad():
        torch.manual_seed(0)
        values = [float(trainer.compute_loss(trainer.model, batch)) for _ in range(30)]
    assert min(values) - 0.05 < found.sweeps[0].losses[0] < max(values) + 0.05


def test_what_cannot_be_tested_is_refused(tmp_path: Any) -> None:
    """A trainer at work says so; a part of a loop of one's own is not taken beside it."""
    trainer = make(tmp_path)
    trainer.is_in_train = True
    with pytest.raises(ScheduleError, match="while it trains"):
        find(trainer)
    trainer.is_in_train = False
    with pytest.raises(ScheduleError, match="takes no batches="):
        find(trainer, batches=[1])
