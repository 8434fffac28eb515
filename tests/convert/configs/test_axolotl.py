"""Axolotl configs give the rates of the scheduler that Axolotl would choose."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ratewise.convert.configs.axolotl import FORMATS
from ratewise.schedule import Plan, ScheduleError
from tests.convert.configs import formulas_axolotl as formulas
from tests.convert.configs.checks import agree, many, read, shares, warmups

LR = 2e-4
totals = st.integers(2, 130)


def config(total: int | None = None, **keys: Any) -> Plan:
    """Read a config with these keys among others."""
    source = {"base_model": "some/model", "micro_batch_size": 2, "learning_rate": LR, **keys}
    return read(FORMATS, source, total)


def warmed(warmup: int) -> int:
    """The warm-up that Axolotl makes of one update."""
    return 2 if warmup == 1 else warmup


@many
@given(totals, warmups, st.sampled_from([0.1, 0.5, 1.0]) | st.floats(0.01, 1), shares)
def test_cosines_of_its_own(total: int, warmup: int, low: float, ratio: float) -> None:
    """A lowest rate, a constant end and a quadratic warm-up change the cosine each in its way."""
    w = warmed(warmup)
    plan = config(total, warmup_steps=warmup, cosine_min_lr_ratio=low)
    agree(plan, [LR * x for x in formulas.cosine(total, total, w, low=low)])
    plan = config(total, lr_scheduler="cosine", warmup_steps=warmup, lr_quadratic_warmup=True)
    agree(plan, [LR * x for x in formulas.quadratic(total, total, w)])
    assume(ratio > 0)
    keys = {"cosine_min_lr_ratio": low, "cosine_constant_lr_ratio": ratio}
    plan = config(total, warmup_steps=warmup, **keys)
    agree(plan, [LR * x for x in formulas.constant_ratio(total, total, w, ratio, low)])


@many
@given(totals, warmups, shares)
def test_rex(total: int, warmup: int, low: float) -> None:
    """rex skips the first step and keeps the lowest rate of the cosine."""
    w = min(warmed(warmup), total)
    plan = config(total, lr_scheduler="rex", warmup_steps=w, cosine_min_lr_ratio=low)
    agree(plan, [LR * x for x in formulas.rex(total, total, w, low)])


@many
@given(totals, warmups, st.sampled_from(["cos", "linear"]), st.booleans(), st.none() | shares)
def test_one_cycle(total: int, warmup: int, shape: str, three: bool, share: float | None) -> None:
    """The first phase is the warm-up, or what its own keys say; the momentum mirrors the rate."""
    w = warmed(min(warmup, total - 1))
    kwargs = {"anneal_strategy": shape, "three_phase": three, "div_factor": 10}
    if share is not None:
        kwargs["pct_start"] = share
    begin = w / total if share is None else share
    assume(begin <= 1)
    assume(abs(begin * total - 1) > 1e-9)
    plan = config(total, lr_scheduler="one_cycle", warmup_steps=w, lr_scheduler_kwargs=kwargs)
    levels = (0.1, 1.0, 0.1, 1e-5) if three else (0.1, 1.0, 1e-5)
    values = formulas.one_cycle(total, total, begin, levels, shape, three)
    agree(plan, [LR * x for x in values], slack=1e-13)
    mirror = (0.95, 0.85, 0.95, 0.95) if three else (0.95, 0.85, 0.95)
    values = formulas.one_cycle(total, total, begin, mirror, shape, three)
    agree(plan, values, key="momentum")


@many
@given(
    totals,
    warmups,
    st.sampled_from([0.1, 0.001]),
    st.integers(1, 50),
    st.sampled_from([0, 1, 10]) | st.integers(1, 60),
    st.sampled_from([0, 1, 3]) | st.integers(1, 60),
    st.booleans(),
)
def test_jagged_restarts(
    total: int, warmup: int, low: float, every: int, climb: int, anneal: int, with_rex: bool
) -> None:
    """Jagged restarts multiply another schedule, both a step late, or two with rex."""
    w = min(warmed(warmup), total)
    plan = config(
        total,
        lr_scheduler="rex" if with_rex else "cosine",
        warmup_steps=w,
        cosine_min_lr_ratio=low,
        jagged_restart_steps=every,
        jagged_restart_warmup_steps=climb,
        jagged_restart_anneal_steps=anneal,
    )
    anneal, late = anneal or 1, 2 if with_rex else 1
    jags = formulas.jagged(total, every, climb or 10, anneal, low, late)
    if with_rex:
        inner = formulas.rex(total, total, warmed(w), low, 2)
    else:
        inner = formulas.cosine(total + 1, total, warmed(w), low=low)[1:]
    expected = [LR * x * y for x, y in zip(inner, jags, strict=True)]
    agree(plan, expected)


@pytest.mark.parametrize("name", ["linear", "constant_with_warmup", "cosine", "inverse_sqrt"])
@pytest.mark.parametrize("jagged", [False, True])
def test_names_of_transformers(name: str, jagged: bool) -> None:
    """Any other name is that of Transformers, with or without restarts on top."""
    total, w = 100, 10
    shape = {
        "linear": lambda t: (total - t) / (total - w),
        "constant_with_warmup": lambda t: 1.0,
        "cosine": lambda t: formulas.cosine(t + 1, total, w)[t],
        "inverse_sqrt": lambda t: (w / t) ** 0.5,
    }[name]
    inner = [t / w if t < w else shape(t) for t in range(total + 1)]
    keys = {"jagged_restart_steps": 30, "jagged_restart_warmup_steps": 5} if jagged else {}
    plan = config(total, lr_scheduler=name, warmup_steps=w, **keys)
    expected = inner[:total]
    if jagged:
        jags = formulas.jagged(total, 30, 5, 1, 0.001, 1)
        expected = [x * y for x, y in zip(inner[1:], jags, strict=True)]
        assert "skip the first step" in plan.notes[-1]
    agree(plan, [LR * x for x in expected])


def test_warmups_are_rounded_as_axolotl_rounds_them() -> None:
    """A ratio is cut, none at all is 3 % and 100 at the most, and 1 update becomes 2."""
    for keys, w in (({"warmup_ratio": 0.077}, 7), ({}, 3), ({"warmup_steps": 1}, 2)):
        plan = config(101, lr_scheduler="cosine", cosine_min_lr_ratio=0.1, **keys)
        agree(plan, [LR * x for x in formulas.cosine(101, 101, w, low=0.1)])
    assert "A warm-up of 1 update is made one of 2." in config(9, warmup_steps=1).notes


def test_what_axolotl_ignores_is_noted() -> None:
    """The lowest ratio counts for the cosine alone."""
    plan = config(50, lr_scheduler="linear", warmup_steps=5, cosine_min_lr_ratio=0.1)
    assert plan.notes[0] == "cosine_min_lr_ratio is ignored with lr_scheduler linear."


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"lr_sheduler": "cosine"}, "did you mean lr_scheduler"),
        ({"cosine_min_lr": 0.1}, "did you mean cosine_min_lr_ratio"),
        ({"warmup_steps": 5, "warmup_ratio": 0.1}, "both warmup_steps=5 and warmup_ratio=0.1"),
        ({"warmup_ratio": 0.1}, "depends on the length of the run"),
        ({"warmup_steps": 5, "cosine_min_lr_ratio": 2}, "needs cosine_min_lr_ratio"),
        ({"warmup_steps": 5, "lr_scheduler": "cosin"}, "did you mean"),
        ({"learning_rate": None, "warmup_steps": 5}, "has no learning_rate"),
        (
            {"warmup_steps": 5, "lr_scheduler": "one_cycle", "jagged_restart_steps": 5},
            "step past its end",
        ),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """Keys of the schedule that cannot be are refused; other keys are not looked at."""
    with pytest.raises(ScheduleError, match=message):
        config(100 if "warmup_steps" in keys else None, **keys)
