"""Optax' schedules, read: the forms they come in, what is noted and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert.live.optax import FORMATS
from ratewise.convert.reading import guess, read

optax = pytest.importorskip("optax")

(FORMAT,) = FORMATS


def plan_of(source: Any, total: int | None = 40) -> rw.Plan:
    """What the format makes of a source."""
    return read(source, format="optax", total=total)


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
            {"transition_steps": 1, "peak_value": 1.0},
            "has 2 phases, not 3",
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
