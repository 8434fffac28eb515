"""A range test of a task in torch: the process and the task are as they were."""

from __future__ import annotations

import random
import warnings
from typing import Any

import numpy as np
import pytest

from ratewise import ScheduleError

pytest.importorskip("torch")

import torch

from ratewise import parse
from ratewise.choose import TorchTask, find
from ratewise.torch import Scheduler
from tests.tasks.fixtures import every_bit, network


def drawn() -> tuple[Any, ...]:
    """What the process draws next."""
    state = torch.get_rng_state(), random.getstate(), np.random.get_state()
    numbers = torch.rand(3).tolist(), random.random(), np.random.rand()
    torch.set_rng_state(state[0])
    random.setstate(state[1])
    np.random.set_state(state[2])
    return numbers


def test_a_task_is_tested_and_the_process_draws_on(noisy: TorchTask) -> None:
    """Random numbers of the process are untouched, and the same test gives the same losses."""
    before = drawn()
    a = find(noisy, rungs=20, seeds=2)
    assert drawn() == before
    torch.rand(7)
    b = find(noisy, rungs=20, seeds=2)
    assert [one.losses for one in a.sweeps] == [one.losses for one in b.sweeps]
    assert a.sweeps[0].losses != a.sweeps[1].losses


def test_the_losses_are_those_of_a_run_at_these_rates(noisy: TorchTask) -> None:
    """A sweep is the run that the ladder's rates make, to the bit."""
    found = find(noisy, rungs=20, seeds=[4], highest=1e-1)
    losses = noisy.open(4).train(found.ladder.all_rates)
    assert found.sweeps[0].losses == losses.tolist()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_model_that_outlives_its_runs_is_put_back(error: type[BaseException]) -> None:
    """A task may hand out a model that is there already; also when its loss fails."""
    model, calls = network(), 0
    data = [torch.ones(4, 6)]

    def loss(net: Any, batch: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 30:
            raise error
        return net(batch).square().mean()

    task = TorchTask(
        model=lambda: model,
        optimizer=lambda net: torch.optim.SGD(net.parameters(), lr=0.1),
        data=lambda seed: data,
        loss=loss,
        metric=lambda net: 0.0,
    )
    was = every_bit(model)
    find(task, rungs=12, updates=1, seeds=1, highest=1e-2)
    assert every_bit(model) == was
    with pytest.raises((ScheduleError, KeyboardInterrupt)) as caught:
        find(task, rungs=20, updates=1, highest=1e-2)
    assert isinstance(caught.value.__cause__ or caught.value, error)
    assert calls == 30
    assert every_bit(model) == was


def test_a_schedule_on_the_optimizer_is_overruled_and_put_back() -> None:
    """A `Scheduler` in `also` goes on where it was; the ladder's rates are used in between."""
    net = torch.nn.Linear(6, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    scheduler = Scheduler(optimizer, "Warmup(4) >> Cosine(to=0)", total=20)
    data, used = [torch.randn(4, 6)], []

    def step(batch: Any) -> Any:
        optimizer.zero_grad()
        loss = net(batch).square().mean()
        loss.backward()
        optimizer.step()
        used.append(optimizer.param_groups[0]["lr"])
        return loss

    for _ in range(6):
        step(data[0])
    rates = list(used)
    parts = {"step": step, "model": net, "optimizer": optimizer, "batches": data}
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the ladder's rates are nobody's hand
        found = find(**parts, also=[scheduler], rungs=9, updates=1, seeds=1, highest=1e-2)
    np.testing.assert_allclose(used[6:], found.ladder.all_rates, rtol=1e-12)
    used.clear()
    for _ in range(14):
        step(data[0])
    plan = parse("Warmup(4) >> Cosine(to=0)").resolve(20)
    assert rates + used == [0.1 * level for level in plan.values().tolist()]
