"""Compositions of PyTorch's schedulers, and schedulers that were stepped, are read as they are."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.convert import read

pytest.importorskip("torch")
from torch.optim import lr_scheduler as lrs
from torch.optim.swa_utils import SWALR

from tests.convert.test_read_torch import (
    Make,
    bases,
    check,
    close,
    gammas,
    lengths,
    optimizer_of,
    shares,
    totals,
    trace,
)
from tests.examples import examples

part = st.one_of(
    st.builds(lambda f, n: lambda o: lrs.ConstantLR(o, f, n), shares, lengths),
    st.builds(lambda a, b, n: lambda o: lrs.LinearLR(o, a, b, n), shares, shares, lengths),
    st.builds(lambda n, g: lambda o: lrs.StepLR(o, n, g), st.integers(1, 30), gammas),
    st.builds(lambda m, g: lambda o: lrs.MultiStepLR(o, m, g), st.lists(st.integers(0, 9)), gammas),
    st.builds(lambda g: lambda o: lrs.ExponentialLR(o, g), gammas),
    st.builds(lambda n, p: lambda o: lrs.PolynomialLR(o, n, p), lengths, st.sampled_from([1, 2])),
    st.builds(lambda n: lambda o: lrs.CosineAnnealingLR(o, n, 1e-5), st.integers(1, 60)),
    st.builds(lambda n: lambda o: lrs.CosineAnnealingWarmRestarts(o, n, 2), st.integers(1, 20)),
    st.builds(lambda g: lambda o: lrs.MultiplicativeLR(o, lambda t: g), gammas),
    st.builds(lambda g: lambda o: lrs.LambdaLR(o, lambda t: 1 / (g + t)), st.floats(0.5, 3)),
    st.builds(lambda n: lambda o: SWALR(o, 1e-3, n), st.integers(0, 20)),
    st.builds(lambda n: lambda o: lrs.OneCycleLR(o, 0.01, n), st.integers(4, 150)),
    st.builds(lambda n: lambda o: lrs.CyclicLR(o, 1e-4, 1e-3, n), st.integers(1, 20)),
)


def sequential(makes: list[Make], milestones: list[int]) -> Make:
    return lambda o: lrs.SequentialLR(o, [make(o) for make in makes], milestones)


def chained(makes: list[Make]) -> Make:
    return lambda o: lrs.ChainedScheduler([make(o) for make in makes], o)


@st.composite
def sequences(draw: st.DrawFn, inner: st.SearchStrategy[Make] = part) -> Make:
    makes = draw(st.lists(inner, min_size=1, max_size=4))
    count = len(makes) - 1
    marks = draw(st.lists(st.integers(0, 40), min_size=count, max_size=count))
    return sequential(makes, draw(st.sampled_from([marks, sorted(marks)])))


chains = st.builds(chained, st.lists(part, min_size=1, max_size=3))


@settings(max_examples=examples(250), deadline=None)
@given(sequences(), bases, totals)
def test_sequential(make: Make, base: float, total: int) -> None:
    """SequentialLR of any schedulers and milestones is what PyTorch makes of it."""
    check(make, base, total, 1e-14 + 3e-15 * total)


@settings(max_examples=examples(250), deadline=None)
@given(chains, bases, totals)
def test_chained(make: Make, base: float, total: int) -> None:
    """ChainedScheduler of any schedulers is what PyTorch makes of it."""
    check(make, base, total, 1e-14 + 3e-15 * total)


@settings(max_examples=examples(250), deadline=None)
@given(
    sequences(part | chains | sequences())
    | st.builds(chained, st.lists(sequences(), min_size=1, max_size=2)),
    bases,
    totals,
)
def test_nested(make: Make, base: float, total: int) -> None:
    """Compositions inside compositions are what PyTorch makes of them."""
    check(make, base, total, 1e-14 + 3e-15 * total)


@settings(max_examples=examples(250), deadline=None)
@given(part | sequences() | chains, bases, st.integers(1, 60), st.integers(1, 60))
def test_a_scheduler_that_was_stepped(make: Make, base: float, total: int, done: int) -> None:
    """A scheduler that was stepped is read from its update 0, or it is said why not."""
    trace(make, base, max(total, done + 1))  # PyTorch's own failures are not our case
    fresh, used = make(optimizer_of(base)), make(optimizer_of(base))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(done):
            used.step()
    try:
        theirs = read(fresh, total=total).rates(total)
    except rw.ScheduleError:
        return
    try:
        mine = read(used, total=total).rates(total)
    except rw.ScheduleError as error:
        if "does not come back" not in str(error):
            raise
    else:
        assert close(mine, theirs, 1e-12)
