"""Lengths in their units, and how moves share a run."""

from __future__ import annotations

import numpy as np
import pytest

import ratewise as rw


def lengths(schedule):
    """The lengths of the moves of a resolved schedule."""
    return [move.length for move in getattr(schedule, "moves", (schedule,))]


@pytest.mark.parametrize(
    ("given", "updates"),
    [
        (7, 7), ("7 updates", 7), ("7 steps", 7), (np.int64(7), 7),
        ("10%", 100), (0.1, 100),
        ("2 epochs", 60), ("0.5 epochs", 15), ("1 epoch", 30),
        ("3.2k samples", 100),

        ("2M tokens", 500), ("2_000k tokens", 500), ("0.07%", 1), (0.07, 70),
        (1, 1), ("100%", 1000),
    ],
)  # fmt: skip
def test_units(given, updates):
    """Each way to write a length is the number of updates it says, exactly."""
    s = rw.Hold(2, over=given).resolve(1000, epoch=30, samples=32, tokens=4000)
    assert lengths(s)[0] == updates
    assert rw.Hold(2, over=given).over == rw.Hold(2, over=rw.Hold(2, over=given).over).over


@pytest.mark.parametrize(
    ("schedule", "horizon", "part"),
    [
        (rw.Warmup(1200), {"total": 1000},
         "does not fit in total=1000: use over < 1000, or a longer run"),
        (rw.Warmup(1000) >> rw.Cosine(), {"total": 1000}, "does not fit in total=1000"),
        (rw.Warmup("100%"), {"total": 10}, "does not fit"),
        (rw.Hold(over=600) >> rw.Linear(over=600), {"total": 1000},
         "behind 600 updates of other moves: leave it 400"),
        (rw.Warmup(5) >> rw.Hold() >> rw.Sqrt(over=99), {"total": 100},
         "does not fit in total=100"),
        (rw.Warmup("5%") >> rw.Cosine(), {}, "call resolve(total=…)"),
        (rw.Cosine(), {}, "has no length and the run no total"),
        (rw.Hold() >> rw.Sqrt(over=10), {}, "more follows, and the run has no total"),
        (rw.Warmup("1 epoch"), {"total": 10}, "call resolve(epoch=…)"),
        (rw.Warmup("1k samples"), {"total": 10}, "call resolve(samples=…)"),
        (rw.Warmup("1M tokens"), {"total": 10}, "call resolve(tokens=…)"),
        (rw.Cosine(), {"total": 0}, "total"),
        (rw.Cosine(), {"total": 10.0}, "total"),
        (rw.Cosine(), {"total": "10%"}, "share of itself"),
        (rw.Cosine(), {"total": 10, "epoch": -1}, "needs epoch above 0"),
        (rw.Cosine(), {"total": 10, "tokens": float("nan")}, "needs tokens above 0"),
        (rw.Repeat(rw.Cosine()), {"total": 10}, "cycle without length"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_with_the_numbers(schedule, horizon, part):
    """The error names what the user typed and says what to write."""
    with pytest.raises(rw.ScheduleError) as caught:
        schedule.resolve(**horizon)
    assert part in str(caught.value)


def test_total_in_a_unit():
    """The total may be given in a unit of the horizon."""
    assert rw.Cosine().resolve("3 epochs", epoch=40).length == 120


def test_boundaries_not_lengths_are_rounded():
    """Halves of an odd run fill it; a cooldown keeps its own share of it."""
    assert lengths((rw.Hold(over="50%") >> rw.Linear(over="50%")).resolve(3)) == [2, 1]
    wsd = rw.Warmup("5%") >> rw.Hold() >> rw.Sqrt(over="20%")
    assert lengths(wsd.resolve(1001)) == [50, 751, 200]
    for total in range(3, 400):
        w, h, c = (wsd >> rw.Hold(0, over=0)).moves[:3]
        assert wsd.resolve(total).length == total, (w, h, c)


def test_a_schedule_that_ends_early_is_held():
    """Resolved, a schedule is as long as the run; the last level fills the gap."""
    s = (rw.Warmup(5) >> rw.Linear(to=0.25, over=5)).resolve(20)
    assert repr(s) == "Warmup(5) >> Linear(to=0.25, over=5) >> Hold(over=10)"
    assert (s.values()[10:] == 0.25).all()


def test_endless_schedules_need_no_total():
    """A constant rate behind a warm-up has no end and needs none."""
    s = rw.Warmup(500) >> rw.Hold()
    assert s.length is None
    assert s(499) < s(500) == s(10**12) == 1.0
    with pytest.raises(rw.ScheduleError, match="without end"):
        s.values()


@pytest.mark.parametrize(
    "known",
    [
        {"warmup": 50, "stable": 750},
        {"warmup": "5%", "decay": "20%"},
        {"stable": 750, "decay": 200},
        {"warmup": 50, "stable": 750, "decay": 200},
    ],
)
def test_warmup_stable_decay_from_any_two_of_its_lengths(known):
    """The third length is the rest, and the phases add up to the run."""
    assert lengths(rw.WSD(**known, shape="sqrt").resolve(1000)) == [50, 750, 200]


def test_a_warm_up_alone_is_refused():
    """A warm-up that takes the whole run never reaches its peak."""
    for schedule in (rw.Warmup(), rw.Warmup() >> rw.Hold(over=0)):
        with pytest.raises(rw.ScheduleError, match="does not fit in total=10"):
            schedule.resolve(10)
    with pytest.raises(rw.ScheduleError, match="two of its lengths"):
        rw.WSD(warmup=5)
