"""What each move does, at its edges."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

import ratewise as rw
from ratewise.schedule.move import Move
from ratewise.schedule.track import blend, blend_plain
from ratewise.testing import check_schedule


def test_warmup_wastes_no_update():
    """A warm-up climbs in equal steps from 1/(n+1), and update n is the first at the peak."""
    s = rw.Warmup(4) >> rw.Hold()
    assert s.values(6).tolist() == [1 / 5, 2 / 5, 3 / 5, 4 / 5, 1.0, 1.0]
    again = rw.Hold(0.5, over=2) >> rw.Warmup(4) >> rw.Hold()
    assert np.allclose(np.diff(again.values(8))[1:5], 0.1, rtol=1e-12)


def test_warmup_from_zero_is_the_ramp_of_transformers():
    """`Warmup(n, start=0)` is t/n, to the bit."""
    assert rw.Warmup(7, start=0).values().tolist() == [t / 7 for t in range(7)]


def test_moves_start_where_the_last_one_ended():
    """Nobody repeats a number: continuity is the default, `start=` overrules it."""
    s = rw.Linear(to=0.5, over=10) >> rw.Cosine(to=0.1, over=10) >> rw.Hold(over=5)
    assert s(10) == 0.5
    assert s(20) == s(10**9) == 0.1
    assert (rw.Linear(to=0.5, over=10) >> rw.Cosine(to=0.1, over=10, start=1))(10) == 1.0


@pytest.mark.parametrize(
    ("move", "formula"),
    [
        (rw.Linear(to=0.1, over=100), lambda p: 1 - 0.9 * p),
        (rw.Cosine(to=0.1, over=100), lambda p: 0.1 + 0.9 * (1 + math.cos(math.pi * p)) / 2),
        (rw.Sqrt(to=0.1, over=100), lambda p: 0.1 + 0.9 * (1 - math.sqrt(p))),
        (rw.Polynomial(to=0.1, power=3, over=100), lambda p: 0.1 + 0.9 * (1 - p) ** 3),
        (rw.Exponential(to=0.1, over=100), lambda p: 0.1**p),
        (rw.Step(0.5, every=30, over=100), lambda p: 0.5 ** (p * 100 // 30)),
        (rw.Step(0.5, at=("50%", "75%"), over=100), lambda p: 0.5 ** ((p >= 0.5) + (p >= 0.75))),
    ],
)
def test_formulas(move, formula):
    """Each shape is the textbook formula at every update."""
    wanted = [formula(t / 100) for t in range(100)]
    assert np.allclose(move.resolve().values(), wanted, rtol=1e-13, atol=0)
    check_schedule(move)


def test_a_product_behind_a_move_is_continuous():
    """The first factor starts at the level before it, the others at 1."""
    s = rw.Warmup(10) >> rw.Hold(0.5, over=5) >> rw.Linear(to=0, over=10) * rw.Step(0.1, at=5)
    assert s(15) == 0.5
    assert s(20) == pytest.approx(0.025, rel=1e-12)


def test_a_repeat_does_not_rebound_at_the_end():
    """Cut at the end of a cycle it holds that end; cut inside, the level reached."""
    s = rw.Repeat(rw.Linear(to=0), every=10)
    assert s.resolve(30)(30) == 0.0
    assert s.resolve(35)(35) == s.resolve(35)(10**9) == 0.5
    assert rw.Repeat(rw.Linear(to=0.2), every=10, times=2)(20) == 0.2


def test_restarts_behind_a_warm_up():
    """Every cycle starts at the level at which the first one did."""
    s = rw.Warmup(5, to=0.5) >> rw.Repeat(rw.Cosine(to=0), every=10, shrink=0.5)
    assert [s(5), s(15), s(25)] == [0.5, 0.25, 0.125]


def test_piecewise_cut_inside_a_slope_holds_what_it_reached():
    """A length shorter than the points cuts the last slope there."""
    s = rw.Piecewise({0: 1, 100: 0}, shape="linear", over=50)
    assert s(50) == s(99) == 0.5


def test_steps_past_the_end():
    """A step that falls on the end counts for the level held."""
    assert rw.Step(0.1, at=10, over=10)(10) == pytest.approx(0.1, rel=1e-15)
    assert rw.Step(0.1, at=11, over=10)(11) == 1.0


def test_growth_never_overflows():
    """A factor above 1, for ever, ends at the largest float and not at infinity."""
    s = rw.Step(10, every=1)
    assert math.isfinite(s(10**6))
    assert math.isfinite((s * s)(10**6))
    assert math.isfinite(rw.Repeat(rw.Hold(over=1), every=1, shrink=3)(10**6))


def test_short_forms_agree_with_the_plain_one():
    """The blend leaves out products with 1 and sums with 0, and gives the same bits."""
    u = np.random.default_rng(0).random(10_000)
    for a in (0.0, 1.0, 0.3):
        for b in (0.0, 1.0, 0.7):
            assert np.array_equal(blend(np, u, 1 - u, a, b), blend_plain(np, u, 1 - u, a, b))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -0.1, "0.1", None, True, 1j])
def test_levels_are_checked_at_construction(bad):
    """NaN, infinite, negative and foreign levels are refused by name; nothing is coerced."""
    for make in (
        lambda: rw.Cosine(to=bad),
        lambda: rw.Step(bad, every=1),
        lambda: rw.Piecewise({0: bad}),
        lambda: rw.Scale(rw.Cosine(), bad),
        lambda: rw.Hold(over=bad if bad is not None else 1.5),
    ):
        with pytest.raises((rw.ScheduleError, TypeError)):
            make()


def test_functions_are_checked_as_they_run():
    """A callable that gives a level out of [0, inf) is refused at the update where it does."""
    s = rw.Function(lambda t: 1.0 - t, over=10)
    with pytest.raises(rw.ScheduleError, match="its update"):
        s.values()
    check_schedule(rw.Function(lambda t: 0.9**t), total=50, written=False)


def test_your_own_move_passes_the_suite():
    """A subclass with one formula is a full citizen: it composes, reads back and evaluates."""

    @dataclasses.dataclass(frozen=True, repr=False)
    class Sine(Move):
        """Fall along a quarter of a sine."""

        to: float = 0.0
        over: int | None = None
        start: float | None = None

        def __post_init__(self):
            self.check_ends()

        def weight(self, xp, k, n):
            return xp.cos(np.pi / 2 * xp.true_divide(k, n))

    for s in (Sine(over=10), rw.Warmup(5) >> Sine(to=0.2)):
        resolved = s.resolve(100)
        assert rw.parse(repr(resolved)) == resolved
        assert np.isfinite(resolved.values()).all()
    del rw.Schedule.kinds["Sine"]
