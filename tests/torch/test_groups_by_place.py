"""A group without a name is meant by its place; a plan that was read finds its groups again."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler as lrs

import ratewise as rw
from ratewise.convert import read, write
from ratewise.torch import Scheduler

RATES, TOTAL = (1e-3, 1e-4, 5e-4), 12
NAMED = ("body", "head", "tail")


class Recording(torch.optim.SGD):
    """Keeps the rates that each update uses, in `used`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.used: list[list[float]] = []

    def step(self, closure: Any = None) -> Any:
        self.used.append([float(group["lr"]) for group in self.param_groups])
        return super().step(closure)


def optimizer_of(names: Any = (None,) * 3, rates: Any = RATES, **options: Any) -> Any:
    """An optimizer with these groups."""
    groups = [
        {"params": [torch.nn.Parameter(torch.ones(i + 1))], "lr": rate}
        for i, rate in enumerate(rates)
    ]
    for group, name in zip(groups, names, strict=True):
        group.update({} if name is None else {"name": name})
    return Recording(groups, **options)


def run(optimizer: Any, updates: int = TOTAL, scheduler: Any = None) -> list[list[float]]:
    for _ in range(updates):
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return optimizer.used


KINDS = {
    "steps": lambda o: lrs.StepLR(o, 5),
    "floor": lambda o: lrs.CosineAnnealingLR(o, TOTAL, 5e-5),
    "functions": lambda o: lrs.LambdaLR(o, [lambda t, k=k: 1 / (1 + k * t) for k in range(3)]),
    "cycle": lambda o: lrs.OneCycleLR(o, [1e-2, 1e-3, 5e-3], TOTAL),
    "momentum": lambda o: lrs.CyclicLR(o, [1e-4] * 3, [1e-2, 1e-3, 5e-3], 3),
}
BINDS = [(None, None, None), NAMED, ("body", None, None), ("0", "1", "2"), (0, 1, 2)]


@pytest.mark.parametrize("names", BINDS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_what_was_read_finds_its_groups(kind: str, names: Any) -> None:
    """It binds to the optimizer it was read from, to an equal one, and to one that has names."""
    make = KINDS[kind]
    options = {"momentum": 0.9} if kind in ("cycle", "momentum") else {}
    native = optimizer_of(**options)
    wanted = run(native, scheduler=make(native))
    source = make(optimizer_of(**options))
    plan = read(source, total=TOTAL)
    assert list(plan.groups) == ["1", "2"]
    for optimizer in (source.optimizer, optimizer_of(names, **options)):
        Scheduler(optimizer, plan)
        for mine, theirs in zip(run(optimizer), wanted, strict=True):
            assert mine == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("names", [NAMED, ("a", "a", "b"), ("body", None, "tail"), (7, 8, 9)])
def test_names_are_kept_where_they_tell_groups_apart(names: Any) -> None:
    """One that others have too is no name to find a group by; a number is a name like another."""
    source = lrs.StepLR(optimizer_of(names), 5)
    plan = read(source)
    told = [
        str(name) if names.count(name) == 1 and name else str(i) for i, name in enumerate(names)
    ]
    assert list(plan.groups) == told[1:]
    for optimizer in (source.optimizer, optimizer_of(names)):
        Scheduler(optimizer, plan)
        assert run(optimizer, 1) == [pytest.approx(list(RATES), rel=1e-12)]


def test_a_name_that_is_the_place_of_another_is_refused() -> None:
    """Nobody can tell which of the two is meant, in reading and in binding."""
    with pytest.raises(rw.ScheduleError, match="the name of group 0 of the optimizer, and"):
        read(lrs.StepLR(optimizer_of(("1", None, None)), 5))
    plan = rw.Plan(lr=rw.Hold(), groups={"1": rw.Hold(0.5)})
    crossed = optimizer_of(("1", "0", None))
    with pytest.raises(rw.ScheduleError, match="no number"):
        Scheduler(crossed, plan, total=TOTAL)
    assert [group["lr"] for group in crossed.param_groups] == list(RATES)
    assert list(read(lrs.StepLR(optimizer_of(("9", None, None)), 5)).groups) == ["1", "2"]


def test_a_group_that_is_meant_twice_or_not_there_is_refused() -> None:
    """By name and by place; by a place past the end, or one that is no place."""
    both = rw.Plan(groups={"head": rw.Hold(), "1": rw.Hold(0.5)})
    with pytest.raises(rw.ScheduleError, match="is group 1, which the plan names 'head' too"):
        Scheduler(optimizer_of(NAMED), both, total=TOTAL)
    for key in ("3", "-1", "01", "1.0", "١"):
        with pytest.raises(rw.ScheduleError, match="names no group"):
            Scheduler(optimizer_of(), rw.Plan(groups={key: rw.Hold()}), total=TOTAL)
    with pytest.raises(rw.ScheduleError, match="one of 0, 1, 2"):
        Scheduler(optimizer_of(), rw.Plan(groups={"head": rw.Hold()}), total=TOTAL)


def test_a_name_that_is_an_int_counts() -> None:
    """What frameworks write as a number is found by the plan's text."""
    optimizer = optimizer_of((10, 20, 30))
    Scheduler(optimizer, rw.Plan(lr=rw.Hold(), groups={"20": rw.Hold(0.5)}), total=TOTAL)
    assert run(optimizer, 1) == [[1e-3, 5e-5, 5e-4]]


def test_a_place_counts_when_the_plan_is_bound() -> None:
    """Groups that are removed, moved or added afterwards keep, or get, what they had."""
    optimizer = optimizer_of()
    scheduler = Scheduler(optimizer, rw.Plan(lr=rw.Hold(), groups={"1": rw.Hold(0.5)}))
    first, second, third = optimizer.param_groups
    optimizer.param_groups[:] = [third, second]
    optimizer.step()
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(9))], "lr": 1e-2})
    assert run(optimizer, 2)[1:] == [[5e-4, 5e-5, 1e-2]] * 2
    assert scheduler.base_lrs == [5e-4, 1e-4, 1e-2]
    assert first["lr"] == 1e-3


PLAN = rw.Plan(lr=rw.Linear(to=0), groups={"1": rw.Cosine(to=0.1), "2": rw.Hold(0.5)})


def resumed(
    state: Any, rates: Any, sizes: Any, code: rw.Plan = PLAN, policy: str | None = None
) -> Any:
    """A new optimizer with groups of these rates and sizes, where a state was loaded."""
    fresh = optimizer_of(rates=rates)
    for group, size in zip(fresh.param_groups, sizes, strict=True):
        group["params"] = [torch.nn.Parameter(torch.ones(size))]
    Scheduler(fresh, code, total=TOTAL, resume=policy).load_state_dict(copy.deepcopy(state))
    return fresh


def test_a_checkpoint_finds_groups_that_are_meant_by_place() -> None:
    """With the same code; with other code, by what is meant there or in the checkpoint."""
    whole = optimizer_of()
    scheduler = Scheduler(whole, PLAN, total=TOTAL)
    run(whole, 5)
    state = scheduler.state_dict()
    run(whole, 3)
    assert run(resumed(state, RATES, (1, 2, 3)), 3) == whole.used[5:]
    other = rw.Plan(lr=rw.Hold(), groups={"0": rw.Linear(to=0.5)})
    kept = resumed(state, RATES, (1, 2, 3), other, "checkpoint")
    assert run(kept, 3) == whole.used[5:]
    new = resumed(state, RATES, (1, 2, 3), other, "code")
    level = rw.Linear(to=0.5).resolve(TOTAL)(5)
    assert run(new, 1) == [[RATES[0] * level, *RATES[1:]]]


def test_groups_that_changed_places_are_no_other_groups() -> None:
    """They keep what they follow in a run; code that means others by their places is refused."""
    whole = optimizer_of()
    scheduler = Scheduler(whole, PLAN, total=TOTAL)
    run(whole, 5)
    whole.param_groups.reverse()
    state = scheduler.state_dict()
    run(whole, 3)
    back = (3, 2, 1)
    with pytest.raises(rw.ScheduleError, match=r"group 0 follows groups\['2'\], the code's what"):
        resumed(state, RATES[::-1], back)
    assert run(resumed(state, RATES[::-1], back, policy="checkpoint"), 3) == whole.used[5:]
    code = resumed(state, RATES[::-1], back, policy="code")
    levels = [s.resolve(TOTAL)(5) for s in (rw.Linear(to=0), rw.Cosine(to=0.1), rw.Hold(0.5))]
    expected = [rate * level for rate, level in zip(RATES[::-1], levels, strict=True)]
    assert run(code, 1) == [pytest.approx(expected)]


def test_such_a_plan_is_written_down_and_read_again() -> None:
    """As a text, as JSON, and as code for PyTorch and Lightning, which runs."""
    source = lrs.CosineAnnealingLR(optimizer_of(), TOTAL, 5e-5)
    plan = read(source, total=TOTAL)
    assert rw.parse(repr(plan)) == plan
    assert rw.from_json(plan.to_json()) == plan
    native = optimizer_of()
    wanted = run(native, scheduler=lrs.CosineAnnealingLR(native, TOTAL, 5e-5))
    for names in ((None,) * 3, NAMED):
        optimizer = optimizer_of(names)
        space: dict[str, Any] = {}
        exec(write(plan, "torch", total=TOTAL), space)
        used = run(optimizer, scheduler=space["make_scheduler"](optimizer))
        for mine, theirs in zip(used, wanted, strict=True):
            assert mine == pytest.approx(theirs, rel=1e-12)
