"""What is believed of runs that nobody has trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import multivariate_normal, norm

import ratewise as rw
from ratewise.choose.experience import Experience
from ratewise.choose.hypotheses import Hypotheses
from ratewise.choose.surrogate import (
    Surrogate,
    _Kernel,  # pyright: ignore[reportPrivateUsage]
    fit_surrogate,
    winsorized,
)

numbers = st.floats(-5, 5)
spreads = st.floats(0.01, 3)


def surrogate(mean: float, spread: float, noise: float = 0.5) -> Surrogate:
    return Surrogate(np.ones(1), np.array([[mean]]), np.array([[spread]]), np.array([noise]))


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


@given(st.lists(st.tuples(numbers, spreads, st.floats(0.1, 1)), min_size=2, max_size=5))
def test_a_mixture_has_the_moments_of_its_parts(parts: list[tuple[float, float, float]]) -> None:
    """Mean and spread are those of what is drawn from it, the gain is the mean of the gains."""
    means, spreads_, weights = (np.array(one) for one in zip(*parts, strict=True))
    weights /= weights.sum()
    both = Surrogate(weights, means[:, None], spreads_[:, None], np.full(len(parts), 0.5))
    second = weights @ (means**2 + spreads_**2)
    assert both.mean[0] == pytest.approx(weights @ means)
    assert both.spread[0] ** 2 == pytest.approx(second - (weights @ means) ** 2, rel=1e-6)
    alone = [
        surrogate(m, s).improvement(0.3, lucky=True)[0]
        for m, s in zip(means, spreads_, strict=True)
    ]
    assert both.improvement(0.3, lucky=True)[0] == pytest.approx(weights @ np.array(alone))


SHAPES = ("Linear(to=0)", 'Hold() >> Linear(to=0, over="20%")', "Hold()", "Exponential(to=0.01)")
PEAKS = tuple(0.01 * 2.0**i for i in range(8))


def runs() -> list[np.ndarray]:
    """Eight schedules at eight peaks."""
    shapes = [rw.parse(f'Warmup("{w}") >> {one}') for w in ("2%", "10%") for one in SHAPES]
    return [lr * one.resolve(60).values() for one in shapes for lr in PEAKS]  # type: ignore[union-attr]


def hypotheses(experience: Experience | None = None) -> Hypotheses:
    return Hypotheses.of(runs(), experience or Experience.known())


def test_the_evidence_is_that_of_the_gaussian_it_stands_for() -> None:
    """Known in closed form, it is the density of the differences of the finished runs."""
    told, known = hypotheses(), {3: 1.0, 20: 0.7, 41: 0.9}
    done = list(known)
    values = np.array(list(known.values()))
    kernel = _Kernel.of(told.apart, done, 0.6, 0.5, 0.2)
    surfaces, scale = told.surfaces[:, done], 0.4
    found = kernel.evidence(values, surfaces, np.array([scale]))[:, 0]
    covariance = 0.36 * np.exp(-0.5 * told.apart[np.ix_(done, done)] / 0.25) + 0.04 * np.eye(3)
    contrast = np.array([[1, -1, 0], [0, 1, -1]])  # any offset cancels
    spread: Any = scale**2 * contrast @ covariance @ contrast.T
    wanted = [
        multivariate_normal.logpdf(contrast @ values, scale * contrast @ one, spread)
        for one in surfaces
    ]
    assert np.allclose(found - found[0], np.array(wanted) - wanted[0])


def test_two_runs_of_a_known_kind_say_more_than_two_runs_alone() -> None:
    """A task that falls off as the recorded ones do is foreseen better with them than without."""
    known, rest = Experience.known(), Experience.known().without("digits")
    truth = (
        0.3
        + 0.05
        * Experience(known.traits, {"digits": known.tasks["digits"]}).surfaces(
            runs(), np.array([np.log(0.08)])
        )[0, 0]
    )
    seen = {i: float(truth[i]) for i in (1, 20)}

    def agreement(experience: Experience) -> float:
        told = fit_surrogate(hypotheses(experience), seen)
        return float(np.corrcoef(told.mean, truth)[0, 1])

    assert agreement(rest) > 0.7
    assert agreement(known.without(*known.tasks)) < 0.4


@pytest.mark.parametrize("seed", range(3))
def test_what_is_measured_wins_over_what_was_seen_elsewhere(seed: int) -> None:
    """Of a surface like no recorded one, 24 of 64 runs known, the rest is told nearly as well."""
    random = np.random.default_rng(seed)
    told = hypotheses()
    root = np.linalg.cholesky(np.exp(-0.5 * told.apart / 0.8**2) + 1e-6 * np.eye(64))
    truth = 2 + 0.3 * root @ random.standard_normal(64)
    done = random.permutation(64)[:24].tolist()
    known = {i: float(truth[i]) for i in done}
    rest = [i for i in range(64) if i not in known]
    nothing = Experience.known().without(*Experience.known().tasks)

    def error(space: Hypotheses) -> float:
        return float(np.abs(fit_surrogate(space, known).mean - truth)[rest].mean())

    bare = error(hypotheses(nothing))
    assert error(told) < 1.2 * bare
    assert bare < 0.7 * truth.std()


@given(scale=st.floats(1e-6, 1e6), shift=st.floats(-1e3, 1e3))
@settings(max_examples=10)
def test_units_of_the_metric_do_not_matter(scale: float, shift: float) -> None:
    """From two finished runs on, a metric in other units is foreseen in these units."""
    told, known = hypotheses(), {3: 1.0, 20: 0.7, 41: 0.9}
    one = fit_surrogate(told, known)
    other = fit_surrogate(told, {i: scale * (v + shift) for i, v in known.items()})
    assert np.allclose(other.mean / scale - shift, one.mean, atol=1e-3, rtol=1e-3)


def test_finished_runs_are_what_they_are() -> None:
    """Of those there is no doubt; of one that broke it is told that it was bad."""
    known = {3: 1.0, 20: 0.7, 41: np.nan}
    told = fit_surrogate(hypotheses(), known)
    assert [told.mean[i] for i in (3, 20)] == pytest.approx([1.0, 0.7])
    assert told.mean[41] >= 1.0
    assert told.spread[list(known)] == pytest.approx(np.zeros(3), abs=1e-12)


def test_one_metric_for_all_is_no_error() -> None:
    """Where all finished runs ended alike, so does everything, with next to no spread."""
    told = fit_surrogate(hypotheses(), dict.fromkeys(range(4), 1.5))
    assert np.allclose(told.mean, 1.5)
    assert np.isfinite(told.spread).all()
