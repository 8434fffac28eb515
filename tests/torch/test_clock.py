"""The clock counts committed updates and nothing else."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.torch import Scheduler


@pytest.mark.parametrize("window", [1, 4, 16])
def test_accumulation_does_not_move_the_clock(tools: Any, window: int) -> None:
    """30 batches in windows of 1, 4, 16 use f(0), f(1), … once each, the partial last one too."""
    updates = -(-30 // window)
    optimizer = tools.make()
    scheduler = Scheduler(optimizer, tools.plan, total=max(updates, 8))
    for batch in range(1, 31):
        if batch % window == 0 or batch == 30:
            optimizer.step()
        scheduler.step()
    assert tools.trace(optimizer) == tools.expected(tools.plan, max(updates, 8))[:updates]
    assert scheduler.committed == scheduler.last_epoch == updates


def test_after_an_update_the_group_holds_the_rate_it_used(tools: Any) -> None:
    """f(0) is in place from the start, and logs read the rate of the update they speak of."""
    optimizer = tools.make(groups=3)
    scheduler = Scheduler(optimizer, tools.plan, total=12)
    levels = tools.plan.resolve(total=12).values().tolist()
    rates = [[peak * level for peak in scheduler.base_lrs] for level in levels]
    assert [group["lr"] for group in optimizer.param_groups] == rates[0]
    for t in range(12):
        assert scheduler.get_lr() == rates[t]
        optimizer.step()
        held = [group["lr"] for group in optimizer.param_groups]
        assert held == optimizer.used[-1] == scheduler.get_last_lr() == rates[t]


def test_past_the_end_the_rate_holds(tools: Any) -> None:
    """An overrun neither raises nor rebounds."""
    optimizer = tools.make()
    Scheduler(optimizer, tools.plan, total=10)
    tools.run(optimizer, 2500)
    end = 3e-4 * tools.plan.resolve(total=10).end
    assert set(tools.trace(optimizer)[10:]) == {end}


def test_long_runs_cross_blocks_exactly(tools: Any) -> None:
    """The block of levels computed ahead changes nothing: every rate equals lr × f(t)."""
    optimizer = tools.make()
    Scheduler(optimizer, tools.plan, total=9000)
    tools.run(optimizer, 9000)
    assert tools.trace(optimizer) == tools.expected(tools.plan, 9000)


def test_the_weights_move_by_the_rates(tools: Any) -> None:
    """With gradients of 1 in float64, what each update subtracts is its rate."""
    weight = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = torch.optim.SGD([weight], lr=3e-4)
    Scheduler(optimizer, tools.plan, total=40)
    moved = []
    for _ in range(40):
        weight.data.zero_()
        weight.grad = torch.ones_like(weight)
        optimizer.step()
        moved.append(-weight.item())
    assert moved == tools.expected(tools.plan, 40)


def test_a_step_that_raises_is_not_an_update(tools: Any) -> None:
    """An exception in the optimizer leaves the clock where it was, once and again."""
    optimizer = tools.make()
    scheduler = Scheduler(optimizer, tools.plan, total=9)

    def fail() -> float:
        raise RuntimeError("out of memory")

    for t in range(9):
        for _ in range(t % 3):
            with pytest.raises(RuntimeError, match="out of memory"):
                optimizer.step(fail)
        assert scheduler.committed == t
        optimizer.step()
    assert tools.trace(optimizer) == tools.expected(tools.plan, 9)


def test_a_step_that_calls_its_base_class_counts_once(tools: Any) -> None:
    """Hooks run for the subclass and for its base; the update is one."""
    torch.optim.SGD([tools.parameter()], lr=1.0)  # its class is hooked from here on
    optimizer = tools.make()
    scheduler = Scheduler(optimizer, tools.plan, total=9)
    optimizer.step()
    assert scheduler.committed == 1


def test_step_does_nothing(tools: Any) -> None:
    """Calls of `step`, with whatever arguments, change neither clock nor rates."""
    optimizer = tools.make()
    scheduler = Scheduler(optimizer, tools.plan, total=9)
    for _ in range(9):
        optimizer.step()
        scheduler.step()
        scheduler.step(7)
        scheduler.step(7, 0.1)
        scheduler.step(0.25)
        scheduler.step_update(num_updates=7, metric=0.1)
        scheduler.step(metrics=0.1)
        scheduler.observe(val_loss=0.3)
        scheduler.observe({"val_loss": 0.3})
        scheduler._step_count += 1  # as Accelerate does, when it accumulates
    assert tools.trace(optimizer) == tools.expected(tools.plan, 9)
    assert scheduler._step_count == 10


def test_seek_finds_the_place_of_a_run_whose_state_was_lost(tools: Any) -> None:
    """`seek` is absolute, forwards and back, and refuses what is no number of updates."""
    optimizer = tools.make()
    scheduler = Scheduler(optimizer, tools.plan, total=50)
    for place in (30, 7, 0, 30):
        scheduler.seek(place)
        optimizer.step()
        assert tools.trace(optimizer)[-1] == tools.expected(tools.plan, 50)[place]
        assert scheduler.committed == place + 1
    with pytest.raises(rw.ScheduleError, match=r"seek\(-1\)"):
        scheduler.seek(-1)


def test_nothing_keeps_the_optimizer_alive(tools: Any) -> None:
    """With the garbage collector off, the optimizer goes with its last name."""
    gc.disable()
    try:
        optimizer = tools.make(groups=2)
        scheduler = Scheduler(optimizer, tools.plan, total=9)
        optimizer.step()
        gone = weakref.ref(optimizer)
        del optimizer, scheduler
        assert gone() is None
    finally:
        gc.enable()


def test_step_is_the_same_object_before_and_after(tools: Any) -> None:
    """`optimizer.step` is not replaced, on the object or on the class."""
    optimizer = tools.make()
    before = optimizer.step, type(optimizer).step, "step" in vars(optimizer)
    Scheduler(optimizer, tools.plan, total=9)
    assert (optimizer.step, type(optimizer).step, "step" in vars(optimizer)) == before


def test_the_schedule_runs_whether_or_not_the_scheduler_is_held(tools: Any) -> None:
    """Dropping the object leaves the schedule running; `of` gives it back."""
    optimizer = tools.make()
    Scheduler(optimizer, tools.plan, total=9)
    gc.collect()
    tools.run(optimizer, 9)
    assert tools.trace(optimizer) == tools.expected(tools.plan, 9)
    assert Scheduler.of(optimizer).committed == 9


def test_two_schedules_on_one_optimizer_are_refused(tools: Any) -> None:
    """The second is refused with the way out, and after `detach` it is not."""
    optimizer = tools.make()
    first = Scheduler(optimizer, tools.plan, total=9)
    with pytest.raises(rw.ScheduleError, match=r"detach\(\)"):
        Scheduler(optimizer, tools.plan, total=9)
    tools.run(optimizer, 3)
    first.detach()
    tools.run(optimizer, 3)
    assert optimizer.param_groups[0]["lr"] == 3e-4
    assert first.committed == 3
    Scheduler(optimizer, tools.plan, total=9)
    with pytest.raises(rw.ScheduleError, match="found no schedule"):
        Scheduler.of(tools.make())


@pytest.mark.parametrize("stranger", [None, torch.nn.Linear(1, 1), [1]])
def test_what_is_no_optimizer_is_refused(stranger: Any) -> None:
    """The error names what was given."""
    with pytest.raises(rw.ScheduleError, match="needs an optimizer"):
        Scheduler(stranger, rw.Cosine(to=0), total=9)


def test_an_optimizer_without_groups_is_refused(tools: Any) -> None:
    """There is nothing to schedule in it."""
    optimizer = tools.make()
    optimizer.param_groups.clear()
    with pytest.raises(rw.ScheduleError, match="no groups"):
        Scheduler(optimizer, rw.Cosine(to=0), total=9)


def test_schedules_come_as_values_and_as_text(tools: Any) -> None:
    """A schedule, a plan and their texts give the same rates; anything else is refused."""
    traces = []
    for given in (tools.plan, rw.Plan(lr=tools.plan), repr(tools.plan)):
        optimizer = tools.make()
        Scheduler(optimizer, given, total=9)
        tools.run(optimizer, 9)
        traces.append(tools.trace(optimizer))
    assert traces[0] == traces[1] == traces[2]
    with pytest.raises(rw.ScheduleError, match="needs a schedule"):
        Scheduler(tools.make(), 3, total=9)  # type: ignore[arg-type]


def test_a_function_is_asked_for_each_update_when_it_is_due(tools: Any) -> None:
    """A table of exactly as many levels as updates is enough."""
    table = [1.0, 0.5, 0.25]
    optimizer = tools.make(lr=1.0)
    Scheduler(optimizer, rw.Function(lambda t: table[t]))
    tools.run(optimizer, 3)
    assert tools.trace(optimizer) == table


def test_it_is_a_scheduler_of_torch_and_warns_of_nothing(tools: Any) -> None:
    """Frameworks check the class; use as documented is clean with warnings as errors."""
    assert issubclass(Scheduler, torch.optim.lr_scheduler.LRScheduler)
    script = """
import torch, ratewise as rw
from ratewise.torch import Scheduler
weight = torch.nn.Parameter(torch.ones(2))
optimizer = torch.optim.AdamW([weight], lr=3e-4)
scheduler = Scheduler(optimizer, rw.Warmup(2) >> rw.Cosine(to=0), total=8)
for _ in range(9):
    weight.sum().backward()
    scheduler.step()
    optimizer.step()
scheduler.load_state_dict(scheduler.state_dict())
scheduler.detach()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_without_torch_the_error_is_the_command_that_installs_it() -> None:
    """`import ratewise.torch` says `pip install 'ratewise[torch]'`."""
    script = "import sys; sys.modules['torch'] = None\nimport ratewise.torch"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode != 0
    assert "pip install 'ratewise[torch]'" in run.stderr.splitlines()[-1]
