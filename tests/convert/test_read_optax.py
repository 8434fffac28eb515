"""Optax' schedules, read: every constructor against the values it computes, written and live."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.convert.live._optax_specs import ARGUMENTS
from ratewise.convert.reading import read
from tests.examples import examples

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

often = settings(max_examples=examples(250, least=200), deadline=None)
less = settings(max_examples=examples(250), deadline=None)
N = 40
EPS = 2.0**-23  # float32
COUNTS = np.arange(N, dtype=np.int32)

values = st.sampled_from([0.0, 1e-4, 1e-3, 0.1, 1.0]) | st.floats(1e-6, 2.0)
positive = st.sampled_from([1e-4, 1e-3, 1.0]) | st.floats(1e-6, 2.0)
lengths = st.sampled_from([0, 1, 2, 39, 40, 41, 1000]) | st.integers(1, 60)
warmups = st.sampled_from([0, 1, 40, 41]) | st.integers(0, 50)
begins = st.sampled_from([0, 0, 1, -2, 5]) | st.integers(0, 45)
shares = st.sampled_from([0.0, 0.1, 1.0]) | st.floats(0, 1)
exponents = st.sampled_from([1.0, 1.0, 2.0, 0.5, 0.0]) | st.floats(0.25, 4)
scales = st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0]) | st.floats(0, 3)
points = st.none() | st.dictionaries(st.integers(0, 45), scales, max_size=4)


def between(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments of a way from one value to another."""
    needed = {"init_value": values, "end_value": values, "transition_steps": lengths}
    return st.fixed_dictionaries({**needed, **optional}, optional={"transition_begin": begins})


exponential = {
    "transition_steps": lengths | st.sampled_from([2.5, 7.3]),
    "decay_rate": st.sampled_from([0.0, 0.5, 1.0, 0.96, 1.5]) | st.floats(0.1, 2),
}
exponential_more = {
    "transition_begin": begins,
    "staircase": st.booleans(),
    "end_value": st.none() | values,
}
warmup = {"init_value": values, "peak_value": positive, "warmup_steps": warmups}
cycle = {
    "transition_steps": st.sampled_from([1, 2, 3, 40]) | st.integers(1, 90),
    "peak_value": positive,
}
cycle_more = {
    "pct_start": shares,
    "div_factor": st.floats(0.5, 50),
    "final_div_factor": st.floats(0.5, 1e4),
}


def longer(config: dict[str, Any]) -> dict[str, Any]:
    """A warm-up and cosine whose `decay_steps` include the warm-up, as they must."""
    return {**config, "decay_steps": config["decay_steps"] + config["warmup_steps"]}


def warm_cosine(powers: st.SearchStrategy[float]) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments of a warm-up and a cosine."""
    needed = {**warmup, "decay_steps": st.sampled_from([1, 2]) | st.integers(1, 60)}
    optional = {"end_value": values, "exponent": powers}
    return st.fixed_dictionaries(needed, optional=optional).map(longer)


CONFIGS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "constant_schedule": st.fixed_dictionaries({"value": values}),
    "linear_schedule": between(),
    "polynomial_schedule": between(power=exponents),
    "exponential_decay": st.fixed_dictionaries(
        {"init_value": values, **exponential}, optional=exponential_more
    ),
    "cosine_decay_schedule": st.fixed_dictionaries(
        {"init_value": values, "decay_steps": lengths.filter(bool)},
        optional={"alpha": shares, "exponent": exponents},
    ),
    "piecewise_constant_schedule": st.fixed_dictionaries(
        {"init_value": values}, optional={"boundaries_and_scales": points}
    ),
    "piecewise_interpolate_schedule": st.fixed_dictionaries(
        {"interpolate_type": st.sampled_from(["linear", "cosine"]), "init_value": values},
        optional={"boundaries_and_scales": points},
    ),
    "warmup_constant_schedule": st.fixed_dictionaries(warmup),
    "warmup_cosine_decay_schedule": warm_cosine(exponents),
    "warmup_exponential_decay_schedule": st.fixed_dictionaries(
        {**warmup, **exponential}, optional=exponential_more
    ),
    "sgdr_schedule": st.fixed_dictionaries(
        {"cosine_kwargs": st.lists(warm_cosine(st.just(1.0)), min_size=1, max_size=4)}
    ),
    "cosine_onecycle_schedule": st.fixed_dictionaries(cycle, optional=cycle_more),
    "linear_onecycle_schedule": st.fixed_dictionaries(
        cycle, optional={**cycle_more, "pct_final": shares}
    ),
}


def plan_of(source: Any, total: int | None = N) -> rw.Plan:
    """What the format makes of a source."""
    return read(source, format="optax", total=total)


def trace(schedule: Any) -> np.ndarray:
    """What a schedule computes for the first N counts, in float32."""
    out = jax.vmap(lambda count: jax.numpy.asarray(schedule(count)))(COUNTS)
    return np.asarray(out, dtype=np.float64)


def allowed(name: str, config: dict[str, Any], ours: np.ndarray) -> np.ndarray:
    """The difference that float32 explains, update by update.

    Two units in the last place of the value and of the largest one computed with, for each factor
    that is multiplied in; and what a power makes of an error of that size in its base, which is a
    difference from 1, or in its exponent.
    """
    ends = [config.get(key) or 0.0 for key in ("init_value", "end_value", "peak_value")]
    largest = max(ours.max(), *ends)
    factors = 1 + len(config.get("boundaries_and_scales") or {}) + 3 * ("onecycle" in name)
    slack = 2 * EPS * (ours + largest) * factors
    if "exponential" in name and config["transition_steps"] > 0 and config["decay_rate"]:
        p = COUNTS / config["transition_steps"]
        return slack + ours * p * (1 + abs(np.log(config["decay_rate"]))) * 2 * EPS
    power = config.get("power", config.get("exponent", 1.0))
    base = base_of(config)
    spread = (base + 2 * EPS) ** power - np.maximum(base - 2 * EPS, 0.0) ** power
    return slack + largest * (spread + 2 * EPS) * (power > 0)


def base_of(config: dict[str, Any]) -> np.ndarray:
    """What the power of a schedule is taken of: the time that is left, or a cosine of it."""
    if "power" in config:
        begin, of = max(0, config.get("transition_begin", 0)), config["transition_steps"]
        return 1 - np.clip(COUNTS - begin, 0, of) / of if of > 0 else np.ones(N)
    if "decay_steps" in config:
        begin = config.get("warmup_steps", 0)
        p = np.clip((COUNTS - begin) / (config["decay_steps"] - begin), 0, 1)
        return (1 + np.cos(np.pi * p)) / 2
    return np.ones(N)


def assert_same(name: str, config: dict[str, Any], ours: np.ndarray, theirs: np.ndarray) -> None:
    assert (np.abs(ours - theirs) <= allowed(name, config, ours)).all(), (config, ours, theirs)


@pytest.mark.parametrize("name", CONFIGS)
@often
@given(data=st.data())
def test_a_plan_uses_the_values_that_optax_computes(name: str, data: st.DataObject) -> None:
    """Whatever the arguments, written or live, update t uses the value of count t."""
    config = data.draw(CONFIGS[name])
    schedule = getattr(optax, name)(**config)
    theirs = trace(schedule)
    ours = plan_of({"optax": name, **config}).rates(N)
    assert_same(name, flat(config), ours, theirs)
    if config.get("transition_steps", 1) == int(config.get("transition_steps", 1)):
        long = 100 if "exponential" in name else 2000  # all that have an end have ended
        whole = plan_of(schedule, total=None).rates(long)
        np.testing.assert_allclose(whole[:N], ours, rtol=1e-12)
    live = plan_of(schedule)
    assert not any("only tells its values" in note for note in live.notes)
    np.testing.assert_allclose(live.rates(N), ours, rtol=1e-9, atol=1e-12 * ours.max())


def flat(config: dict[str, Any]) -> dict[str, Any]:
    """Arguments with those of cycles taken together."""
    if "cosine_kwargs" not in config:
        return config
    cycles = config["cosine_kwargs"]
    ends = ("init_value", "peak_value", "end_value")
    return {"init_value": max(each.get(end) or 0.0 for each in cycles for end in ends)}


simple = st.sampled_from(
    [name for name in CONFIGS if name not in ("sgdr_schedule", "exponential_decay")]
)


@less
@given(data=st.data(), names=st.lists(simple, min_size=1, max_size=4))
def test_joined_schedules_count_from_their_own_beginning(
    data: st.DataObject, names: list[str]
) -> None:
    """Specs joined at boundaries, equal ones too, give what the joined closures give."""
    configs = [data.draw(CONFIGS[name]) for name in names]
    for config in configs:  # where a power meets a boundary is told by the test above
        config.update(
            {key: max(1.0, config[key]) for key in ("power", "exponent") if key in config}
        )
    ends = st.lists(st.integers(0, 45), min_size=len(names) - 1, max_size=len(names) - 1)
    bounds = sorted(data.draw(ends))
    parts = [{"optax": name, **config} for name, config in zip(names, configs, strict=True)]
    built = [getattr(optax, name)(**c) for name, c in zip(names, configs, strict=True)]
    theirs = trace(optax.join_schedules(built, bounds))
    plan = plan_of({"optax": "join_schedules", "schedules": parts, "boundaries": bounds})
    ours, a = plan.rates(N), 0
    for name, config, b in zip(names, configs, [*bounds, N], strict=True):
        within = slice(min(a, N), min(b, N))
        alone = np.zeros(N)
        alone[: within.stop - within.start] = ours[within]
        assert (np.abs(ours - theirs)[within] <= allowed(name, config, alone).max()).all()
        a = b


def test_every_constructor_of_optax_is_known() -> None:
    """The table of arguments is that of the installed Optax: names, order apart, and defaults."""
    for name, known in ARGUMENTS.items():
        parameters = inspect.signature(getattr(optax.schedules, name)).parameters
        assert {*parameters} == {*known}
        for key, parameter in parameters.items():
            if parameter.default is not parameter.empty:
                assert known[key] == parameter.default
    names = [key for key in vars(optax.schedules) if not key.startswith("_")]
    made = {key for key in names if key.endswith(("_schedule", "_schedules"))}
    assert made <= {*ARGUMENTS}
