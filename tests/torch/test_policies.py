"""A checkpoint that differs from the code goes on as a named policy says, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

import ratewise as rw
from ratewise.torch import Scheduler

LR = 3e-4
OLD = rw.Warmup(4) >> rw.Cosine(to=0.1)
NEW = rw.Warmup(10) >> rw.Linear(to=0.2)
AT = 20


def state_at(tools: Any, at: int = AT, lr: float = LR, total: int = 40) -> dict[str, Any]:
    optimizer = tools.make(lr, 2)
    scheduler = Scheduler(optimizer, OLD, total=total)
    tools.run(optimizer, at)
    return scheduler.state_dict()


def resumed(
    tools: Any, state: Any, policy: str | None, new: Any = NEW, total: int = 80, lr: float = LR
) -> Any:
    optimizer = tools.make(lr, 2)
    scheduler = Scheduler(optimizer, new, total=total, resume=policy)
    scheduler.load_state_dict(state)
    return optimizer, scheduler


def rate(schedule: Any, total: int, t: int, lr: float = LR) -> float:
    return lr * schedule.resolve(total=total)(t)


def test_without_a_policy_a_difference_is_refused(tools: Any) -> None:
    """The error names what differs and the four policies; nothing is changed."""
    optimizer = tools.make(LR, 2)
    scheduler = Scheduler(optimizer, NEW, total=80)
    before = scheduler.state_dict()
    with pytest.raises(rw.ScheduleError) as error:
        scheduler.load_state_dict(state_at(tools))
    for part in (repr(OLD), repr(NEW), "40", "80", "'rescale'", "'continue'", "'code'"):
        assert part in str(error.value)
    assert scheduler.state_dict() == before
    with pytest.raises(rw.ScheduleError, match="total is 40, the code's 80"):
        resumed(tools, state_at(tools), None, OLD)
    with pytest.raises(rw.ScheduleError, match=r"lr of group 0 is 0\.0003, the code's 0\.0005"):
        resumed(tools, state_at(tools), None, OLD, 40, lr=5e-4)


def test_an_unknown_policy_gets_the_nearest(tools: Any) -> None:
    """`resume="resacle"` is an error at construction."""
    with pytest.raises(rw.ScheduleError, match="did you mean rescale"):
        Scheduler(tools.make(), OLD, total=9, resume="resacle")


def test_a_policy_that_is_not_needed_changes_and_prints_nothing(tools: Any, capsys: Any) -> None:
    """Where code and checkpoint agree the resume is exact, whatever the policy."""
    for policy in ("checkpoint", "code", "rescale", "continue"):
        optimizer, _ = resumed(tools, state_at(tools), policy, OLD, 40)
        optimizer.step()
        assert tools.trace(optimizer) == [rate(OLD, 40, AT)]
    assert capsys.readouterr().out == ""


def expected(policy: str, t: int) -> float:
    """The rate of update t after a resume at AT, of the first group."""
    if policy == "checkpoint":
        return rate(OLD, 40, t)
    if policy == "code":
        return rate(NEW, 80, t)
    if policy == "rescale":
        return rate(NEW, 80, AT * 80 // 40 + t - AT)
    return rate(OLD, 40, AT) / NEW.resolve(total=80)(AT) * NEW.resolve(total=80)(t)


@pytest.mark.parametrize("policy", ["checkpoint", "code", "rescale", "continue"])
def test_each_policy_goes_on_as_it_says(tools: Any, policy: str, capsys: Any) -> None:
    """Every later rate follows the policy, is printed before and after, and resumes exactly."""
    optimizer, scheduler = resumed(tools, state_at(tools), policy)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    before, after = f"{rate(OLD, 40, AT):g}", f"{expected(policy, AT):g}"
    assert lines[0] == f"ratewise: group 0: lr {before} -> {after} at update 20 (resume='{policy}')"
    wanted = [expected(policy, t) for t in range(AT, 100)]
    for _ in range(8):
        tools.run(optimizer, 10)
        assert tools.trace(optimizer) == wanted[:10]
        wanted = wanted[10:]
        state = tools.saved(scheduler)[0]
        optimizer, scheduler = resumed(tools, state, policy)
        scheduler.load_state_dict(state)
    assert bool(capsys.readouterr().out) == (policy == "checkpoint")


def test_continue_joins_without_a_jump(tools: Any) -> None:
    """The next rate of every group is the checkpoint's, to 1 part in 10**15."""
    optimizer, _ = resumed(tools, state_at(tools), "continue", NEW, 80, lr=7e-4)
    optimizer.step()
    old = rate(OLD, 40, AT)
    assert optimizer.used[0] == pytest.approx([old, old / 2], rel=1e-15)


def test_continue_refuses_a_level_of_zero(tools: Any) -> None:
    """There is no constant that joins 0 to anything; nothing is changed."""
    down = rw.Linear(to=0, over=10)
    for new, state in ((down, state_at(tools)), (NEW, state_of(tools, down, 15))):
        with pytest.raises(rw.ScheduleError, match="at 0 at update"):
            resumed(tools, state, "continue", new, total=40)


def state_of(tools: Any, schedule: Any, at: int) -> dict[str, Any]:
    optimizer = tools.make(LR, 2)
    scheduler = Scheduler(optimizer, schedule, total=40)
    tools.run(optimizer, at)
    return scheduler.state_dict()


def test_rescale_needs_two_totals(tools: Any) -> None:
    """Progress is a share of something."""
    optimizer = tools.make(LR, 2)
    scheduler = Scheduler(optimizer, rw.Hold(), resume="rescale")
    with pytest.raises(rw.ScheduleError, match="give both runs a total"):
        scheduler.load_state_dict(state_at(tools))
    assert scheduler.committed == 0


@pytest.mark.parametrize(("policy", "lr"), [("checkpoint", LR), ("code", 5e-4), ("rescale", 5e-4)])
def test_new_base_rates_are_a_difference(tools: Any, policy: str, lr: float) -> None:
    """Another lr in the code is never half taken: each policy says whose counts."""
    optimizer, scheduler = resumed(tools, state_at(tools), policy, OLD, 40, lr=5e-4)
    optimizer.step()
    assert optimizer.used[0] == [rate(OLD, 40, AT, lr), lr / 2 * OLD.resolve(total=40)(AT)]
    assert scheduler.base_lrs == [lr, lr / 2]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_decayed_rates_of_a_loaded_optimizer_are_no_wish_of_the_code(
    tools: Any, momentum: float
) -> None:
    """Made after the optimizer was loaded, the scheduler saw the rates of the last update only."""
    first = tools.make(LR, 2, momentum=momentum)
    scheduler = Scheduler(first, OLD, total=40)
    tools.run(first, AT)
    for policy in (None, "code"):
        second = tools.make(LR, 2, momentum=momentum)
        second.load_state_dict(first.state_dict())
        other = Scheduler(second, OLD if policy is None else NEW, total=40, resume=policy)
        other.load_state_dict(scheduler.state_dict())
        assert other.base_lrs == [LR, LR / 2]


def test_a_checkpoint_brings_the_keys_that_it_scheduled(tools: Any) -> None:
    """Under "checkpoint" a plan with more keys than the code's is followed as a whole."""
    plan = rw.Plan(lr=OLD, momentum=rw.Linear(to=0.5))
    first = tools.make(LR, 2, momentum=0.9)
    scheduler = Scheduler(first, plan, total=40)
    tools.run(first, AT)
    second = tools.make(LR, 2, momentum=0.9)
    Scheduler(second, NEW, total=40, resume="checkpoint").load_state_dict(scheduler.state_dict())
    first.step()
    second.step()
    assert second.used[-1] == first.used[-1]
    assert second.param_groups[0]["momentum"] == first.param_groups[0]["momentum"] < 0.9
