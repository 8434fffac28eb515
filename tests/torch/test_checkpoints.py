"""The step that makes an optimizer's state, for a checkpoint, is no update."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.torch import Scheduler

LR, TOTAL = 3e-4, 20
PLAN = rw.Warmup(4) >> rw.Cosine(to=0.1)
RATES = [LR * level for level in PLAN.resolve(total=TOTAL).values().tolist()]


def said(act: Any) -> list[str]:
    """What was warned of."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        act()
    return [str(one.message) for one in found if str(one.message).startswith("Scheduler")]


def test_the_state_that_a_checkpoint_makes_is_no_update(tools: Any) -> None:
    """`torch.distributed.checkpoint` steps a fresh optimizer once at rates of 0: nothing moves.

    Before or behind our own state, the whole run uses its rates.
    """
    checkpoint = pytest.importorskip("torch.distributed.checkpoint.state_dict")
    for plan in (PLAN, rw.Warmup(4, start=0) >> rw.Cosine(to=0.1)):
        model = torch.nn.Linear(2, 2)
        optimizer = tools.recording(torch.optim.AdamW)(model.parameters(), lr=LR)
        scheduler = Scheduler(optimizer, plan, total=TOTAL)
        before = copy.deepcopy(model.state_dict())
        assert said(lambda: checkpoint.get_state_dict(model, optimizer)) == []  # noqa: B023
        assert scheduler.committed == 0
        assert all(torch.equal(model.state_dict()[k], v) for k, v in before.items())
        optimizer.__dict__["used"] = []

        def train(updates: int, model: Any = model, optimizer: Any = optimizer) -> None:
            for _ in range(updates):
                model(torch.ones(1, 2)).sum().backward()
                optimizer.step()
                optimizer.zero_grad()

        train(TOTAL // 2)
        saved = checkpoint.get_state_dict(model, optimizer)
        states = copy.deepcopy([*saved, scheduler.state_dict()])
        train(TOTAL - TOTAL // 2)
        used = tools.trace(optimizer)
        assert used == [LR * x for x in plan.resolve(TOTAL).values().tolist()]
        for scheduler_first in (True, False):
            other = torch.nn.Linear(2, 2)
            fresh = tools.recording(torch.optim.AdamW)(other.parameters(), lr=LR)
            resumed = Scheduler(fresh, plan, total=TOTAL)
            if scheduler_first:
                resumed.load_state_dict(states[2])
            parts = {"model_state_dict": states[0], "optim_state_dict": states[1]}
            checkpoint.set_state_dict(other, fresh, **copy.deepcopy(parts))
            if not scheduler_first:
                resumed.load_state_dict(states[2])
            fresh.__dict__["used"] = []
            train(TOTAL - TOTAL // 2, other, fresh)
            assert tools.trace(fresh) == used[TOTAL // 2 :]


def test_a_rate_of_0_by_hand_is_heard(tools: Any) -> None:
    """An optimizer without any state, frozen by hand, is no state in the making."""
    optimizer = tools.make(LR)
    scheduler = Scheduler(optimizer, PLAN, total=TOTAL)

    def act() -> None:
        for _ in range(3):
            optimizer.param_groups[0]["lr"] = 0.0
            optimizer.step()

    (warned,) = said(act)
    assert "found lr=0 in group 0" in warned
    assert scheduler.committed == 3


def test_an_optimizer_without_a_state_is_saved_again_and_again(tools: Any) -> None:
    """`torch.distributed.checkpoint` steps it each time, since it finds none: no update either."""
    checkpoint = pytest.importorskip("torch.distributed.checkpoint.state_dict")
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    scheduler = Scheduler(optimizer, PLAN, total=TOTAL)

    def act() -> None:
        for t in range(TOTAL):
            model(torch.ones(1, 2)).sum().backward()
            optimizer.step()
            assert scheduler.get_last_lr() == [RATES[t]]
            optimizer.zero_grad()
            checkpoint.get_state_dict(model, optimizer)

    assert said(act) == []
    assert scheduler.committed == TOTAL
