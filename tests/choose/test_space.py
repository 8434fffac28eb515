"""What is chosen from, and where the search begins."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ratewise as rw
from ratewise import ScheduleError
from ratewise.choose import advise
from ratewise.choose.space import (
    FACTOR,
    ladder,
    read_schedules,
    span,
    standard,
    widened,
)


def test_the_usual_candidates_begin_with_advice_and_are_all_different() -> None:
    """What fits the facts comes first; no schedule is tried twice under two names."""
    advice = advise(task="fine-tuning", kind="encoder")
    found = standard(advice)
    assert next(iter(found.values())) == advice.plans[0].lr
    assert len(set(found.values())) == len(found)
    assert len(found) >= 16


@given(st.floats(1e-6, 10))
def test_a_ladder_has_the_suggestion_in_it_and_climbs_evenly(suggestion: float) -> None:
    """Neighbours are a factor of two apart, to two digits."""
    peaks = ladder(suggestion)
    assert peaks == sorted(set(peaks))
    assert any(abs(peak / suggestion - 1) < 0.06 for peak in peaks)
    for low, high in pairwise(peaks):
        assert high / low == pytest.approx(FACTOR, rel=0.1)


@pytest.mark.parametrize("side", ["below", "above"])
def test_a_wider_ladder_keeps_the_old_peaks(side: str) -> None:
    """Two more on one side, so that what was trained stays in the space."""
    old = ladder(3e-3)
    new = widened(old, side)
    assert len(new) == len(old) + 2
    assert set(old) < set(new)
    assert new == sorted(new)
    assert (new[0] < old[0]) == (side == "below")


def test_candidates_are_schedules_plans_or_texts() -> None:
    """All three are taken; a list names them by their text."""
    named = {"a": rw.Cosine(to=0), "b": rw.Plan(lr=rw.Linear(to=0)), "c": "Hold()"}
    assert list(read_schedules(named).values()) == [rw.Cosine(to=0), rw.Linear(to=0), rw.Hold()]
    assert list(read_schedules(["Hold()"])) == ["Hold()"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "got no candidates"),
        ({"a": (rw.Hold(), 300)}, "one length"),
        ({"a": 3}, "needs a schedule"),
        ({"a": "Hodl()"}, "Hold"),
    ],
)
def test_what_is_no_schedule_is_refused(given: object, told: str) -> None:
    """In one line that says what to write."""
    with pytest.raises(ScheduleError, match=told):
        read_schedules(given)


def test_a_schedule_that_is_zero_throughout_is_refused() -> None:
    """There would be nothing to train, and no logarithm of its rate."""
    with pytest.raises(ScheduleError, match="0 throughout"):
        span({"none": rw.Hold() * 0.0}, [0.1], 0, 50, {})


def test_an_edge_is_the_first_or_the_last_peak() -> None:
    """Inside the ladder there is none, and with one peak neither."""
    space = span({"a": rw.Linear(to=0)}, [0.1, 0.2, 0.4], 0, 50, {})
    assert [space.edge(i) for i in range(3)] == ["below", None, "above"]
    assert span({"a": rw.Linear(to=0)}, [0.1], 0, 50, {}).edge(0) is None
