"""What a range test finds on curves that are known."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratewise import ScheduleError
from ratewise.choose import RangeTestResult, find
from ratewise.range_test.ladder import Ladder, Sweep
from ratewise.range_test.smoothing import smooth
from tests.range_test.curves import LOWEST, STEEPEST, Curve, valley

MARKS = ("steepest", "minimum", "onset")


def decades(found: RangeTestResult, name: str) -> float:
    return math.log10(getattr(found, name).rate)


def test_the_known_curve_is_what_it_says() -> None:
    """The curve that the others are measured by is steepest and lowest where it should be."""
    x = np.arange(-7, 0, 1e-3)
    y = valley(x)
    assert abs(x[y.argmin()] - LOWEST) < 0.01
    assert abs(x[np.gradient(y)[: y.argmin()].argmin()] - STEEPEST) < 0.01


@pytest.mark.parametrize("rungs", [50, 100, 300, 1000])
@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_the_steepest_is_found_without_lag_at_any_number_of_rungs(rungs: int, noise: float) -> None:
    """The median of 15 repeats is within 0.1 decade, with one update at a rung and one seed."""
    tests = [
        find(Curve(noise=noise, draw=draw), rungs=rungs, updates=1, seeds=1) for draw in range(15)
    ]
    assert all(found.reason is None for found in tests)
    assert abs(np.median([decades(found, "steepest") for found in tests]) - STEEPEST) < 0.1


def test_intervals_hold_what_they_are_about() -> None:
    """The 90 % interval holds the true place in 8 of 10 sweeps at least."""
    tests = [find(Curve(noise=0.1, draw=draw), updates=1) for draw in range(30)]
    inside = [one.steepest.low <= 10**STEEPEST <= one.steepest.high for one in tests]
    assert np.mean(inside) >= 0.8
    assert all(one.steepest.low <= one.steepest.rate <= one.steepest.high for one in tests)


@settings(max_examples=12, deadline=None)
@given(st.integers(-10, 10), st.integers(0, 99))
def test_a_curve_that_is_moved_moves_the_answer_as_much(by: int, draw: int) -> None:
    """Shift curve and ladder alike by any number of tenths of decades, and so shifts the answer."""
    here = find(Curve(noise=0.05, draw=draw), lowest=1e-7, highest=1.0, seeds=2)
    moved = Curve(noise=0.05, draw=draw, shift=by / 10)
    there = find(moved, lowest=10 ** (by / 10 - 7), highest=10 ** (by / 10), seeds=2)
    for name in MARKS:
        assert decades(there, name) - decades(here, name) == pytest.approx(by / 10, abs=0.011)


@settings(max_examples=12, deadline=None)
@given(st.floats(-1.0, 1.0))
def test_a_curve_moved_on_the_same_ladder_moves_the_answer(by: float) -> None:
    """On one ladder the answer follows the curve too, whatever lies between two rungs."""
    here, there = find(Curve(), seeds=1), find(Curve(shift=by), seeds=1)
    for name in MARKS:
        assert decades(there, name) - decades(here, name) == pytest.approx(by, abs=0.04)


@settings(max_examples=12, deadline=None)
@given(st.integers(-20, 20), st.integers(0, 99))
def test_the_unit_of_the_loss_does_not_matter(power: int, draw: int) -> None:
    """Losses in another unit give the same rates, to the last bit for powers of two."""
    one = find(Curve(noise=0.1, draw=draw))
    other = find(Curve(noise=0.1, draw=draw, scale=2.0**power))
    assert (one.rate, one.steepest, one.minimum, one.onset) == (
        other.rate,
        other.steepest,
        other.minimum,
        other.onset,
    )


@settings(max_examples=50, deadline=None)
@given(st.floats(-5, 5), st.floats(-5, 5), st.integers(3, 40), st.integers(0, 2**31))
def test_a_line_is_its_own_smooth_curve(a: float, b: float, n: int, seed: int) -> None:
    """Whatever the weights, a line comes back as it is, at the ends as well."""
    x = np.linspace(-2, 1, n)
    weights = np.random.default_rng(seed).uniform(0.1, 1, n)
    fit = smooth(x, a + b * x, x, weights, width=1.0)
    np.testing.assert_allclose(fit.value, a + b * x, atol=1e-9)
    np.testing.assert_allclose(fit.slope, b, atol=1e-8)


def test_smoothing_is_the_regression_that_it_says() -> None:
    """At any place it is numpy's weighted straight line."""
    random = np.random.default_rng(3)
    x, y, weights = random.normal(size=(3, 25))
    weights = weights**2
    fit = smooth(x, y, np.array([0.2]), weights, 0.4)
    kernel = weights * np.exp(-0.5 * ((x - 0.2) / 0.4) ** 2)
    slope, height = np.polyfit(x - 0.2, y, 1, w=np.sqrt(kernel))
    assert fit.value[0] == pytest.approx(height, rel=1e-9)
    assert fit.slope[0] == pytest.approx(slope, rel=1e-9)


@pytest.mark.parametrize("updates", [1, 3])
def test_a_sweep_stops_soon_after_it_diverges(updates: int) -> None:
    """What is far past the edge is not trained; the ladder's end is reached if nothing breaks."""
    found = find(Curve(noise=0.02), highest=1e3, updates=updates, seeds=2)
    assert all(sweep.rate is not None and sweep.rate < 2 for sweep in found.sweeps)
    assert all(len(sweep.losses) < 75 * updates for sweep in found.sweeps)
    calm = find(Curve(), highest=1e-2, updates=updates, seeds=1)
    assert calm.updates == 100 * updates + 1


def test_a_loss_that_is_not_finite_ends_the_sweep_at_once() -> None:
    """NaN is evidence of divergence: not one update more is made, and there is an answer."""
    found = find(Curve(lambda x: np.where(x > -1.5, np.nan, valley(x))))
    assert all(math.isnan(sweep.losses[-1]) for sweep in found.sweeps)
    assert found.rate is not None
    assert found.rate < 10**-1.5
    json.dumps(found.to_dict(), allow_nan=False)


REFUSED = {
    "flat": (Curve(lambda x: 2.3 + 0 * x), "flat"),
    "noise alone": (Curve(lambda x: 2.3 + 0 * x, noise=0.2), "flat"),
    "never fell": (Curve(lambda x: 2.3 + np.exp(3 * (x + 3)), noise=0.02), "never fell"),
    "at once": (Curve(lambda x: 2.3 + (x > -7.2) * 1e6), "at once"),
    "not a number": (Curve(lambda x: np.full_like(x, np.nan)), "at once"),
    "still falling": (Curve(lambda x: 2.3 - 0.2 * np.maximum(x + 7, 0), noise=0.01), "still fell"),
    "noisy": (Curve(noise=3.0), "flat|noisy|never fell"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_where_there_is_no_answer_none_is_given(name: str) -> None:
    """No rate and no mark, but a reason and what to do."""
    task, why = REFUSED[name]
    found = find(task, seeds=2, updates=1)
    assert found.rate is None
    assert [getattr(found, mark) for mark in (*MARKS, "tenth")] == [None] * 4
    assert found.table() == ""
    assert re.search(why, found.reason or "")
    assert str(found).startswith("No answer, because ")
    assert "No answer" in found.text(60, False)
    json.dumps(found.to_dict(), allow_nan=False)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**20))
def test_noise_alone_is_no_answer(draw: int) -> None:
    """Whatever the noise looks like, no rate is read out of it."""
    assert find(Curve(lambda x: 1.0 + 0 * x, noise=0.3, draw=draw), updates=1).rate is None


def test_losses_below_zero_are_losses() -> None:
    """A number added to all losses changes nothing: a likelihood may be negative."""
    one = find(Curve(noise=0.05))
    other = find(Curve(lambda x: valley(x) - 10, noise=0.05))
    assert other.steepest.rate == pytest.approx(one.steepest.rate, rel=1e-6)
    assert other.onset.rate == pytest.approx(one.onset.rate, rel=1e-6)


def test_marks_are_in_order_and_the_rate_between() -> None:
    """Steepest, minimum, onset; the suggestion is between the last two, below the edge."""
    found = find(Curve(noise=0.05))
    assert found.steepest.rate < found.minimum.rate < found.onset.rate
    assert found.rate <= found.onset.low
    assert found.minimum.low <= found.rate
    assert found.tenth.rate == pytest.approx(found.minimum.rate / 10)
    assert all(sweep.rate > found.rate for sweep in found.sweeps)


def test_it_is_told_in_one_paragraph_and_drawn() -> None:
    """Text, table, picture, figure and dict say the same rate."""
    found = find(Curve(noise=0.05))
    shown = f"{found.rate:.3g}"
    assert "\n" not in str(found)
    assert f"peak of about {shown}" in str(found)
    drawn = found.text(80, False)
    assert max(map(len, drawn.splitlines())) <= 80
    plot = drawn.split("learning rate")[0]
    assert [letter for letter in "smo*" if letter not in plot] == []
    assert found.table() in drawn
    axes = found.figure().axes[0]
    assert axes.get_xscale() == "log"
    assert shown in axes.get_title(loc="left")
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["rate"] == found.rate
    assert len(again["sweeps"]) == 3
    assert len(again["rates"]) == len(again["curve"])


def test_the_same_call_gives_the_same_answer() -> None:
    """Nothing is left to chance: the bootstrap draws the same each time."""
    a, b = (find(Curve(noise=0.1)).to_dict() for _ in range(2))
    assert a == b


def test_a_ladder_climbs_by_updates_and_a_loss_belongs_to_the_rate_before() -> None:
    """A rung is the mean of the losses that came after its rate, so nothing lags by an update."""
    ladder = Ladder(1e-3, 10, 9, 2)
    assert len(ladder.all_rates) == 19
    sweep = Sweep(ladder, 0)
    over = [sweep.tell(float(-i)) for i in range(19)]
    assert over == [False] * 18 + [True]
    assert sweep.rungs == [-1.5 - 2 * i for i in range(9)]


def test_a_task_that_shares_its_model_gets_it_back() -> None:
    """A run is put back to where it was opened, after an exception too."""
    shared = Curve().open(0)
    before = shared.save()

    class Shared:
        def open(self, seed: int) -> object:
            return shared

    find(Shared(), seeds=2)
    assert shared.save() == before

    def fails(rates: object) -> object:
        shared.x = 1.0
        raise KeyboardInterrupt

    shared.train = fails  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        find(Shared())
    assert shared.save() == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"lowest": 0},
        {"lowest": -1.0},
        {"lowest": 1.0, "highest": 0.1},
        {"lowest": 1.0, "highest": 2.0},
        {"highest": math.inf},
        {"rungs": 7},
        {"rungs": 10.0},
        {"updates": 0},
        {"seeds": 0},
        {"seeds": []},
        {"seeds": [1, 1]},
        {"seeds": "3"},
        {"batches": [1]},
        {"step": print},
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_before_anything_is_trained(wrong: dict[str, object]) -> None:
    """One error that says which argument it is."""

    class Untouched:
        def open(self, seed: int) -> object:
            raise AssertionError("it was trained")

    with pytest.raises(ScheduleError, match=next(iter(wrong))):
        find(Untouched(), **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("thing", [None, 3, "task", object()], ids=["None", "3", "text", "object"])
def test_what_cannot_be_trained_is_refused(thing: object) -> None:
    """The error says what can be given."""
    with pytest.raises(ScheduleError, match="step="):
        find(thing)
