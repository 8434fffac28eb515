"""The rate as a value, and as a function of a count of any kind."""

from __future__ import annotations

import dataclasses
import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ratewise as rw
from ratewise.optax import Rate, schedule
from tests.optax.traces import LR, PLAN, ULP, expected, rounded

rate = schedule(PLAN, LR, total=100)


def test_it_is_a_value():
    """Rates are equal, hash alike, pickle and copy by what they mean, and cannot be changed."""
    jax.jit(rate)(3)
    same = schedule("Warmup(4) >> Cosine(to=0.1)", lr=LR, total=100)
    assert pickle.loads(pickle.dumps(rate)) == rate == same
    assert {rate: 1}[same] == 1
    assert rate != schedule(PLAN, LR, total=101)
    assert rate != schedule(PLAN, LR, total=100, start=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        rate.peak = 1.0


@pytest.mark.parametrize("options", [{}, {"start": 7}, {"double": False}])
def test_its_repr_is_code(options):
    """Evaluating the repr gives an equal rate."""
    one = schedule(PLAN, LR, total=100, **options)
    assert eval(repr(one), {**vars(rw), "schedule": schedule}) == one


def test_it_is_a_static_argument():
    """Two equal rates as static arguments of a jitted function are compiled once."""
    traced = []

    def rate(f, count):
        traced.append(f)
        return f(count)

    apply = jax.jit(rate, static_argnums=0)
    for _ in range(3):
        apply(schedule(PLAN, LR, total=100), 5)
    assert len(traced) == 1


def test_on_the_host_it_is_exact():
    """Ints of Python and numpy, and arrays of them, give lr times the level in float64."""
    rates = expected(PLAN, 100)
    assert [rate(t) for t in range(100)] == rates.tolist()
    assert rate(np.int32(7)) == rate(np.uint8(7)) == rates[7]
    assert np.array_equal(rate(np.arange(100, dtype=np.int32)), rates)
    assert type(rate(7)) is float


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "uint32"])
def test_every_dtype_of_count_is_taken(dtype):
    """A count of any dtype, eager, jitted, mapped or scanned, gives the nearest float32."""
    rates, counts = rounded(expected(PLAN, 100)), jnp.arange(100, dtype=dtype)
    step = lambda count, _: (count + 1, rate(count))  # noqa: E731
    scanned = jax.lax.scan(step, counts[0], None, length=100)[1]
    for found in (rate(counts), jax.vmap(rate)(counts), jax.jit(rate)(counts), scanned):
        assert found.dtype == jnp.float32
        assert np.array_equal(found, rates)
    assert jax.jit(rate)(counts[50]) == rates[50]
    assert jax.jit(rate)(50) == rates[50]


def test_nothing_leaks():
    """No tracer outlives its trace, whatever surrounds the call, and tracing twice is the same."""
    fresh = schedule(rw.Repeat(PLAN, every=30, grow=1.5) >> PLAN.until(9), LR, total=100)
    with jax.check_tracer_leaks():
        for _ in range(2):
            first = jax.jit(jax.vmap(fresh))(jnp.arange(5))
            jax.lax.scan(lambda c, _: (c + 1, fresh(c)), 0, None, length=5)
    assert np.array_equal(first, rounded(fresh(np.arange(5))))


def test_gradients_pass_around_it():
    """A loss that trains through rescaled updates, with rematerialisation, differentiates."""

    def loss(w):
        body = jax.checkpoint(lambda c, _: ((c[0] + 1, c[1] * (1 - rate(c[0]))), None))
        return jax.lax.scan(body, (0, w), None, length=20)[0][1]

    want = np.prod(1 - expected(PLAN, 100)[:20])
    assert float(jax.jit(jax.grad(loss))(1.0)) == pytest.approx(want, rel=20 * ULP)


def test_strict_promotion_and_debugging_are_no_trouble():
    """It works where JAX promotes no types by itself and looks for NaN."""
    with jax.numpy_dtype_promotion("strict"), jax.debug_nans(True):
        assert jax.jit(rate)(jnp.int32(9)) == np.float32(rate(9))


@pytest.mark.parametrize("t", [2**24 - 1, 2**24 + 1, 2**30 + 1, 2**31 - 2, 2**31 - 1])
def test_it_is_exact_far_out(t):
    """Behind 2**24 updates neighbours differ as they should, to the nearest float32."""
    line = schedule(rw.Linear(to=0), 1.0, total=2**31)
    assert jax.jit(line)(t) == np.float32((2**31 - t) / 2**31)
    cycles = schedule(rw.Repeat(rw.Linear(to=0), every=1000), 1.0)
    assert jax.jit(cycles)(t) == np.float32((1000 - t % 1000) / 1000)
    warm = schedule(rw.Hold(over=2**24) >> rw.Linear(to=0, over=2**24), 1.0)
    assert jax.jit(warm)(t) == np.float32(warm(t))


def test_runs_longer_than_the_count_are_refused():
    """A run that ends behind 2**31 updates, where Optax stops counting, is refused by name."""
    with pytest.raises(rw.ScheduleError, match=r"counts to 2\*\*31 - 1"):
        schedule(PLAN, LR, total=2**31 + 1)
    rest = schedule(PLAN, LR, total=2**31 + 1, start=1)
    assert float(jax.jit(rest)(2**31 - 1)) == np.float32(rest(2**31 - 1))
    long = schedule(rw.Linear(to=0, over=2**40).until(1000), 1.0)
    assert jax.jit(long)(999) == np.float32(1 - 999 / 2**40)


def test_start_is_added_to_the_count():
    """A run that goes on with a new count uses the rates that are left."""
    rest = schedule(PLAN, LR, total=100, start=60)
    assert np.array_equal(rest(jnp.arange(40)), rounded(expected(PLAN, 100)[60:]))
    assert rest(39) == rate(99)


@pytest.mark.parametrize("count", [0.5, jnp.float32(3), True, jnp.asarray(True), "3", None])
def test_counts_that_are_not_whole_are_refused(count):
    """A float, a bool or a text is no count, on the host or traced."""
    with pytest.raises(rw.ScheduleError, match="whole number of updates"):
        rate(count)


def test_before_the_beginning():
    """A count below 0 is refused where it can be seen, and is 0 where it is traced."""
    with pytest.raises(rw.ScheduleError):
        rate(-1)
    assert jax.jit(rate)(-5) == np.float32(rate(0))


def test_bad_input_is_refused():
    """What has no rate, has several, or listens to metrics is refused with what to write."""
    wrong = [
        (lambda: schedule(PLAN, total=100), "give lr=3e-4"),
        (lambda: schedule(PLAN, -1.0, total=100), "lr in"),
        (lambda: schedule(PLAN, LR), "total"),
        (lambda: schedule(0.1, LR), "got 0.1"),
        (lambda: schedule(rw.OneCycle(), LR, total=9), "inject"),
        (lambda: schedule(PLAN, LR, total=100, start=-1), "start"),
        (lambda: schedule(PLAN, LR, total=100, start=0.5), "start"),
        (lambda: schedule(rw.Warmup(5) >> rw.Plateau(), LR, total=100), "metrics"),
    ]
    for make, words in wrong:
        with pytest.raises(rw.ScheduleError, match=words):
            make()


def test_a_plan_of_the_rate_brings_its_peak():
    """A plan of the rate alone is a schedule whose peak is known; lr= replaces it."""
    plan = rw.Plan(lr=PLAN, peak={"lr": LR})
    assert schedule(plan, total=100) == rate
    assert schedule(plan, 1.0, total=100) == Rate(PLAN.resolve(100), 1.0)


SHAPES = [rw.Linear(), rw.Cosine(to=0.1), rw.Sqrt(), rw.Polynomial(), rw.Rex(), rw.Exponential()]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", SHAPES, ids=repr)
def test_single_precision_is_near(shape):
    """Where float64 is not to be had, levels are within 4 units in the last place of the peak."""
    for total in (100, 10_000_019):
        one = schedule(rw.Warmup("5%") >> shape, 1.0, total=total, double=False)
        counts = np.unique(np.linspace(0, total - 1, 999).astype(np.int32))
        assert np.abs(jax.jit(one)(jnp.asarray(counts)) - one(counts)).max() <= 4 * ULP


def test_lengths_that_single_precision_cannot_count_are_refused():
    """In float32 a length beyond int32 is an error of ours, not an overflow."""
    long = rw.Linear(to=0, over=2**40).until(1000)
    with pytest.raises(rw.ScheduleError, match="double=False"):
        jax.jit(schedule(long, 1.0, double=False))(3)


def run(code: str, *flags: str) -> str:
    command = [sys.executable, *flags, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_in_double_precision_it_is_the_host():
    """With jax_enable_x64 the rates are float64 and equal the host's to 1e-12."""
    run("""
import jax, numpy as np, ratewise as rw
jax.config.update("jax_enable_x64", True)
from ratewise.optax import schedule
cycles = rw.Repeat(rw.Cosine(to=0.1), every=50, grow=1.5, shrink=0.9, over="50%")
for s in (rw.Warmup("5%") >> rw.Cosine(to=0.1), cycles >> rw.Tanh(), rw.Power(every=90).clip(0.2)):
    for double in (True, False):
        rate = schedule(s, 3e-4, total=1000, double=double)
        found = jax.jit(jax.vmap(rate))(np.arange(1000))
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, rate(np.arange(1000)), rtol=1e-12, atol=1e-16)
""")


def test_nothing_warns_and_nothing_is_allocated():
    """Importing, making, tracing and training warn of nothing, and no rate holds an array."""
    run(
        """
import ratewise as rw, jax, jax.numpy as jnp, optax
from ratewise.optax import current_rate, inject, schedule
plan = (rw.Warmup("5%") >> rw.Step(0.5, every=9) * rw.ExponentialDecay(1.1)).clip(low=0.1)
rate = schedule(plan * 2.0, lr=3e-4, total=100)
optimizer = inject(rw.Plan(lr=plan, weight_decay=plan), optax.adamw, total=100, learning_rate=1.0)
assert not jax.live_arrays()
jax.jit(rate)(3)
assert not jax.live_arrays()
for tx in (optax.adam(rate), optimizer):
    state = tx.init(jnp.ones(2))
    updates, state = jax.jit(tx.update)(jnp.ones(2), state, jnp.ones(2))
    current_rate(state, rate)
schedule(plan, lr=3e-4, total=100, double=False)(jnp.int32(7))
""",
        "-W",
        "error",
    )


@pytest.mark.parametrize("missing", ["jax", "optax"])
def test_a_missing_framework_is_asked_for(missing):
    """Without JAX or Optax the import says what to run."""
    code = f"""
import sys
sys.modules["{missing}"] = None
try:
    import ratewise.optax
except ImportError as error:
    print(error)
"""
    assert run(code) == f"{missing} is not installed: run  pip install 'ratewise[jax]'\n"
