"""NeMo configs give the rates of its policies."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert import read as read_any
from ratewise.convert.configs.nemo import FORMATS
from ratewise.schedule import Plan, ScheduleError
from tests.convert.configs import formulas_nemo
from tests.convert.configs.checks import agree, many, powers, read, warmups

LR = 2e-3
lows = st.sampled_from([0.0, 1e-5, 2e-4, 8e-4])
runs = st.integers(1, 110)
steps = st.integers(2, 80)


def policy(name: str, total: int | None = None, **keys: Any) -> Plan:
    """Read a model config with one policy."""
    given = {key: value for key, value in keys.items() if value is not None}
    sched = {"name": name, "monitor": "val_loss", "reduce_on_plateau": False, **given}
    model = {"model": {"hidden_size": 8, "optim": {"name": "adamw", "lr": LR, "sched": sched}}}
    return read(FORMATS, {"trainer": {"devices": 1}, **model}, total)


def expected(name: str, n: int, low: float, end: int, lr: float = LR, **shape: Any) -> list[float]:
    return [formulas_nemo.rate(name, t, lr, low, end, **shape) for t in range(n)]


@many
@given(
    st.sampled_from(
        [
            "WarmupPolicy",
            "WarmupAnnealing",
            "SquareAnnealing",
            "SquareRootAnnealing",
            "InverseSquareRootAnnealing",
        ]
    ),
    runs,
    steps,
    warmups,
    lows,
)
def test_warmup_and_decay(name: str, n: int, end: int, warmup: int, low: float) -> None:
    """Policies with a warm-up reach the peak at update W and the floor behind max_steps."""
    plan = policy(name, n, max_steps=end, warmup_steps=warmup, min_lr=low)
    agree(plan, expected(name, n, low, end, warmup=warmup))


@many
@given(runs, steps, warmups, lows, st.sampled_from([0, 0, 1]) | st.integers(0, 60))
def test_cosine(n: int, end: int, warmup: int, low: float, stay: int) -> None:
    """CosineAnnealing counts its warm-up from 1, but from 0 where it has constant steps."""
    given = {"max_steps": end, "warmup_steps": warmup, "min_lr": low, "constant_steps": stay}
    if stay and not warmup and end == stay:  # all of it is constant, of a decay of 0 updates
        with pytest.raises(ScheduleError, match="leave some for the decay"):
            policy("CosineAnnealing", n, **given)
        return
    shape = {"warmup": warmup, "constant": stay}
    agree(policy("CosineAnnealing", n, **given), expected("CosineAnnealing", n, low, end, **shape))


@many
@given(
    st.sampled_from(
        ["WarmupHoldPolicy", "WarmupHoldAnnealLinear", "WarmupHoldAnnealOneMinusSquareRoot"]
    ),
    runs,
    steps,
    warmups,
    st.none() | warmups,
    lows,
)
def test_holds(name: str, n: int, end: int, warmup: int, hold: int | None, low: float) -> None:
    """Behind a hold the decay begins at the peak; without one it is counted from update 0."""
    keys = {"max_steps": end, "warmup_steps": warmup, "hold_steps": hold, "min_lr": low}
    try:
        values = expected(name, n, low, end, warmup=warmup, hold=hold)
    except ZeroDivisionError:
        with pytest.raises(ScheduleError, match=f"divides by zero at update {end}"):
            policy(name, n, **keys)
        return
    agree(policy(name, n, **keys), values)


@many
@given(
    st.sampled_from(["PolynomialDecayAnnealing", "PolynomialHoldDecayAnnealing"]),
    runs,
    steps,
    warmups,
    st.none() | warmups,
    lows,
    powers,
)
def test_polynomials(
    name: str, n: int, end: int, warmup: int, hold: int | None, low: float, power: float
) -> None:
    """Polynomials clamp at their end, also where the one without a hold ends early."""
    keys = {"max_steps": end, "warmup_steps": warmup, "min_lr": low, "power": power}
    hold = hold if "Hold" in name else None
    try:
        values = expected(name, n, low, end, warmup=warmup, hold=hold, power=power)
    except ZeroDivisionError:
        return
    agree(policy(name, n, hold_steps=hold, **keys), values)


@many
@given(runs, st.sampled_from([1, 4, 512]), warmups, st.sampled_from([0.0, 1e-5, 1e-4, 1e-3]))
def test_noam(n: int, width: int, warmup: int, low: float) -> None:
    """NoamAnnealing runs updates 0 and 1 at one rate, and knows no end."""
    plan = policy("NoamAnnealing", n, d_model=width, warmup_steps=warmup, min_lr=low)
    agree(plan, expected("NoamAnnealing", n, low, 5, warmup=warmup, d_model=width))


@many
@given(runs, steps, st.integers(1, 60), st.none() | warmups, lows, st.floats(0.1, 1.5))
def test_noam_with_hold(
    n: int, end: int, warmup: int, hold: int | None, low: float, decay: float
) -> None:
    """NoamHoldAnnealing falls as a power of the time without the hold."""
    keys = {"max_steps": end, "warmup_steps": warmup, "hold_steps": hold, "min_lr": low}
    shape = {"warmup": warmup, "hold": hold, "decay_rate": decay}
    values = expected("NoamHoldAnnealing", n, low, end, **shape)
    agree(policy("NoamHoldAnnealing", n, decay_rate=decay, **keys), values)


@many
@given(runs, steps, st.integers(1, 100), lows)
def test_t5(n: int, end: int, stay: int, low: float) -> None:
    """T5InverseSquareRootAnnealing has an absolute rate; the optimizer's plays no part."""
    plan = policy("T5InverseSquareRootAnnealing", n, constant_steps=stay, max_steps=end, min_lr=low)
    agree(plan, expected("T5InverseSquareRootAnnealing", n, low, end, constant=stay))


@many
@given(steps, st.sampled_from([0.0, 0.1, 1.0]) | st.floats(0, 1))
def test_ratios_are_cut_to_whole_steps(end: int, ratio: float) -> None:
    """A warm-up ratio is int(ratio · max_steps)."""
    plan = policy("WarmupAnnealing", end, max_steps=end, warmup_ratio=ratio)
    agree(plan, expected("WarmupAnnealing", end, 0.0, end, warmup=int(ratio * end)))


def test_steps_and_epochs_of_pytorch() -> None:
    """StepLR goes by updates and ExponentialLR by epochs, as NeMo steps them."""
    sched = {"name": "StepLR", "step_size": 3, "gamma": 0.5}
    plan = FORMATS[0].read({"optim": {"lr": 1.0, "sched": sched}}, _context())
    assert list(plan.rates(7)) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]
    sched = {"name": "ExponentialLR", "gamma": 0.5}
    plan = FORMATS[0].read({"optim": {"lr": 1.0, "sched": sched}}, _context(epoch=2))
    assert list(plan.rates(5)) == [1, 1, 0.5, 0.5, 0.25]


def _context(epoch: int | None = None) -> Any:
    from ratewise.convert.formats import RunFacts
    from ratewise.schedule.lengths import Horizon

    return RunFacts(Horizon.of(None, epoch, None, None))


@pytest.mark.parametrize(("told", "steps"), [({}, 60), ({"total": 80}, 80)])
def test_the_steps_of_the_trainer_count_more_than_those_of_the_schedule(
    told: dict[str, int], steps: int
) -> None:
    """As `ModelPT` puts them into its config; a note says so."""
    sched = {"name": "CosineAnnealing", "max_steps": 100, "warmup_steps": 10}
    source = {"model": {"optim": {"lr": LR, "sched": sched}}, "trainer": {"max_steps": 60}}
    plan = read_any(source, **told)
    agree(plan, expected("CosineAnnealing", steps, 0.0, steps, warmup=10))
    assert any(f"that of the trainer, {steps}, and not 100" in note for note in plan.notes)


@pytest.mark.parametrize(
    "scheduler",
    [
        {"_target_": "nemo.core.optim.lr_scheduler.CosineAnnealing", "warmup_steps": 10},
        {
            "_target_": "nemo.lightning.pytorch.optim.CosineAnnealingScheduler",
            "warmup_steps": 10,
            "constant_steps": 0,
        },
    ],
)
def test_a_policy_that_is_named_by_its_class(scheduler: dict[str, Any]) -> None:
    """As its recipes for Lightning have it: the same policy, stepped once per update."""
    optim = {"config": {"_target_": "megatron.core.optimizer.OptimizerConfig", "lr": LR}}
    steps = {"max_steps": "${trainer.max_steps}", "min_lr": 0.0}
    source = {"optim": {**optim, "lr_scheduler": {**scheduler, **steps}}}
    plan = read_any({**source, "trainer": {"max_steps": 60}})
    agree(plan, expected("CosineAnnealing", 60, 0.0, 60, warmup=10))


def test_a_module_of_lightning_has_lengths_of_its_own() -> None:
    """`CosineAnnealingScheduler` warms up over 750 updates, and has 80,000 constant ones."""
    name = "nemo.lightning.pytorch.optim.CosineAnnealingScheduler"
    lr_scheduler = {"_target_": name, "max_steps": 100_000}
    source = {"optim": {"lr": LR, "lr_scheduler": lr_scheduler}, "trainer": {"max_steps": 100_000}}
    plan = read_any(source)
    agree(plan, expected("CosineAnnealing", 100_000, 6e-5, 100_000, warmup=750, constant=80_000))
    assert any("warmup_steps=750, constant_steps=80000" in note for note in plan.notes)


def test_jumps_are_noted() -> None:
    """A decay that is counted from update 0 jumps behind the warm-up; the note says where."""
    plan = policy("SquareRootAnnealing", max_steps=100, warmup_steps=10)
    assert plan.notes[0].endswith("so the rate jumps down at update 11.")
    assert plan.rates(100)[11] < 0.95 * plan.rates(100)[10]


@pytest.mark.parametrize(
    ("name", "keys", "message"),
    [
        ("CosineAnealing", {}, "did you mean CosineAnnealing"),
        ("CosineAnnealing", {}, "depends on the length of the run"),
        ("CosineAnnealing", {"warmup_step": 2}, "did you mean warmup_steps"),
        (
            "CosineAnnealing",
            {"max_steps": 9, "warmup_steps": 2, "warmup_ratio": 0.1},
            "both warmup_steps=2 and warmup_ratio=0.1",
        ),
        ("CosineAnnealing", {"max_steps": 9, "min_lr": 1}, "has min_lr above lr"),
        ("CosineAnnealing", {"max_steps": -1}, "there is no schedule"),
        ("NoamHoldAnnealing", {"max_steps": 9}, "has no warm-up"),
        ("NoamAnnealing", {"warmup_steps": 9}, "has no d_model"),
        ("T5InverseSquareRootAnnealing", {"constant_ratio": 0.1}, "fails with constant_ratio"),
        (
            "PolynomialHoldDecayAnnealing",
            {"max_steps": 9, "warmup_steps": 2, "cycle": True},
            "its cycles begin inside the warm-up",
        ),
    ],
)
def test_what_is_wrong_is_named(name: str, keys: dict[str, Any], message: str) -> None:
    """A policy, key or value that cannot be is refused by name."""
    sched = {"name": name, **keys}
    with pytest.raises(ScheduleError, match=message):
        FORMATS[0].read({"optim": {"lr": LR, "sched": sched}}, _context())
