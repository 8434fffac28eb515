"""MaxText configs give the rates of its `create_learning_rate_schedule`."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ratewise.convert.configs.maxtext import FORMATS
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.configs.checks import agree, lengths, many, read, shares

RATE = 3e-4


def cosine(now: int, low: float, n: int) -> float:
    share = now / (n - 1) if n > 1 else 1.0
    weight = 0.5 * (math.cos(math.pi * share) + 1)
    return RATE * weight + low * (1 - weight)


def rate(
    t: int, steps: int, warm: float, final: float, style: str = "cosine", last: float | None = None
) -> float:
    """The rate of update t; `last` is the share of the last phase of a WSD schedule."""
    warmup, low = int(steps * warm), RATE * final
    if t < warmup:
        return RATE * t / warmup
    if t >= steps:
        return 0.0
    if last is None:
        return cosine(t - warmup, low, steps - warmup)
    decay = int(steps * last)
    now = t - (steps - decay)
    if now < 0:
        return RATE
    if style == "cosine":
        return cosine(now, low, decay)
    return RATE + (low - RATE) * now / (decay - 1) if decay > 1 else RATE


def config(**keys: Any) -> dict[str, Any]:
    return {"learning_rate": RATE, **keys}


@many
@given(lengths, st.just(-1) | lengths, shares, shares)
def test_cosine(total: int, steps: int, warm: float, final: float) -> None:
    """Warm-up, cosine, and 0 behind the schedule; without steps of its own it fills the run."""
    source = config(
        steps=total,
        learning_rate_schedule_steps=steps,
        warmup_steps_fraction=warm,
        learning_rate_final_fraction=final,
    )
    length = total if steps == -1 else steps
    agree(read(FORMATS, source), [rate(t, length, warm, final) for t in range(total)])


@many
@given(lengths, lengths, st.floats(0, 0.5), shares, st.floats(0, 0.5), st.booleans())
def test_warmup_stable_decay(
    total: int, steps: int, warm: float, final: float, last: float, is_linear: bool
) -> None:
    """The last phase is linear or a cosine, both ends included."""
    style = "linear" if is_linear else "cosine"
    assume(int(steps * warm) + int(steps * last) <= steps)
    source = config(
        steps=total,
        learning_rate_schedule_steps=steps,
        warmup_steps_fraction=warm,
        learning_rate_final_fraction=final,
        lr_schedule_type="wsd",
        wsd_decay_style=style,
        wsd_decay_steps_fraction=last,
    )
    expected = [rate(t, steps, warm, final, style, last) for t in range(total)]
    agree(read(FORMATS, source), expected)


def test_what_is_left_out_is_said() -> None:
    """A config that is laid over base.yml has its values, and the plan says which."""
    plan = read(FORMATS, {"steps": 50, "learning_rate_final_fraction": 0.2})
    assert plan.peak["lr"] == 3e-5
    assert "warmup_steps_fraction=0.1" in plan.notes[0]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"cosine_learning_rate_final_fractions": 0.1}, "did you mean"),
        ({"lr_schedule_type": "linear"}, "has lr_schedule_type"),
        ({"steps": -1}, "has no steps"),
        ({"lr_schedule_type": "wsd", "warmup_steps_fraction": 1.0}, "longer than the schedule"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """Older names and other types are refused."""
    with pytest.raises(ScheduleError, match=message):
        read_any({**config(steps=100), **keys}, format="maxtext")


@many
@given(lengths, shares, shares, st.integers(0, 5))
def test_an_older_file_has_the_older_cosine(
    steps: int, warm: float, final: float, more: int
) -> None:
    """Under the former name of the floor the cosine comes to it one update later."""
    keys = {"learning_rate": RATE, "learning_rate_schedule_steps": steps, "steps": steps + more}
    older = {"warmup_steps_fraction": warm, "cosine_learning_rate_final_fraction": final}
    warmup, low = int(steps * warm), RATE * final

    def rate(t: int) -> float:
        if t < warmup:
            return RATE * t / warmup
        if t >= steps:
            return 0.0
        weight = 0.5 * (math.cos(math.pi * (t - warmup) / (steps - warmup)) + 1)
        return RATE * weight + low * (1 - weight)

    agree(read_any({**keys, **older}), [rate(t) for t in range(steps + more)], slack=1e-15)
    with pytest.raises(ScheduleError, match="older versions"):
        read_any({**keys, **older, "lr_schedule_type": "cosine"})
