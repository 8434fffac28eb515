"""Schedules refined by gradient norms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.choose import bound, refine
from ratewise.predict.refine import simplified

T = 2_000
X = np.arange(T) / T


def levels(schedule, total=T):
    return schedule.resolve(total).values()


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_constant_norms_give_a_straight_line_to_zero(optimizer):
    """A gradient that never changes size wants linear decay, whatever its size."""
    refined = refine(np.full(50, 7e-5), optimizer=optimizer)
    assert np.allclose(levels(refined), levels(rw.Linear(to=0)), rtol=1e-12)


def test_an_early_spike_gives_a_warm_up():
    """Norms that start high and settle: the level climbs first, and falls to zero after."""
    found = levels(refine(1 + 9 * np.exp(-X / 0.05)))
    top = int(found.argmax())
    assert found[0] < 0.4
    assert 0.05 * T < top < 0.3 * T
    assert (np.diff(found[: top // 2]) >= 0).all()
    assert found[-1] < 0.002


def test_rising_norms_give_a_faster_fall():
    """Norms that rise over the run keep the rate below the line, more so for SGD."""
    norms = 1 + X
    adam, sgd = levels(refine(norms)), levels(refine(norms, optimizer="sgd"))
    line = levels(rw.Linear(to=0))
    middle = slice(T // 10, -T // 10)
    assert (adam[middle] < line[middle]).all()
    assert (sgd[middle] < adam[middle]).all()


def test_the_levels_are_those_of_the_formula():
    """Smooth norms: w(t)·Σ w from t on, summed plainly, within the error that is asked for."""
    norms = 1 + np.sin(3 * X) ** 2
    plain = np.array([(1 / norms[t]) * (1 / norms[t:]).sum() for t in range(T)])
    found = levels(refine(norms, smooth=0.01, within=0.005))
    assert np.abs(found - plain / plain.max()).max() < 0.005 + 0.003


@settings(deadline=None, max_examples=25)
@given(knots=st.lists(st.floats(-1, 1), min_size=2, max_size=5), power=st.sampled_from([1, 2]))
def test_the_result_is_an_ordinary_schedule(knots, power):
    """Peak 1, no level below 0, ends near 0, and text and JSON read back to the same."""
    norms = np.exp(np.interp(X, np.linspace(0, 1, len(knots)), knots))
    refined = refine(norms, optimizer={1: "adam", 2: "sgd"}[power])
    found = levels(refined, 10_000)
    assert found.max() == 1
    assert found.min() >= 0
    assert found[-1] < 0.01
    assert rw.parse(str(refined)) == refined
    assert rw.from_dict(refined.to_dict()) == refined


@pytest.mark.parametrize("rise", [0.3, 1.0, 3.0])
def test_by_the_bound_it_is_better_than_linear_decay_for_these_norms(rise):
    """With the norms it was refined to, weights 1/G² promise more than a straight line does."""
    norms = 1 + rise * np.maximum(0, X - 0.5)
    refined = refine(norms, optimizer="sgd", smooth=0.01, within=0.002)
    assert bound(refined, T, norms=norms).best < bound(rw.Linear(to=0), T, norms=norms).best


def test_noise_is_smoothed_away():
    """Norms that scatter by a third give nearly the schedule of those that do not."""
    noise = np.exp(0.3 * np.random.default_rng(0).standard_normal(T))
    found, clean = levels(refine((1 + X) * noise)), levels(refine(1 + X))
    assert np.abs(found - clean).max() < 0.08


def test_norms_logged_now_and_then_are_filled_in():
    """Every fiftieth norm gives the schedule that all of them give."""
    norms = 2 - X
    at = np.arange(0, T, 50)
    sparse = refine(norms[at], steps=at, total=T)
    assert np.abs(levels(sparse) - levels(refine(norms))).max() < 0.03


def test_the_order_of_magnitude_of_norms_does_not_matter():
    """Norms of 1e-8 and of 1e8 give one schedule."""
    assert refine((1 + X) * 1e-8) == refine((1 + X) * 1e8)


def test_a_warm_up_that_is_kept():
    """What the norms were during it is not used, and the rest runs behind it."""
    norms = np.where(X < 0.1, 1e6, 1.0)
    refined = refine(norms, warmup=T // 10)
    wanted = rw.Warmup(T // 10) >> rw.Linear(to=0)
    assert np.allclose(levels(refined), levels(wanted), atol=1e-9)


def test_it_fits_a_run_of_another_length():
    """Positions are shares: ten times the run has the same levels at the same shares."""
    refined = refine(1 + 9 * np.exp(-X / 0.05))
    assert np.allclose(levels(refined), levels(refined, 10 * T)[::10], atol=0.01)


@settings(deadline=None, max_examples=25)
@given(y=st.lists(st.floats(0, 1), min_size=2, max_size=60), within=st.floats(0.001, 0.2))
def test_writing_down_keeps_its_promise(y, within):
    """No point is further off than was asked for, but for the rounding to four digits."""
    x = np.linspace(0, 1, len(y))
    kept = np.array(
        [(float(str(p).rstrip("%")) / 100, v) for p, v in simplified(x, y, within).points]
    )
    off = np.abs(np.interp(np.round(x, 4), *kept.T) - y)
    assert (off <= within * np.maximum(y, 0.25) + 2e-4).all()


GOOD = np.ones(20)


@pytest.mark.parametrize(
    ("norms", "more", "why"),
    [
        (np.ones(7), {}, "7 norms, too few"),
        ([], {}, "too few"),
        (np.where(np.arange(20) == 3, np.nan, 1.0), {}, "nan at number 3"),
        (np.where(np.arange(20) == 3, 0.0, 1.0), {}, "0 at number 3"),
        (-GOOD, {}, r"\(0, inf\), got -1"),
        (np.full(20, math.inf), {}, "inf"),
        (np.ones((5, 4)), {}, "one row"),
        (["a"] * 20, {}, "as numbers"),
        (GOOD, {"steps": np.arange(19)}, "19 steps and 20 norms"),
        (GOOD, {"steps": np.arange(20)[::-1]}, "out of order"),
        (GOOD, {"steps": np.arange(20) // 2}, "out of order"),
        (GOOD, {"steps": np.arange(20) + 0.5}, "whole numbers"),
        (GOOD, {"steps": np.arange(20) - 1}, "whole numbers"),
        (GOOD, {"steps": np.arange(20), "total": 10}, "norm at update 19 of a run of 10"),
        (GOOD, {"total": 1}, "total"),
        (GOOD, {"optimizer": "adan"}, "did you mean adam"),
        (GOOD, {"warmup": 20}, "warmup"),
        (GOOD, {"warmup": 15}, "5 norms from update 15 on"),
        (GOOD, {"smooth": 0.9}, "smooth in"),
        (GOOD, {"within": 0}, "within in"),
    ],
)
def test_what_says_nothing_is_refused(norms, more, why):
    """A norm that cannot be one, or too few of them, is an error and not a schedule."""
    with pytest.raises(rw.ScheduleError, match=why):
        refine(norms, **more)
