"""What is believed of runs that nobody has trained."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

import ratewise as rw
from ratewise.choose.surrogate import Surrogate, features, fit_surrogate, winsorized

numbers = st.floats(-5, 5)
spreads = st.floats(0.01, 3)


def surrogate(mean: float, spread: float, noise: float = 0.5) -> Surrogate:
    return Surrogate(np.array([mean]), np.array([spread]), noise)


@given(mean=numbers, spread=spreads, best=numbers)
def test_the_expected_improvement_is_the_integral_it_stands_for(
    mean: float, spread: float, best: float
) -> None:
    """EI = ∫ max(best − y, 0) N(y; mean, spread) dy, to the precision of the integral."""
    found = surrogate(mean, spread).improvement(best, lucky=False)[0]
    low = mean - 12 * spread
    wanted = quad(lambda y: (best - y) * norm.pdf(y, mean, spread), low, max(best, low))[0]
    assert found == pytest.approx(wanted, rel=1e-5, abs=1e-9)


@given(mean=numbers, spread=spreads, best=numbers)
def test_luck_never_makes_a_run_promise_less(mean: float, spread: float, best: float) -> None:
    """Expected improvement is 0 or more, and grows with the noise."""
    one = surrogate(mean, spread)
    sure, lucky = (float(one.improvement(best, lucky=way)[0]) for way in (False, True))
    assert lucky >= sure >= -1e-15


@given(st.lists(st.floats(0.1, 1e3) | st.just(np.nan), min_size=3, max_size=30))
def test_taming_leaves_the_better_half_alone(values: list[float]) -> None:
    """Runs as good as the middle one keep their metric; broken ones get the worst, and no more."""
    given_ = np.array(values)
    found = winsorized(given_)
    finite = given_[np.isfinite(given_)]
    assert np.isfinite(found).all()
    if len(finite):
        good = given_ <= np.median(finite)
        assert (found[good] == given_[good]).all()
        assert (found[np.isnan(given_)] >= found[good].max()).all()


def test_features_tell_peaks_lengths_and_cooled_ends_apart() -> None:
    """A higher peak raises the first feature, a longer plateau the second, a hot end the third."""
    shapes = {
        "linear": rw.Linear(to=0),
        "plateau": rw.Hold() >> rw.Linear(to=0, over="20%"),
        "constant": rw.Hold(),
    }
    rates = [lr * shape.resolve(100).values() for lr in (0.1, 0.2) for shape in shapes.values()]
    table = features(rates)
    low, high = table[:3], table[3:]
    assert (high[:, 0] > low[:, 0]).all()
    assert low[1, 1] > low[0, 1]
    assert low[2, 2] > low[1, 2]
    assert np.allclose(table.mean(axis=0), 0)
    assert np.allclose(table.std(axis=0), 1)


def smooth(table: np.ndarray) -> np.ndarray:
    return 2 + 0.3 * (table[:, 0] - 0.5) ** 2 + 0.2 * table[:, 1]


def test_finished_runs_say_how_those_between_them_end() -> None:
    """Of a smooth function of the features, 12 of 60 runs known, the others are told to a tenth."""
    random = np.random.default_rng(0)
    table = random.standard_normal((60, 3))
    truth = smooth(table)
    known = {i: float(truth[i]) for i in range(12)}
    told = fit_surrogate(table, known)
    near = np.abs(table).max(axis=1) < 1.2
    assert np.abs(told.mean - truth)[near].mean() < 0.1 * truth.std() + 0.05
    assert (told.mean[:12] == truth[:12]).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_law_is_used_where_it_is_right_and_left_where_it_is_junk(seed: int) -> None:
    """With a law that foresees everything errors shrink; with noise for a law they do not grow."""
    random = np.random.default_rng(seed)
    table = random.standard_normal((60, 3))
    truth = 2 + np.sin(3 * table[:, 0]) + np.cos(4 * table[:, 1])  # too rough for the features
    known = {i: float(truth[i]) for i in range(12)}

    def error(law: np.ndarray | None) -> float:
        return float(np.abs(fit_surrogate(table, known, law).mean - truth)[12:].mean())

    plain = error(None)
    assert error(truth) < 0.5 * plain
    assert error(random.standard_normal(60)) < 1.2 * plain


def test_one_metric_for_all_is_no_error() -> None:
    """Where all finished runs ended alike, so does everything, with next to no spread."""
    table = np.random.default_rng(1).standard_normal((10, 3))
    told = fit_surrogate(table, dict.fromkeys(range(4), 1.5))
    assert np.allclose(told.mean, 1.5)
    assert np.isfinite(told.spread).all()
