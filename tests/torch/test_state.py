"""A run that is killed and resumed uses the rates of one that was not."""

from __future__ import annotations

import copy
import itertools
import json
import math
import pickle
from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.torch import Scheduler

LR = 3e-4
ORDERS = list(itertools.permutations(["construct", "optimizer", "scheduler"]))
USABLE = [order for order in ORDERS if order.index("construct") < order.index("scheduler")]


def resume(tools: Any, states: list[Any], order: Any, twice: bool, **options: Any) -> Any:
    """A new process: load the two states in an order, each once or twice."""
    optimizer = tools.make(LR, 2, **options)
    for _ in range(1 + twice):
        for what in order:
            if what == "construct":
                if optimizer not in made:
                    made[optimizer] = Scheduler(optimizer, tools.plan, total=12)
            elif what == "optimizer":
                optimizer.load_state_dict(copy.deepcopy(states[0]))
            else:
                made[optimizer].load_state_dict(copy.deepcopy(states[1]))
    return optimizer


made: dict[Any, Scheduler] = {}


@pytest.mark.parametrize("options", [{}, {"momentum": 0.9}], ids=["no state", "state"])
@pytest.mark.parametrize("order", USABLE, ids="-".join)
@pytest.mark.parametrize("twice", [False, True])
def test_kill_and_resume_anywhere(tools: Any, order: Any, twice: bool, options: Any) -> None:
    """Killed after any update, in any order of loading, once or twice: the trace is the same."""
    for k in range(13):
        first = tools.make(LR, 2, **options)
        scheduler = Scheduler(first, tools.plan, total=12)
        tools.run(first, k)
        second = resume(tools, tools.saved(first, scheduler), order, twice, **options)
        assert made[second].committed == k
        if k:
            held = [group["lr"] for group in second.param_groups]
            assert held == made[second].get_last_lr() == first.used[-1]
        tools.run(second, 14 - k)
        whole = tools.expected(tools.plan, 14 - 2)
        whole += [LR * tools.plan.resolve(total=12).end] * 2
        assert tools.trace(first) + tools.trace(second) == whole
    made.clear()


def test_the_state_of_the_scheduler_is_enough(tools: Any) -> None:
    """Without the optimizer's state every group still gets base × f(t)."""
    first = tools.make(LR, 2)
    scheduler = Scheduler(first, tools.plan, total=12)
    tools.run(first, 7)
    second = tools.make(LR, 2)
    Scheduler(second, tools.plan, total=12).load_state_dict(scheduler.state_dict())
    tools.run(second, 5)
    assert tools.trace(second) == tools.expected(tools.plan, 12)[7:]


def test_a_chain_of_resumes_stays_exact(tools: Any) -> None:
    """Killed after every single update, the run is still the same."""
    optimizer = tools.make(LR, 2, momentum=0.9)
    scheduler = Scheduler(optimizer, tools.plan, total=12)
    trace = []
    for _ in range(12):
        optimizer.step()
        trace += tools.trace(optimizer)
        states = tools.saved(optimizer, scheduler)
        optimizer = tools.make(LR, 2, momentum=0.9)
        optimizer.load_state_dict(states[0])
        scheduler = Scheduler(optimizer, tools.plan, total=12)
        scheduler.load_state_dict(states[1])
    assert trace == tools.expected(tools.plan, 12)


def test_the_state_is_primitives_only(tools: Any) -> None:
    """It survives JSON, and holds no optimizer."""
    optimizer = tools.make(LR, 2)
    scheduler = Scheduler(optimizer, rw.Plan(lr=tools.plan, notes=("a",)), total=12, epoch=4)
    optimizer.step()
    state = scheduler.state_dict()
    assert json.loads(json.dumps(state)) == state
    assert (state["version"], state["committed"], state["total"]) == (1, 1, 12)
    assert state["horizon"] == {"total": 12, "epoch": 4}


def test_groups_are_found_again_by_name_or_shape(tools: Any) -> None:
    """Names win over places, shapes tell unnamed groups apart, what is unclear is refused."""

    def build(order: str, names: bool, sizes: dict[str, int]) -> tuple[Any, Scheduler]:
        parts = [{"params": [tools.parameter(sizes[n])], "lr": LR * sizes[n]} for n in order]
        for part, name in zip(parts, order, strict=True):
            part.update({"name": name} if names else {})
        optimizer = tools.SGD(parts, lr=LR)
        return optimizer, Scheduler(optimizer, tools.plan, total=12, resume=None)

    sizes = {"a": 1, "b": 2, "c": 3}
    for names in (True, False):
        optimizer, scheduler = build("abc", names, sizes)
        scheduler.base_lrs = [10.0, 20.0, 30.0]
        tools.run(optimizer, 3)
        _, other = build("cab", names, sizes)
        other.load_state_dict(scheduler.state_dict())
        assert other.base_lrs == [30.0, 10.0, 20.0]
        _, fewer = build("ca", names, sizes)
        fewer.load_state_dict(scheduler.state_dict())
        assert fewer.base_lrs == [30.0, 10.0]
    _, stranger = build("abc", False, {**sizes, "b": 7})
    with pytest.raises(rw.ScheduleError, match="cannot match its groups"):
        stranger.load_state_dict(scheduler.state_dict())
    assert stranger.committed == 0


def damaged(state: dict[str, Any]) -> list[Any]:
    """States that are no states."""
    missing = [{k: v for k, v in state.items() if k != gone} for gone in state]
    wrong = [{**state, name: object()} for name in state]
    group = state["groups"][0]
    groups = [{**state, "groups": [{**group, "peak": {"lr": value}}]} for value in ("1", None)]
    newer = {**state, "version": 2}
    odd = [{**state, "committed": value} for value in (-1, True, 1.5)]
    shape = {**state, "schedule": {"type": "Sine"}}
    weight = torch.nn.Parameter(torch.ones(1))
    torchs = torch.optim.lr_scheduler.StepLR(torch.optim.SGD([weight], lr=1), 3).state_dict()
    return [*missing, *wrong, *groups, newer, *odd, shape, torchs, {}, None, [1]]


def test_what_is_no_state_is_refused_and_changes_nothing(tools: Any) -> None:
    """Truncated, foreign, newer: an error of ours, and the run goes on as if not asked."""
    optimizer = tools.make(LR)
    scheduler = Scheduler(optimizer, tools.plan, total=12, resume="checkpoint")
    tools.run(optimizer, 4)
    before = copy.deepcopy(scheduler.state_dict())
    for state in damaged(scheduler.state_dict()):
        with pytest.raises(rw.ScheduleError):
            scheduler.load_state_dict(state)
        assert scheduler.state_dict() == before
    tools.run(optimizer, 8)
    assert tools.trace(optimizer) == tools.expected(tools.plan, 12)


def test_a_function_is_saved_as_a_function_and_resumed_from_the_code(tools: Any) -> None:
    """It runs, saves and resumes; the state says that it was a function."""
    half = rw.Function(lambda t: 0.5**t)
    first = tools.make(1.0)
    scheduler = Scheduler(first, half)
    tools.run(first, 3)
    state = tools.saved(scheduler)[0]
    assert state["schedule"] is None
    second = tools.make(1.0)
    Scheduler(second, half).load_state_dict(state)
    tools.run(second, 2)
    assert tools.trace(second) == [0.125, 0.0625]
    with pytest.raises(rw.ScheduleError, match="is a function"):
        Scheduler(tools.make(1.0), rw.Hold(), resume="checkpoint").load_state_dict(state)


@pytest.mark.parametrize("how", ["pickle", "deepcopy"])
def test_optimizer_and_scheduler_travel_together(tools: Any, how: str) -> None:
    """Pickled or copied as a pair, the copy drives the copied optimizer and goes on in place."""
    weights = [tools.parameter(), tools.parameter(3)]
    parts = [{"params": [w], "lr": LR * (i + 1)} for i, w in enumerate(weights)]
    optimizer = torch.optim.SGD(parts, lr=LR, momentum=0.9)
    scheduler = Scheduler(optimizer, tools.plan, total=12)
    tools.run(optimizer, 5)
    pair = (optimizer, scheduler)
    other, twin = pickle.loads(pickle.dumps(pair)) if how == "pickle" else copy.deepcopy(pair)
    assert twin.optimizer is other
    levels = tools.plan.resolve(total=12)
    for t in range(5, 12):
        assert twin.get_last_lr() == [group["lr"] for group in other.param_groups]
        other.step()
        assert [g["lr"] for g in other.param_groups] == [LR * levels(t), LR * 2 * levels(t)]
    assert (scheduler.committed, twin.committed) == (5, 12)
    with pytest.raises(rw.ScheduleError, match="twice"):
        copy.copy(scheduler)


def test_a_rate_set_from_outside_survives_a_resume(tools: Any) -> None:
    """What a search sets as base rate is saved, and the code's own rate does not undo it."""
    first = tools.make(LR)
    scheduler = Scheduler(first, tools.plan, total=12)
    tools.run(first, 3)
    scheduler.base_lrs = [2 * LR]
    tools.run(first, 2)
    second = tools.make(LR)
    Scheduler(second, tools.plan, total=12).load_state_dict(scheduler.state_dict())
    tools.run(second, 7)
    expected = tools.expected(tools.plan, 12, 2 * LR)[3:]
    assert [*tools.trace(first)[3:], *tools.trace(second)] == expected


@pytest.mark.parametrize("wrong", [[LR], [LR, LR, LR], [LR, None], [LR, -LR], "xy", [LR, math.inf]])
def test_base_rates_that_are_none_change_nothing(tools: Any, wrong: Any) -> None:
    """Too few, too many, or what is no rate: refused, and no group has another peak."""
    optimizer = tools.make(LR, 2)
    scheduler = Scheduler(optimizer, tools.plan, total=12)
    with pytest.raises(rw.ScheduleError, match="base_lrs"):
        scheduler.base_lrs = wrong
    assert scheduler.base_lrs == [g["initial_lr"] for g in optimizer.param_groups]


def test_resuming_a_long_run_takes_no_longer_than_a_short_one(tools: Any) -> None:
    """At update 1,000,000 the state is loaded and the rate known from as few levels as at 10."""

    def levels_asked(update: int) -> list[int]:
        asked: list[int] = []
        half = rw.Function(lambda t: asked.append(int(t)) or 0.5)
        scheduler = Scheduler(tools.make(LR), half * tools.plan, total=2_000_000)
        scheduler.seek(update)
        state = scheduler.state_dict()
        asked.clear()
        scheduler.load_state_dict(state)
        assert scheduler.get_lr() == [LR * (0.5 * tools.plan.resolve(total=2_000_000)(update))]
        return asked

    assert len(levels_asked(1_000_000)) == len(levels_asked(10)) <= 2
