"""Laws find back what made a curve, and say what real runs came to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime

import ratewise as rw
from ratewise.choose import Curve, fit
from ratewise.predict.ema import EmaLaw
from ratewise.predict.fitting import FORMS, MIX_LONG
from ratewise.predict.grid import RateGrid
from ratewise.predict.power import PowerLaw
from ratewise.predict.solve import Observations, objective
from tests.predict.curves import SIZES, TEST, TRAIN, load, mean_error, predicted

DOCS = Path(__file__).parents[2] / "docs" / "predict.md"
SHAPES = {
    "constant": rw.Warmup(20) >> rw.Hold(),
    "cosine": rw.Warmup(20) >> rw.Cosine(to=0),
    "cooled": rw.Warmup(20) >> rw.Hold() >> rw.Linear(to=0, over="20%"),
    "steps": rw.Warmup(20) >> rw.Step(0.3, at=("50%", "80%")),
}


def made(law, names=tuple(SHAPES), total=1000, lr=1e-3, noise=0.0, every=10):
    rng = np.random.default_rng(0)
    for name in names:
        rates = lr * SHAPES[name].resolve(total).values()
        at = np.arange(every, total + 1, every)
        losses = law.losses(rates)[at - 1] * np.exp(noise * rng.standard_normal(len(at)))
        yield Curve.trained(rates, at, losses, name)


@pytest.mark.parametrize("name", FORMS)
def test_derivatives_are_exact(name):
    """By the exponents, with the linear coefficients solved for: as differences say."""
    curves = [load(25, one) for one in TRAIN]
    grids = [RateGrid.of(one.every_rate, one.steps, 500) for one in curves]
    losses = np.concatenate([one.losses for one in curves])
    data = Observations(grids, losses, 1e-2 * losses, np.full(len(losses), 0.2))
    form = FORMS[name](grids, 5.0)
    x = np.full(len(form.centre), 0.1)
    exact = objective(x, form, data)[1]
    rough = approx_fprime(x, lambda at: objective(at, form, data)[0], 1e-5)
    assert np.allclose(exact, rough, atol=1e-3 * np.abs(rough).max() + 1e-4)


def test_a_law_finds_itself():
    """Curves that an EMA law made are foreseen from three of four, at any schedule."""
    law = EmaLaw(1.0, 0.8, 0.5, 0.3, 0.7, 0.8, 30.0, 1e-3, 1000.0)
    *known, unseen = made(law)
    found = fit(known, "ema")
    assert np.abs(predicted(found.law, unseen) / unseen.losses - 1).max() < 0.01
    assert found.predict(SHAPES["steps"], lr=1e-3, total=1000).loss == pytest.approx(
        float(unseen.losses[-1]), rel=0.005
    )


def test_a_power_law_finds_itself():
    found = fit(next(made(PowerLaw(1.5, 0.4, 0.6, 1000.0))), "power").law
    assert (found.floor, found.amount, found.exponent) == pytest.approx((1.5, 0.4, 0.6), rel=0.02)


@pytest.mark.parametrize("size", SIZES)
def test_real_runs_are_foreseen(size):
    """Fitted to three runs, the other six: the published fit has .0038 and .0044 here."""
    found = fit([load(size, name) for name in TRAIN])
    assert found.name == "mixed"
    assert mean_error(found.law, size) <= 0.0030
    for name in TEST:
        curve = load(size, name)
        rest = np.square(predicted(found.law, curve) - curve.losses).sum()
        assert 1 - rest / np.square(curve.losses - curve.losses.mean()).sum() > 0.99
    power = fit([load(size, name) for name in TRAIN], "power")
    assert mean_error(found.law, size) < 0.3 * mean_error(power.law, size)


def test_together_they_are_better_than_alone():
    """The mean over both sizes; each of the two laws alone has more."""
    errors = {
        name: np.mean([mean_error(fit([load(s, n) for n in TRAIN], name).law, s) for s in SIZES])
        for name in ("mixed", *MIX_LONG)
    }
    assert errors["mixed"] <= 0.0026
    assert errors["mixed"] <= min(errors.values()) * 1.02


@pytest.mark.parametrize("name", [*FORMS, "mixed", "auto"])
def test_every_law_is_named_where_users_look(name):
    assert f'"{name}"' in fit.__doc__
    assert f"`{name}`" in DOCS.read_text(encoding="utf-8") or name == "mixed"


def test_the_former_name_of_a_law_is_taken():
    run = list(made(PowerLaw(1.5, 0.4, 0.6, 1000.0), ("constant",)))
    found = fit(run, "formless")
    assert (found.name, found.law) == ("nonparametric", fit(run, "nonparametric").law)


@settings(max_examples=15, deadline=None)
@given(
    floor=st.floats(0.1, 4),
    amount=st.floats(0.05, 2),
    noise=st.floats(0.0, 0.02),
    every=st.sampled_from([7, 20, 100]),
)
def test_no_prediction_is_nonsense(floor, amount, noise, every):
    """Sparse, noisy curves of any size give finite losses in finite intervals."""
    law = EmaLaw(floor, amount, 0.4, amount / 3, 0.7, 0.8, 30.0, 1e-3, 1000.0)
    found = fit(list(made(law, ("constant", "cooled"), noise=noise, every=every)))
    told = found.predict(SHAPES["cosine"], lr=1e-3, total=1000)
    truth = float(law.losses(told.rates)[-1])
    assert 0 < told.low <= told.loss <= told.high < np.inf
    assert np.isfinite(told.losses).all()
    assert told.loss == pytest.approx(truth, rel=0.15 + 5 * noise)
