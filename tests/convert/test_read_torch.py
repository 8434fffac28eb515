"""What PyTorch's schedulers do at every update is what the plans read from them do."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.convert import read
from tests.examples import examples

torch = pytest.importorskip("torch")
from torch.optim import lr_scheduler as lrs  # noqa: E402
from torch.optim.swa_utils import SWALR  # noqa: E402

Make = Callable[[Any], Any]

bases = st.sampled_from([1e-4, 0.1, 1.0, 3e-5]) | st.floats(1e-6, 10)
totals = st.sampled_from([1, 2, 3, 30]) | st.integers(1, 120)
lengths = st.sampled_from([0, 1, 2, 200]) | st.integers(1, 60)
gammas = st.sampled_from([0.0, 0.1, 0.5, 1.0, 1.01]) | st.floats(0.01, 1.1)
shares = st.sampled_from([1e-3, 1 / 3, 0.3, 1.0]) | st.floats(1e-3, 1)
cases = settings(max_examples=examples(200, least=200), deadline=None)


def optimizer_of(base: float, kind: str = "SGD") -> Any:
    weight = torch.nn.Parameter(torch.ones(1))
    if kind == "SGD":
        return torch.optim.SGD([weight], lr=base, momentum=0.9)
    return torch.optim.AdamW([weight], lr=base)


def trace(make: Make, base: float, total: int, kind: str = "SGD") -> dict[str, Any]:
    """Every update's rate and momentum, from PyTorch itself; its own failures are not our case."""
    out: dict[str, list[float]] = {"lr": [], "momentum": []}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            optimizer = optimizer_of(base, kind)
            scheduler = make(optimizer)
            for t in range(total):
                if t:
                    scheduler.step()
                group = optimizer.param_groups[0]
                out["lr"].append(float(group["lr"]))
                beta = group["betas"][0] if kind != "SGD" else group["momentum"]
                out["momentum"].append(float(beta))
                optimizer.step()
        except (ArithmeticError, NotImplementedError, ValueError, TypeError):
            assume(False)
    return {key: np.array(values) for key, values in out.items()}


def close(mine: Any, theirs: Any, atol: float = 1e-15, peak: float = 0.0) -> bool:
    """Equal to 1e-12; where a rate is a difference of larger numbers, to 1e-15 of the largest."""
    return np.allclose(mine, theirs, rtol=1e-12, atol=atol * max(peak, theirs.max()))


def check(make: Make, base: float, total: int, atol: float = 1e-15, kind: str = "SGD") -> Any:
    """Read a fresh scheduler, and compare with PyTorch; below 0 it has to be refused."""
    theirs = trace(make, base, total, kind)
    fresh = make(optimizer_of(base, kind))
    lowest = theirs["lr"].min()
    if not np.isfinite(theirs["lr"]).all() or lowest < -1e-15 * np.abs(theirs["lr"]).max():
        with pytest.raises(rw.ScheduleError, match=r"below 0|makes the lr"):
            read(fresh, total=total)
        return None
    plan = read(fresh, total=total)
    assert close(plan.rates(total), np.maximum(theirs["lr"], 0), atol, plan.peak["lr"])
    if plan.momentum is not None:
        assert close(plan.rates(total, key="momentum"), theirs["momentum"], atol)
    return plan


def is_formula(plan: rw.Plan | None) -> bool:
    """Whether a plan was read as a formula, not value by value."""
    return plan is None or not any("value by value" in note for note in plan.notes)


# One scheduler ------------------------------------------------------------------------------


@cases
@given(bases, totals, st.floats(0, 2), st.floats(0.1, 20))
def test_lambda(base: float, total: int, power: float, scale: float) -> None:
    """LambdaLR is its function."""
    plan = check(lambda o: lrs.LambdaLR(o, lambda t: (1 + t / scale) ** -power), base, total)
    assert isinstance(plan.lr, rw.Function)


@cases
@given(bases, totals, st.lists(gammas, min_size=1, max_size=5))
def test_multiplicative(base: float, total: int, factors: list[float]) -> None:
    """MultiplicativeLR is the product of its factors from update 1 on."""
    check(lambda o: lrs.MultiplicativeLR(o, lambda t: factors[t % len(factors)]), base, total)


@cases
@given(bases, totals, st.integers(1, 50) | st.just(200), gammas)
def test_step(base: float, total: int, size: int, gamma: float) -> None:
    """StepLR is Step."""
    assert is_formula(check(lambda o: lrs.StepLR(o, size, gamma), base, total))


@cases
@given(bases, totals, st.lists(st.sampled_from([0, 1, 5, 5, 300]) | st.integers(0, 60)), gammas)
def test_multi_step(base: float, total: int, milestones: list[int], gamma: float) -> None:
    """MultiStepLR is Step at its milestones, in any order, and repeated ones count again."""
    assert is_formula(check(lambda o: lrs.MultiStepLR(o, milestones, gamma), base, total))


@cases
@given(bases, totals, shares | st.just(0.0), lengths)
@example(0.1, 10, 0.5, 0)
def test_constant(base: float, total: int, factor: float, n: int) -> None:
    """ConstantLR holds its factor, for ever if it ends at update 0."""
    assert is_formula(check(lambda o: lrs.ConstantLR(o, factor, n), base, total))


@cases
@given(bases, totals, shares, shares | st.just(0.0), lengths)
@example(0.1, 10, 0.5, 1.0, 0)
@example(0.1, 5, 1 / 3, 1.0, 5)
def test_linear(base: float, total: int, start: float, end: float, n: int) -> None:
    """LinearLR is a straight line, and stays at its start factor if it has no length."""
    assert is_formula(check(lambda o: lrs.LinearLR(o, start, end, n), base, total))


@cases
@given(bases, totals, gammas)
def test_exponential(base: float, total: int, gamma: float) -> None:
    """ExponentialLR is ExponentialDecay."""
    assert is_formula(check(lambda o: lrs.ExponentialLR(o, gamma), base, total))


@cases
@given(bases, totals, lengths, st.sampled_from([0.0, 0.5, 1.0, 2.0]) | st.floats(0.1, 4))
def test_polynomial(base: float, total: int, n: int, power: float) -> None:
    """PolynomialLR is Polynomial; it computes 1 - t/n, which small powers of it make visible."""
    assert is_formula(
        check(lambda o: lrs.PolynomialLR(o, n, power), base, total, 2e-15 + 1e-15 * n)
    )


@cases
@given(bases, totals, st.integers(1, 60) | st.sampled_from([1, 2, 200]), shares | st.just(0.0))
@example(0.1, 100, 7, 0.0)
def test_cosine(base: float, total: int, n: int, floor: float) -> None:
    """CosineAnnealingLR falls to its floor, and rises again if the run goes on."""
    plan = check(lambda o: lrs.CosineAnnealingLR(o, n, floor * base), base, total)
    rises = any("rises again" in note for note in plan.notes)
    assert rises == (total > n + 1)
    assert total > n + 1 or is_formula(plan)


@cases
@given(bases, totals, st.integers(1, 40), st.integers(1, 4), shares | st.sampled_from([0.0, 2.0]))
def test_warm_restarts(base: float, total: int, every: int, grow: int, floor: float) -> None:
    """CosineAnnealingWarmRestarts is Repeat of Cosine, above its floor."""
    plan = check(
        lambda o: lrs.CosineAnnealingWarmRestarts(o, every, grow, floor * base), base, total
    )
    assert is_formula(plan)


@cases
@given(bases, totals, st.integers(0, 60), shares | st.just(0.0), st.sampled_from(["cos", "linear"]))
def test_swa(base: float, total: int, n: int, level: float, shape: str) -> None:
    """SWALR goes to its rate and stays; it finds its first rate by division again and again."""
    plan = check(lambda o: SWALR(o, level * base, n, shape), base, total, 1e-15 * (2 + n))
    assert is_formula(plan)


cycles = {
    "step_size_up": st.integers(1, 20),
    "step_size_down": st.none() | st.integers(0, 20),
    "mode": st.sampled_from(["triangular", "triangular2", "exp_range"]),
    "gamma": st.sampled_from([1.0, 0.99, 0.5]) | st.floats(0.5, 1),
    "cycle_momentum": st.booleans(),
}


@cases
@given(bases, totals, shares, st.fixed_dictionaries(cycles), st.sampled_from(["SGD", "AdamW"]))
def test_cyclic(base: float, total: int, low: float, options: dict[str, Any], kind: str) -> None:
    """CyclicLR is Repeat of two lines; its place in a cycle loses digits as the run goes on."""
    plan = check(
        lambda o: lrs.CyclicLR(o, low * base, base, **options), base, total, 3e-15 * total, kind
    )
    assert is_formula(plan)
    assert (plan.momentum is not None) == options["cycle_momentum"]


@cases
@given(bases, totals, st.floats(0.5, 9), st.sampled_from(["cycle", "iterations"]))
def test_cyclic_with_a_scale_of_its_own(base: float, total: int, size: float, per: str) -> None:
    """CyclicLR with half steps or a function of the user's is read by running it."""
    options: Any = {"scale_fn": lambda x: 1 / (1 + x), "scale_mode": per, "cycle_momentum": False}
    check(lambda o: lrs.CyclicLR(o, base / 10, base, size, **options), base, total)


one_cycles = {
    "pct_start": st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.9, 1.0]) | st.floats(0, 1),
    "anneal_strategy": st.sampled_from(["cos", "linear"]),
    "cycle_momentum": st.booleans(),
    "div_factor": st.sampled_from([1.0, 25.0]) | st.floats(1, 100),
    "final_div_factor": st.sampled_from([1.0, 1e4]) | st.floats(1, 1e5),
    "three_phase": st.booleans(),
}


@cases
@given(bases, totals, st.integers(0, 50), st.fixed_dictionaries(one_cycles))
def test_one_cycle(base: float, total: int, more: int, options: dict[str, Any]) -> None:
    """OneCycleLR is parts of moves that end between updates, in a run up to its own length."""
    make = lambda o: lrs.OneCycleLR(o, base, total + more, **options)  # noqa: E731
    assert is_formula(check(make, base, total))


@cases
@given(bases, st.integers(2, 60), st.fixed_dictionaries(one_cycles))
def test_one_cycle_past_its_end(base: float, total: int, options: dict[str, Any]) -> None:
    """One update past its end, OneCycleLR is of no meaning: the plan has it and says so."""
    plan = check(lambda o: lrs.OneCycleLR(o, base, total - 1, **options), base, total)
    assert plan is None or any("no meaning" in note for note in plan.notes)
