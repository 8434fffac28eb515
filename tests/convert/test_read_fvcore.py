"""What fvcore's parameter schedulers do at every update is what the plans read from them do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.convert import read
from tests.examples import examples

fv = pytest.importorskip("fvcore.common.param_scheduler")

values = st.sampled_from([0.0, 1e-4, 0.1, 1.0]) | st.floats(0, 10, allow_subnormal=False)
totals = st.sampled_from([1, 2, 3, 30]) | st.integers(1, 200)
cases = settings(max_examples=examples(200, least=200), deadline=None)


def trace(scheduler: Any, total: int) -> Any:
    try:
        return np.array([float(scheduler(t / total)) for t in range(total)])
    except (ArithmeticError, IndexError, RuntimeError, TypeError):
        assume(False)


def check(make: Callable[[], Any], total: int, atol: float = 1e-15) -> Any:
    """Equal to 1e-12; where a rate is a difference of larger numbers, to 1e-15 of the largest."""
    try:
        scheduler = make()
    except ValueError:
        assume(False)
    theirs = trace(scheduler, total)
    plan = read(scheduler, total=total)
    scale = max(plan.peak["lr"], theirs.max())
    assert np.allclose(plan.rates(total), theirs, rtol=1e-12, atol=atol * scale)
    assert not any("value by value" in note for note in plan.notes)
    return plan


@cases
@given(values, values, totals)
def test_constant_linear_cosine(start: float, end: float, total: int) -> None:
    """They are Hold, Linear and Cosine over the whole run."""
    check(lambda: fv.ConstantParamScheduler(start), total)
    check(lambda: fv.LinearParamScheduler(start, end), total)
    check(lambda: fv.CosineParamScheduler(start, end), total)


@cases
@given(values, st.sampled_from([0.1, 1.0, 1e-6]) | st.floats(1e-9, 3), totals)
def test_exponential(start: float, decay: float, total: int) -> None:
    """ExponentialParamScheduler decays by its factor once over the whole run."""
    assume(start > 0)
    check(lambda: fv.ExponentialParamScheduler(start, decay), total)


@cases
@given(values, st.sampled_from([0.0, 0.5, 1.0, 2.0]) | st.floats(0.1, 4), totals)
def test_polynomial(base: float, power: float, total: int) -> None:
    """PolynomialDecayParamScheduler is Polynomial; it computes 1 - t/n, which small powers show."""
    check(lambda: fv.PolynomialDecayParamScheduler(base, power), total, 1e-15 * (1 + total))


@st.composite
def stairs(draw: st.DrawFn) -> Any:
    n = draw(st.integers(1, 6))
    levels = draw(st.lists(values, min_size=n, max_size=n))
    kind = draw(st.integers(0, 3))
    length = draw(st.integers(n, 100))
    marks = sorted(draw(st.sets(st.integers(1, 120), min_size=n, max_size=n)))
    if kind == 0:
        return lambda: fv.StepParamScheduler(length, levels)
    if kind == 1:
        return lambda: fv.MultiStepParamScheduler(levels, num_updates=length)
    if kind == 2:
        return lambda: fv.MultiStepParamScheduler(levels, milestones=marks)
    return lambda: fv.StepWithFixedGammaParamScheduler(0.1 + levels[0], n, 0.3, length)


@cases
@given(stairs(), totals)
def test_steps(make: Callable[[], Any], total: int) -> None:
    """The three kinds of steps are Piecewise, at the updates at which fvcore steps."""
    check(make, total)


@st.composite
def parts(draw: st.DrawFn) -> Any:
    start, end = draw(values), draw(values)
    kind = draw(st.integers(0, 5))
    power = draw(st.sampled_from([1.0, 2.0]))
    makes = [
        lambda: fv.ConstantParamScheduler(start),
        lambda: fv.LinearParamScheduler(start, end),
        lambda: fv.CosineParamScheduler(start, end),
        lambda: fv.PolynomialDecayParamScheduler(start, power),
        lambda: fv.ExponentialParamScheduler(start + 0.1, end + 0.1),
        lambda: fv.StepParamScheduler(10, [start, end, 0.1]),
    ]
    return makes[kind]


@st.composite
def composites(draw: st.DrawFn) -> Any:
    makes = draw(st.lists(parts(), min_size=1, max_size=4))
    weights = draw(st.lists(st.integers(1, 20), min_size=len(makes), max_size=len(makes)))
    scales = draw(
        st.lists(st.sampled_from(["rescaled", "fixed"]), min_size=len(makes), max_size=len(makes))
    )
    lengths = [weight / sum(weights) for weight in weights]
    return lambda: fv.CompositeParamScheduler([m() for m in makes], list(lengths), scales)


@settings(max_examples=examples(250), deadline=None)
@given(composites(), totals)
def test_composite(make: Callable[[], Any], total: int) -> None:
    """CompositeParamScheduler is its parts, on their own clocks or that of the run.

    Where one is in a part is a difference of shares of the run, which short parts make visible.
    """
    scheduler = make()
    theirs = trace(scheduler, total)
    plan = read(scheduler, total=total)
    atol = 1e-14 / min(scheduler._lengths)
    scale = max(plan.peak["lr"], theirs.max())
    assert np.allclose(plan.rates(total), theirs, rtol=1e-12, atol=atol * scale)


def test_a_composite_is_read_as_moves() -> None:
    """The usual composition, a warm-up and a cosine, is two moves."""
    scheduler = fv.CompositeParamScheduler(
        [fv.LinearParamScheduler(0.001, 1.0), fv.CosineParamScheduler(1.0, 0.0)],
        [0.1, 0.9],
        ["rescaled", "fixed"],
    )
    plan = read(scheduler, total=100)
    assert "Cosine" in repr(plan.lr)
    assert "Piecewise" not in repr(plan.lr)


def test_a_subclass_is_run() -> None:
    """A class of the user's own is read by calling it."""

    class Own(fv.ParamScheduler):
        def __call__(self, where: float) -> float:
            return 1 / (1 + where)

    plan = read(Own(), total=10)
    assert np.allclose(plan.rates(10), [1 / (1 + t / 10) for t in range(10)], rtol=1e-12)
    with pytest.raises(rw.ScheduleError, match="total=…"):
        read(Own())


def test_below_zero_is_refused() -> None:
    """A value below 0 is refused with the update at which it comes."""
    with pytest.raises(rw.ScheduleError, match="at update 51"):
        read(fv.LinearParamScheduler(1.0, -1.0), total=100)
