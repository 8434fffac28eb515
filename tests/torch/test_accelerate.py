"""Accelerate: prepared or not, with accumulation or without, the trace is the same."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from ratewise.torch import Scheduler

accelerate = pytest.importorskip("accelerate")
pytestmark = pytest.mark.slow


def train(tools: Any, window: int, how: str, processes: int = 1) -> tuple[Any, Scheduler]:
    """40 batches of one sample in Accelerate's own loop."""
    accelerator = accelerate.Accelerator(cpu=True, gradient_accumulation_steps=window)
    model = torch.nn.Linear(2, 1)
    optimizer = tools.SGD(model.parameters(), lr=3e-4)
    data = torch.utils.data.DataLoader(torch.ones(40, 2), batch_size=1)
    total = max(-(-40 // window), 8)
    if how == "before":
        scheduler: Any = Scheduler(optimizer, tools.plan, total=total)
        prepared = accelerator.prepare(model, optimizer, data)
    elif how == "prepared":
        scheduler = Scheduler(optimizer, tools.plan, total=total)
        *prepared, wrapped = accelerator.prepare(model, optimizer, data, scheduler)
    else:
        prepared = accelerator.prepare(model, optimizer, data)
        scheduler = Scheduler(prepared[1], tools.plan, total=total)
    model, wrapper, data = prepared
    for batch in data:
        with accelerator.accumulate(model):
            accelerator.backward(model(batch).sum())
            wrapper.step()
            for _ in range(processes):
                (wrapped if how == "prepared" else scheduler).step()
            wrapper.zero_grad()
    return optimizer, scheduler


@pytest.mark.parametrize("how", ["before", "prepared", "on the wrapper"])
@pytest.mark.parametrize("window", [1, 4, 16])
def test_accumulation_and_preparation_change_nothing(tools: Any, window: int, how: str) -> None:
    """40 batches in windows of 1, 4 and 16 are 40, 10 and 3 updates with f(0), f(1), …"""
    optimizer, scheduler = train(tools, window, how)
    updates = -(-40 // window)
    assert tools.trace(optimizer) == tools.expected(tools.plan, max(updates, 8))[:updates]
    assert scheduler.committed == updates
    assert scheduler.optimizer is optimizer


@pytest.mark.parametrize("processes", [2, 8])
def test_a_scheduler_stepped_once_for_each_process_is_not_faster(
    tools: Any, processes: int
) -> None:
    """Accelerate steps a scheduler as often as there are processes; the rates stay those of one."""
    optimizer, _ = train(tools, 4, "before", processes)
    assert tools.trace(optimizer) == tools.expected(tools.plan, 10)


def test_save_state_and_load_state(tools: Any, tmp_path: Any) -> None:
    """A checkpoint of Accelerate's own resumes the trace."""
    traces = []
    for part in range(2):
        accelerator = accelerate.Accelerator(cpu=True)
        model = torch.nn.Linear(2, 1)
        optimizer = tools.SGD(model.parameters(), lr=3e-4)
        scheduler = Scheduler(optimizer, tools.plan, total=20)
        prepared = accelerator.prepare(model, optimizer, scheduler)
        if part:
            accelerator.load_state(str(tmp_path))
        for _ in range(13 if part else 7):
            accelerator.backward(prepared[0](torch.ones(1, 2)).sum())
            prepared[1].step()
            prepared[2].step()
            prepared[1].zero_grad()
        traces += tools.trace(optimizer)
        if not part:
            accelerator.save_state(str(tmp_path))
    assert traces == tools.expected(tools.plan, 20)


@pytest.mark.parametrize("order", [1, -1])
def test_states_of_a_loop_by_hand_are_loaded_behind_prepare_in_any_order(
    tools: Any, order: int
) -> None:
    """`prepare` loads the optimizer's own state of no update, which says nothing of the clock."""
    first = tools.SGD([tools.parameter()], lr=3e-4)
    scheduler = Scheduler(first, tools.plan, total=20)
    tools.run(first, 7)
    states = first.state_dict(), scheduler.state_dict()
    second = tools.SGD([tools.parameter()], lr=3e-4)
    made = Scheduler(second, tools.plan, total=20)
    prepared = accelerate.Accelerator(cpu=True).prepare(second, made)
    for part, state in list(zip(prepared, states, strict=True))[::order]:
        part.load_state_dict(state)
    tools.run(second, 13)
    assert [*tools.trace(first), *tools.trace(second)] == tools.expected(tools.plan, 20)
