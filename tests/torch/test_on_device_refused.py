"""What cannot have its clock on the device is told so at once, with what to write."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.torch import Scheduler
from tests.torch.device_twin import Still

LR = 3e-4


@pytest.mark.parametrize(
    ("kind", "options", "fix"),
    [
        (torch.optim.SGD, {}, "fused=True, or leave on_device out"),
        (torch.optim.SGD, {"foreach": True}, "fused=True, or leave on_device out"),
        (torch.optim.AdamW, {}, "fused=True or capturable=True, or leave"),
        (torch.optim.Adam, {"foreach": True}, "fused=True or capturable=True, or leave"),
        (torch.optim.RMSprop, {}, "fused=True or capturable=True, or leave"),
        (torch.optim.Adagrad, {}, "fused=True, or leave"),
    ],
)
def test_a_step_that_would_read_its_rate(tools: Any, kind: Any, options: Any, fix: str) -> None:
    """PyTorch's own read a tensor on the host unless they are fused or capturable."""
    optimizer = kind([tools.parameter()], lr=LR, **options)
    with pytest.raises(rw.ScheduleError, match="reads on the host") as caught:
        Scheduler(optimizer, rw.Linear(to=0), total=9, on_device=True)
    assert fix in str(caught.value)
    assert optimizer.param_groups[0]["lr"] == LR
    scheduler = Scheduler(optimizer, rw.Linear(to=0), total=9, on_device=False)
    optimizer.step()
    assert scheduler.committed == 1


@pytest.mark.parametrize("key", ["momentum", "weight_decay"])
def test_a_number_that_no_step_takes_as_a_tensor(tools: Any, key: str) -> None:
    """A rate is made a tensor, other keys are the user's to give."""
    optimizer = torch.optim.SGD(
        [tools.parameter()], lr=LR, momentum=0.9, weight_decay=0.1, fused=True
    )
    plan = rw.Plan(lr=rw.Linear(to=0), **{key: rw.Linear(to=0.5)})
    with pytest.raises(rw.ScheduleError, match=f"schedules {key}, which SGD holds as a number"):
        Scheduler(optimizer, plan, total=9, on_device=True)


def test_betas_that_are_tensors_are_written_in_place(tools: Any) -> None:
    """Where the optimizer takes them; the tuple holds the same two afterwards."""
    betas = torch.tensor(0.8), torch.tensor(0.9)
    optimizer = torch.optim.Adam([tools.parameter()], lr=LR, betas=betas, capturable=True)
    optimizer.param_groups[0]["lr"] = torch.tensor(LR)
    plan = rw.Plan(lr=rw.Linear(to=0), momentum=rw.Linear(to=0.5))
    scheduler = Scheduler(optimizer, plan, total=8, on_device=True)
    scheduler.seek(4)
    scheduler.step()
    assert optimizer.param_groups[0]["betas"][0] is betas[0]
    assert float(betas[0]) == float(torch.tensor(0.8, dtype=torch.float32) * 0.75)
    assert float(betas[1]) == float(torch.tensor(0.9))


def test_a_device_on_which_no_clock_can_be_kept() -> None:
    """On `meta` nothing can be read; the clock on the host goes there."""
    optimizer = Still([torch.nn.Parameter(torch.ones(2, device="meta"))], lr=LR)
    with pytest.raises(rw.ScheduleError, match=r"on meta, where no clock .* leave on_device out"):
        Scheduler(optimizer, rw.Linear(to=0), total=9, on_device=True)
    assert Scheduler(optimizer, rw.Linear(to=0), total=9).get_lr() == [LR]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_parameters_that_are_moved_where_no_clock_can_follow() -> None:
    """One clear error at the next update, and nothing half-written."""
    module = torch.nn.Linear(2, 2)
    optimizer = Still(module.parameters(), lr=LR)
    scheduler = Scheduler(optimizer, rw.Linear(to=0), total=9, on_device=True)
    optimizer.step()
    optimizer.param_groups[0]["params"][:] = [w.to("meta") for w in module.parameters()]
    with pytest.raises(rw.ScheduleError, match="has its parameters on meta"):
        optimizer.step()
    assert scheduler.committed == 1
    optimizer.param_groups[0]["params"][:] = list(module.parameters())
    optimizer.step()
    assert scheduler.committed == 2


def test_a_function_without_an_end(tools: Any) -> None:
    """With a total it is asked for every update beforehand."""
    half = rw.Function(lambda t: 1 / (t + 2))
    with pytest.raises(rw.ScheduleError, match="give total="):
        Scheduler(Still([tools.parameter()], lr=LR), half, on_device=True)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_function_with_a_total_is_asked_beforehand(tools: Any) -> None:
    """What it says past the end is what it says there."""
    optimizer = Still([tools.parameter()], lr=1.0)
    Scheduler(optimizer, rw.Function(lambda t: 1 / (t + 2), over=3), total=3, on_device=True)
    for t in range(3):
        optimizer.step()
        assert float(optimizer.param_groups[0]["lr"]) == float(torch.tensor(1 / (t + 2)))


@pytest.mark.parametrize("value", ["cuda:0", 1, torch.device("cpu")])
def test_what_is_no_switch(tools: Any, value: Any) -> None:
    """A device is not chosen: the clock is where the parameters are."""
    optimizer = Still([tools.parameter()], lr=LR)
    with pytest.raises(rw.ScheduleError, match="is no switch: give True, and the clock is where"):
        Scheduler(optimizer, rw.Linear(to=0), total=9, on_device=value)
    assert optimizer.param_groups[0]["lr"] == LR


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_groups_that_come_and_go_are_followed(tools: Any) -> None:
    """A new one joins with a tensor of its own, and the count goes on in the first that is left."""
    optimizer = Still([{"params": [tools.parameter()]}], lr=LR)
    scheduler = Scheduler(optimizer, rw.Linear(to=0), total=8, on_device=True)
    tools.run(optimizer, 2)
    optimizer.add_param_group({"params": [tools.parameter(3)], "lr": 0.5})
    tools.run(optimizer, 1)
    assert scheduler.get_last_lr() == [LR * 0.75, 0.375]
    optimizer.param_groups.pop(0)
    tools.run(optimizer, 2)
    assert (scheduler.committed, scheduler.get_last_lr()) == (5, [0.25])
    optimizer.param_groups[0]["params"].clear()
    tools.run(optimizer, 1)
    assert int(optimizer.param_groups[0]["ratewise_updates"]) == scheduler.committed == 6
