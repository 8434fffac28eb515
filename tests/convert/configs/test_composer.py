"""Composer and LLM Foundry configs give the multipliers of their schedulers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs.composer import FORMATS
from ratewise.convert.reading import guess, read_source
from ratewise.schedule import Plan, ScheduleError
from tests.convert.configs import formulas_composer as formulas
from tests.convert.configs.checks import agree, many, powers, read, shares

LR = 6e-4
units = st.sampled_from([("ba", 1), ("sp", 3), ("tok", 8)])


def scheduler(name: str, unit: tuple[str, int], end: int, n: int, **keys: Any) -> Plan:
    """Read a config whose run lasts `end` units; times are given as numbers of them."""
    times = ("t_max", "t_warmup", "t_scale", "t_cooldown", "t_0", "step_size", "decay_period")
    spelt = {
        key: f"{value}{unit[0]}" if key in times and not isinstance(value, str) else value
        for key, value in keys.items()
    }
    config = {
        "max_duration": f"{end}{unit[0]}",
        "optimizer": {"name": "decoupled_adamw", "lr": LR},
        "scheduler": {"name": name, **spelt},
    }
    return read(FORMATS, config, n, samples=3, tokens=8)


def trace(n: int, unit: tuple[str, int], formula: Callable[[int], float]) -> list[float]:
    return [LR * formula(t * unit[1]) for t in range(n)]


clocks = st.tuples(units, st.integers(2, 300), st.integers(1, 110), st.integers(1, 300))
"""Unit, duration of the run in it, updates looked at, another time."""


@many
@given(clocks, shares)
def test_steps(clock: Any, gamma: float) -> None:
    """step and multistep drop at the first update that has reached the time."""
    unit, end, n, size = clock
    plan = scheduler("step", unit, end, n, step_size=size, gamma=gamma)
    agree(plan, trace(n, unit, lambda now: formulas.step(now, size, gamma)))
    at = [size, size // 2, size, 2 * size]
    spelt = [f"{time}{unit[0]}" for time in at]
    plan = scheduler("MultiStepScheduler", unit, end, n, milestones=spelt, gamma=gamma)
    agree(plan, trace(n, unit, lambda now: formulas.multistep(now, at, gamma)))


@many
@given(clocks, shares, shares, powers)
def test_without_warmup(clock: Any, first: float, last: float, power: float) -> None:
    """constant, linear, cosine and polynomial go by the time that has passed, and clamp."""
    unit, end, n, size = clock
    plan = scheduler("constant", unit, end, n, alpha=first, t_max=size)
    agree(plan, trace(n, unit, lambda now: formulas.constant(now, size, first)))
    plan = scheduler("linear", unit, end, n, alpha_i=first, alpha_f=last, t_max=size)
    agree(plan, trace(n, unit, lambda now: formulas.linear(now, size, first, last)))
    plan = scheduler("cosine_annealing", unit, end, n, alpha_f=last, t_max=size)
    agree(plan, trace(n, unit, lambda now: formulas.cosine(now, size, last)))
    plan = scheduler("polynomial", unit, end, n, alpha_f=last, power=power, t_max=size)
    agree(plan, trace(n, unit, lambda now: formulas.polynomial(now, size, power, last)))


@many
@given(clocks, st.floats(0.8, 1.01))
def test_exponential(clock: Any, gamma: float) -> None:
    """exponential applies gamma once in each period, smoothly."""
    unit, end, n, size = clock
    plan = scheduler("exponential", unit, end, n, gamma=gamma, decay_period=size)
    agree(plan, trace(n, unit, lambda now: formulas.exponential(now, size, gamma)), slack=0.0)


@many
@given(clocks, st.sampled_from([1, 1.5, 2, 3]), shares)
def test_restarts(clock: Any, grow: float, low: float) -> None:
    """Cycles grow by a factor and each is cut to a whole number of units."""
    unit, end, n, size = clock
    name = "CosineAnnealingWarmRestartsScheduler"
    plan = scheduler(name, unit, end, n, t_0=size, t_mult=grow, alpha_f=low)
    agree(plan, trace(n, unit, lambda now: formulas.restarts(now, size, grow, low)))


@many
@given(clocks, shares, shares, powers, st.sampled_from([0, 1]) | st.integers(0, 300))
def test_with_warmup(clock: Any, first: float, last: float, power: float, warmup: int) -> None:
    """Warm-ups climb from 0 and decays fill what is left of the run."""
    unit, end, n, _ = clock

    def check(name: str, kind: str, shape: dict[str, float], **keys: Any) -> None:
        plan = scheduler(name, unit, end, n, t_warmup=warmup, **keys)
        agree(plan, trace(n, unit, lambda now: formulas.warmed(now, warmup, end, kind, **shape)))

    both = {"first": first, "last": last}
    check("linear_decay_with_warmup", "linear", both, alpha_i=first, alpha_f=last)
    check("constant_with_warmup", "linear", {"first": first, "last": first}, alpha=first)
    check("cosine_with_warmup", "cosine", {"last": last}, alpha_f=last, t_max="1dur")
    shape = {"last": last, "power": power}
    check("polynomial_with_warmup", "polynomial", shape, alpha_f=last, power=power)
    at = [end // 3, end // 2]
    spelt = [f"{time}{unit[0]}" for time in at]
    plan = scheduler("multistep_with_warmup", unit, end, n, t_warmup=warmup, milestones=spelt)
    expected = trace(n, unit, lambda now: formulas.multistep_warmed(now, warmup, at, 0.1))
    agree(plan, expected)


@many
@given(
    st.integers(2, 150),
    st.integers(1, 110),
    st.integers(0, 60),
    st.integers(1, 60),
    st.integers(0, 200),
    shares,
    shares,
)
def test_inverse_root(
    end: int, n: int, warmup: int, scale: int, cooldown: int, high: float, share: float
) -> None:
    """LLM Foundry's inverse root cools down in a straight line from where it is."""
    keys = {"t_warmup": warmup, "t_scale": scale, "t_cooldown": cooldown}
    low = high * share
    name = "inv_sqrt_with_warmup"
    plan = scheduler(name, ("ba", 1), end, n, alpha_f_decay=high, alpha_f_cooldown=low, **keys)
    expected = [
        LR * formulas.inverse_root(t, warmup, scale, cooldown, end, high, low) for t in range(n)
    ]
    agree(plan, expected)


@many
@given(st.integers(1, 30), st.integers(1, 9), shares, st.sampled_from([0.5, 2.0, 1.0]))
def test_epochs_and_shares(epoch: int, epochs: int, share: float, scale: float) -> None:
    """A run in epochs is counted in batches; shares and scaled times are cut to whole ones."""
    scaled = int(epochs * scale)
    run = scaled * epoch
    if not run:
        return
    source = {
        "max_duration": f"{epochs}ep",
        "scale_schedule_ratio": scale,
        "scheduler": {"name": "cosine_with_warmup", "t_warmup": f"{share}dur", "alpha_f": 0.1},
    }
    plan = read(FORMATS, source, run, epoch=epoch, lr=LR)
    warmup = int(share * epoch * scaled)
    agree(
        plan,
        [LR * formulas.warmed(t, warmup, run, "cosine", last=0.1) for t in range(run)],
    )


def test_a_scaled_warmup_changes_its_slope_and_not_its_end() -> None:
    """`scale_warmup` divides by the scaled time up to the unscaled one: a jump, and a note."""
    keys = {"t_warmup": "10ba", "t_max": "50ba", "scale_warmup": True}
    scheduler = {"name": "cosine_with_warmup", **keys}
    source = {"max_duration": "50ba", "scheduler": scheduler, "scale_schedule_ratio": 2.0}
    plan = read(FORMATS, source, 100, lr=LR)
    shape = {"last": 0.0, "slope": 20}
    expected = [LR * formulas.warmed(t, 10, 100, "cosine", **shape) for t in range(100)]
    agree(plan, expected)
    assert "a jump" in plan.notes[0]


def test_of_several_schedulers_the_last_one_counts() -> None:
    """Composer makes one scheduler of each, and each overwrites the one before."""
    several = [{"constant": {"alpha": 0.5}}, {"step": {"step_size": "2ba", "gamma": 0.5}}]
    plan = read(FORMATS, {"schedulers": several}, 5, lr=1.0)
    assert list(plan.rates(5)) == [1, 1, 0.5, 0.5, 0.25]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"name": "cosine_with_warmups"}, "did you mean cosine_with_warmup"),
        ({"name": "cosine_with_warmup"}, "has no t_warmup"),
        ({"name": "cosine_with_warmup", "t_warmup": "10"}, "needs t_warmup as a time"),
        ({"name": "cosine_with_warmup", "t_warmup": "1.5ep"}, "only dur may be a fraction"),
        ({"name": "cosine_with_warmup", "t_warmup": "10sec"}, "has t_warmup in sec"),
        ({"name": "cosine_with_warmup", "t_warmup": "10tok"}, "t_warmup in tok and t_max in ba"),
        (
            {"name": "cosine_with_warmup", "t_warmup": "1ba", "t_max": "9ba"},
            "shorter than the run",
        ),
        ({"name": "cosine_with_warmup", "t_warmup": "1ep"}, r"call read\(…, epoch=…\)"),
        ({"name": "linear", "alpha_min": 0.1}, "did you mean alpha_"),
        ({"name": "linear", "t_max": "0ba"}, "divides by t_max"),
        (
            {"name": "cosine_annealing_warm_restarts", "t_0": "3ba", "t_mult": 0.5},
            "has a cycle of no length at update 4",
        ),
        (
            {
                "name": "inv_sqrt_with_warmup",
                "t_warmup": "1ba",
                "t_scale": "1ba",
                "t_cooldown": "0.1dur",
            },
            "t_cooldown in dur and a run in ba",
        ),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """Times, units and keys that cannot be are refused by name."""
    from ratewise.convert.formats import RunFacts
    from ratewise.schedule.lengths import Horizon

    with pytest.raises(ScheduleError, match=message):
        FORMATS[0].read({"scheduler": keys}, RunFacts(Horizon.of(20, None, None, None)))


def test_a_file_for_a_cluster_has_its_run_under_parameters() -> None:
    """It is read as the run in it, and a rate that is told reaches it."""
    run = {
        "max_duration": "40ba",
        "optimizer": {"name": "decoupled_adamw", "lr": LR},
        "scheduler": {"name": "cosine_with_warmup", "t_warmup": "10ba", "alpha_f": 0.1},
    }
    outer = {"name": "mpt-1b", "image": "mosaicml/llm-foundry", "parameters": run}
    assert guess(outer).name == "composer"
    assert read_source(outer) == read_source(run)
    assert read_source(outer).total == 40
    assert read_source(outer, lr=1e-3).plan.peak == {"lr": 1e-3}
