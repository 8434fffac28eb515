"""A step that is captured into a CUDA graph would keep one rate for ever: it is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.adapters.torch import clock
from ratewise.torch import Scheduler

CARD = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a card with CUDA")


@CARD
@pytest.mark.parametrize("tensor", [False, True])
def test_a_captured_step_is_refused_on_a_card(tensor: bool) -> None:
    """Whether the rate is a number or a tensor; no weight moves, and plain steps go on."""
    weight = torch.nn.Parameter(torch.ones(4, device="cuda"))
    weight.grad = torch.ones_like(weight)
    rate: Any = torch.tensor(0.1, device="cuda") if tensor else 0.1
    optimizer = torch.optim.Adam([weight], lr=rate, capturable=True)
    scheduler = Scheduler(optimizer, rw.Linear(to=0), total=10)
    for _ in range(3):
        optimizer.step()
    before = weight.detach().clone()
    with (
        pytest.raises(rw.ScheduleError, match="captured"),
        torch.cuda.graph(torch.cuda.CUDAGraph()),
    ):
        optimizer.step()
    assert torch.equal(weight.detach(), before)
    optimizer.step()
    assert scheduler.committed == 4


def weights(optimizer: Any) -> list[Any]:
    return [weight.tolist() for group in optimizer.param_groups for weight in group["params"]]


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("plan", [rw.Linear(to=0), rw.Plateau("loss")])
def test_a_captured_step_is_refused(
    tools: Any, monkeypatch: pytest.MonkeyPatch, plan: Any, groups: int
) -> None:
    """On the short way and on the long one; only what the card and its stream say is simulated."""
    capturing = False
    monkeypatch.setattr(clock, "is_on_card", lambda group: True)
    monkeypatch.setattr(clock, "is_captured", lambda: capturing)
    parts = [{"params": [tools.parameter(k + 1)], "lr": 0.1 * (k + 1)} for k in range(groups)]
    optimizer = tools.recording(torch.optim.SGD)(parts, lr=0.1)
    scheduler = Scheduler(optimizer, plan, total=10)
    tools.run(optimizer, 3)
    capturing = True
    before = weights(optimizer)
    for _ in range(2):
        with pytest.raises(rw.ScheduleError, match=r"captured .* call optimizer\.step\(\) behind"):
            tools.run(optimizer, 1)
    assert weights(optimizer) == before
    assert scheduler.committed == 3
    capturing = False
    tools.run(optimizer, 2)
    assert scheduler.committed == 5
