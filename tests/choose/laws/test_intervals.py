"""Intervals hold what they say they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ratewise as rw
from ratewise.choose import Curve, Fit, fit
from ratewise.choose.laws.ends import exact
from ratewise.choose.laws.fit import PLAIN
from ratewise.choose.laws.power import EmaLaw
from tests.choose.laws.curves import TEST, TRAIN, load
from tests.choose.laws.test_laws import SHAPES

GRIDS = Path(__file__).parents[3] / "benchmarks"
LAW = EmaLaw(1.0, 0.8, 0.5, 0.48, 0.7, 0.8, 30.0, 1e-3, 1000.0)


def noisy(shape: str, lr: float, noise: float, rng: np.random.Generator) -> Curve:
    """Return a run of a known law, measured every 20 updates with so much relative noise."""
    rates = lr * SHAPES[shape].resolve(1000).values()
    at = np.arange(20, 1001, 20)
    losses = LAW.losses(rates)[at - 1] * np.exp(noise * rng.standard_normal(len(at)))
    return Curve.trained(rates, at, losses, shape)


@pytest.mark.parametrize("noise", [0.003, 0.02])
def test_known_noise_is_held(noise):
    """Of measured final losses of a known law, at peaks that were fitted."""
    inside, peaks = [], (3e-4, 6e-4, 1e-3)
    for seed in range(4):
        rng = np.random.default_rng(seed)
        known = [noisy(one, lr, noise, rng) for lr in peaks for one in ("constant", "cooled")]
        found = fit(known, "ema")
        for lr in peaks:
            for shape in ("cosine", "steps"):
                run = noisy(shape, lr, noise, rng)
                low, high = found.interval(run.every_rate)
                inside.append(low <= run.losses[-1] <= high)
    assert np.mean(inside) >= 0.8
    found = [found.error_at(lr) for lr in peaks]
    assert noise / 3 < min(found) <= max(found) < 4 * max(noise, PLAIN)


@pytest.mark.parametrize("task", ["digits", "lora"])
def test_recorded_runs_are_held(task, monkeypatch):
    """Probes of one seed of a real task tell of its 70 other runs; see benchmarks/coverage.py."""
    monkeypatch.syspath_prepend(str(GRIDS))
    from _runs import runs

    probes, others = runs(task, 1)
    found = fit(probes)
    assert len(found.held) == len(found.peaks) == len(probes) == 15
    inside = []
    for run in others:
        low, high = found.interval(run.every_rate)
        assert 0 <= low < high < np.inf
        inside.append(low <= run.losses[-1] <= high)
    assert len(inside) == 70
    assert 0.8 <= np.mean(inside) <= 0.97


@pytest.mark.parametrize("size", [25, 100])
def test_published_runs_are_held(size):
    """Fitted to two runs, the other seven."""
    inside = []
    for train in (TRAIN[:2], TRAIN[1:], TEST[:2], TEST[2:4]):
        found = fit([load(size, name) for name in train])
        for name in {*TRAIN, *TEST} - {*train}:
            low, high = found.interval(load(size, name).every_rate)
            inside.append(low <= load(size, name).losses[-1] <= high)
    assert 0.75 <= np.mean(inside) <= 1.0


def test_a_prediction_has_this_interval():
    found = fit([load(25, name) for name in TRAIN])
    told = found.predict(rw.Warmup(2160) >> rw.Linear(to=0), lr=3e-4, total=24000)
    assert (told.low, told.high) == pytest.approx(found.interval(told.rates), rel=1e-4)
    assert told.loss == pytest.approx(exact(found.law, told.rates), rel=1e-4)


def test_near_peaks_count_more():
    """At a peak where runs were missed by more, the interval is wider; outside, as at the end."""
    made = Fit(LAW, (), "ema", (), (0.01, -0.01, 0.1, -0.1), (1e-4, 1e-4, 1e-2, 1e-2))
    assert made.error_at(1e-4) < 0.3 * made.error_at(1e-2)
    assert made.error_at(1e-4) < made.error_at(1e-3) < made.error_at(1e-2)
    assert made.error_at(1.0) == made.error_at(1e-2)
    assert made.error_at(1e-9) == made.error_at(1e-4)


def test_without_runs_held_out_it_is_the_plain_error():
    assert Fit(LAW, (), "ema").error == Fit(LAW, (), "ema").error_at(1e-3) == PLAIN
    assert fit(load(25, TRAIN[0])).held == ()


def test_left_out_runs_count_as_held_out():
    """Runs beyond the edge are missed by the law that the others give, and widen what is there."""
    rng = np.random.default_rng(0)
    known = [
        noisy(one, lr, 1e-3, rng) for lr in (2e-4, 5e-4, 1e-3) for one in ("constant", "cooled")
    ]
    broken = [
        Curve.trained(one.every_rate * 2, one.steps, one.losses * np.linspace(1, 1.5, 50), "high")
        for one in known[-2:]
    ]
    found = fit([*known, *broken], "ema")
    assert len(found.curves) == 6
    assert len(found.held) == 8
    assert found.error_at(2e-3) > 3 * found.error_at(2e-4)
