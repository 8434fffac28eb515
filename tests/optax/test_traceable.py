"""Every kind of schedule, traced, against the same schedule on the host."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.optax import schedule
from ratewise.schedule import Feedback
from tests.optax.traces import ULP
from tests.schedule.strategies import runs

HORIZON = {"epoch": 30, "samples": 100, "tokens": 400}
GREATEST = float(np.finfo(np.float32).max)

pytestmark = pytest.mark.filterwarnings("error")


def differ(rate, total: int) -> float:
    """The largest difference between traced and host, in units of float32 at the peak level."""
    counts = np.unique(np.append(np.arange(min(total, 300)), np.linspace(0, total + 9, 300)))
    counts = counts.astype(np.int32)
    host = rate(counts)
    traced = np.asarray(jax.jit(rate)(jnp.asarray(counts)), np.float64)
    return float(np.abs(traced - host).max() / (ULP * max(host.max(), 1e-30)))


SINGLE = {
    "Between": rw.Cosine().between(0.2, 0.9),
    "Clip": (rw.Warmup(9) >> rw.Linear()).clip(0.3, 0.8),
    "Cosine": rw.Cosine(to=0.1),
    "Exponential": rw.Exponential(),
    "ExponentialDecay": rw.ExponentialDecay(0.5, every=77, staircase=True),
    "Hold": rw.Hold(0.7),
    "InverseTime": rw.InverseTime(0.5, every=10),
    "Linear": rw.Linear(to=0.3),
    "LinearCosine": rw.LinearCosine(cycles=2.5, alpha=0.1),
    "NaturalDecay": rw.NaturalDecay(0.3, every=100),
    "Part": rw.Part(rw.Cosine(to=0.1), begin=0.5, of=800.5, warp=1.3),
    "Piecewise": rw.Piecewise({0: 1, "30%": 0.2, "60%": 0.9}, shape="linear"),
    "Polynomial": rw.Polynomial(power=0.9),
    "PolynomialCycles": rw.PolynomialCycles(power=2, every=123),
    "Power": rw.Power(0.51, every=50),
    "Product": rw.Cosine() * rw.ExponentialDecay(0.999),
    "Repeat": rw.Repeat(rw.Warmup("10%") >> rw.Cosine(), every=50, grow=1.3, shrink=0.8),
    "Rex": rw.Rex(bend=0.1),
    "Saturate": rw.Saturate(100),
    "Scale": rw.Sqrt() * 0.3,
    "Sequence": rw.Warmup("10%") >> rw.Hold() >> rw.Sqrt(over="20%"),
    "Sqrt": rw.Sqrt(),
    "Step": rw.Step(0.1, at=("50%", "75%")),
    "Tanh": rw.Tanh(),
    "Until": rw.Cosine().until(300) >> rw.Linear(),
    "Warmup": rw.Warmup("90%", shape="log"),
    "Wave": rw.Wave(to=0.1, cycles=7.5, exponent=2),
}


def test_no_kind_is_forgotten():
    """The table has every kind that neither listens to metrics nor calls a function."""
    kinds = {name for name, kind in rw.Schedule.kinds.items() if kind.__module__[:8] == "ratewise"}
    listening = {name for name in kinds if issubclass(rw.Schedule.kinds[name], Feedback)}
    assert kinds - listening - {"Function"} == set(SINGLE)


@pytest.mark.parametrize("kind", SINGLE)
def test_every_kind_is_traced(kind):
    """Each kind, jitted over a run and past its end, is the nearest float32 of the host."""
    assert differ(schedule(SINGLE[kind], 1.0, total=1000), 1000) <= 0.6


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(runs(), st.sampled_from([1, 50, 1003]))
def test_every_composition_is_traced(s, total):
    """Any composition that fits is within 2 units of float32 at its peak, traced."""
    try:
        rate = schedule(s, 1.0, total=total, **HORIZON)
    except rw.ScheduleError:
        assume(False)
    assume(rate(np.arange(total + 9)).max() < GREATEST)
    assert differ(rate, total) <= 2


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(17, 60), st.sampled_from(["constant", "linear", "cosine"]), st.randoms())
def test_many_points_are_looked_up(count, shape, random):
    """Past 16 points the piece is looked up, with the levels of the chain, cut anywhere."""
    at = sorted(random.sample(range(500), count))
    points = {x: random.random() for x in at}
    over = random.randrange(1, 700)
    s = rw.Hold(0.5, over=3) >> rw.Piecewise(points, shape=shape, over=over)
    assert differ(schedule(s, 1.0, total=over + 9), over + 9) <= 0.6


@pytest.mark.parametrize("shape", ["constant", "linear", "cosine"])
def test_a_program_does_not_grow_with_the_points(shape):
    """500 points make a program as small as 50 do."""

    def size(n: int) -> int:
        points = {10 * i: 0.5 + i % 3 for i in range(n)}
        one = schedule(rw.Piecewise(points, shape=shape), 1.0, total=10_000)
        return len(jax.make_jaxpr(one)(jnp.int32(3)).eqns)

    assert size(500) == size(50) < 80


def test_steps_given_twice_count_twice():
    """Many steps, some at one position or at the first update, are looked up right."""
    s = rw.Step(0.9, at=[0, 0, *range(5, 200, 5), 195, 195])
    assert differ(schedule(s, 1.0, total=300), 300) <= 0.6


@pytest.mark.parametrize("times", [None, 3])
def test_growing_cycles_far_out(times):
    """Cycles that grow without an end are right up to the last count there is."""
    s = rw.Repeat(rw.Linear(to=0), every=10, grow=2, shrink=0.9, times=times)
    rate = schedule(s, 1.0)
    for t in (0, 9, 10, 29, 30, 69, 70, 10 * (2**20 - 1), 2**31 - 1):
        assert jax.jit(rate)(t) == np.float32(rate(t))


def test_levels_that_overflow_stay_finite():
    """A level beyond float32 is the largest number when that is the precision, and no NaN."""
    s = (rw.Step(2.0, every=1) * rw.Step(2.0, every=1)).between(0, 1)
    rate = schedule(s, 1.0, total=2000, double=False)
    assert np.isfinite(np.asarray(jax.jit(rate)(jnp.arange(2000)))).all()


def test_a_function_is_traced_if_it_can_be():
    """A callable written with jax.numpy is traced like any formula, and held past its end."""
    s = rw.Warmup(5) >> rw.Function(lambda t: 0.5 ** (t / 10), over=20)
    assert differ(schedule(s, 1.0), 25) <= 0.6
    constant = schedule(rw.Function(lambda t: 1) * 0.5, 1.0)
    assert jax.jit(jax.vmap(constant))(jnp.arange(3)).tolist() == [0.5] * 3


@pytest.mark.parametrize("f", [lambda t: 1.0 if t < 5 else 0.5, lambda t: float(t), {}.get])
def test_a_function_that_cannot_be_traced_says_so(f):
    """A callable with a branch, a conversion or a lookup is refused where it is traced."""
    g = f if f(0) is not None else lambda t: {0: 1.0, 1: 0.5}.get(int(t), 0.1)
    rate = schedule(rw.Warmup(5) >> rw.Function(g, over=20), 1.0)
    assert rate(5) in (1.0, 0.0)
    with pytest.raises(rw.ScheduleError, match=r"Function.* cannot be traced by JAX"):
        jax.jit(rate)(3)
