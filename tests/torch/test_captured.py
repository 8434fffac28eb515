"""A step that is captured into a CUDA graph would keep one rate for ever: it is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.adapters.torch import clock, device, short_way
from ratewise.torch import Scheduler


def weights(optimizer: Any) -> list[Any]:
    return [weight.tolist() for group in optimizer.param_groups for weight in group["params"]]


@pytest.mark.parametrize("kind", ["cuda", "xpu"])
def test_whose_graph_it_is_does_not_matter(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """PyTorch captures graphs on two kinds of accelerators, and each is asked."""
    assert not device.is_captured()
    monkeypatch.setattr(getattr(torch, kind), "is_initialized", lambda: True)
    monkeypatch.setattr(getattr(torch, kind), "is_current_stream_capturing", lambda: True)
    assert device.is_captured()
    assert device.may_capture()


def test_a_model_that_is_moved_behind_the_scheduler_is_seen(
    tools: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the CPU when it was bound, on the card when its first step is captured."""
    optimizer = tools.make()
    scheduler = Scheduler(optimizer, rw.Linear(to=0), total=10)
    for name in ("is_on_card", "may_capture", "is_captured"):
        monkeypatch.setattr(clock, name, lambda *_: True)
    before = weights(optimizer)
    with pytest.raises(rw.ScheduleError, match=r"captured into a CUDA graph.*on_device=True"):
        optimizer.step()
    assert weights(optimizer) == before
    assert scheduler.committed == 0


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("plan", [rw.Linear(to=0), rw.Plateau("loss")])
def test_a_captured_step_is_refused(
    tools: Any, monkeypatch: pytest.MonkeyPatch, plan: Any, groups: int
) -> None:
    """On the short way and on the long one; only what the card and its stream say is simulated."""
    capturing = False
    monkeypatch.setattr(clock, "is_on_card", lambda group: True)
    monkeypatch.setattr(short_way, "is_captured", lambda: capturing)
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
