"""Updates that a gradient scaler skips are not updates."""

from __future__ import annotations

import random
from typing import Any

import pytest
import torch

from ratewise.torch import Scheduler

OPTIMIZERS = {
    "sgd": (torch.optim.SGD, {}),
    "sgd fused": (torch.optim.SGD, {"fused": True}),
    "adamw": (torch.optim.AdamW, {}),
    "adamw fused": (torch.optim.AdamW, {"fused": True}),
}


def train(optimizer: Any, scheduler: Any, overflows: set[int], batches: int) -> int:
    """Run batches under a gradient scaler, with inf gradients at some; return those committed."""
    scaler = torch.amp.GradScaler(device="cpu", init_scale=2.0**4, growth_interval=3)
    committed = 0
    for batch in range(batches):
        for group in optimizer.param_groups:
            for weight in group["params"]:
                weight.grad = None
                scaler.scale(weight.sum()).backward()
                if batch in overflows:
                    weight.grad[0] = float("inf")
        scaler.step(optimizer)
        scaler.update()
        scheduler.step()
        committed += batch not in overflows
        assert scheduler.committed == committed
    return committed


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("seed", [0, 1])
def test_overflows_do_not_move_the_clock(tools: Any, name: str, seed: int) -> None:
    """With overflows at random batches, the committed updates use f(0), f(1), … all the same."""
    kind, options = OPTIMIZERS[name]
    overflows = set(random.Random(seed).sample(range(40), 12))
    optimizer = tools.make(kind=tools.recording(kind), groups=2, **options)
    scheduler = Scheduler(optimizer, tools.plan, total=28)
    committed = train(optimizer, scheduler, overflows, 40)
    assert committed == 28
    assert tools.trace(optimizer) == tools.expected(tools.plan, 28)


@pytest.mark.parametrize("fused", [False, True])
def test_a_run_of_overflows_at_the_start_waits(tools: Any, fused: bool) -> None:
    """The scaler's first tries often overflow; update 0 still gets f(0)."""
    optimizer = tools.make(fused=fused)
    scheduler = Scheduler(optimizer, tools.plan, total=9)
    train(optimizer, scheduler, set(range(5)), 14)
    assert tools.trace(optimizer) == tools.expected(tools.plan, 9)


@pytest.mark.parametrize("fused", [False, True])
def test_a_disabled_scaler_changes_nothing(tools: Any, fused: bool) -> None:
    """With the scaler off every batch is an update."""
    optimizer = tools.make(fused=fused)
    Scheduler(optimizer, tools.plan, total=9)
    scaler = torch.amp.GradScaler(device="cpu", enabled=False)
    for _ in range(9):
        scaler.step(optimizer)
        scaler.update()
    assert tools.trace(optimizer) == tools.expected(tools.plan, 9)
