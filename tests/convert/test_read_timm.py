"""What timm's schedulers do at every update is what the plans read from them do."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.convert import read
from tests.examples import examples

torch = pytest.importorskip("torch")


def schedulers() -> Any:
    """timm's schedulers; where its models cannot be imported, they are all that is."""
    try:
        return importlib.import_module("timm.scheduler")
    except ImportError:
        spec = importlib.util.find_spec("timm")
        if spec is None or spec.origin is None:
            pytest.skip("timm is not installed", allow_module_level=True)
        package = types.ModuleType("timm")
        package.__spec__ = spec  # others ask whether it is there
        package.__path__ = [str(Path(spec.origin).parent)]
        sys.modules["timm"] = package
        return importlib.import_module("timm.scheduler")


timm = schedulers()
wsd = importlib.import_module("timm.scheduler.wsd_lr")
Make = Callable[[Any], Any]

bases = st.sampled_from([1e-4, 0.1, 1.0]) | st.floats(1e-6, 10)
totals = st.sampled_from([1, 2, 3, 30]) | st.integers(1, 120)
floors = st.sampled_from([0.0, 1e-3, 1.0, 2.0]) | st.floats(0, 1)
cases = settings(max_examples=examples(250, least=200), deadline=None)


def optimizer_of(base: float) -> Any:
    return torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=base)


def trace(make: Make, base: float, total: int, epoch: int | None = None) -> Any:
    """The rate of every update, stepped as timm's own training script does."""
    out: list[float] = []
    try:
        optimizer = optimizer_of(base)
        scheduler = make(optimizer)
        for t in range(total):
            if t and epoch and t % epoch == 0:
                scheduler.step(t // epoch)
            if t:
                scheduler.step_update(t)
            out.append(float(optimizer.param_groups[0]["lr"]))
    except (ArithmeticError, AssertionError, ValueError, TypeError):
        assume(False)
    return np.array(out)


def check(make: Make, base: float, total: int, atol: float = 2e-15) -> Any:
    """Equal to 1e-12; where a rate is a difference of larger numbers, to 2e-15 of the largest."""
    theirs = trace(make, base, total)
    fresh = make(optimizer_of(base))
    if theirs.min() < -1e-15 * np.abs(theirs).max():
        with pytest.raises(rw.ScheduleError, match="below 0"):
            read(fresh, total=total)
        return None
    plan = read(fresh, total=total)
    scale = max(plan.peak["lr"], theirs.max())
    assert np.allclose(plan.rates(total), np.maximum(theirs, 0), rtol=1e-12, atol=atol * scale)
    return plan


def is_formula(plan: rw.Plan | None) -> bool:
    """Whether a plan was read as a formula, not value by value."""
    return plan is None or not any("value by value" in note for note in plan.notes)


@st.composite
def warm(draw: st.DrawFn, base: float, prefix: bool = True) -> dict[str, Any]:
    options: dict[str, Any] = {
        "t_in_epochs": False,
        "warmup_t": draw(st.sampled_from([0, 1, 2, 50]) | st.integers(0, 30)),
        "warmup_lr_init": base * draw(st.sampled_from([0.0, 0.1, 1.0]) | st.floats(0, 2)),
    }
    return {**options, "warmup_prefix": draw(st.booleans())} if prefix else options


@st.composite
def cycles(draw: st.DrawFn, base: float) -> dict[str, Any]:
    """Cycles of whole lengths, alike or not."""
    return {
        **draw(warm(base)),
        "t_initial": draw(st.integers(1, 40) | st.sampled_from([1, 2, 200])),
        "lr_min": base * draw(floors),
        "cycle_mul": draw(st.sampled_from([1.0, 1.0, 2.0, 3.0, 1.5, 0.5])),
        "cycle_decay": draw(st.sampled_from([1.0, 0.5, 0.0, 1.5])),
        "cycle_limit": draw(st.sampled_from([0, 1, 2, 5, 1000])),
    }


decays = st.sampled_from([1.0, 0.5, 2.0]) | st.floats(0.3, 3)


@cases
@given(st.data(), bases, totals, decays)
def test_cosine(data: st.DataObject, base: float, total: int, k: float) -> None:
    """CosineLRScheduler is a warm-up and cycles; without a prefix they begin under the warm-up."""
    options = data.draw(cycles(base))
    plan = check(lambda o: timm.CosineLRScheduler(o, k_decay=k, **options), base, total)
    assert options["cycle_mul"] != 1 or options["cycle_limit"] > 200 or is_formula(plan)


@cases
@given(st.data(), bases, totals, decays, st.sampled_from([0.0, 0.5, 1.0, 2.0]) | st.floats(0.1, 3))
def test_poly(data: st.DataObject, base: float, total: int, k: float, power: float) -> None:
    """PolyLRScheduler is a warm-up and cycles; it computes 1 - t/n, which small powers show."""
    options = data.draw(cycles(base))
    make = lambda o: timm.PolyLRScheduler(o, power=power, k_decay=k, **options)  # noqa: E731
    check(make, base, total, 1e-15 * (2 + options["t_initial"]))


@cases
@given(st.data(), bases, totals, st.floats(-9, 0), st.floats(0.1, 5))
def test_tanh(data: st.DataObject, base: float, total: int, low: float, high: float) -> None:
    """TanhLRScheduler begins at the base rate itself, and its warm-up ends on its curve."""
    options = data.draw(cycles(base))
    make = lambda o: timm.TanhLRScheduler(o, lb=low, ub=high, **options)  # noqa: E731
    plan = check(make, base, total, 1e-15 * (5 + 10 * abs(low)))
    assert plan is None or np.isclose(plan.rates(total)[0], trace(make, base, 1)[0], rtol=1e-12)


@cases
@given(st.data(), bases, totals, st.sampled_from([0.0, 0.1, 1.0]) | st.floats(0, 1.1))
def test_step(data: st.DataObject, base: float, total: int, rate: float) -> None:
    """StepLRScheduler is Step, its first step sooner where the warm-up counts."""
    options = data.draw(warm(base))
    every = data.draw(st.integers(1, 40))
    assert is_formula(check(lambda o: timm.StepLRScheduler(o, every, rate, **options), base, total))


@cases
@given(st.data(), bases, totals, st.floats(0, 1.1), st.lists(st.integers(0, 60), max_size=5))
def test_multi_step(
    data: st.DataObject, base: float, total: int, rate: float, marks: list[int]
) -> None:
    """MultiStepLRScheduler is Step, one update before its milestones; unsorted ones are run."""
    options = data.draw(warm(base))
    places = data.draw(st.sampled_from([marks, sorted(marks)]))
    plan = check(lambda o: timm.MultiStepLRScheduler(o, places, rate, **options), base, total)
    assert places != sorted(places) or is_formula(plan)


@st.composite
def stable(draw: st.DrawFn, base: float) -> dict[str, Any]:
    length = draw(st.integers(1, 80))
    return {
        **draw(warm(base, prefix=False)),
        "t_initial": length,
        "decay_t": draw(st.integers(1, length)),
        "lr_min": base * draw(floors),
        "stable_fn": draw(st.sampled_from(["constant", "constant", "rsqrt", "power"])),
        "stable_timescale": draw(st.none() | st.integers(1, 50) | st.floats(0.5, 50)),
        "decay_fn": draw(st.sampled_from(["linear", "1-sqrt", "cosine", "power", "exp"])),
        "decay_power": draw(st.floats(0.2, 3)),
    }


@cases
@given(st.data(), bases, totals)
def test_wsd(data: st.DataObject, base: float, total: int) -> None:
    """WSDLRScheduler is a warm-up, a stable phase and a decay of any of its shapes."""
    options = data.draw(stable(base))
    plan = check(lambda o: wsd.WSDLRScheduler(o, **options), base, total)
    usual = options["stable_fn"] == "constant" and options["decay_fn"] != "exp"
    assert not usual or options["lr_min"] > base or is_formula(plan)


@cases
@given(st.data(), bases, totals, st.integers(1, 20))
def test_epochs(data: st.DataObject, base: float, total: int, epoch: int) -> None:
    """On the clock of epochs a rate stays for an epoch, and the first is the constructor's."""
    options = {**data.draw(cycles(base)), "t_in_epochs": True}
    make = lambda o: timm.CosineLRScheduler(o, **options)  # noqa: E731
    theirs = trace(make, base, total, epoch)
    mine = read(make(optimizer_of(base)), total=total, epoch=epoch).rates(total)
    assert np.allclose(mine, theirs, rtol=1e-12, atol=0)


@cases
@given(st.data(), bases, totals, st.integers(0, 30), st.integers(0, 99))
def test_noise(data: st.DataObject, base: float, total: int, begin: int, seed: int) -> None:
    """Noise is read as it is, since it depends on the seed and the update alone."""
    options = {**data.draw(cycles(base)), "noise_range_t": begin, "noise_seed": seed}
    plan = check(lambda o: timm.CosineLRScheduler(o, **options), base, total)
    assert any("seed" in note for note in plan.notes)


def test_scales_of_groups_and_steps_taken_do_not_matter() -> None:
    """A group's lr_scale is part of its peak, and a scheduler may have been stepped."""
    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(2)]
    groups = [
        {"params": [weights[0]], "name": "body", "lr_scale": 0.5},
        {"params": [weights[1]], "name": "head"},
    ]
    optimizer = torch.optim.SGD(groups, lr=0.2)
    scheduler = timm.CosineLRScheduler(optimizer, 100, warmup_t=10, t_in_epochs=False)
    rates = []
    for t in range(100):
        rates.append([group["lr"] for group in optimizer.param_groups])
        scheduler.step_update(t + 1)
    plan = read(scheduler, total=100)
    assert np.allclose(plan.rates(100), [body for body, _ in rates], rtol=1e-12)
    assert np.allclose(plan.rates(100, group="head"), [head for _, head in rates], rtol=1e-12)


def test_metrics_and_missing_lengths_are_refused() -> None:
    """A plateau that has heard metrics is not read, and epochs need their length."""
    with pytest.warns(FutureWarning):
        plateau = timm.PlateauLRScheduler(optimizer_of(0.1))
    assert read(plateau, total=10).schedules()["lr"].listens
    plateau.step(1, 0.5)
    with pytest.raises(rw.ScheduleError, match="has been shown metrics"):
        read(plateau, total=10)
    by_epoch = timm.CosineLRScheduler(optimizer_of(0.1), 10)
    with pytest.raises(rw.ScheduleError, match=r"epoch=…"):
        read(by_epoch, total=10)
    with pytest.raises(rw.ScheduleError, match=r"total=…"):
        read(by_epoch, epoch=10)
