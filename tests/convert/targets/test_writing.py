"""What cannot be written, and what is said then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

import ratewise as rw
from ratewise.convert import write

TARGETS = ("deepspeed", "keras", "lightning", "optax", "torch", "transformers")


@dataclass(frozen=True, repr=False)
class Mine(rw.Linear):
    """A move of a user's own."""


def test_a_misspelt_target_gets_the_nearest() -> None:
    """An unknown target is refused with the nearest name."""
    with pytest.raises(rw.ScheduleError, match="did you mean deepspeed"):
        write(rw.Cosine(), "deepsped", total=10)


@pytest.mark.parametrize("target", TARGETS)
def test_what_has_no_formula_is_refused(target: str) -> None:
    """A callable, a move that listens and a move of the user's own are named and refused."""
    refused: dict[str, rw.Schedule] = {
        "cannot be written down": rw.Warmup(3) >> rw.Function(lambda t: 0.5),
        "decides by a metric": rw.Warmup(3) >> rw.Plateau(metric="val_loss"),
        "is of the kind Mine": rw.Hold(over=3) >> rw.Repeat(Mine(to=0.1), every=5),
        "Mine, whose formula": rw.Part(Mine(to=0.1)),
    }
    for rule, schedule in refused.items():
        with pytest.raises(rw.ScheduleError, match=rule):
            write(schedule, target, total=10)
        with pytest.raises(rw.ScheduleError, match=rule):
            write(rw.Plan(lr=rw.Hold(), groups={"a": schedule}), target, total=10)


@pytest.mark.parametrize("target", TARGETS)
def test_lengths_that_need_a_total_are_refused_without_one(target: str) -> None:
    """Shares and open moves need `total=`; units need what they are made of."""
    for schedule in (rw.Cosine(), rw.Warmup("5%") >> rw.Hold(), rw.Linear(over="2 epochs")):
        with pytest.raises(rw.ScheduleError, match="resolve"):
            write(schedule, target)


@pytest.mark.parametrize("given", [None, 3, [rw.Cosine()], b"Cosine()"])
def test_only_schedules_plans_and_texts_are_written(given: Any) -> None:
    """Anything else is refused by name."""
    with pytest.raises(rw.ScheduleError, match="needs a schedule"):
        write(given, "torch", total=10)


def test_a_text_is_read_first() -> None:
    """The text form writes the same as the schedule."""
    text = 'Warmup("5%") >> Cosine(to=0.1)'
    assert write(text, "torch", total=100) == write(rw.parse(text), "torch", total=100)


@pytest.mark.parametrize("target", ["keras", "optax", "deepspeed"])
def test_groups_are_refused_or_left_out_aloud(target: str) -> None:
    """Where a target has no groups the error says so, and `approximate=True` leaves them out and
    says that.
    """
    rate = rw.Hold(0.1, over=1) >> rw.Warmup(5, start=0.1) >> rw.Hold()
    plan = rw.Plan(lr=rate, groups={"head": rw.Hold(0.5)}, peak={"lr": 3e-4})
    with pytest.raises(rw.ScheduleError, match="group"):
        write(plan, target, total=20)
    assert "Left out: groups" in write(plan, target, total=20, approximate=True)


@pytest.mark.parametrize("target", ["keras", "deepspeed"])
def test_a_plan_without_a_rate_is_refused_where_only_the_rate_is_known(target: str) -> None:
    """Momentum alone cannot be written for a target that knows the rate alone."""
    with pytest.raises(rw.ScheduleError, match="schedules momentum"):
        write(rw.Plan(momentum=rw.Hold()), target, total=20)
    with pytest.raises(rw.ScheduleError, match="no schedule of the rate"):
        write(rw.Plan(momentum=rw.Hold()), target, total=20, approximate=True)


def test_a_run_longer_than_32_bits_is_refused_where_updates_are_counted_so() -> None:
    """Keras and Optax count updates in 32 bits; PyTorch does not."""
    schedule = rw.Linear(to=0, over=2**31 + 5)
    for target in ("keras", "optax"):
        with pytest.raises(rw.ScheduleError, match="32 bits"):
            write(schedule, target)
    assert f"t < {2**31 + 5}" in write(schedule, "torch")
