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
from ratewise.convert.live.optax import FORMATS
from ratewise.convert.reading import guess, read

jax = pytest.importorskip("jax")
optax = pytest.importorskip("optax")

(FORMAT,) = FORMATS
often = settings(max_examples=250, deadline=None)
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
points = st.none() | st.dictionaries(st.integers(0, 45), scales, max_size=5)


def between(**optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments of a way from one value to another."""
    needed = {"init_value": values, "end_value": values, "transition_steps": lengths}
    return st.fixed_dictionaries({**needed, **optional}, optional={"transition_begin": begins})


cosines = {"exponent": exponents}
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


warm_cosine = st.fixed_dictionaries(
    {**warmup, "decay_steps": st.sampled_from([1, 2]) | st.integers(1, 60)},
    optional={"end_value": values, **cosines},
).map(longer)

CONFIGS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "constant_schedule": st.fixed_dictionaries({"value": values}),
    "linear_schedule": between(),
    "polynomial_schedule": between(power=exponents),
    "exponential_decay": st.fixed_dictionaries(
        {"init_value": values, **exponential}, optional=exponential_more
    ),
    "cosine_decay_schedule": st.fixed_dictionaries(
        {"init_value": values, "decay_steps": lengths.filter(bool)},
        optional={"alpha": shares, **cosines},
    ),
    "piecewise_constant_schedule": st.fixed_dictionaries(
        {"init_value": values}, optional={"boundaries_and_scales": points}
    ),
    "piecewise_interpolate_schedule": st.fixed_dictionaries(
        {"interpolate_type": st.sampled_from(["linear", "cosine"]), "init_value": values},
        optional={"boundaries_and_scales": points},
    ),
    "warmup_constant_schedule": st.fixed_dictionaries(warmup),
    "warmup_cosine_decay_schedule": warm_cosine,
    "warmup_exponential_decay_schedule": st.fixed_dictionaries(
        {**warmup, **exponential}, optional=exponential_more
    ),
    "sgdr_schedule": st.fixed_dictionaries(
        {"cosine_kwargs": st.lists(warm_cosine, min_size=1, max_size=4)}
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
    numbers = [v for v in config.values() if isinstance(v, float | int)]
    ends = [config.get(key) or 0.0 for key in ("init_value", "end_value", "peak_value")]
    largest = max(ours.max(), *ends)
    factors = 1 + len(config.get("boundaries_and_scales") or {}) + 3 * ("onecycle" in name)
    slack = 2 * EPS * (ours + largest) * factors
    if "exponential" in name and config["transition_steps"] > 0 and config["decay_rate"]:
        p = COUNTS / config["transition_steps"]
        return slack + ours * p * (1 + abs(np.log(config["decay_rate"]))) * 2 * EPS
    power = config.get("power", config.get("exponent", 1.0))
    if 0 < power < 1 and numbers:
        return slack + largest * spread(ours, largest, power)
    return slack + 2 * EPS * largest * power


def spread(ours: np.ndarray, largest: float, power: float) -> np.ndarray:
    """How far a power below 1 carries an error of two last places in its base, at the worst."""
    u = COUNTS * 0.0
    return (u + 3 * EPS) ** power


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
    live = plan_of(schedule)
    assert not any("only tells its values" in note for note in live.notes)
    np.testing.assert_allclose(live.rates(N), ours, rtol=1e-9, atol=1e-12 * ours.max())


def flat(config: dict[str, Any]) -> dict[str, Any]:
    """Arguments with those of cycles taken together: the largest value, the smallest exponent."""
    if "cosine_kwargs" not in config:
        return config
    cycles = config["cosine_kwargs"]
    top = max(max(each["init_value"], each["peak_value"]) for each in cycles)
    return {"init_value": top, "exponent": min(each.get("exponent", 1.0) for each in cycles)}


simple = st.sampled_from(
    [name for name in CONFIGS if name not in ("sgdr_schedule", "exponential_decay")]
)


@often
@given(data=st.data(), names=st.lists(simple, min_size=1, max_size=4))
def test_joined_schedules_count_from_their_own_beginning(
    data: st.DataObject, names: list[str]
) -> None:
    """Specs joined at boundaries, equal ones too, give what the joined closures give."""
    configs = [data.draw(CONFIGS[name]) for name in names]
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
    made = {key for key in vars(optax.schedules) if key.endswith(("_schedule", "_schedules"))}
    assert made <= {*ARGUMENTS}


# Forms --------------------------------------------------------------------------------------

WARM = {"init_value": 0.0, "peak_value": 1e-3, "warmup_steps": 10, "decay_steps": 100}


def test_the_shapes_are_written_as_a_person_would() -> None:
    """A common schedule reads as one would write it by hand, from its spec and from its closure."""
    expected = rw.Plan(lr=rw.Warmup(10, start=0) >> rw.Cosine(to=0, over=90), peak={"lr": 1e-3})
    name = "warmup_cosine_decay_schedule"
    live = optax.warmup_cosine_decay_schedule(**WARM)
    for source in ({"optax": name, **WARM}, (name, WARM), [f"optax.{name}", WARM], live):
        assert plan_of(source, total=None) == expected
        assert guess(source) == FORMAT


def test_a_function_of_a_users_own_is_called() -> None:
    """A function that Optax did not make is run, also where it is joined, and the note says so."""
    own = optax.join_schedules([optax.constant_schedule(0.5), lambda count: 0.25 / count], [2])
    for source, expected in ((own, [0.5, 0.5, np.inf]), (lambda count: 0.1 * count, [0, 0.1, 0.2])):
        plan = plan_of(source, total=None)
        assert plan.lr.values(2).tolist() == expected[:2]
        assert any("only tells its values" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("name", "config", "says"),
    [
        ("warmup_cosine_decay_schedule", WARM, "Update 0 uses a value of 0"),
        (
            "warmup_constant_schedule",
            {"init_value": 0.0, "peak_value": 1e-3, "warmup_steps": 0},
            "stays at init_value=0 for ever",
        ),
        (
            "linear_schedule",
            {"init_value": 1.0, "end_value": 0.0, "transition_steps": 0},
            "transition_steps is 0",
        ),
        (
            "exponential_decay",
            {"init_value": 1.0, "transition_steps": 5, "decay_rate": 0},
            "decay_rate is 0",
        ),
        (
            "linear_onecycle_schedule",
            {"transition_steps": 2, "peak_value": 1.0},
            "has 3 phases, not 3",
        ),
    ],
)
def test_quirks_are_noted(name: str, config: dict[str, Any], says: str) -> None:
    """What a reader would not expect is said."""
    assert any(says in note for note in plan_of({"optax": name, **config}).notes)


# Refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"optax": "warmup_cosine_schedule", **WARM}, "did you mean warmup_cosine_decay_schedule"),
        ({"optax": "warmup_cosine_decay_schedule", **WARM, "endvalue": 0}, "did you mean end_v"),
        ({"optax": "cosine_decay_schedule", "init_value": 1.0}, "has no decay_steps"),
        (
            {"optax": "cosine_decay_schedule", "init_value": 1, "decay_steps": 0},
            "needs decay_steps",
        ),
        ({"optax": "constant_schedule", "value": "0.1"}, "needs value"),
        ({"optax": "constant_schedule", "value": -0.1}, "needs value"),
        (
            {"optax": "warmup_cosine_decay_schedule", **WARM, "decay_steps": 10},
            "which include warmup_steps=10",
        ),
        (("linear_schedule", [1, 2]), "no schedule in"),
        ({"optax": "sgdr_schedule", "cosine_kwargs": [1]}, "a list of dicts"),
        ({"optax": "join_schedules", "schedules": [], "boundaries": []}, "one boundary fewer"),
        (
            {
                "optax": "join_schedules",
                "schedules": [{"optax": "constant_schedule", "value": 1}] * 3,
                "boundaries": [5, 3],
            },
            "rising order",
        ),
        (
            {
                "optax": "piecewise_constant_schedule",
                "init_value": 1,
                "boundaries_and_scales": {5: -1},
            },
            "scale of 5",
        ),
        (
            {"optax": "piecewise_interpolate_schedule", "interpolate_type": "x", "init_value": 1},
            "'linear' or 'cosine'",
        ),
        (3, "has no schedule in 3"),
    ],
)
def test_a_bad_source_is_refused_by_name(source: Any, says: str) -> None:
    """The message names the constructor, the argument, what it holds and what to write."""
    with pytest.raises(rw.ScheduleError, match=says):
        plan_of(source)


def test_other_things_do_not_match() -> None:
    """Optimizers, dicts and functions of others are not taken for Optax schedules."""
    others = [optax.sgd(0.1), {"name": "cosine"}, ("cosine", 3), lambda t: t, len]
    assert not any(FORMAT.matches(other) for other in others)
