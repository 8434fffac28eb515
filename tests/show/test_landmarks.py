"""Landmarks: where a schedule changes, told by its own levels."""

from __future__ import annotations

import pytest

import ratewise as rw
from ratewise.show import landmarks

SCHEDULES = [
    rw.Warmup("5%") >> rw.Hold() >> rw.Sqrt(to=0, over="20%"),
    rw.Warmup(5) >> rw.Repeat(rw.Cosine(to=0.1), every=20, grow=2),
    (rw.Step(0.1, at=("50%", "75%")) * rw.Linear(to=0.5)).clip(0.01),
    rw.Piecewise({0: 1, 30: 0.5, 60: 0.1}, shape="linear") * 0.5,
    rw.WSDCycles((10, 20), warmup=3),
    rw.Jagged(rw.Linear(to=0), every=25, warmup=5),
    rw.Cyclic(0.1, 10),
    (rw.Warmup(10) >> rw.Cosine()).until(50) >> rw.Linear(to=0),
]


def told(schedule: rw.Schedule, total: int | None = None) -> dict[int, str]:
    return {mark.update: mark.what for mark in landmarks(schedule.resolve(total))}


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_every_level_is_the_one_that_training_uses(schedule: rw.Schedule) -> None:
    """A landmark's level is `schedule(update)`, to the last bit."""
    resolved = schedule.resolve(120)
    marks = landmarks(resolved)
    assert [mark.level for mark in marks] == [resolved(mark.update) for mark in marks]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_landmarks_rise_from_the_first_update_to_past_the_end(schedule: rw.Schedule) -> None:
    """Each update is told once, in order, from 0 to the total."""
    updates = [mark.update for mark in landmarks(schedule.resolve(120))]
    assert updates == sorted(set(updates))
    assert (updates[0], updates[-2:]) == (0, [119, 120])


def test_boundaries_name_both_moves() -> None:
    """Where one move gives way to the next, both are named; the peak is told where it begins."""
    assert told(rw.Warmup("5%") >> rw.Hold() >> rw.Sqrt(to=0, over="20%"), 1000) == {
        0: "first update",
        50: "Warmup ends, Hold begins; peak",
        800: "Hold ends, Sqrt begins",
        999: "last update",
        1000: "held from here on",
    }


def test_a_move_without_length_is_not_told() -> None:
    """A move over 0 updates is absent, here as everywhere."""
    assert told(rw.Warmup(0) >> rw.Hold(over=4)) == told(rw.Hold(over=4))


@pytest.mark.parametrize(("cycles", "last"), [(11, "cycle 11 begins"), (12, "… 1 more restart")])
def test_ten_restarts_are_listed_and_the_others_counted(cycles: int, last: str) -> None:
    """The tenth restart says how many more there are, if there are any."""
    marks = told(rw.Repeat(rw.Cosine(to=0), every=100), cycles * 100)
    restarts = [what for what in marks.values() if "cycle" in what]
    assert len(restarts) == 10
    assert restarts[-1].endswith(last)


def test_restarts_stand_where_the_level_jumps_up() -> None:
    """With growing cycles the restarts told are the updates at which the level rises."""
    schedule = rw.Repeat(rw.Cosine(to=0), every=10, grow=1.5).resolve(200)
    levels = schedule.values()
    rises = [t for t in range(1, 200) if levels[t] > levels[t - 1]]
    assert [mark.update for mark in landmarks(schedule) if "cycle" in mark.what] == rises


def test_cycles_that_end_are_told() -> None:
    """Behind the last of so many cycles the level is held, and that is said."""
    marks = told(rw.Repeat(rw.Cosine(to=0), every=10, times=2, over=30))
    assert (marks[10], marks[20]) == ("cycle 2 begins", "cycle 2 ends, held")


def test_steps_and_points_are_told_where_they_happen() -> None:
    """A step says its factor, a point its level; none is told at the start or past the end."""
    steps = told(rw.Step(0.1, at=(0, 5, 8, 40), over=10))
    assert [t for t, what in steps.items() if "multiplies by 0.1" in what] == [5, 8]
    points = told(rw.Piecewise({0: 1, 4: 0.5, 20: 0.1}, over=10))
    assert [t for t, what in points.items() if "goes to" in what] == [4]


def test_a_cut_hides_what_lies_behind_it() -> None:
    """Of a schedule that is cut, nothing behind the cut is told."""
    marks = told(rw.Step(0.1, at=(10, 60)).until(50) >> rw.Linear(to=0), 100)
    assert [t for t in marks if 0 < t < 99] == [10, 50]


def test_a_schedule_without_end_is_refused_with_advice() -> None:
    """Without an end there is no last update: the message says what to give."""
    with pytest.raises(rw.ScheduleError, match=r"Hold\(\) has no end: give total=…"):
        landmarks(rw.Hold())
