"""DeepSpeed configs give the rates that its schedulers give, update by update."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs.deepspeed import FORMATS
from ratewise.schedule import Plan, ScheduleError
from tests.convert.configs import formulas
from tests.convert.configs.checks import agree, lengths, many, rates, read, shares, warmups

kinds = st.sampled_from(["log", "linear"])
runs = st.integers(1, 150)


def scheduler(kind: str, total: int | None = None, **params: Any) -> Plan:
    """Read a config with one scheduler and an optimizer at 1e-3."""
    lr = params.pop("lr", None)
    config = {
        "train_batch_size": 8,
        "optimizer": {"type": "AdamW", "params": {"lr": 1e-3}},
        "scheduler": {"type": kind, "params": params},
    }
    return read(FORMATS, config, total, **({} if lr is None else {"lr": lr}))


@many
@given(runs, rates, shares, lengths, kinds)
def test_warmup(n: int, high: float, low: float, steps: int, kind: str) -> None:
    """WarmupLR runs updates 0 and 1 at the lowest rate and then climbs, log or linear."""
    plan = scheduler(
        "WarmupLR",
        n,
        warmup_min_lr=low * high,
        warmup_max_lr=high,
        warmup_num_steps=steps,
        warmup_type=kind,
    )
    agree(plan, formulas.ds_warmup(n, low * high, high, steps, kind))


@many
@given(runs, lengths, rates, shares, lengths, kinds)
def test_warmup_decay(n: int, total: int, high: float, low: float, steps: int, kind: str) -> None:
    """WarmupDecayLR falls to its lowest rate, at once where no updates are left."""
    plan = scheduler(
        "WarmupDecayLR",
        n,
        total_num_steps=total,
        warmup_min_lr=low * high,
        warmup_max_lr=high,
        warmup_num_steps=steps,
        warmup_type=kind,
    )
    agree(plan, formulas.ds_warmup_decay(n, total, low * high, high, steps, kind))


@many
@given(runs, lengths, shares, shares, lengths, kinds)
def test_warmup_cosine(n: int, total: int, start: float, low: float, steps: int, kind: str) -> None:
    """WarmupCosineLR scales the optimizer's rate, begins at 0 and leaves the peak out if linear."""
    plan = scheduler(
        "WarmupCosineLR",
        n,
        total_num_steps=total,
        warmup_min_ratio=start,
        cos_min_ratio=low,
        warmup_num_steps=steps,
        warmup_type=kind,
    )
    agree(plan, formulas.ds_warmup_cosine(n, 1e-3, total, start, steps, low, kind))


@many
@given(runs, rates, lengths, st.floats(0, 3), st.booleans())
def test_range_test(n: int, low: float, size: int, growth: float, stairs: bool) -> None:
    """LRRangeTest grows from its lowest rate for as long as the run lasts."""
    plan = scheduler(
        "LRRangeTest",
        n,
        lr_range_test_min_lr=low,
        lr_range_test_step_size=size,
        lr_range_test_step_rate=growth,
        lr_range_test_staircase=stairs,
    )
    agree(plan, formulas.ds_range_test(n, low, size, growth, stairs))


stairs = st.sampled_from([0, 0, 1, 2, 3]) | st.integers(0, 60)


@many
@given(
    runs,
    rates,
    shares,
    st.integers(1, 60),
    warmups,
    stairs,
    stairs,
    st.sampled_from([0.0, 0.5]) | st.floats(0, 1),
    warmups,
)
def test_one_cycle(
    n: int,
    high: float,
    low: float,
    up: int,
    down: int,
    first: int,
    second: int,
    fall: float,
    pace: int,
) -> None:
    """OneCycle goes up and down, smoothly or in stairs, and falls as inverse time behind it.

    Its momentum mirrors it, but for update 0, and grows behind it.
    """
    plan = scheduler(
        "OneCycle",
        n,
        cycle_min_lr=low * high,
        cycle_max_lr=high,
        cycle_first_step_size=up,
        cycle_second_step_size=down,
        cycle_first_stair_count=first,
        cycle_second_stair_count=second,
        decay_lr_rate=fall,
        decay_mom_rate=fall / 100,
        decay_step_size=pace,
    )
    agree(plan, formulas.ds_one_cycle(n, low * high, high, up, down, first, second, fall, pace))
    values = formulas.ds_momentum(n, 0.8, 0.9, up, down, first, second, fall / 100, pace)
    agree(plan, values, key="momentum")
    assert set(plan.rates(n, key="betas[1]")) == {0.99}


def test_defaults_are_those_of_deepspeed() -> None:
    """What a config leaves out is what DeepSpeed takes: 1000 updates, log, half a cycle twice."""
    agree(scheduler("WarmupLR", 1500), formulas.ds_warmup(1500, 0.0, 1e-3, 1000, "log"))
    plan = scheduler("OneCycle", 4100, cycle_min_lr=1e-4, cycle_max_lr=1e-3)
    agree(plan, formulas.ds_one_cycle(4100, 1e-4, 1e-3, 2000, 2000, 0, 0, 0, 0))
    plan = scheduler("WarmupDecayLR", total_num_steps=2000)
    agree(plan, formulas.ds_warmup_decay(2000, 2000, 0.0, 1e-3, 1000, "log"))


def test_what_happens_first_is_noted() -> None:
    """The plan says that updates 0 and 1 idle, and that a linear warm-up misses the peak."""
    plan = scheduler("WarmupCosineLR", total_num_steps=9, warmup_num_steps=3, warmup_type="linear")
    assert plan.notes == (
        "Updates 0 and 1 run at rate 0 and change nothing.",
        "No update runs at the peak: 3 and 4 are on either side.",
    )


def test_auto_is_filled_in_by_the_caller() -> None:
    """A value of "auto" is taken from the words of `read`, or asked for by name."""
    auto = {"total_num_steps": "auto", "warmup_num_steps": "auto"}
    with pytest.raises(ScheduleError, match=r"warmup_num_steps=\"auto\": call read\(…, warmup_num"):
        scheduler("WarmupDecayLR", 100, **auto)
    config = {"scheduler": {"type": "WarmupDecayLR", "params": auto}}
    plan = read(FORMATS, config, 100, warmup_num_steps=10)
    agree(plan, formulas.ds_warmup_decay(100, 100, 0.0, 1e-3, 10, "log"))
    with pytest.raises(ScheduleError, match=r"total_num_steps=\"auto\": call read\(…, total"):
        read(FORMATS, config, warmup_num_steps=10)


def test_auto_of_the_trainer_is_its_own_rate() -> None:
    """The Trainer fills in 0 for the lowest rate and its learning rate for the highest."""
    names = ("warmup_min_lr", "warmup_max_lr")
    auto = {**dict.fromkeys(names, "auto"), "warmup_num_steps": 10, "total_num_steps": 100}
    config = {"scheduler": {"type": "WarmupDecayLR", "params": auto}}
    agree(read(FORMATS, config, lr=3e-4), formulas.ds_warmup_decay(100, 100, 0.0, 3e-4, 10, "log"))
    with pytest.raises(ScheduleError, match=r"warmup_max_lr=\"auto\": call read\(…, lr="):
        read(FORMATS, config)


def test_an_optimizer_without_betas_keeps_its_momentum() -> None:
    """DeepSpeed cycles betas only; with SGD the plan schedules the rate alone, and says so."""
    params = {"cycle_min_lr": 0.1, "cycle_max_lr": 1.0}
    config = {
        "optimizer": {"type": "SGD"},
        "scheduler": {"type": "OneCycle", "params": params},
    }
    plan = read(FORMATS, config)
    assert list(plan.schedules()) == ["lr"]
    assert plan.notes == ("SGD has no betas, so its momentum is left alone.",)


@pytest.mark.parametrize(
    ("kind", "params", "message"),
    [
        ("WarmupLR", {"warmup_num_step": 3}, "did you mean warmup_num_steps"),
        ("WarmupLR", {"warmup_num_steps": 0}, "needs warmup_num_steps as a whole number"),
        ("WarmupLR", {"warmup_type": "cosine"}, "has warmup_type='cosine'"),
        ("WarmupLR", {"warmup_max_lr": [1, 2]}, "one warmup_max_lr for each group"),
        ("WarmupDecayLR", {}, "depends on the length of the run"),
        ("OneCycle", {"cycle_max_lr": 1}, "has no cycle_min_lr"),
        ("OneCycle", {"cycle_max_lr": -1}, "needs cycle_max_lr in"),
        ("LRRangeTest", {}, "depends on the length of the run"),
        ("WarmupLr", {}, "did you mean WarmupLR"),
    ],
)
def test_what_is_wrong_is_named(kind: str, params: dict[str, Any], message: str) -> None:
    """A key, a value or a type that cannot be is refused with the nearest one that can."""
    source = {"scheduler": {"type": kind, "params": params}}
    with pytest.raises(ScheduleError, match=message):
        FORMATS[0].read(source, _nothing())


def _nothing() -> Any:
    from ratewise.convert.formats import RunFacts

    return RunFacts()
