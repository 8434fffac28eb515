"""A clock that stands still is heard, and so is a run past its end at rate 0."""

from __future__ import annotations

import warnings
from collections import defaultdict
from typing import Any

import pytest
import torch
from torch.optim import SGD, Optimizer

import ratewise as rw
from ratewise.torch import Scheduler

LR, TOTAL = 0.1, 30


class SAM(Optimizer):
    """Sharpness-aware minimization in two steps, as its users write it."""

    def __init__(self, params: Any, **options: Any) -> None:
        super().__init__(params, options)
        self.base_optimizer = SGD(self.param_groups, **options)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self) -> None:
        for weight in self.param_groups[0]["params"]:
            weight.add_(weight.grad, alpha=0.05)

    @torch.no_grad()
    def second_step(self) -> None:
        for weight in self.param_groups[0]["params"]:
            weight.sub_(weight.grad, alpha=0.05)
        self.base_optimizer.step()


class Apart(Optimizer):
    """Holds an optimizer with groups of its own, and steps that."""

    def __init__(self, params: Any) -> None:
        super().__init__(params, {"lr": LR})
        self.fast = SGD(params, lr=LR)

    def update(self) -> None:
        self.fast.step()


class Bare(Optimizer):
    """Wraps an optimizer and does not call `Optimizer.__init__`."""

    def __init__(self, base: Optimizer, name: str) -> None:
        setattr(self, name, base)
        self.param_groups = [dict(group) for group in base.param_groups]
        self.state = defaultdict(dict)
        self.defaults = base.defaults


def caught(act: Any, times: int) -> list[str]:
    """The warnings of some calls."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for _ in range(times):
            act()
    return [str(w.message) for w in found if str(w.message).startswith("Scheduler")]


def test_sam_in_two_steps_gets_its_rates(tools: Any) -> None:
    """The optimizer inside makes the updates, and is bound; the rates are those it used."""
    sam = SAM([tools.parameter()], lr=LR)
    used: list[float] = []
    sam.base_optimizer.register_step_post_hook(lambda o, *_: used.append(o.param_groups[0]["lr"]))
    scheduler = Scheduler(sam, tools.plan, total=TOTAL)

    def act() -> None:
        sam.first_step()
        sam.second_step()
        scheduler.step()

    assert caught(act, TOTAL) == []
    assert used == tools.expected(tools.plan, TOTAL, LR)
    assert scheduler.committed == Scheduler.of(sam).committed == TOTAL


@pytest.mark.parametrize("call", ["step", "observe"])
def test_an_optimizer_inside_that_is_stepped_is_named(tools: Any, call: str) -> None:
    """The weights move and the clock does not: one warning, soon, that says what to bind."""
    apart = Apart([tools.parameter()])
    scheduler = Scheduler(apart, tools.plan, total=TOTAL)

    def act() -> None:
        apart.update()
        scheduler.step() if call == "step" else scheduler.observe(loss=1.0)

    (said,) = caught(act, 100)
    assert "4 calls" in said
    assert "Apart.step()" in said
    assert "Scheduler(optimizer.fast, …)" in said
    assert scheduler.committed == 0


def test_an_optimizer_that_nobody_steps_is_named(tools: Any) -> None:
    """Also where no weight moves, and after some updates that were made."""
    optimizer = tools.make()
    scheduler = Scheduler(optimizer, tools.plan, total=TOTAL)
    tools.run(optimizer, 4)
    (said,) = caught(scheduler.step, 100)
    assert "RecordingSGD.step()" in said
    assert "since update 4" in said


def test_accumulated_gradients_are_no_standstill(tools: Any) -> None:
    """64 calls for each update, and updates that a scaler skips now and then, warn of nothing."""
    optimizer = tools.make()
    scheduler = Scheduler(optimizer, tools.plan, total=TOTAL)

    def act() -> None:
        for _ in range(64):
            scheduler.step()
        optimizer.step()

    assert caught(act, TOTAL) == []


@pytest.mark.parametrize(("name", "says"), [("inner", "bind its .inner"), ("_base", "it wraps")])
def test_a_wrapper_that_cannot_be_heard_is_refused(tools: Any, name: str, says: str) -> None:
    """An error of ours says to bind what is inside, which then works."""
    base = tools.make()
    with pytest.raises(rw.ScheduleError, match=f"cannot hear this Bare.*{says}"):
        Scheduler(Bare(base, name), tools.plan, total=TOTAL)
    assert Scheduler(base, tools.plan, total=TOTAL).committed == 0


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("second", [False, True])
def test_a_run_past_its_end_at_rate_0_warns_once(tools: Any, groups: int, second: bool) -> None:
    """Not for an update or two too many, nor where the rate is not 0."""

    def run(schedule: Any, past: int) -> tuple[list[str], Any]:
        optimizer = tools.make(LR, groups, weight_decay=0.1)
        more = {"weight_decay": rw.Hold()} if second else {}
        Scheduler(optimizer, rw.Plan(lr=schedule, **more), total=TOTAL)
        return caught(optimizer.step, TOTAL + past), optimizer

    said, optimizer = run(rw.Linear(to=0), 57)
    assert len(said) == 1
    assert f"past the end of the schedule, at {TOTAL}" in said[0]
    levels = rw.Linear(to=0).resolve(TOTAL).values().tolist()
    assert tools.trace(optimizer) == [LR * level for level in levels] + [0.0] * 57
    assert run(rw.Linear(to=0), 2)[0] == run(rw.Linear(to=0.1), 57)[0] == []


def test_writing_to_a_weight_is_counted_by_torch(tools: Any) -> None:
    """`_version`, seen in PyTorch 2.13, rises with an update and not with a backward pass.

    A fused update may leave it as it was, and is then heard later, by the number of calls.
    """
    for options in ({}, {"foreach": True}):
        weight = tools.parameter()
        optimizer = torch.optim.AdamW([weight], lr=LR, **options)
        before = weight._version
        weight.sum().backward()
        assert weight._version == before
        optimizer.step()
        assert weight._version > before
