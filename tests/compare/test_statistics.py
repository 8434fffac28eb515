"""Statistics of a comparison: paired by seed, corrected for how many are compared."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ratewise.compare.statistics import bootstrap, differences, holm, paired_p
from ratewise.compare.verdict import Standing

numbers = st.floats(-10, 10).map(lambda x: round(x, 3))


def standing(name, values):
    return Standing(name, 1e-3, tuple(values), (1e-3,), 100)


@given(st.lists(numbers, min_size=2, max_size=9))
def test_the_paired_test_is_scipys(gaps):
    """The p-value is that of scipy's one-sample t-test of the differences."""
    if len(set(gaps)) == 1:
        assert paired_p(gaps) == (0.0 if gaps[0] else 1.0)
    else:
        assert paired_p(gaps) == pytest.approx(stats.ttest_1samp(gaps, 0).pvalue, rel=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_monotone_and_never_below_the_raw_value(p):
    """A corrected value keeps the order, is at least the raw one and at most Bonferroni's."""
    corrected = holm(p)
    raw = np.array(p)
    assert (corrected >= raw).all()
    assert (corrected <= np.minimum(raw * len(p), 1) + 1e-15).all()
    order = np.argsort(raw, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()


def test_holm_leaves_out_what_is_unknown():
    """NaN stays NaN, and does not count as a comparison."""
    corrected = holm([0.01, math.nan, 0.2])
    assert corrected[0] == 0.02
    assert np.isnan(corrected[1])
    assert corrected[2] == 0.2


@pytest.mark.parametrize("n", [3, 5, 8, 20])
def test_the_bootstrap_interval_covers_what_it_says(n):
    """Of many samples of normal differences, 90 % intervals hold the true mean 85 to 95 % of the
    time, with three seeds as with twenty."""
    random = np.random.default_rng(n)
    repeats = 1000 if n <= 5 else 300
    intervals = [bootstrap(random.normal(0.3, 1.0, n)) for _ in range(repeats)]
    assert 0.85 <= np.mean([low <= 0.3 <= high for low, high in intervals]) <= 0.95


@given(st.lists(numbers, min_size=2, max_size=5), numbers, st.floats(0.1, 5))
def test_the_interval_moves_and_grows_with_the_differences(gaps, shift, scale):
    """bootstrap(a + c) = bootstrap(a) + c and bootstrap(k·a) = k·bootstrap(a) for k > 0."""
    low, high = bootstrap(gaps)
    assert low <= np.mean(gaps) + 1e-12
    assert high >= np.mean(gaps) - 1e-12
    moved = bootstrap(np.array(gaps) + shift)
    assert moved == pytest.approx((low + shift, high + shift), abs=1e-9)
    grown = bootstrap(np.array(gaps) * scale)
    assert grown == pytest.approx((low * scale, high * scale), abs=1e-9)


def test_seeds_are_paired():
    """A constant gap over seeds that differ widely is certain; the same values unpaired are not."""
    seeds = np.array([1.0, 5.0, 9.0, 2.0])
    paired = differences([standing("a", seeds), standing("b", seeds + 0.01)], False)
    (one,) = paired
    assert one.p < 1e-6
    assert one.low == pytest.approx(0.01)
    (other,) = differences([standing("a", seeds), standing("b", seeds[::-1] + 0.01)], False)
    assert other.p > 0.5


def test_more_is_better_turns_the_sign():
    """With accuracies the largest is the best, and the difference is how much is missing."""
    (one,) = differences([standing("a", [0.9, 0.8]), standing("b", [0.95, 0.9])], True)
    assert one.name == "a"
    assert one.mean == pytest.approx(0.075)


def test_one_seed_has_a_mean_and_no_interval():
    """Nothing is made up from a single seed, and nothing finished is nothing to say."""
    (one,) = differences([standing("a", [1.0]), standing("b", [2.0])], False)
    assert one.mean == 1.0
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    assert math.isnan(one.p)
    assert differences([standing("a", []), standing("b", [2.0])], False) == ()
