"""Intervals from what was held out: of any unit, never narrower for a larger miss, nine of ten."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.choose import Curve, Fit, fit
from ratewise.predict.effective import EffectiveForm
from ratewise.predict.ema import EmaLaw
from ratewise.predict.final_loss import exact
from ratewise.predict.fitting import fit_one
from ratewise.predict.held_out import FURTHER
from ratewise.predict.law import Law
from ratewise.predict.solve import objective
from ratewise.predict.spread import ENOUGH, WIDTH, error_held, mean_error
from tests.examples import examples

LAW = EmaLaw(1.0, 0.8, 0.5, 0.48, 0.7, 0.8, 30.0, 1e-3, 1000.0)
MISSES = st.lists(st.floats(-0.1, 0.1), min_size=ENOUGH, max_size=60)
CONSTANT = rw.Warmup(50) >> rw.Hold()
COOLED = rw.Warmup(50) >> rw.Hold() >> rw.Linear(to=0, over="20%")


def held(misses) -> float:
    found = error_held(misses)
    assert found is not None
    return found


def run(
    schedule: rw.Schedule, lr: float, unit: float = 1.0, total: int = 1000, law: Law = LAW
) -> Curve:
    """Return a run of a law, measured at 40 points, its losses in some unit."""
    rates = lr * schedule.resolve(total).values()
    at = np.arange(1, 41) * (total // 40)
    return Curve.trained(rates, at, unit * law.losses(rates)[at - 1], f"{schedule}")


def fitted_to(misses, peaks=(1e-3,)) -> Fit:
    curve = run(CONSTANT, 1e-3)
    return Fit(LAW, (curve,), "ema", (), tuple(misses), tuple(peaks) * len(misses))


@settings(deadline=None, max_examples=examples(50))
@given(misses=MISSES, times=st.floats(0.01, 100))
def test_twice_the_misses_twice_the_width(misses, times):
    """Both rules have the unit of the misses, and none of their signs."""
    scaled = -times * np.array(misses)
    assert held(scaled) == pytest.approx(times * held(misses))
    assert mean_error(scaled) == pytest.approx(times * mean_error(misses))


@settings(deadline=None, max_examples=examples(50))
@given(misses=MISSES, more=st.floats(0, 1), at=st.integers(0, ENOUGH - 1))
def test_a_larger_miss_never_narrows(misses, more, at):
    """One run missed by more, or one more run missed by most of all: as wide, or wider."""
    worse = np.abs(misses)
    worse[at] += more
    assert held(worse) >= held(misses) * (1 - 1e-12)
    most = [*misses, 0.1 + more]
    assert held(most) >= held(misses) * (1 - 1e-12)


@settings(deadline=None, max_examples=examples(50))
@given(misses=MISSES)
def test_a_run_that_was_met_never_widens(misses):
    """More runs that are foreseen as well as the best so far: as wide, or narrower."""
    met = [*misses, float(np.abs(misses).min())]
    assert held(met) <= held(misses) * (1 + 1e-12)
    assert mean_error(met) <= mean_error(misses) * (1 + 1e-12)


@settings(deadline=None, max_examples=examples(30))
@given(misses=MISSES, weight=st.floats(0.05, 1))
def test_weights_count_runs(misses, weight):
    """The same for all are none; and to count a run for nothing is to leave it out."""
    sizes = np.array(misses)
    assert error_held(sizes, np.full(len(sizes), weight)) == pytest.approx(held(misses))
    with_others = np.append(sizes, [0.5, 0.0])
    none = error_held(with_others, np.append(np.ones(len(sizes)), [1e-12, 1e-12]))
    assert none == pytest.approx(held(misses), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", ["normal", "uniform", "laplace", "standard_cauchy"])
@pytest.mark.parametrize("count", [ENOUGH, 45])
def test_nine_of_ten_whatever_the_distribution(kind, count):
    """Misses of one kind: over 2,000 draws the next is inside in 88 to 92 %, at heavy tails too."""
    rng = np.random.default_rng(5)
    drawn = getattr(rng, kind)(size=(2000, count + 1))
    if kind == "uniform":
        drawn = drawn - 0.5
    inside = [abs(row[-1]) <= WIDTH * held(row[:-1]) for row in drawn]
    assert 0.88 <= np.mean(inside) <= 0.92


def test_too_few_have_no_quantile():
    """Of nineteen the quantile would be the largest: the mean tells instead."""
    assert error_held([0.01] * (ENOUGH - 1)) is None
    few = fitted_to([0.01] * (ENOUGH - 1))
    low, high = few.interval(few.curves[0].every_rate)
    assert np.log(high / low) / 2 == pytest.approx(WIDTH * few.error_at(1e-3))


def test_many_runs_are_told_by_their_quantile():
    """Of forty runs missed by .1 to 4 %, about nine of ten are within the interval's half."""
    misses = np.arange(1, 41) / 1000
    many = fitted_to(misses)
    low, high = many.interval(many.curves[0].every_rate)
    half = float(np.log(high / low) / 2)
    assert half == pytest.approx(WIDTH * held(misses))
    assert 0.85 <= np.mean(misses <= half) <= 0.95


@settings(deadline=None, max_examples=examples(20))
@given(times=st.floats(1.05, 4), more=st.floats(1.05, 2))
def test_the_longer_the_wider(times, more):
    """Beyond the longest run the interval widens with the length, and not before."""
    curve = run(CONSTANT, 1e-3)
    found = Fit(LAW, (curve,), "effective", (), (0.001,) * 30, (1e-3,) * 30, ahead=0.003)

    def width(total: float) -> float:
        low, high = found.interval(np.full(int(total), 1e-3))
        return float(np.log(high / low))

    assert width(500) == pytest.approx(width(1000))
    assert width(1000) < width(1000 * times) < width(1000 * times * more)


def test_a_run_that_goes_on_is_told_as_it_was_tried():
    """Looks ahead are of the run itself; for other schedules a quarter is added."""
    curve = run(CONSTANT, 1e-3)
    found = Fit(LAW, (curve,), "ema", (), (0.04, 0.03, 0.02), (1e-3,) * 3, (0.5, 1.0, 1.5))
    going = np.append(curve.every_rate, np.linspace(1e-3, 0, 600))
    other = 1e-3 * (rw.Warmup(50) >> rw.Cosine(to=0)).resolve(1600).values()
    (low, high), (below, above) = map(found.interval, (going, other))
    assert np.log(above / below) / np.log(high / low) == pytest.approx(FURTHER)


def test_the_unit_of_the_loss_does_not_matter():
    """Losses in other units: predictions and intervals in these."""
    fits = [fit([run(shape, 1e-3, k) for shape in (CONSTANT, COOLED)], "ema") for k in (1.0, 50.0)]
    rates = 1e-3 * (rw.Warmup(50) >> rw.Cosine(to=0)).resolve(1000).values()
    told = [np.array([exact(each.law, rates), *each.interval(rates)]) for each in fits]
    assert told[1] / 50 == pytest.approx(told[0], rel=2e-3)


def test_what_forks_share_is_measured_once():
    """A run given twice is one run; a trunk's points do not count again with each fork."""
    form = EffectiveForm(1e-3, 2400.0)
    law = form.law(form.centre, np.full(14, 0.05))
    runs = [run(shape, 1e-3, 1.0, 2400, law) for shape in (CONSTANT, COOLED)]
    both = fit_one("effective", runs).seen[0].weight
    assert 40 < both.sum() < 1.5 * 40, "half of the points are of the trunk"
    once, twice = (fit_one("effective", each) for each in (runs[1:], [runs[1], runs[1]]))
    assert twice.seen[0].weight.sum() == pytest.approx(once.seen[0].weight.sum())
    told = [objective(np.full(8, 0.1), each.forms[0], each.seen[0])[0] for each in (once, twice)]
    assert told[1] == pytest.approx(told[0], rel=1e-6)
