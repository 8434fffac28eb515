"""The law of effective rates: exact slopes, finite on anything, and right on real runs."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratewise.choose import fit
from ratewise.predict.effective import (
    FADES,
    MODES,
    EffectiveForm,
    EffectiveLaw,
    RunCourse,
    recurred,
)
from ratewise.predict.final_loss import exact
from ratewise.predict.grid import RateGrid, RateSegments
from tests.examples import examples

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("RATEWISE_LLM_RUNS", ROOT.parent / "shared" / "data" / "llm_runs"))
RUNS = DATA / "124M"
COLUMNS = 2 + len(MODES) * len(FADES)
FORM = EffectiveForm(1e-3, 300.0)

THETA = st.lists(st.floats(-2, 2), min_size=8, max_size=8).map(
    lambda z: np.clip(FORM.centre + FORM.spread * np.array(z), FORM.low, FORM.high)
)
ANY = st.lists(st.floats(-1e3, 1e3), min_size=8, max_size=8).map(
    lambda z: np.clip(np.array(z), FORM.low, FORM.high)
)
RATES = st.lists(st.floats(1e-6, 1e-3), min_size=2, max_size=12).map(
    lambda levels: np.repeat(levels, 25)
)
HOSTILE = st.lists(st.just(0.0) | st.floats(1e-30, 1e12), min_size=1, max_size=60).map(np.array)


def numbers(seed: int) -> np.ndarray:
    """Return coefficients, float64[columns]."""
    return np.random.default_rng(seed).uniform(0.05, 1, COLUMNS)


@settings(deadline=None, max_examples=examples(25))
@given(rates=RATES, theta=THETA, seed=st.integers(0, 99))
def test_slopes_by_the_exponents_are_exact(rates, theta, seed):
    """On blocks of five updates, at points between them: as differences say."""
    steps = np.array([0.2, 0.5, 0.77, 1.0]) * len(rates)
    grid, c = RateGrid.of(rates, np.round(steps), len(rates) // 5), numbers(seed)
    told = FORM.slopes(grid, theta, c)
    for i in range(len(theta)):
        step = np.zeros(len(theta))
        step[i] = 1e-5
        up, down = (FORM.columns(grid, theta + s) @ c for s in (step, -step))
        assert np.allclose((up - down) / 2e-5, told[:, i], rtol=1e-4, atol=1e-6 * abs(told).max())


@settings(deadline=None, max_examples=examples(25))
@given(rates=RATES, theta=THETA, seed=st.integers(0, 99), at=st.floats(0, 0.999))
def test_slopes_by_the_rates_are_exact(rates, theta, seed, at):
    """What the search for the best schedule goes by, and the last loss is that of the course."""
    law = FORM.law(theta, numbers(seed))
    loss, slope, _ = law.last(RateSegments.of(rates))
    assert loss == pytest.approx(law.losses(rates)[-1], rel=1e-12)
    step = np.zeros(len(rates))
    i = int(at * len(rates))
    step[i] = 1e-4 * rates[i]
    up, down = (exact(law, rates + s) for s in (step, -step))
    assert (up - down) / (2 * step[i]) == pytest.approx(
        slope[i], rel=1e-3, abs=1e-6 * float(np.abs(slope * rates).max() / rates[i])
    )


@settings(deadline=None, max_examples=examples(60))
@given(rates=HOSTILE, theta=ANY, seed=st.integers(0, 99))
def test_anything_gives_a_number(rates, theta, seed):
    """Rates of 0 and of 1e12, exponents at their bounds: every loss is finite, and above none."""
    law = FORM.law(theta, numbers(seed))
    assert np.isfinite(law.losses(rates)).all()
    assert np.isfinite(law.last(RateSegments.of(rates))[0])
    course = RunCourse.of(rates / 1e-3, np.full(len(rates), 1 / 300), theta)
    assert (np.diff(course.progress) >= 0).all()
    assert (course.noise >= 0).all()


@settings(deadline=None, max_examples=examples(25))
@given(rates=RATES, scale=st.floats(1e-6, 1e6), theta=THETA)
def test_the_unit_of_the_rates_does_not_matter(rates, scale, theta):
    """Rates and reference times ten are the same run."""
    law = FORM.law(theta, numbers(0))
    other = EffectiveForm(1e-3 * scale, 300.0).law(theta, numbers(0))
    assert np.allclose(law.losses(rates), other.losses(rates * scale), rtol=1e-8)


@settings(deadline=None, max_examples=examples(25))
@given(theta=THETA, more=st.integers(1, 50))
def test_without_noise_more_updates_never_hurt(theta, more):
    """Progress alone: the loss falls with every update, whatever its rate."""
    c = numbers(0)
    c[2:] = 0.0
    losses = FORM.law(theta, c).losses(np.full(100 + more, 7e-4))
    assert (np.diff(losses) <= 0).all()


def test_a_low_rate_is_worth_less_behind_a_high_one():
    """Weights that have grown turn less: the same rates make less progress after a high rate."""
    theta = FORM.centre
    low, high = np.full(200, 1e-4), np.full(200, 1e-3)
    after = [
        np.diff(RunCourse.of(np.append(first, low) / 1e-3, np.full(400, 1 / 400), theta).progress)[
            -1
        ]
        for first in (low, high)
    ]
    assert after[1] < 0.8 * after[0]


def test_the_recurrence_is_the_plain_loop():
    """Its fast solver and the loop agree, and backwards it is the transpose."""
    rng = np.random.default_rng(0)
    kept, added, weight = rng.random(40), rng.random(40), rng.random(40)
    plain, x = [], 0.0
    for k, a in zip(kept, added, strict=True):
        x = k * x + a
        plain.append(x)
    assert recurred(kept, added) == pytest.approx(plain, rel=1e-13)
    assert weight @ recurred(kept, added) == pytest.approx(
        recurred(kept, weight, back=True) @ added
    )


@cache
def runs():
    from llm_runs import read_runs

    return read_runs(RUNS)


@pytest.fixture
def real(monkeypatch):
    if not RUNS.exists():
        pytest.skip("the runs are not here")
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return runs()


def test_four_cooldowns_tell_of_all_other_runs(real):
    """One cooldown at each of four peaks foresees 56 runs, which no other law comes near."""
    from llm_runs import judge

    four = [run for run in real if run.kind == "cooldown-linear-0.2" and run.total == 25_000]
    found = fit([run.curve for run in four])
    told = judge(found, [run for run in real if run not in four])
    assert found.name == "effective"
    assert isinstance(found.law, EffectiveLaw)
    assert told.error <= 0.009
    assert min(told.ranks.values()) >= 0.9
    assert max(told.regrets.values()) <= 0.004
    assert told.inside >= 0.85
    assert found.own_share() < 0.1 < 0.5 < fit([run.curve for run in four], "ema").own_share()
    decay = found.law.decay / found.law.length / found.law.reference
    assert 0.03 < decay < 0.2, "these were trained with a weight decay of .1"


def test_a_longer_run_is_foreseen(real):
    """Fitted to three peaks' 15,000 updates: those of 25,000, and the interval knows how well."""
    from llm_runs import judge

    kinds = ("cooldown-linear-0.2", "cooldown-linear-0.6")
    short = [run for run in real if run.total == 15_000 and run.kind in kinds]
    longer = [run for run in real if run.total == 25_000 and run.peak > 1e-4]
    longer = [run for run in longer if run.kind != "trunk"]
    told = judge(fit([run.curve for run in short], "effective"), longer)
    assert told.error <= 0.012
    assert told.ranks[25_000] >= 0.85
    assert told.regrets[25_000] <= 0.004
    assert told.inside >= 0.85
