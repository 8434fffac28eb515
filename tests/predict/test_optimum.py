"""The best form is found, written down as it was found, and beats what is known."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

import ratewise as rw
from ratewise.choose import Fit, fit
from ratewise.predict.final_loss import RatePath, exact
from ratewise.predict.fitting import FORMS
from ratewise.predict.optimum import POINTS, optimal
from tests.predict.curves import SIZES, TRAIN, load

SEEING = [*FORMS][1:]
WARMUP, TOTAL, PEAK = 2160, 24000, 3e-4
AFTER = TOTAL - WARMUP
KNOTS = np.unique(np.round((AFTER - 1) * (1 - np.linspace(1, 0, 41) ** 2)))
RISING = rw.Warmup(WARMUP).resolve(TOTAL).values(WARMUP)


@cache
def fitted(size: int, law: str) -> Fit:
    return fit([load(size, name) for name in TRAIN], law)


def path(shape: str) -> RatePath:
    return (
        RatePath.lines(KNOTS, RISING)
        if shape == "linear"
        else RatePath.stairs(KNOTS, RISING, AFTER)
    )


def fallen(seed: int) -> np.ndarray:
    """Return levels that fall from 1 at random."""
    steps = np.random.default_rng(seed).exponential(0.06, len(KNOTS) - 1)
    return np.append(1.0, np.exp(-np.cumsum(steps)))


@pytest.mark.parametrize("shape", ["linear", "constant"])
@pytest.mark.parametrize("law", SEEING)
def test_derivatives_by_the_levels_are_exact(law, shape):
    """What the search for the best schedule goes by: as differences say."""
    known, levels = fitted(25, law).law, fallen(0)
    value, slope = path(shape).loss(known, PEAK, levels)
    for at in (0, 1, 23, 39, 40):
        step = np.zeros(len(levels))
        step[at] = 1e-6
        up, down = (path(shape).loss(known, PEAK, levels + s)[0] for s in (step, -step))
        assert (up - down) / 2e-6 == pytest.approx(slope[at], rel=1e-4, abs=1e-5 * abs(slope).max())
    assert np.isfinite(value)


@pytest.mark.parametrize("shape", ["linear", "constant"])
@pytest.mark.parametrize("law", [*SEEING, "mixed"])
def test_what_is_searched_is_what_is_written(law, shape):
    """The loss of a path is that of the schedule, each update by itself, and so is a prediction."""
    found = fitted(25, law)
    for seed in range(3):
        levels = fallen(seed)
        points = dict(zip(KNOTS.astype(int).tolist(), levels.tolist(), strict=True))
        schedule = rw.Warmup(WARMUP) >> rw.Piecewise(points, shape=shape, over=AFTER)
        alone = exact(found.law, PEAK * schedule.resolve(TOTAL).values())
        assert path(shape).loss(found.law, PEAK, levels)[0] == pytest.approx(alone, rel=3e-5)
        told = found.predict(schedule, lr=PEAK, total=TOTAL).loss
        assert told == pytest.approx(alone, rel=3e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("law", [*SEEING, "mixed"])
def test_the_best_form_is_no_worse_than_any_shape(size, law):
    """Written down with a few points it beats every linear cooldown and the cosine, by itself."""
    found = fitted(size, law)
    best = found.best(total=TOTAL, lr=PEAK, warmup=WARMUP)
    assert rw.parse(repr(best)) == best
    assert len(best.moves[-1].points) <= POINTS
    asked = {f"{share}%": rw.Warmup(WARMUP) >> rw.Hold() >> rw.Linear(to=0, over=f"{share}%")
             for share in range(5, 90, 5)}  # fmt: skip
    asked |= {"cosine": rw.Warmup(WARMUP) >> rw.Cosine(to=0)}
    ranked = found.rank(asked, lr=PEAK, total=TOTAL)
    value = found.predict(best, lr=PEAK, total=TOTAL).loss
    assert value < ranked[0].loss
    assert found.best(total=TOTAL, lr=PEAK, shapes=asked) == asked[ranked[0].name]


@pytest.mark.parametrize("law", ["ema", "multipower", "mixed"])
def test_few_points_lose_no_more_than_asked(law):
    """Against the same search that keeps every point."""
    known = fitted(25, law).law
    losses = {
        within: exact(known, PEAK * optimal(known, PEAK, TOTAL, WARMUP, within).resolve().values())
        for within in (0.0, 2e-4, 2e-3)
    }
    for within, loss in losses.items():
        assert loss <= losses[0.0] * (1 + 1.5 * within) + 1e-5


def test_stairs_may_be_ruled_out():
    """The multi-power law likes them; without them lines are written, and lose about .1 %."""
    found = fitted(25, "multipower")
    steps = found.best(total=TOTAL, lr=PEAK, warmup=WARMUP)
    lines = found.best(total=TOTAL, lr=PEAK, warmup=WARMUP, stairs=False)
    assert (steps.moves[-1].shape, lines.moves[-1].shape) == ("constant", "linear")
    better, worse = (found.predict(one, lr=PEAK, total=TOTAL).loss for one in (steps, lines))
    assert better < worse < 1.0015 * better


def test_the_rate_never_rises():
    """After the warm-up, and no level is above the peak or below 0."""
    for law in ("ema", "multipower"):
        best = fitted(100, law).best(total=300, lr=PEAK, warmup=30)
        rates = best.resolve(300).values()
        assert (np.diff(rates[30:]) <= 0).all()
        assert rates.max() == 1.0
        assert rates.min() >= 0


@pytest.mark.parametrize("total", [2, 3, 5, 50])
def test_short_runs_have_a_best_form(total):
    found = fitted(25, "mixed").best(total=total, lr=PEAK)
    assert len(found.resolve(total).values()) == total
