"""MLX-LM's LoRA YAML gives the rates of MLX's schedules as its `build_schedule` joins them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs.mlx_lm import FORMATS
from ratewise.convert.reading import guess, read_source
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.configs.checks import agree, lengths, rates, read, some, warmups

Schedule = Callable[[int], float]


def cosine_decay(init: float, decay_steps: int, end: float = 0.0) -> Schedule:
    def at(step: int) -> float:
        decay = 0.5 * (1.0 + math.cos((math.pi / decay_steps) * min(step, decay_steps)))
        return end + decay * (init - end)

    return at


def linear_schedule(init: float, end: float, steps: int) -> Schedule:
    return lambda step: min(step, steps) * ((end - init) / steps) + init


MLX: dict[str, Callable[..., Schedule]] = {
    "cosine_decay": cosine_decay,
    "linear_schedule": linear_schedule,
    "step_decay": lambda init, rate, size: lambda step: init * rate ** (step // size),
    "exponential_decay": lambda init, rate: lambda step: init * rate**step,
}


def trace(name: str, arguments: list[Any], warmup: int, init: float, n: int) -> list[float]:
    """The rate of every update; the schedule is asked with the updates that are done."""
    main = MLX[name](*arguments)
    if not warmup:
        return [main(t) for t in range(n)]
    climb = linear_schedule(init, arguments[0], warmup)
    return [climb(t) if t < warmup + 1 else main(t - warmup - 1) for t in range(n)]


def config(schedule: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    return {"model": "m", "fine_tune_type": "lora", "iters": 100, "adapter_path": "a",
            "lr_schedule": schedule, **more}  # fmt: skip


@st.composite
def arguments(draw: st.DrawFn, name: str, peak: float) -> list[Any]:
    end, n = peak * draw(st.sampled_from([0.0, 0.1, 1.5])), draw(lengths)
    share = draw(st.sampled_from([0.5, 0.9, 1.0]))
    return {
        "cosine_decay": [peak, n, end][: draw(st.sampled_from([2, 3]))],
        "linear_schedule": [peak, end, n],
        "step_decay": [peak, share, n],
        "exponential_decay": [peak, share],
    }[name]


@pytest.mark.parametrize("name", MLX)
@some
@given(st.data(), rates, lengths, warmups, st.sampled_from([None, 0.0, 1e-7]))
def test_schedules(
    name: str, data: st.DataObject, peak: float, iters: int, warmup: int, init: float | None
) -> None:
    """Every schedule by its name, with a warm-up of every length, its last update at the peak."""
    given = data.draw(arguments(name, peak))
    keys: dict[str, Any] = {"name": name, "arguments": given, "warmup": warmup}
    keys |= {} if init is None else {"warmup_init": init}
    plan = read(FORMATS, config(keys, iters=iters))
    agree(plan, trace(name, given, warmup, init or 0.0, iters), slack=1e-12)


TEXT = """
model: "mlx_model"
iters: 1000
learning_rate: 1e-5
lr_schedule:
  name: cosine_decay
  warmup: 100
  warmup_init: 1e-7
  arguments: [1e-5, 1000, 1e-7]
"""


def test_a_file() -> None:
    """It is known for what it is, and states its length."""
    found = read_source(TEXT)
    assert (found.format.name, found.total) == ("mlx_lm", 1000)
    expected = trace("cosine_decay", [1e-5, 1000, 1e-7], 100, 1e-7, 1000)
    agree(found.plan, expected, slack=1e-12)
    assert "Updates 100 and 101 both run at the first rate" in found.plan.notes[0]


def test_without_a_schedule_the_rate_is_constant() -> None:
    """And with one, learning_rate plays no part, which is said."""
    plan = read_any(config(None, learning_rate=2e-5))
    assert plan.rates(100).tolist() == [2e-5] * 100
    keys = {"name": "exponential_decay", "arguments": [1e-4, 0.9]}
    plan = read_any(config(keys, learning_rate=2e-5))
    assert plan.peak["lr"] == 1e-4
    assert any("learning_rate=2e-05 plays no part" in note for note in plan.notes)
    assert any("learning_rate=1e-05" in note for note in read_any(config(None)).notes)


def test_updates_are_fewer_than_iters_where_gradients_are_accumulated() -> None:
    """The schedule counts updates."""
    keys = {"name": "cosine_decay", "arguments": [1e-4, 20]}
    found = read_source(config(keys, iters=103, grad_accumulation_steps=4))
    assert found.total == 25
    agree(found.plan, trace("cosine_decay", [1e-4, 20], 0, 0.0, 25), slack=1e-12)


def test_what_is_told_counts_more() -> None:
    """A rate scales all rates; a length is in updates."""
    found = read_source(TEXT, lr=1e-4, total=500)
    assert found.total == 500
    expected = [10 * x for x in trace("cosine_decay", [1e-5, 1000, 1e-7], 100, 1e-7, 500)]
    agree(found.plan, expected, slack=1e-12)
    assert any("lr=0.0001 was given" in note for note in found.plan.notes)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"name": "cosine", "arguments": [1e-4, 10]}, "did you mean cosine_decay"),
        ({"name": "join_schedules", "arguments": []}, "join_schedules"),
        ({"name": "cosine_decay", "arguments": [1e-4]}, "give init, decay_steps, end"),
        ({"name": "cosine_decay", "arguments": [1e-4, 10, 0, 5]}, "has 4 arguments"),
        ({"name": "cosine_decay", "arguments": [1e-4, 0]}, "decay_steps"),
        ({"name": "cosine_decay"}, "has no arguments"),
        ({"name": "step_decay", "arguments": [1e-4, 0.1, 5], "warm_up": 5}, "did you mean warmup"),
        ({"name": "step_decay", "arguments": [0, 0.1, 5]}, "init"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """Schedules and arguments that MLX does not have."""
    with pytest.raises(ScheduleError, match=message):
        read_any(config(keys), format="mlx_lm")


def test_other_keys_that_look_like_a_schedule_are_refused() -> None:
    """Such as those of other projects."""
    with pytest.raises(ScheduleError, match="has the key warmup_steps"):
        read_any(config(None, warmup_steps=10))
    assert guess(config(None)).name == "mlx_lm"


def test_adafactor_makes_its_own_rates_unless_told() -> None:
    """With relative steps no rate is asked for."""
    with pytest.raises(ScheduleError, match="makes its own rates"):
        read_any(config(None, optimizer="adafactor"))
    fixed = {"adafactor": {"relative_step": False}}
    plan = read_any(config(None, optimizer="adafactor", optimizer_config=fixed))
    assert plan.peak["lr"] == 1e-5
