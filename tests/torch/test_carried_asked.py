"""What a state of the optimizer leaves open is asked, before the next update."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.distributed.checkpoint import state_dict
from torch.optim import lr_scheduler

import ratewise as rw
from ratewise.torch import Scheduler
from tests.torch.test_carried import KINDS, LEVELS, LR, PLAN, TOTAL, rates_of, saved_at, weights


def native(moments: bool) -> Any:
    """The state of a run with PyTorch's own scheduler: a peak, and no count."""
    optimizer = KINDS["adam" if moments else "sgd"](weights(1))
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, TOTAL)
    for _ in range(5):
        optimizer.step()
        scheduler.step()
    return copy.deepcopy(optimizer.state_dict())


@pytest.mark.parametrize("load_first", [False, True])
def test_a_state_without_a_count_is_asked_about(load_first: bool) -> None:
    """Before the next update, with what the optimizer itself has counted; its peak is known."""

    def made(**options: Any) -> tuple[Any, Scheduler]:
        fresh = KINDS["adam"](weights(1))
        if load_first:
            fresh.load_state_dict(native(True))
        scheduler = Scheduler(fresh, PLAN, total=TOTAL, **options)
        if not load_first:
            fresh.load_state_dict(native(True))
        return fresh, scheduler

    fresh, scheduler = made()
    before = [weight.clone() for weight in fresh.param_groups[0]["params"]]
    with pytest.raises(rw.ScheduleError, match=r"how many updates .*updates=N\).*own step says 5"):
        fresh.step()
    assert all(map(torch.equal, before, fresh.param_groups[0]["params"]))
    scheduler.seek(5)
    assert rates_of(fresh, 1) == [[LR * LEVELS[5]]]
    fresh, scheduler = made()
    scheduler.load_state_dict(saved_at(3)[1])
    assert rates_of(fresh, 1) == [[LR * LEVELS[3]]]
    if load_first:
        for updates in (0, 5):
            assert rates_of(made(updates=updates)[0], 1) == [[LR * LEVELS[updates]]]


def test_what_is_fresh_is_not_asked_about() -> None:
    """An optimizer without a state, one whose state a checkpoint has made, one of our own."""
    fresh = KINDS["adam"](weights(1))
    for parameter in fresh.param_groups[0]["params"]:
        parameter.grad = None
    model = torch.nn.Module()
    model.weight = fresh.param_groups[0]["params"][0]
    state_dict.get_optimizer_state_dict(model, fresh)
    assert float(next(iter(fresh.state.values()))["step"]) == 1
    Scheduler(fresh, PLAN, total=TOTAL)
    assert rates_of(fresh, 1) == [[LR * LEVELS[0]]]
    for state in (native(False), KINDS["adam"](weights(1)).state_dict()):
        other = KINDS["sgd"](weights(1))
        other.load_state_dict({**other.state_dict(), "state": state["state"]})
        Scheduler(other, PLAN, total=TOTAL)
        assert rates_of(other, 1) == [[LR * LEVELS[0]]]


@pytest.mark.parametrize("load_first", [False, True])
def test_what_a_schedule_that_listens_was_shown_is_asked_for(load_first: bool) -> None:
    """It is in our own state alone; `seek` goes on without it."""
    plan = rw.Plateau("loss", patience=0, factor=0.5)

    def run(optimizer: Any, scheduler: Scheduler, updates: int) -> list[list[float]]:
        used: list[list[float]] = []
        for _ in range(updates):
            used += rates_of(optimizer, 1)
            scheduler.observe(loss=1.0)
        return used

    whole = KINDS["adam"](weights(1))
    first = Scheduler(whole, plan)
    run(whole, first, 3)
    states = copy.deepcopy((whole.state_dict(), first.state_dict()))
    want = run(whole, first, 2)
    for own in (True, False):
        fresh = KINDS["adam"](weights(1))
        if load_first:
            fresh.load_state_dict(copy.deepcopy(states[0]))
        scheduler = Scheduler(fresh, plan)
        if not load_first:
            fresh.load_state_dict(copy.deepcopy(states[0]))
        if own:
            scheduler.load_state_dict(states[1])
            assert run(fresh, scheduler, 2) == want
        else:
            with pytest.raises(rw.ScheduleError, match=r"state_dict\(\).*seek\(3\)"):
                fresh.step()
            scheduler.seek(3)
            assert run(fresh, scheduler, 1) == [[LR]]


def test_a_count_past_the_end_is_asked_about() -> None:
    """As of a long run, from whose moments a short one begins; at the end itself nothing is."""
    state = saved_at(TOTAL)[0]
    fresh = KINDS["adam"](weights(1))
    fresh.load_state_dict(copy.deepcopy(state))
    Scheduler(fresh, rw.Cosine(), total=TOTAL - 3)
    with pytest.raises(
        rw.ScheduleError, match=r"8 updates made, past the end .* 5: give updates=0"
    ):
        fresh.step()
    Scheduler.of(fresh).detach()
    Scheduler(fresh, rw.Cosine(), total=TOTAL - 3, updates=0)
    assert rates_of(fresh, 1) == [[LR]]
    again = KINDS["adam"](weights(1))
    again.load_state_dict(copy.deepcopy(state))
    Scheduler(again, PLAN, total=TOTAL)
    rates_of(again, 1)


def test_another_peak_is_asked_about_or_decided() -> None:
    """The state's and the code's; a plan that names its peak has decided."""
    state = saved_at(3)[0]

    def loaded(**options: Any) -> Any:
        fresh = torch.optim.Adam(weights(1)[0]["params"], lr=2 * LR)
        plan = options.pop("plan", PLAN)
        Scheduler(fresh, plan, total=TOTAL, **options)
        fresh.load_state_dict(copy.deepcopy(state))
        return fresh

    with pytest.raises(
        rw.ScheduleError, match=r"lr=0.0003 as the peak .* the code's 0.0006.*resume="
    ):
        loaded().step()
    named = rw.Plan(lr=PLAN, peak={"lr": 2 * LR})
    for options, peak in (
        ({"resume": "checkpoint"}, LR),
        ({"resume": "code"}, 2 * LR),
        ({"by_hand": "follow"}, LR),
        ({"plan": named}, 2 * LR),
    ):
        assert rates_of(loaded(**options), 1) == [[peak * LEVELS[3]]]


@pytest.mark.parametrize("value", [-1, 2.5, float("nan"), "many", True, None, [3]])
def test_a_damaged_count_is_refused(value: Any) -> None:
    """Before anything is loaded, or bound."""
    state = saved_at(3)[0]
    state["param_groups"][0]["ratewise_updates"] = value
    fresh = KINDS["adam"](weights(1))
    Scheduler(fresh, PLAN, total=TOTAL)
    with pytest.raises(rw.ScheduleError, match="no count"):
        fresh.load_state_dict(copy.deepcopy(state))
    assert not fresh.state
    assert rates_of(fresh, 1) == [[LR * LEVELS[0]]]
    other = KINDS["adam"](weights(1))
    other.load_state_dict(copy.deepcopy(state))
    with pytest.raises(rw.ScheduleError, match="no count"):
        Scheduler(other, PLAN, total=TOTAL)


def test_a_state_that_is_loaded_where_the_run_is_asks_nothing() -> None:
    """As wrappers do that move an optimizer to a device; in the middle of a plateau too."""
    for plan in (rw.Plateau("loss", patience=0, factor=0.5), PLAN):
        optimizer = KINDS["adam"](weights(1))
        scheduler = Scheduler(optimizer, plan, total=TOTAL)
        rates_of(optimizer, 3)
        scheduler.observe(loss=1.0)
        for _ in range(2):
            optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))
            rates_of(optimizer, 1)
        assert scheduler.committed == 5


def test_what_is_asked_stays_asked_when_it_is_loaded_again() -> None:
    """Twice is once: a plateau without its state, and a count past the end."""
    for plan, total in ((rw.Plateau("loss"), None), (rw.Cosine(), 3)):
        fresh = KINDS["adam"](weights(1))
        Scheduler(fresh, plan, total=total)
        for _ in range(2):
            fresh.load_state_dict(copy.deepcopy(saved_at(5)[0]))
        for _ in range(2):
            with pytest.raises(rw.ScheduleError, match=r"update 5|5 updates"):
                fresh.step()
