"""What Ignite's parameter schedulers do at every update is what the plans read from them do."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.convert import read
from tests.examples import examples

torch = pytest.importorskip("torch")
pytest.importorskip("ignite")
from ignite.handlers import param_scheduler as ig  # noqa: E402
from ignite.handlers.state_param_scheduler import ExpStateScheduler  # noqa: E402
from torch.optim import lr_scheduler as lrs  # noqa: E402

Make = Callable[[Any], Any]

values = st.sampled_from([0.0, 1e-4, 0.1, 1.0]) | st.floats(0, 10, allow_subnormal=False)
totals = st.sampled_from([1, 2, 3, 30]) | st.integers(1, 120)
cases = settings(max_examples=examples(250, least=200), deadline=None)


def optimizer_of(groups: int = 1) -> Any:
    weights = [torch.nn.Parameter(torch.ones(1)) for _ in range(groups)]
    return torch.optim.SGD([{"params": [w]} for w in weights], lr=0.1, momentum=0.9)


def trace(make: Make, total: int, key: str = "lr", groups: int = 1) -> Any:
    """The values of every update, the handler called before it as at ITERATION_STARTED."""
    out: list[list[float]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            optimizer = optimizer_of(groups)
            handler = make(optimizer)
            for _ in range(total):
                handler(None)
                out.append([float(group[key]) for group in optimizer.param_groups])
        except (ArithmeticError, ValueError, TypeError, IndexError, NotImplementedError):
            assume(False)
    return np.array(out).T


def check(make: Make, total: int, atol: float = 2e-15) -> Any:
    """Equal to 1e-12; where a value is a difference of larger ones, to 2e-15 of the largest."""
    theirs = trace(make, total)[0]
    fresh = make(optimizer_of())
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


factors = st.sampled_from([1.0, 1.0, 0.5, 2.0, 1.3])


@st.composite
def cyclical(draw: st.DrawFn) -> Make:
    """Cyclical schedulers, plain and with cycles that change."""
    options: dict[str, Any] = {
        "start_value": draw(values),
        "end_value": draw(values),
        "cycle_size": draw(st.integers(2, 40) | st.sampled_from([2, 3, 200])),
        "cycle_mult": draw(factors),
        "start_value_mult": draw(factors),
        "end_value_mult": draw(factors),
    }
    kind = draw(st.sampled_from(["up", "triangle", "cosine"]))
    if kind != "triangle":
        options["warmup_duration"] = draw(st.sampled_from([0, 1]) | st.integers(0, 20))
    if kind == "cosine":
        return lambda o: ig.CosineAnnealingScheduler(o, "lr", **options)
    return lambda o: ig.LinearCyclicalScheduler(o, "lr", monotonic=kind == "up", **options)


@st.composite
def piecewise(draw: st.DrawFn) -> Make:
    places = sorted(draw(st.lists(st.integers(0, 50), min_size=1, max_size=6)))
    points = [(place, draw(values)) for place in places]
    return lambda o: ig.PiecewiseLinear(o, "lr", points)


wrapped = st.one_of(
    st.builds(lambda n: lambda o: ig.LRScheduler(lrs.StepLR(o, n)), st.integers(1, 20)),
    st.builds(lambda n: lambda o: ig.LRScheduler(lrs.LinearLR(o, 0.5, 1, n)), st.integers(1, 20)),
    st.builds(lambda n: lambda o: ig.LRScheduler(lrs.CosineAnnealingLR(o, n)), st.integers(1, 50)),
    st.builds(lambda g: lambda o: ig.LRScheduler(lrs.ExponentialLR(o, g)), st.floats(0.5, 1)),
    st.builds(
        lambda n: lambda o: ig.LRScheduler(lrs.CosineAnnealingWarmRestarts(o, n, 2)),
        st.integers(1, 20),
    ),
    st.just(lambda o: ig.LRScheduler(lrs.LambdaLR(o, lambda t: 1 / (1 + t)))),
)


@settings(max_examples=examples(250), deadline=None)
@given(cyclical(), totals)
def test_cyclical(make: Make, total: int) -> None:
    """LinearCyclicalScheduler and CosineAnnealingScheduler are moves, cycle by cycle."""
    assert is_formula(check(make, total))


@cases
@given(piecewise(), totals)
def test_piecewise(make: Make, total: int) -> None:
    """PiecewiseLinear goes through its points; of two at one place the last one counts there."""
    assert is_formula(check(make, total))


@cases
@given(wrapped, totals)
def test_wrapped(make: Make, total: int) -> None:
    """A scheduler of PyTorch in Ignite's LRScheduler is what the two make of it together."""
    check(make, total)


@st.composite
def concatenated(draw: st.DrawFn) -> Make:
    makes = draw(st.lists(cyclical() | piecewise() | wrapped, min_size=2, max_size=4))
    n = len(makes) - 1
    lengths = draw(st.lists(st.integers(0, 30), min_size=n, max_size=n))
    return lambda o: ig.ConcatScheduler([make(o) for make in makes], list(lengths))


@settings(max_examples=examples(250), deadline=None)
@given(concatenated(), totals)
def test_concatenated(make: Make, total: int) -> None:
    """ConcatScheduler is its parts one after the other; one of no length is never left."""
    check(make, total)


@cases
@given(cyclical() | piecewise() | wrapped, totals, st.integers(2, 20), values, st.none() | values)
def test_with_warmup(make: Make, total: int, n: int, start: float, end: float | None) -> None:
    """create_lr_scheduler_with_warmup is read like any composition."""
    check(lambda o: ig.create_lr_scheduler_with_warmup(make(o), start, n, end), total)


@cases
@given(cyclical() | piecewise() | concatenated(), totals, st.integers(1, 60))
def test_one_that_was_called(make: Make, total: int, done: int) -> None:
    """A scheduler that was called is read from its first event, or it is said why not."""
    trace(make, max(total, done))
    used = make(optimizer_of())
    for _ in range(done):
        used(None)
    try:
        mine = read(used, total=total).rates(total)
    except rw.ScheduleError as error:
        if "how it began" not in str(error) and "below 0" not in str(error):
            raise
    else:
        theirs = trace(make, total)[0]
        assert np.allclose(mine, theirs, rtol=1e-12, atol=1e-14 * max(theirs.max(), 1e-9))


@cases
@given(values, values, st.integers(2, 30), st.sampled_from(["lr", "momentum", "weight_decay"]))
def test_any_key(start: float, end: float, size: int, key: str) -> None:
    """Any key of the optimizer's groups is read."""
    make = lambda o: ig.LinearCyclicalScheduler(o, key, start, end, size)  # noqa: E731
    plan = read(make(optimizer_of()), total=50)
    theirs = trace(make, 50, key)[0]
    assert np.allclose(plan.rates(50, key=key), theirs, rtol=1e-12, atol=2e-15 * max(start, end))


def test_groups_have_schedules_of_their_own() -> None:
    """ParamGroupScheduler gives each group its schedule; without names they are numbered."""

    def make(optimizer: Any) -> Any:
        return ig.ParamGroupScheduler(
            [
                ig.LinearCyclicalScheduler(optimizer, "lr", 1.0, 0.0, 20, param_group_index=0),
                ig.CosineAnnealingScheduler(optimizer, "lr", 0.5, 0.0, 30, param_group_index=1),
            ]
        )

    theirs = trace(make, 50, groups=2)
    plan = read(make(optimizer_of(2)), total=50)
    assert np.allclose(plan.rates(50), theirs[0], rtol=1e-12, atol=1e-15)
    assert np.allclose(plan.rates(50, group="1"), theirs[1], rtol=1e-12, atol=1e-15)
    assert any("name them" in note for note in plan.notes)


def test_a_group_that_is_left_alone_stays_out_of_the_plan() -> None:
    """A scheduler of one group says nothing of the others."""
    scheduler = ig.LinearCyclicalScheduler(optimizer_of(2), "lr", 1.0, 0.0, 20, param_group_index=1)
    plan = read(scheduler, total=20)
    assert plan.lr is None
    assert list(plan.groups) == ["1"]


def test_metrics_and_engines_are_refused() -> None:
    """What depends on metrics among others, or sets nothing of an optimizer, is refused by name."""
    one = optimizer_of()
    plateau = ig.ReduceLROnPlateauScheduler(one, "loss")
    assert read(plateau, total=10).schedules()["lr"].listens
    other = ig.LinearCyclicalScheduler(one, "lr", 0.0, 1.0, 4)
    both = ig.ConcatScheduler([other, other], durations=[5])
    both.schedulers = [other, plateau]
    with pytest.raises(rw.ScheduleError, match="holds a scheduler that listens"):
        read(both, total=10)
    with pytest.raises(rw.ScheduleError, match="of an engine"):
        read(ExpStateScheduler(1.0, 0.9, "temperature"), total=10)
