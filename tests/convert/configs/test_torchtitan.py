"""torchtitan configs give the multipliers of its warm-up, stable phase and decay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs.torchtitan import FORMATS
from ratewise.schedule import ScheduleError
from tests.convert.configs import formulas
from tests.convert.configs.checks import agree, lengths, many, read, shares, warmups

kinds = st.sampled_from(["linear", "sqrt", "cosine"])


def config(lr: float = 1e-3, steps: int | None = None, **keys: Any) -> dict[str, Any]:
    training = {} if steps is None else {"training": {"steps": steps, "seq_len": 2048}}
    return {"lr_scheduler": keys, "optimizer": {"name": "AdamW", "lr": lr}, **training}


@many
@given(lengths, warmups, st.none() | shares, kinds, shares)
def test_a_run_of_its_own_length(
    total: int, warmup: int, ratio: float | None, kind: str, low: float
) -> None:
    """Up to the last update of the run the plan is torchtitan's schedule, cuts included."""
    keys = {"warmup_steps": warmup, "decay_ratio": ratio, "decay_type": kind, "min_lr_factor": low}
    expected = [1e-3 * x for x in formulas.torchtitan(total, total, warmup, ratio, kind, low)]
    agree(read(FORMATS, config(steps=total, **keys)), expected)
    agree(read(FORMATS, config(**keys), total), expected)


@many
@given(lengths, warmups, st.sampled_from([0.1, 0.5, 1.0]), kinds, shares, st.integers(1, 40))
def test_a_run_past_its_end(
    total: int, warmup: int, ratio: float, kind: str, low: float, more: int
) -> None:
    """Past the end the decay goes on as torchtitan's does; below 0 it is refused by update."""
    keys = {"warmup_steps": warmup, "decay_ratio": ratio, "decay_type": kind, "min_lr_factor": low}
    source = config(total_steps=total, **keys)
    try:
        expected = formulas.torchtitan(total + more, total, warmup, ratio, kind, low)
    except ZeroDivisionError:
        with pytest.raises(ScheduleError, match=f"fails at update {total + 1}"):
            read(FORMATS, source, total + more)
        return
    below = [t for t, rate in enumerate(expected) if rate < -1e-15]
    if below:
        with pytest.raises(ScheduleError, match=f"below 0 at update {below[0]}"):
            read(FORMATS, source, total + more)
    else:
        agree(read(FORMATS, source, total + more), [1e-3 * x for x in expected], slack=1e-13)


def test_without_a_total_the_decay_takes_the_rest() -> None:
    """Where nothing but the run says how long it is, the plan fits runs of any length."""
    plan = read(FORMATS, config(warmup_steps=5))
    for total in (10, 50):
        expected = formulas.torchtitan(total, total, 5, None, "linear", 0.0)
        agree(plan, [1e-3 * x for x in expected])


def test_the_older_name_of_the_floor_is_known() -> None:
    """`lr_min` is `min_lr_factor`; both at once are refused."""
    assert read(FORMATS, config(lr_min=0.1), 300) == read(FORMATS, config(min_lr_factor=0.1), 300)
    with pytest.raises(ScheduleError, match=r"both min_lr_factor=0\.2 and lr_min=0\.1"):
        read(FORMATS, config(lr_min=0.1, min_lr_factor=0.2), 300)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"warmup_step": 3}, "did you mean warmup_steps"),
        ({"decay_type": "exponential"}, "has decay_type='exponential'"),
        ({"decay_ratio": 0.1}, "a share of a run whose length is not known"),
        ({"min_lr_factor": 2}, r"needs min_lr_factor in \[0, 1\]"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """A key or value that cannot be is refused; the rest of the config is not looked at."""
    with pytest.raises(ScheduleError, match=message):
        read(FORMATS, config(**keys))
