"""Several optimizers in one run: each update of each of them has its rate."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import LRScheduler

import ratewise as rw
from ratewise.torch import Scheduler, Schedulers

LR, TOTAL = 1e-3, 10
PLAN = rw.Warmup(3) >> rw.Cosine(to=0.1)
LEVELS = PLAN.resolve(total=TOTAL).values().tolist()


def two() -> list[torch.optim.Optimizer]:
    """A Muon for the matrix and an AdamW for the rest, each with its own rate."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 3)
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    adam = torch.optim.AdamW([model.bias], lr=LR)
    return [torch.optim.Muon([model.weight], lr=20 * LR), adam]


def heard(optimizers: Any) -> list[list[float]]:
    """The rates of the updates of each, as a hook behind ours sees them."""
    used: list[list[float]] = [[] for _ in optimizers]
    for one, rates in zip(optimizers, used, strict=True):
        one.register_step_pre_hook(lambda o, *_, rates=rates: rates.append(o.param_groups[0]["lr"]))
    return used


def test_one_schedule_for_all_of_them() -> None:
    """A list, a tuple or a dict; stepped together, with or without `step()`."""
    for kind in (list, tuple, lambda some: dict(enumerate(some))):
        optimizers = two()
        scheduler: Any = Scheduler(kind(optimizers), PLAN, total=TOTAL)
        assert isinstance(scheduler, Schedulers)
        assert isinstance(scheduler, LRScheduler)
        used = heard(optimizers)
        for _ in range(TOTAL):
            for one in optimizers:
                one.step()
            scheduler.step()
        assert used == [[20 * LR * level for level in LEVELS], [LR * level for level in LEVELS]]
        assert scheduler.committed == (TOTAL, TOTAL)
        assert scheduler.base_lrs == [20 * LR, LR]
        assert scheduler.get_last_lr() == [20 * LR * LEVELS[-1], LR * LEVELS[-1]]
        assert Scheduler.of(optimizers[1]).committed == TOTAL


def test_each_has_its_clock_and_its_schedule() -> None:
    """As a GAN whose critic is stepped five times as often."""
    optimizers = two()
    plans, totals = [PLAN, rw.Linear(to=0)], [TOTAL, 5 * TOTAL]
    scheduler: Any = Scheduler(optimizers, plans, total=totals)
    used = heard(optimizers)
    for _ in range(TOTAL):
        optimizers[0].step()
        for _ in range(5):
            optimizers[1].step()
    assert used[0] == [20 * LR * level for level in LEVELS]
    assert used[1] == pytest.approx([LR * (1 - t / 50) for t in range(50)])
    assert scheduler.committed == (TOTAL, 5 * TOTAL)
    assert scheduler.last_epoch == 5 * TOTAL


@pytest.mark.parametrize("own", [False, True])
def test_it_resumes_exactly(own: bool) -> None:
    """From the optimizers alone, or from its own state as well."""
    optimizers = two()
    scheduler: Any = Scheduler(optimizers, PLAN, total=TOTAL)
    for _ in range(4):
        optimizers[0].step()
    optimizers[1].step()
    states = copy.deepcopy([one.state_dict() for one in optimizers])
    kept = json.loads(json.dumps(scheduler.state_dict()))
    fresh = two()
    again: Any = Scheduler(fresh, PLAN, total=TOTAL)
    for one, state in zip(fresh, states, strict=True):
        one.load_state_dict(state)
    if own:
        again.load_state_dict(kept)
    used = heard(fresh)
    for one in fresh:
        one.step()
    assert used == [[20 * LR * LEVELS[4]], [LR * LEVELS[1]]]


def test_optimizers_that_are_stepped_in_the_backward_pass() -> None:
    """One for each parameter, stepped as soon as its gradient is there."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    optimizers = {p: torch.optim.SGD([p], lr=LR) for p in model.parameters()}
    scheduler: Any = Scheduler(optimizers, PLAN, total=TOTAL)
    used = heard(optimizers.values())

    def update(parameter: torch.Tensor) -> None:
        optimizers[parameter].step()
        optimizers[parameter].zero_grad()

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(update)
    for _ in range(TOTAL):
        model(torch.ones(1, 2)).sum().backward()
    assert used == [[LR * level for level in LEVELS]] * len(optimizers)
    assert scheduler.committed == (TOTAL,) * len(optimizers)


def test_all_or_none() -> None:
    """Where one cannot be bound, or loaded, the others are as they were."""
    optimizers = two()
    with pytest.raises(rw.ScheduleError, match="names no group"):
        Scheduler(optimizers, [PLAN, rw.Plan(groups={"head": PLAN})], total=TOTAL)
    assert "initial_lr" not in optimizers[0].param_groups[0]
    for wrong in ([PLAN], [PLAN] * 3):
        with pytest.raises(rw.ScheduleError, match=r"has [13] for 2 optimizers"):
            Scheduler(optimizers, wrong, total=TOTAL)
    with pytest.raises(rw.ScheduleError, match="0 optimizers"):
        Scheduler([], PLAN, total=TOTAL)
    scheduler: Any = Scheduler(optimizers, PLAN, total=TOTAL)
    state = copy.deepcopy(scheduler.state_dict())
    state["schedulers"][0]["committed"] = 3
    state["schedulers"][1]["total"] = 99
    with pytest.raises(rw.ScheduleError, match="total"):
        scheduler.load_state_dict(state)
    assert scheduler.committed == (0, 0)
    for wrong in ({}, scheduler[0].state_dict(), {**state, "schedulers": state["schedulers"][:1]}):
        with pytest.raises(rw.ScheduleError, match=r"several|of 1 optimizers"):
            scheduler.load_state_dict(wrong)


def test_metrics_reach_those_that_listen() -> None:
    """And `detach` gives every optimizer its rate back."""
    optimizers = two()
    scheduler: Any = Scheduler(
        optimizers, [rw.Plateau("loss", patience=0, factor=0.5), PLAN], total=TOTAL
    )
    for _ in range(3):
        for one in optimizers:
            one.step()
        scheduler.observe(loss=1.0)
    assert scheduler.get_lr() == [20 * LR / 4, LR * LEVELS[3]]
    scheduler.detach()
    assert [one.param_groups[0]["lr"] for one in optimizers] == [20 * LR, LR]
