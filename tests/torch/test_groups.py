"""Groups keep their own rates, whatever becomes of the list that they are in."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.torch import Scheduler

LR = 3e-4


def rates(optimizer: Any) -> list[float]:
    """The rates of the groups after one more update."""
    optimizer.step()
    return [group["lr"] for group in optimizer.param_groups]


def level(tools: Any, t: int) -> float:
    return tools.plan.resolve(total=20)(t)


def bound(tools: Any, groups: int = 3, **options: Any) -> tuple[Any, Scheduler]:
    optimizer = tools.make(LR, groups, **options)
    return optimizer, Scheduler(optimizer, tools.plan, total=20)


def test_ratios_between_groups_never_change(tools: Any) -> None:
    """A schedule multiplies: group i uses base i × f(t), to the last bit."""
    optimizer, _ = bound(tools, 7)
    tools.run(optimizer, 20)
    for index in range(7):
        assert tools.trace(optimizer, index) == tools.expected(tools.plan, 20, LR / (index + 1))


def test_an_added_group_is_scheduled_from_its_own_rate(tools: Any) -> None:
    """Once it has joined it uses its own base × f(t); it is never silently constant."""
    optimizer, scheduler = bound(tools)
    tools.run(optimizer, 5)
    optimizer.add_param_group({"params": [tools.parameter(9)], "lr": 1e-2})
    assert scheduler.get_last_lr()[3] == 1e-2
    assert rates(optimizer)[3] == 1e-2 * level(tools, 5)
    assert rates(optimizer) == [base * level(tools, 6) for base in scheduler.base_lrs]
    assert scheduler.base_lrs == [LR, LR / 2, LR / 3, 1e-2]


def test_removed_and_reordered_groups_keep_their_own(tools: Any) -> None:
    """Moving a group moves its rate with it."""
    optimizer, scheduler = bound(tools)
    tools.run(optimizer, 5)
    optimizer.param_groups.reverse()
    assert rates(optimizer) == [LR / i * level(tools, 5) for i in (3, 2, 1)]
    removed = optimizer.param_groups.pop(1)
    assert rates(optimizer) == [LR / i * level(tools, 6) for i in (3, 1)]
    assert scheduler.get_last_lr() == [LR / i * level(tools, 6) for i in (3, 1)]
    optimizer.param_groups.insert(0, removed)
    assert rates(optimizer) == [LR / i * level(tools, 7) for i in (2, 3, 1)]


def test_an_emptied_group_is_fine(tools: Any) -> None:
    """Without parameters a group keeps its rate, also when the optimizer's state is loaded."""
    optimizer, _ = bound(tools)
    tools.run(optimizer, 5)
    optimizer.param_groups[1]["params"].clear()
    assert rates(optimizer) == [LR / i * level(tools, 5) for i in (1, 2, 3)]
    optimizer.load_state_dict(tools.copy_of(optimizer.state_dict()))
    assert rates(optimizer) == [LR / i * level(tools, 6) for i in (1, 2, 3)]


def test_groups_that_replace_others_are_noticed(tools: Any) -> None:
    """New dicts with the same parameters are the same groups, even where they look the same."""
    optimizer, _ = bound(tools)
    tools.run(optimizer, 5)
    optimizer.param_groups[:] = [dict(group) for group in optimizer.param_groups]
    assert rates(optimizer) == [LR / i * level(tools, 5) for i in (1, 2, 3)]
    optimizer.param_groups[1] = dict(optimizer.param_groups[1])
    assert rates(optimizer) == [LR / i * level(tools, 6) for i in (1, 2, 3)]
    optimizer.param_groups[1] = {**optimizer.param_groups[1], "params": [tools.parameter(5)]}
    assert rates(optimizer)[1] == LR / 2 * level(tools, 7)  # the peak that it was copied with
    swapped = [optimizer.param_groups[i] for i in (2, 1, 0)]
    optimizer.param_groups = swapped
    assert rates(optimizer)[::2] == [LR / i * level(tools, 8) for i in (3, 1)]


def test_loading_the_optimizer_keeps_the_schedule(tools: Any) -> None:
    """`optimizer.load_state_dict` brings other dicts and rates; the schedule's are put back."""
    optimizer, scheduler = bound(tools, momentum=0.9)
    tools.run(optimizer, 5)
    other = tools.make(7.0, 3, momentum=0.9)
    optimizer.load_state_dict(other.state_dict())
    assert [group["lr"] for group in optimizer.param_groups] == scheduler.get_last_lr()
    assert rates(optimizer) == [LR / i * level(tools, 5) for i in (1, 2, 3)]


def test_many_groups_and_few_take_the_same_road(tools: Any) -> None:
    """1, 2 and 50 groups: the short way and the plain way agree to the bit."""
    for groups in (1, 2, 50):
        short, _ = bound(tools, groups)
        plain = tools.make(LR, groups, weight_decay=0.1)
        Scheduler(plain, rw.Plan(lr=tools.plan, weight_decay=rw.Hold()), total=20)  # a second key
        for optimizer in (short, plain):
            tools.run(optimizer, 25)
        assert short.used == plain.used


def test_the_short_way_and_the_table_agree_to_the_bit(tools: Any) -> None:
    """A plan that schedules a second key takes the table; the rates are the same."""
    short, plain = tools.make(LR, 50, momentum=0.9), tools.make(LR, 50, momentum=0.9)
    Scheduler(short, tools.plan, total=3000)
    Scheduler(plain, rw.Plan(lr=tools.plan, momentum=rw.Hold()), total=3000)
    tools.run(short, 1100)
    tools.run(plain, 1100)
    assert short.used == plain.used


def test_a_plan_gives_groups_schedules_of_their_own(tools: Any) -> None:
    """A named group follows its own schedule; the others the plan's."""
    parts = [
        {"params": [tools.parameter()], "name": "body"},
        {"params": [tools.parameter()], "name": "head", "lr": 1e-2},
    ]
    optimizer = tools.SGD(parts, lr=LR)
    Scheduler(optimizer, rw.Plan(lr=tools.plan, groups={"head": rw.Cosine(to=0)}), total=20)
    tools.run(optimizer, 20)
    assert tools.trace(optimizer, 0) == tools.expected(tools.plan, 20)
    assert tools.trace(optimizer, 1) == tools.expected(rw.Cosine(to=0), 20, 1e-2)


def test_a_plan_writes_the_keys_it_was_told_to_and_no_others(tools: Any) -> None:
    """Momentum as beta1, betas by index, weight decay and a user's own key."""
    half = rw.Linear(to=0.5, over=10)
    kind = tools.recording(torch.optim.AdamW)
    optimizer = kind([tools.parameter()], lr=LR, betas=(0.8, 0.9), weight_decay=0.1)
    optimizer.param_groups[0]["clip"] = 2.0
    before = {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
    plan = rw.Plan(momentum=half, weight_decay=half, keys={"betas[1]": half, "clip": half})
    scheduler = Scheduler(optimizer, plan)
    tools.run(optimizer, 12)
    after = {k: v for k, v in optimizer.param_groups[0].items() if k != "params"}
    changed = {"betas": (0.4, 0.45), "weight_decay": 0.05, "clip": 1.0}
    kept = {"momentum": 0.8, "weight_decay": 0.1, "betas[1]": 0.9, "clip": 2.0}
    carried = {"ratewise_updates": 12, **{f"initial_{key}": value for key, value in kept.items()}}
    assert after == {**before, **changed, **carried}
    assert scheduler.get_last_lr() == scheduler.base_lrs == [LR]


def test_a_peak_replaces_the_optimizers_value(tools: Any) -> None:
    """`peak` is the value at level 1, for every group or for one."""
    optimizer = tools.make(1.0, 2)
    optimizer.param_groups[1]["name"] = "head"
    head = rw.Plan(lr=rw.Hold(), peak={"lr": 1e-2})
    plan = rw.Plan(lr=tools.plan, peak={"lr": LR}, groups={"head": head})
    Scheduler(optimizer, plan, total=20)
    tools.run(optimizer, 20)
    assert tools.trace(optimizer, 0) == tools.expected(tools.plan, 20)
    assert set(tools.trace(optimizer, 1)) == {1e-2}


def test_unknown_groups_and_keys_get_the_nearest_name(tools: Any) -> None:
    """A misspelt name is an error, with the right one."""
    optimizer = tools.make(LR, 2)
    with pytest.raises(rw.ScheduleError, match="name it"):
        Scheduler(optimizer, rw.Plan(groups={"haed": rw.Hold()}), total=9)
    optimizer.param_groups[1]["name"] = "head"
    with pytest.raises(rw.ScheduleError, match="did you mean head"):
        Scheduler(optimizer, rw.Plan(groups={"haed": rw.Hold()}), total=9)
    with pytest.raises(rw.ScheduleError, match="did you mean dampening"):
        Scheduler(optimizer, rw.Plan(keys={"dampning": rw.Hold()}), total=9)
    adam = torch.optim.Adam([tools.parameter()], lr=LR)
    with pytest.raises(rw.ScheduleError, match="past the end"):
        Scheduler(adam, rw.Plan(keys={"betas[2]": rw.Hold()}), total=9)


def test_a_key_of_zero_everywhere_is_refused(tools: Any) -> None:
    """A level times 0 is 0: the plan needs a peak. A 0 in some groups is meant."""
    with pytest.raises(rw.ScheduleError, match="weight_decay=0 in every group"):
        Scheduler(tools.make(LR), rw.Plan(weight_decay=rw.Cosine(to=0)), total=9)
    with pytest.raises(rw.ScheduleError, match="lr=0 in every group"):
        Scheduler(tools.make(0.0), rw.Cosine(to=0), total=9)
    plan = rw.Plan(weight_decay=rw.Cosine(to=0), peak={"weight_decay": 0.1})
    Scheduler(tools.make(LR), plan, total=9)
    frozen = tools.make(LR, 2)
    frozen.param_groups[1]["lr"] = 0.0
    Scheduler(frozen, tools.plan, total=9)
    assert rates(frozen)[1] == 0.0
