"""The schedule behind a log is found again, and where the log cannot tell, that is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import ratewise as rw
from benchmarks.inference import DRAWN, draw, wrong
from ratewise.audit import audit
from ratewise.audit import families as of
from ratewise.audit.inference import infer
from ratewise.audit.recorded import Recorded

SEED = 20_261_128
"""The benchmark draws hundreds of others."""
EACH = 3


def logged(
    rates: NDArray[np.float64], every: int = 50, ahead: bool = False, **more: Any
) -> Recorded:
    """A log of these rates beside the steps that a trainer counts."""
    steps = np.arange(every, len(rates), every)
    seen = rates[steps if ahead else steps - 1]
    digits = more.get("digits", 6)
    if digits is not None:
        seen = np.array([float(f"{rate:.{digits}g}") for rate in seen])
    return Recorded(("",), steps, seen[:, None], **{"digits": digits, **more})


@pytest.mark.parametrize("family", list(DRAWN))
def test_schedules_drawn_at_random_are_found(family: str) -> None:
    """Of each family, schedules that nobody has chosen: named, with numbers within 1 %."""
    rng = np.random.default_rng([SEED, list(DRAWN).index(family)])
    cases = [draw(rng, family) for _ in range(EACH)]
    faults = [(case.text, fault) for case in cases if (fault := wrong(case, infer(case.log())))]
    assert len(faults) <= 1, (SEED, faults)


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize(
    "spec",
    [
        "Warmup(500, start=0) >> Linear(to=0)",
        "Warmup(500, start=0) >> Cosine(to=0.1)",
        "Cosine(to=0)",
        "WSD(400, decay=2000, shape='sqrt')",
        "InverseSqrt(800)",
        "Restarts(3000, grow=2)",
        "Step(0.1, every=4000)",
    ],
)
def test_what_is_found_gives_the_rates_of_every_update(spec: str, ahead: bool) -> None:
    """The text is read back, and between the rows of the log too its rates are the true ones."""
    schedule = rw.parse(spec)
    assert isinstance(schedule, rw.Schedule)
    rates = 3e-4 * schedule.resolve(total=10_000).values()
    found = infer(logged(rates, ahead=ahead))
    assert found.exact
    assert found.convention in ("next" if ahead else "this", "unknown")
    plan = rw.parse(found.spec)
    assert isinstance(plan, rw.Plan)
    steps = spec.startswith("Step")  # where in a gap of the log the rate falls is a guess
    np.testing.assert_allclose(
        plan.rates(10_000), rates, rtol=0, atol=3e-4 * (1 if steps else 2e-6)
    )
    assert plan == found.plan


@pytest.mark.parametrize(
    ("spec", "family"),
    [
        ("Warmup(400, start=0.1) * Cosine(to=0.1)", of.COSINE),
        ("Warmup(500, start=0) * Linear(to=0)", of.LINEAR),
        ("Warmup(500, start=0) * InverseTime(0.0005)", of.TIME_BASED),
        ("Warmup(300, start=0.25) * ExponentialDecay(0.9995)", of.EXPONENTIAL),
        ("(Hold(0.1, over=600) >> Hold(1)) * Cosine(to=0)", of.COSINE),
    ],
)
def test_a_warmup_as_a_factor_is_found(spec: str, family: str) -> None:
    """A decay that goes on from the first update, and a ramp on it: both are named."""
    schedule = rw.parse(spec)
    assert isinstance(schedule, rw.Schedule)
    rates = 3e-4 * schedule.resolve(total=10_000).values()
    found = infer(logged(rates))
    assert (found.family, found.exact) == (family, True)
    assert found.peak == pytest.approx(3e-4, rel=1e-3)
    plan = rw.parse(found.spec)
    assert isinstance(plan, rw.Plan)
    steps = "Hold" in spec  # where in a gap of the log the rate jumps is a guess
    np.testing.assert_allclose(
        plan.rates(10_000), rates, rtol=0, atol=3e-4 * (1 if steps else 2e-6)
    )


def test_pytorchs_chained_schedulers_are_a_product() -> None:
    """A warm-up and a cosine that are chained multiply, update for update."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    kinds = torch.optim.lr_scheduler
    climb = kinds.LinearLR(optimizer, start_factor=0.1, total_iters=300)
    both = kinds.ChainedScheduler([climb, kinds.CosineAnnealingLR(optimizer, 4000)])
    rates = np.empty(4000)
    for update in range(4000):
        rates[update] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        both.step()
    found = infer(logged(rates, every=40))
    assert (found.family, found.exact, found.warmup, found.total) == (of.COSINE, True, 300, 4000)
    assert " * " in found.spec


def test_the_convention_is_told_from_the_log() -> None:
    """The rate that was just used, or the one to come: numbers are round in one of both alone."""
    rates = 1e-3 * (rw.Warmup(300, start=0) >> rw.Linear(to=0)).resolve(total=6000).values()
    assert infer(logged(rates)).convention == "this"
    assert infer(logged(rates, ahead=True)).convention == "next"
    assert infer(logged(np.full(6000, 1e-3))).convention == "unknown"
    told = infer(logged(rates, convention="this"))
    assert (told.convention, told.warmup, told.total) == ("this", 300, 6000)


@pytest.mark.parametrize(
    ("move", "family", "also"),
    [
        (rw.Linear(to=0), of.LINEAR, of.POLYNOMIAL),
        (rw.Step(0.1, at=(4000,)), of.STEP, of.PLATEAU),
    ],
    ids=str,
)
def test_families_that_coincide_are_both_named(move: rw.Schedule, family: str, also: str) -> None:
    """A line is a polynomial of power 1, and nobody sees in a cut what has made it."""
    found = infer(logged(1e-3 * move.resolve(total=8000).values()))
    assert found.family == family
    assert also in [one.family for one in found.alternatives]


def test_a_log_that_ended_early_cannot_tell() -> None:
    """The first 3 % of a cosine, with four digits, are of several families."""
    rates = 1e-3 * rw.Cosine(to=0).resolve(total=100_000).values()[:3000]
    found = infer(logged(rates, digits=4))
    assert found.exact
    assert found.alternatives


def skipping(rates: NDArray[np.float64], skipped: tuple[int, ...]) -> NDArray[np.float64]:
    """The rates of a run whose clock stood still at these updates."""
    late = np.searchsorted(np.array(skipped), np.arange(len(rates)), side="right")
    return rates[np.maximum(np.arange(len(rates)) - late, 0)]


@pytest.mark.parametrize("shape", [rw.Linear(to=0), rw.Cosine(to=0)], ids=str)
def test_skipped_updates_are_counted(shape: rw.Schedule) -> None:
    """Where fp16 has overflowed the schedule is late, and is found all the same."""
    rates = 2e-4 * (rw.Warmup(400, start=0) >> shape).resolve(total=5000).values()
    found = infer(logged(skipping(rates, (1, 2, 3, 2700)), every=25, digits=None, total=5000))
    assert (found.family, found.warmup, found.total) == (
        of.LINEAR if isinstance(shape, rw.Linear) else of.COSINE,
        400,
        5000,
    )
    assert found.skipped in (3, 4)
    assert any("skipped" in note for note in found.notes)


def test_a_warmup_that_does_not_end_is_said_to_be_one() -> None:
    """Its slope is known, how far it climbs is not."""
    rates = 1e-3 * np.arange(500) / 2000
    found = infer(logged(rates, every=10))
    assert found.family == of.WARMING
    assert any("not known" in note for note in found.notes)


def test_what_is_no_family_is_given_as_lines() -> None:
    """A rate that wanders is reproduced, and nothing is made up of it."""
    rng = np.random.default_rng(3)
    rates = 1e-3 * (1 + 0.5 * np.cumsum(rng.normal(size=4000)) / 200).clip(0.01)
    found = infer(logged(rates))
    assert found.family == of.PHASES
    assert found.misfit < 0.05
    assert rw.parse(found.spec) == found.plan


def few(rates: Callable[[NDArray[np.int64]], Any], steps: tuple[int, ...]) -> Recorded:
    at = np.array(steps)
    return Recorded(("",), at, np.asarray(rates(at), dtype=np.float64)[:, None])


def test_a_log_of_few_rows_is_answered() -> None:
    """One row, two rows, zeros among them: an answer that fits, or an error in our grammar."""
    assert infer(few(lambda t: t * 0 + 1e-3, (7,))).family == of.CONSTANT
    assert infer(few(lambda t: 1e-3 / t, (1, 2))).misfit < 0.05
    assert infer(few(lambda t: np.where(t > 2, 1e-3, 0.0), (1, 2, 3, 4))).peak == pytest.approx(
        1e-3
    )
    with pytest.raises(rw.ScheduleError, match="no rate above 0"):
        infer(few(lambda t: t * 0.0, (1, 2)))
    with pytest.raises(rw.ScheduleError, match="not one of the 1 groups"):
        infer(few(lambda t: t * 1.0, (1, 2)), group=1)


@pytest.mark.parametrize(
    "name", ["OneCycleLR", "CosineAnnealingWarmRestarts", "CyclicLR", "PolynomialLR"]
)
def test_pytorchs_own_schedulers_are_found(name: str) -> None:
    """The rates are those that PyTorch gives an optimizer, update for update."""
    torch = pytest.importorskip("torch")
    given: dict[str, tuple[str, dict[str, Any]]] = {
        "OneCycleLR": (of.ONE_CYCLE, {"max_lr": 0.01, "total_steps": 4002,
                                      "cycle_momentum": False}),
        "CosineAnnealingWarmRestarts": (of.RESTARTS, {"T_0": 500, "T_mult": 2}),
        "CyclicLR": (of.CYCLIC, {"base_lr": 1e-3, "max_lr": 0.01, "step_size_up": 600,
                                 "cycle_momentum": False}),
        "PolynomialLR": (of.POLYNOMIAL, {"total_iters": 4000, "power": 0.9}),
    }  # fmt: skip
    family, arguments = given[name]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.01)
    scheduler = getattr(torch.optim.lr_scheduler, name)(optimizer, **arguments)
    rates = np.empty(4000)
    for update in range(4000):
        rates[update] = optimizer.param_groups[0]["lr"]
        optimizer.step()
        scheduler.step()
    found = infer(logged(rates, every=40))
    assert (found.family, found.exact, found.peak) == (family, True, pytest.approx(0.01))


def test_a_line_is_called_linear_and_one_row_tells_no_shape() -> None:
    """Rates of few rows bend no line; a single one is of any schedule, and the audit says so."""
    rates = 1e-5 * (1 - np.arange(1, 5001) / 5000)
    found = infer(Recorded(("",), np.arange(500, 5001, 500), rates[499::500, None]))
    assert found.spec == 'Plan(lr=Linear(to=0, over=5000), peak={"lr": 1e-05})'
    one = audit({"step": [300], "lr": [2e-5]})
    assert "One row alone has a rate, step 300" in str(one)
