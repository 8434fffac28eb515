"""What the clock on the device hears of others: values set by hand, calls without an update."""

from __future__ import annotations

import gc
import warnings
from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.adapters.torch.table import RateTable
from ratewise.torch import Scheduler
from tests.torch.device_twin import NoReads, Still, rates, rounded

LR = 3e-4
PLAN = rw.Warmup(4) >> rw.Cosine(to=0.1)
pytestmark = pytest.mark.filterwarnings("ignore:Scheduler.on_device=True.*:UserWarning")


def build(tools: Any, kind: Any) -> Any:
    return kind([{"params": [tools.parameter()], "lr": LR}], lr=LR)


def test_a_value_filled_in_place_is_found_at_once(tools: Any) -> None:
    """An eager step knows it on the host, and follows the policy at that very update."""
    optimizer = build(tools, Still)
    scheduler = Scheduler(optimizer, PLAN, total=20, on_device=True, by_hand="refuse")
    tools.run(optimizer, 3)
    for value in (torch.tensor(0.5), 0.25):
        optimizer.param_groups[0]["lr"] = value
        with pytest.raises(rw.ScheduleError, match="set by somebody else"):
            optimizer.step()
        optimizer.param_groups[0]["lr"] = next(iter(scheduler._clock._table.tensors))
    optimizer.param_groups[0]["lr"].fill_(0.5)
    with pytest.raises(rw.ScheduleError, match=r"found lr=0\.5 .* at update 3"):
        optimizer.step()


@pytest.mark.parametrize("policy", ["warn", "follow"])
def test_a_number_put_in_the_place_of_the_tensor(tools: Any, policy: str) -> None:
    """It is met by the policy wherever it comes, and the tensor is back; `observe` too."""
    plan = rw.Warmup(2) >> rw.Plateau("loss", patience=0, factor=0.5)
    optimizer = build(tools, Still)
    twin = build(tools, Still)
    options = {"total": 40, "by_hand": policy}
    schedulers = [
        Scheduler(one, plan, on_device=bool(on), **options)
        for on, one in enumerate((twin, optimizer))
    ]
    there = optimizer.param_groups[0]["lr"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for turn in range(12):
            for scheduler in schedulers:
                tools.run(scheduler.optimizer, 2)
                if turn % 4 == 1:
                    scheduler.optimizer.param_groups[0]["lr"] = LR * 0.6
                if turn % 3 == 1:
                    scheduler.observe(loss=1.0)
                if turn % 5 == 2:
                    scheduler.step()
            assert schedulers[1].get_lr() == schedulers[0].get_lr()
    tools.run(optimizer, 1)
    tools.run(twin, 1)
    assert optimizer.param_groups[0]["lr"] is there
    assert rates(optimizer) == rounded(rates(twin))


def test_neither_accumulation_nor_an_end_is_a_standstill(tools: Any) -> None:
    """64 calls of `step` for each update warn of nothing; a loop without updates is told."""
    optimizer = build(tools, Still)
    scheduler = Scheduler(optimizer, rw.Cosine(to=0.5), total=9, on_device=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(14):
            for _ in range(64):
                scheduler.step()
            optimizer.step()

    def call() -> None:
        for _ in range(101):
            scheduler.step()

    with pytest.warns(UserWarning, match="made no update since update 14: the rates stand still"):
        call()


def test_a_run_past_its_end_at_rate_0_is_told_once(tools: Any) -> None:
    """The host reads the count where the end must be near, and not at each update."""
    optimizer = build(tools, Still)
    Scheduler(optimizer, rw.Linear(to=0), total=5, on_device=True)
    tools.run(optimizer, 7)
    with pytest.warns(UserWarning, match="update 7 is past the end of the schedule, at 5"):
        optimizer.step()
    with NoReads():
        tools.run(optimizer, 10)


def test_a_schedule_that_is_off_takes_no_room_and_changes_nothing(tools: Any) -> None:
    """What it is asked it still knows; many in a row leave the tables of none."""
    optimizer = build(tools, Still)
    for turn in range(4):
        scheduler = Scheduler(optimizer, PLAN, total=123, on_device=True)
        tools.run(optimizer, 3 + turn)
        scheduler.detach()
        group = optimizer.param_groups[0]
        assert (scheduler.committed, group["lr"]) == (3 + turn, LR)
        assert scheduler.get_last_lr() == [LR * PLAN.resolve(total=123)(2 + turn)]
        scheduler.load_state_dict(scheduler.state_dict())
        assert scheduler.get_lr() == [LR * PLAN.resolve(total=123)(3 + turn)]
        assert optimizer.param_groups[0]["lr"] == LR
    gc.collect()
    alive = [one for one in gc.get_objects() if type(one) is RateTable]
    assert [one for one in alive if one.rows == 124] == []
