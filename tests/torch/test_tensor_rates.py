"""A rate that is a tensor is filled in place, and is otherwise like a float."""

from __future__ import annotations

import copy
import fractions
from typing import Any

import numpy as np
import pytest
import torch

import ratewise as rw
from ratewise.torch import Scheduler

LR = 3e-4
KINDS = {
    "0-d": lambda: torch.tensor(LR),
    "1-element": lambda: torch.tensor([LR]),
    "float64": lambda: torch.tensor(LR, dtype=torch.float64),
    "view": lambda: torch.tensor([1.0, LR, 2.0])[1],
}


def adam(tools: Any, lr: Any, groups: int = 1) -> Any:
    kind = tools.recording(torch.optim.Adam)
    parts = [{"params": [tools.parameter(i + 1)]} for i in range(groups)]
    return kind(parts, lr=lr, foreach=False)


@pytest.mark.parametrize("name", KINDS)
def test_a_tensor_gives_the_trace_of_a_float(tools: Any, name: str) -> None:
    """Same rates, rounded to the tensor's type; identity, type and device stay."""
    rate = KINDS[name]()
    optimizer = adam(tools, rate)
    base = float(rate)
    scheduler = Scheduler(optimizer, tools.plan, total=20)
    for _ in range(20):
        optimizer.step()
        assert optimizer.param_groups[0]["lr"] is rate
    exact = tools.expected(tools.plan, 20, base)
    assert tools.trace(optimizer) == torch.tensor(exact, dtype=rate.dtype).tolist()
    assert scheduler.get_last_lr() == exact[-1:]
    assert scheduler.base_lrs == [base]
    assert rate.dtype == KINDS[name]().dtype


def test_the_neighbours_of_a_view_are_left_alone(tools: Any) -> None:
    """Only the one element is written."""
    whole = torch.tensor([1.0, LR, 2.0])
    optimizer = adam(tools, whole[1])
    Scheduler(optimizer, tools.plan, total=20)
    tools.run(optimizer, 3)
    assert whole[::2].tolist() == [1.0, 2.0]
    assert whole[1] == optimizer.param_groups[0]["lr"]


@pytest.mark.parametrize("kind", [np.float32, np.float64, fractions.Fraction])
def test_a_rate_may_be_any_real_number(tools: Any, kind: Any) -> None:
    """As a search by numpy hands it over; the groups hold floats from then on."""
    optimizer = tools.make(kind(0.5))
    Scheduler(optimizer, tools.plan, total=20)
    tools.run(optimizer, 20)
    assert tools.trace(optimizer) == tools.expected(tools.plan, 20, 0.5)
    assert type(optimizer.param_groups[0]["lr"]) is float


def test_a_tensor_of_several_rates_is_refused(tools: Any) -> None:
    """A group has one rate."""
    optimizer = tools.make(LR)
    optimizer.param_groups[0]["lr"] = torch.tensor([LR, LR])
    with pytest.raises(rw.ScheduleError, match="one finite number"):
        Scheduler(optimizer, tools.plan, total=20)


def test_groups_that_share_a_tensor_may_follow_different_schedules(tools: Any) -> None:
    """The optimizer's default tensor is one object in all groups; they part where they must."""
    optimizer = adam(tools, torch.tensor(LR, dtype=torch.float64), groups=3)
    optimizer.param_groups[2]["name"] = "head"
    first, second, third = (group["lr"] for group in optimizer.param_groups)
    assert first is second is third
    Scheduler(optimizer, rw.Plan(lr=tools.plan, groups={"head": rw.Cosine(to=0)}), total=20)
    assert optimizer.param_groups[1]["lr"] is first
    tools.run(optimizer, 20)
    assert tools.trace(optimizer, 1) == tools.expected(tools.plan, 20)
    assert tools.trace(optimizer, 2) == tools.expected(rw.Cosine(to=0), 20)


def test_tensor_rates_resume_like_floats(tools: Any) -> None:
    """Whatever is loaded first, the base does not shrink."""
    for k in range(0, 20, 3):
        first = adam(tools, torch.tensor(LR))
        scheduler = Scheduler(first, tools.plan, total=20)
        tools.run(first, k)
        states = tools.saved(first, scheduler)
        for early in (False, True):
            second = adam(tools, torch.tensor(LR))
            if early:
                second.load_state_dict(copy.deepcopy(states[0]))
            other = Scheduler(second, tools.plan, total=20)
            other.load_state_dict(states[1])
            if not early:
                second.load_state_dict(copy.deepcopy(states[0]))
            tools.run(second, 20 - k)
            exact = tools.expected(tools.plan, 20, float(torch.tensor(LR)))
            whole = tools.trace(first) + tools.trace(second)
            assert whole == torch.tensor(exact).tolist()


def test_beta_tensors_are_filled_in_place(tools: Any) -> None:
    """An entry of a tuple that is a tensor stays that tensor."""
    betas = torch.tensor(0.8), torch.tensor(0.9)
    optimizer = torch.optim.Adam(
        [tools.parameter()], lr=LR, betas=betas, foreach=False, capturable=True
    )
    Scheduler(optimizer, rw.Plan(momentum=rw.Linear(to=0.5, over=4)))
    optimizer.step = lambda: None  # capturable steps need another device; the hooks do not
    scheduler = Scheduler.of(optimizer)
    scheduler.seek(4)
    assert optimizer.param_groups[0]["betas"][0] is betas[0]
    assert float(betas[0]) == pytest.approx(0.8 * 0.625)


class Graphs:
    """A backend of `torch.compile` that runs graphs as they are, and counts them."""

    count = 0

    def __call__(self, graph: Any, inputs: Any) -> Any:
        self.count += 1
        return graph.forward


@pytest.mark.slow
@pytest.mark.parametrize("whole", [False, True], ids=["step", "function"])
def test_a_compiled_step_is_compiled_once(tools: Any, whole: bool) -> None:
    """Over 50 updates with 50 rates there is one graph, and the tensor is the same."""
    torch.compiler.reset()
    graphs = Graphs()
    rate = torch.tensor(LR)
    weights = [tools.parameter(4), tools.parameter(3)]
    optimizer = torch.optim.Adam(weights, lr=rate, foreach=False)
    scheduler = Scheduler(optimizer, tools.plan, total=50)

    def update() -> None:
        optimizer.step()

    step = torch.compile(update if whole else optimizer.step, backend=graphs)
    used, counts = [], set()
    for t in range(50):
        step()
        used.append(float(rate))
        if t > 1:
            counts.add(graphs.count)
    exact = tools.expected(tools.plan, 50, float(torch.tensor(LR)))
    assert used == torch.tensor(exact).tolist()
    assert optimizer.param_groups[0]["lr"] is rate
    assert scheduler.committed == 50
    assert len(counts) == 1
    torch.compiler.reset()


@pytest.mark.slow
def test_a_compiled_step_with_float_rates_is_right(tools: Any) -> None:
    """A float that changes costs the compiler a second graph, and no rate is wrong."""
    torch.compiler.reset()
    graphs = Graphs()
    optimizer = torch.optim.SGD([tools.parameter(4), tools.parameter(3)], lr=LR)
    Scheduler(optimizer, tools.plan, total=20)
    step = torch.compile(lambda: optimizer.step(), backend=graphs)
    used = []
    for _ in range(20):
        step()
        used.append(optimizer.param_groups[0]["lr"])
    assert used == tools.expected(tools.plan, 20)
    assert graphs.count <= 2
    torch.compiler.reset()
