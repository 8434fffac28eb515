"""The short way through an update gives what the long way gives, whatever happens in between."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.adapters.torch.cells import GroupCells
from ratewise.adapters.torch.many import WIDE
from ratewise.adapters.torch.scheduler import announce, recall
from ratewise.torch import Scheduler

LR, TOTAL = 3e-4, 400
PLAN = rw.Warmup(30) >> rw.Cosine(to=0.1)
NUMBERS = (1, 2, WIDE, WIDE + 1)

Run = tuple[Any, Scheduler]


def fail() -> float:
    raise RuntimeError("out of memory")


def groups_of(run: Run) -> list[dict[str, Any]]:
    return run[0].param_groups


def copies_of(run: Run) -> list[dict[str, Any]]:
    return [dict(group) for group in groups_of(run)]


def raise_in_step(run: Run) -> None:
    with pytest.raises(RuntimeError, match="out of memory"):
        run[0].step(fail)


def overflow(run: Run) -> None:
    run[0].found_inf = torch.ones(())
    run[0].step()
    del run[0].found_inf


def set_last(value: Callable[[Any], Any]) -> Callable[[Run], None]:
    """What writes to the last group, where all others are looked at before it."""

    def act(run: Run) -> None:
        group = groups_of(run)[-1]
        group["lr"] = value(group["lr"])

    return act


EVENTS: dict[str, tuple[int, Callable[[Run], Any]]] = {
    "a step": (60, lambda run: run[0].step()),
    "a step that raises": (4, raise_in_step),
    "an overflow": (6, overflow),
    "scheduler.step()": (20, lambda run: run[1].step()),
    "announced": (4, lambda run: announce(run[1])),
    "recalled": (4, lambda run: recall(run[1])),
    "set by hand": (2, set_last(lambda _: 0.5)),
    "an equal number": (2, set_last(lambda rate: rate * 1.0)),
    "other dicts": (1, lambda run: setattr(run[0], "param_groups", copies_of(run))),
    "another order": (1, lambda run: groups_of(run).reverse()),
    "seek": (1, lambda run: run[1].seek(run[1].committed)),
    "the optimizer's state": (1, lambda run: run[0].load_state_dict(run[0].state_dict())),
    "its own state": (1, lambda run: run[1].load_state_dict(run[1].state_dict())),
}  # fmt: skip


def told(run: Run) -> dict[str, Any]:
    """All that can be seen of a run."""
    optimizer, scheduler = run
    return {
        "held": [group["lr"] for group in optimizer.param_groups],
        "used": optimizer.__dict__.get("used"),
        "last": scheduler.get_last_lr(),
        "next": scheduler.get_lr(),
        "count": (scheduler.committed, optimizer.param_groups[0]["ratewise_updates"]),
    }


def go(tools: Any, number: int, policy: str, seed: int) -> list[dict[str, Any]]:
    """What is told behind each of many events, drawn by a seed."""
    optimizer = tools.make(LR, groups=number, fused=True)
    run = optimizer, Scheduler(optimizer, PLAN, total=TOTAL, by_hand=policy)
    kinds, draw = [*EVENTS.values()], random.Random(seed)
    acts = draw.choices([act for _, act in kinds], [weight for weight, _ in kinds], k=200)
    seen: list[dict[str, Any]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for act in acts:
            act(run)
            seen.append(told(run))
    return seen


@pytest.mark.parametrize(
    ("number", "policy"),
    [(1, "warn"), (1, "follow"), (2, "warn"), (WIDE, "follow"), (WIDE + 3, "warn")],
)
def test_both_ways_tell_the_same(
    tools: Any, monkeypatch: pytest.MonkeyPatch, number: int, policy: str
) -> None:
    """Steps that raise or overflow, rates set by hand, states, groups that change: to the bit."""
    short = go(tools, number, policy, seed=number)
    opened: list[Any] = []
    monkeypatch.setattr(GroupCells, "open_way", lambda self, left: opened.append(left))
    long = go(tools, number, policy, seed=number)
    assert len(opened) > 60  # the long way was gone each time
    for place, (one, other) in enumerate(zip(short, long, strict=True)):
        assert one == other, place


@pytest.mark.parametrize("number", [1, WIDE + 1])
def test_a_step_goes_the_short_way(
    tools: Any, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Of 500 updates and calls of `step()`, a few go the long way, where a block ends."""
    long: list[int] = []
    plainly = GroupCells._put
    monkeypatch.setattr(GroupCells, "_put", lambda self, v: [long.append(self.t), plainly(self, v)])
    optimizer = tools.make(LR, groups=number)
    scheduler = Scheduler(optimizer, PLAN, total=500)
    for _ in range(500):
        optimizer.step()
        scheduler.step()
    assert tools.trace(optimizer) == tools.expected(PLAN, 500)
    assert len(long) < 20


@pytest.mark.parametrize("number", NUMBERS)
def test_what_is_refused_leaves_every_group_as_it_was(tools: Any, number: int) -> None:
    """A rate set by hand in the last group: none of those before it has the coming rate."""
    optimizer = tools.make(LR, groups=number)
    Scheduler(optimizer, PLAN, total=TOTAL, by_hand="refuse")
    tools.run(optimizer, 5)
    last = optimizer.param_groups[-1]
    rate, last["lr"] = last["lr"], 0.5
    before = [group["lr"] for group in optimizer.param_groups]
    for _ in range(2):
        with pytest.raises(rw.ScheduleError, match=rf"lr=0.5 in group {number - 1} at update 5"):
            optimizer.step()
        assert [group["lr"] for group in optimizer.param_groups] == before
    last["lr"] = rate
    tools.run(optimizer, 5)
    assert tools.trace(optimizer) == tools.expected(PLAN, TOTAL)[:10]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_number_made_an_equal_tensor_is_kept(tools: Any, number: int) -> None:
    """A tensor in the place of an equal number is filled from then on, not written over."""
    optimizer = tools.make(LR, groups=number)
    Scheduler(optimizer, PLAN, total=TOTAL)
    tools.run(optimizer, 5)
    last = optimizer.param_groups[-1]
    last["lr"] = tensor = torch.tensor(last["lr"], dtype=torch.float64)
    tools.run(optimizer, 5)
    assert last["lr"] is tensor
    assert tools.trace(optimizer, number - 1) == tools.expected(PLAN, TOTAL, LR / number)[:10]
