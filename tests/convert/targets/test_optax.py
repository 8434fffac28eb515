"""What is written for Optax."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert import write
from tests.convert.targets.samples import (
    EVERY_KIND,
    HORIZON,
    PAST,
    SINGLE,
    differ,
    expected,
    random_runs,
    run_alone,
)

pytest.importorskip("optax")

LEVELS = """
import jax, jax.numpy as jnp
jax.config.update("jax_debug_nans", True)

for name, job in jobs.items():
    f = written(job["source"])["schedule"](1.0)
    at = jnp.array(job["at"], jnp.int32)
    mapped = f(at) if name.startswith("random") else jax.jit(jax.vmap(f))(at)
    assert mapped.dtype == jnp.float32, mapped.dtype
    assert jax.eval_shape(f, at).shape == at.shape and jax.eval_shape(f, 3).shape == ()
    results[name] = [float(x) for x in mapped]
"""

OPTIMIZER = """
import jax, jax.numpy as jnp, optax

space = written(jobs["source"])
optimizer = optax.inject_hyperparams(optax.sgd)(
    learning_rate=space["schedule"](), momentum=space["momentum_schedule"](peak=0.9)
)
params = jnp.zeros(2)
state = optimizer.init(params)
step = jax.jit(lambda state: optimizer.update(jnp.ones(2), state, params)[1])
results["used"] = []
for _ in range(jobs["n"]):
    state = step(state)
    used = state.hyperparams
    results["used"].append([float(used["learning_rate"]), float(used["momentum"])])

plain = optax.sgd(space["schedule"](1.0))
state, sizes = plain.init(params), []
for _ in range(jobs["n"]):
    update, state = plain.update(jnp.ones(2), state, params)
    sizes.append(-float(update[0]))
results["sizes"] = sizes
"""


def test_levels_under_jit_and_vmap_are_those_of_the_schedule(tmp_path: Path) -> None:
    """Every kind, to two units of float32 at the peak, and 40 random compositions, whose factors
    add their own, to four: over the run and past its end, with no NaN in a branch that is not
    taken, without ratewise.
    """
    schedules = {**EVERY_KIND, **random_runs()}
    jobs = {
        name: {"source": write(schedule, "optax", **HORIZON), "at": list(range(PAST))}
        for name, schedule in schedules.items()
    }
    got = run_alone(tmp_path, LEVELS, jobs)
    assert differ(got, EVERY_KIND, SINGLE) == {}
    assert differ(got, random_runs(), 2 * SINGLE) == {}


def test_long_runs_lose_nothing(tmp_path: Path) -> None:
    """The same bound holds in a run of 3,000,000 updates."""
    total = 3_000_000
    rng = np.random.default_rng(7)
    at = np.unique(np.append(rng.integers(0, total, 500), [0, 1, total - 1, total, total + 9]))
    schedules = {
        "cosine": rw.Warmup("1%") >> rw.Cosine(to=0.1),
        "root": rw.Warmup(2000) >> rw.Hold() >> rw.Sqrt(to=0, over="20%"),
        "exponential": rw.Exponential(to=1e-4),
        "climb": rw.Exponential(to=1, start=1e-6),
        "decay": rw.ExponentialDecay(0.999999),
        "steps": rw.Step(0.9, every=100_000),
        "power": rw.InverseSqrt(4000),
        "restarts": rw.Restarts(77_777, to=0.1, shrink=0.9),
        "tanh": rw.Tanh(to=0),
        "wave": rw.Wave(to=0.1, cycles=7.5),
    }
    jobs = {
        name: {"source": write(schedule, "optax", total=total), "at": at.tolist()}
        for name, schedule in schedules.items()
    }
    got = run_alone(tmp_path, LEVELS, jobs)
    for name, schedule in schedules.items():
        error = np.abs(np.array(got[name]) - schedule.resolve(total)(at)).max()
        assert error <= SINGLE, name


def test_an_optimizer_uses_the_rate_and_the_momentum_of_the_plan(tmp_path: Path) -> None:
    """With `inject_hyperparams`, rate and momentum follow their schedules; the size of an SGD
    update is the rate of that update.
    """
    plan = rw.Plan(
        lr=rw.Warmup(10) >> rw.Cosine(to=0.1),
        momentum=rw.Cosine(to=0.9, over=50) >> rw.Hold(),
        peak={"lr": 3e-4},
    )
    source = write(plan, "optax", **HORIZON)
    assert "momentum=momentum_schedule(peak=…)" in source
    got = run_alone(tmp_path, OPTIMIZER, {"source": source, "n": 60})
    rates = expected(plan.lr, 60)
    used = np.array(got["used"])
    np.testing.assert_allclose(used[:, 0], 3e-4 * rates, atol=3e-4 * SINGLE, rtol=0)
    np.testing.assert_allclose(used[:, 1], 0.9 * expected(plan.momentum, 60), atol=SINGLE, rtol=0)
    np.testing.assert_allclose(got["sizes"], rates, atol=SINGLE, rtol=0)
