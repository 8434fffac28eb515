"""Tensors of parameters that PyTorch exchanges, as `model.to(…)` does with those of FSDP2.

It exchanges none that somebody refers to weakly, so that a schedule must not.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import ratewise as rw
from ratewise.torch import Scheduler

LR, TOTAL = 3e-4, 8
PLAN = rw.Warmup(2) >> rw.Cosine(to=0.1)


@pytest.fixture(autouse=True)
def exchanged() -> Iterator[None]:
    """Let every module exchange its tensors, not only those in shards."""
    torch.__future__.set_swap_module_params_on_conversion(True)
    yield
    torch.__future__.set_swap_module_params_on_conversion(False)


def trained(model: torch.nn.Module, optimizer: torch.optim.Optimizer, updates: int) -> list[float]:
    """Make updates; return the rate of each, seen behind every other hook."""
    rates: list[float] = []
    handle = optimizer.register_step_pre_hook(
        lambda one, *_: rates.append(one.param_groups[0]["lr"])
    )
    for _ in range(updates):
        x = torch.ones(1, 2, dtype=next(model.parameters()).dtype)
        model(x).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    handle.remove()
    return rates


@pytest.mark.parametrize("saved", [False, True])
def test_a_model_is_converted_and_moved_under_a_schedule(saved: bool) -> None:
    """In the middle of a run, behind a state that was loaded, with groups and without."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 1))
    parts = [{"params": part.parameters(), "lr": LR * (i + 1)} for i, part in enumerate(model)]
    optimizer = torch.optim.SGD(parts)
    Scheduler(optimizer, PLAN, total=TOTAL)
    rates = trained(model, optimizer, 3)
    if saved:
        optimizer.load_state_dict(optimizer.state_dict())
    model.double()
    rates += trained(model, optimizer, TOTAL - 3)
    assert rates == (LR * PLAN.resolve(TOTAL).values()).tolist()
    assert next(model.parameters()).dtype == torch.float64
    assert optimizer.param_groups[1]["lr"] == 2 * optimizer.param_groups[0]["lr"]


def test_a_group_that_was_taken_out_and_comes_back_keeps_its_rate() -> None:
    """It is known by its parameters, also when two others were taken out meanwhile."""
    model = torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(3)))
    parts = [{"params": [*part.parameters()], "lr": LR * (i + 1)} for i, part in enumerate(model)]
    optimizer = torch.optim.SGD(parts)
    Scheduler(optimizer, PLAN, total=TOTAL)
    trained(model, optimizer, 2)
    third, second = optimizer.param_groups.pop(), optimizer.param_groups.pop()
    trained(model, optimizer, 1)
    optimizer.add_param_group({"params": second["params"], "lr": 1.0})
    trained(model, optimizer, 1)
    optimizer.add_param_group({"params": third["params"], "lr": 1.0})
    rates = trained(model, optimizer, 2)
    assert rates == (LR * PLAN.resolve(TOTAL).values()).tolist()[4:6]
    found = [group["lr"] / rates[-1] for group in optimizer.param_groups]
    assert found == pytest.approx([1, 2, 3], rel=1e-12)
