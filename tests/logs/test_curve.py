"""What a curve takes, what it leaves out and says so, and what it refuses."""

from __future__ import annotations

import numpy as np
import pytest

import ratewise as rw
from ratewise.choose import Curve, fit
from tests.predict.curves import TRAIN, load

STEPS = np.arange(1, 21) * 10
LOSSES = 2 + 1 / np.sqrt(STEPS)


def test_exact_rates_come_from_the_schedule():
    plan = rw.Warmup(20) >> rw.Cosine(to=0)
    curve = Curve.of(plan, 1e-3, 200, STEPS, LOSSES, "cosine")
    assert np.array_equal(curve.every_rate, 1e-3 * plan.resolve(200).values())
    logged = Curve(STEPS, curve.every_rate[STEPS - 1], LOSSES)
    assert np.allclose(logged.every_rate[30:], curve.every_rate[30:], atol=2e-5)


def test_a_warm_up_before_the_first_point():
    curve = Curve(STEPS + 100, np.full(20, 0.5), LOSSES, warmup=50)
    assert np.allclose(curve.every_rate[:50], 0.01 * np.arange(1, 51))
    assert (curve.every_rate[50:] == 0.5).all()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"steps": [1], "rates": [1], "losses": [1]}, "too few"),
        ({"losses": np.full(20, 2.0)}, "constant"),
        ({"losses": np.full(20, np.nan)}, "too few"),
        ({"rates": np.full(20, np.nan)}, "no rate at step 10"),
        ({"rates": -np.ones(20)}, "no rate"),
        ({"rates": np.zeros(20)}, "no rate above 0"),
        ({"steps": STEPS[::-1]}, "out of order"),
        ({"steps": np.append(STEPS[:-1], STEPS[-2])}, "out of order"),
        ({"steps": STEPS + 0.5}, "whole numbers"),
        ({"losses": LOSSES[:-1]}, "20 steps, 20 rates and 19 losses"),
        ({"losses": LOSSES - 3}, "above 0"),
        ({"losses": ["a"] * 20}, "as numbers"),
        ({"losses": LOSSES[:, None]}, "one row"),
    ],
)
def test_what_says_nothing_is_refused(change, why):
    given = {"steps": STEPS, "rates": np.ones(20), "losses": LOSSES}
    with pytest.raises(rw.ScheduleError, match=why):
        Curve(**given | change)


def test_what_is_left_out_is_said():
    holes = np.where(np.arange(20) % 4 == 1, np.nan, LOSSES)
    curve = Curve(STEPS, np.ones(20), holes, "holes")
    assert len(curve.steps) == 15
    assert curve.excluded == ("5 points without a loss",)
    assert any("5 points" in note for note in fit(curve, "power").notes)


def test_a_run_that_diverged_is_left_out():
    """And a fit to nothing but such runs is refused."""
    up = Curve(STEPS, np.ones(20), np.append(LOSSES[:12], LOSSES[:8] * 5), "up")
    blown = Curve(STEPS, np.ones(20), np.append(LOSSES[:12], [np.inf] * 8), "blown")
    good = Curve(STEPS, np.ones(20), LOSSES, "good")
    found = fit([good, up, blown])
    assert found.curves == (good,)
    assert len([note for note in found.notes if "left out" in note]) == 3
    with pytest.raises(rw.ScheduleError, match="no curve left"):
        fit([up, blown])


def test_a_fit_says_where_it_ends():
    """Rates and lengths outside what was fitted are noted; divergence is never foreseen."""
    found = fit([load(25, name) for name in TRAIN], "ema")
    plan = rw.Warmup(500) >> rw.Cosine(to=0)
    assert found.predict(plan, lr=3e-4, total=20_000).notes == ()
    assert "above 0.0003" in found.predict(plan, lr=1e-3, total=20_000).notes[0]
    assert "longer than" in found.predict(plan, lr=3e-4, total=90_000).notes[0]
    assert "below" in found.predict(plan, lr=1e-4, total=9_000).notes[0]


@pytest.mark.parametrize(
    ("use", "why"),
    [
        (lambda f: f.predict("Cosin(to=0)", lr=1e-3, total=100), "did you mean"),
        (lambda f: f.predict(rw.Warmup(500), lr=1e-3, total=100), "fit|over"),
        (lambda f: f.predict(rw.Cosine(to=0), lr=-1, total=100), "above 0"),
        (lambda f: f.best(total=100, lr=float("nan")), "lr"),
        (lambda f: f.best(total=1, lr=1), "total"),
        (lambda f: f.losses(steps=[3, 1], rates=[1, 1]), "rising"),
        (lambda f: f.losses(steps=[30], rates=[1, 1]), "each of 30"),
        (lambda f: fit(f.curves, "emma"), "did you mean ema"),
        (lambda f: fit([3]), "needs curves"),
        (lambda f: fit(f.curves, "power").best(total=10, lr=1), "depend on the rates"),
    ],
)
def test_bad_use_is_refused(use, why):
    found = fit(Curve(STEPS, np.ones(20), LOSSES), "ema")
    with pytest.raises(rw.ScheduleError, match=why):
        use(found)
