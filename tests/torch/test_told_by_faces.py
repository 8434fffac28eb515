"""An error names the call that the user made: `attach` where a trainer's scheduler is attached."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.adapters.torch.trainers import RunSettings
from ratewise.torch import Scheduler

PLAN, OTHER = rw.Warmup(4) >> rw.Cosine(to=0.1), rw.Linear(to=0)


def by_scheduler(optimizer: Any, schedule: Any, **options: Any) -> Scheduler:
    return Scheduler(optimizer, schedule, total=20, **options)


def by_face(optimizer: Any, schedule: Any, **options: Any) -> Scheduler:
    """As every face for a trainer makes one."""
    read = RunSettings.read("attach", schedule, {}, example="attach(…)", total=20, **options)
    return read.bind(optimizer)


def adam() -> Any:
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    return torch.optim.AdamW([weight], lr=3e-4)


def trained(make: Any, updates: int = 3) -> tuple[Any, Scheduler]:
    optimizer = adam()
    scheduler = make(optimizer, PLAN)
    for _ in range(updates):
        optimizer.step()
    return optimizer, scheduler


def differs(make: Any) -> None:
    make(adam(), OTHER).load_state_dict(trained(make)[1].state_dict())


def other_updates(make: Any) -> None:
    optimizer, scheduler = adam(), None
    scheduler = make(optimizer, PLAN)
    scheduler.load_state_dict(trained(make, 3)[1].state_dict())
    optimizer.load_state_dict(trained(make, 5)[0].state_dict())


def unknown_count(make: Any) -> None:
    optimizer = adam()
    optimizer.step()
    make(optimizer, PLAN)
    optimizer.step()


def by_hand(make: Any) -> None:
    optimizer = adam()
    make(optimizer, PLAN, by_hand="refuse")
    for _ in range(2):
        optimizer.step()
        optimizer.param_groups[0]["lr"] = 0.5


CASES = {
    differs: "choose with {0}(…, resume=…) one of",
    other_updates: "or give {0}(…, resume=…): its own state wins",
    unknown_count: "{0} found a used AdamW .* give {0}(…, updates=N)",
    by_hand: "{0} found lr=0.5 in group 0",
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize("make", [by_scheduler, by_face])
def test_an_error_names_the_call_that_was_made(case: Any, make: Any) -> None:
    """Also long after it: in a step, and where a state is loaded."""
    face, other = ("Scheduler", "attach") if make is by_scheduler else ("attach", "Scheduler")
    with pytest.raises(rw.ScheduleError) as caught:
        case(make)
    text = str(caught.value)
    wanted = CASES[case].format(face)
    assert all(part in text for part in wanted.split(" .* ")), text
    assert f"{other}(" not in text
    assert not text.startswith(f"{other} ")
