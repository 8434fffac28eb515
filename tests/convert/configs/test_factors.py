"""Factor strings give the product of their factors."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs.factors import FORMATS
from ratewise.schedule import Power, ScheduleError, Warmup
from tests.convert.configs import formulas
from tests.convert.configs.checks import agree, lengths, many, rates, read, shares

NAMES = [
    "constant",
    "linear_warmup",
    "rsqrt_decay",
    "rsqrt_normalized_decay",
    "decay_every",
    "cosine_decay",
]


@many
@given(
    lengths,
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=4),
    rates,
    st.integers(1, 60),
    shares,
    lengths,
    lengths,
)
def test_any_product(
    n: int,
    names: list[str],
    base: float,
    warmup: int,
    factor: float,
    per_decay: int,
    per_cycle: int,
) -> None:
    """Any factors, in any order and number, multiply as in T5X."""
    plan = read(
        FORMATS,
        " * ".join(names),
        n,
        base_learning_rate=base,
        warmup_steps=warmup,
        decay_factor=factor,
        steps_per_decay=per_decay,
        steps_per_cycle=per_cycle,
    )
    agree(plan, formulas.factors(n, names, base, warmup, factor, per_decay, per_cycle), slack=1e-13)


def test_the_usual_string_is_a_short_plan() -> None:
    """Warm-up and inverse square root join into a sequence; the peak is base/√W."""
    plan = read(FORMATS, {"factors": "constant * linear_warmup * rsqrt_decay"})
    assert plan.lr == Warmup(1000, start=0) >> Power(0.5, every=1000, start=1)
    assert plan.peak == {"lr": pytest.approx(0.5 / 1000**0.5, rel=1e-15)}


def test_the_floor_is_the_lowest_rate() -> None:
    """With `min_learning_rate` update 0 runs at it, as in T5X."""
    plan = read(FORMATS, "constant * linear_warmup", 10, warmup_steps=4, min_learning_rate=0.01)
    expected = [max(0.01, x) for x in formulas.factors(10, NAMES[:2], 0.5, 4, 1, 1, 1)]
    agree(plan, expected)


@pytest.mark.parametrize(
    ("source", "more", "message"),
    [
        ("constant * linear_warmpu", {}, "did you mean linear_warmup"),
        ("constant * rsqrt_decay", {"warmup_steps": 0}, "update 0 is divided"),
        ({"factors": "constant", "warmup_step": 3}, {}, "did you mean warmup_steps"),
        ("constant", {"base_learning_rate": 0}, "needs base_learning_rate"),
    ],
)
def test_what_is_wrong_is_named(source: Any, more: dict[str, Any], message: str) -> None:
    """An unknown factor or keyword, or a division by 0, is refused by name."""
    with pytest.raises(ScheduleError, match=message):
        read(FORMATS, source, **more)
