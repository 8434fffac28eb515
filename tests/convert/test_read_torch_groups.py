"""Groups, notes, refusals and the clock of plans that are read from PyTorch's schedulers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.convert import read
from tests.examples import examples

torch = pytest.importorskip("torch")
from torch.optim import lr_scheduler as lrs  # noqa: E402


def optimizer_of(*rates: Any, names: tuple[str | None, ...] = (), kind: Any = None) -> Any:
    groups: list[dict[str, Any]] = []
    for i, rate in enumerate(rates):
        group = {"params": [torch.nn.Parameter(torch.ones(1))], "lr": rate}
        if i < len(names) and names[i]:
            group["name"] = names[i]
        groups.append(group)
    return (kind or torch.optim.SGD)(groups)


def trace(optimizer: Any, scheduler: Any, total: int) -> Any:
    """The rate of every group at every update, float64[groups, total]."""
    rows = []
    for t in range(total):
        if t:
            scheduler.step()
        rows.append([float(group["lr"]) for group in optimizer.param_groups])
        optimizer.step()
    return np.array(rows).T


# Groups -------------------------------------------------------------------------------------


def test_groups_of_one_rate_are_one_plan() -> None:
    """Groups that do the same have no entry of their own."""
    optimizer = optimizer_of(0.1, 0.1)
    plan = read(lrs.CosineAnnealingLR(optimizer, 10, 0.01), total=10)
    assert not plan.groups
    assert plan.notes == ()


def test_named_groups_keep_their_rates_and_floors() -> None:
    """An absolute floor is another level for each rate, and so another schedule by name."""
    optimizer = optimizer_of(0.1, 0.02, names=("body", "head"))
    scheduler = lrs.CosineAnnealingLR(optimizer, 50, 0.01)
    plan = read(scheduler, total=50)
    theirs = trace(optimizer, scheduler, 50)
    assert list(plan.groups) == ["head"]
    assert np.allclose(plan.rates(50), theirs[0], rtol=1e-12)
    assert np.allclose(plan.rates(50, group="head"), theirs[1], rtol=1e-12)


def test_groups_without_names_are_numbered() -> None:
    """Other rates never vanish: unnamed groups are called by number, and a note says so."""
    optimizer = optimizer_of(0.1, 0.02, 0.1)
    scheduler = lrs.StepLR(optimizer, 10)
    plan = read(scheduler, total=50)
    theirs = trace(optimizer, scheduler, 50)
    assert list(plan.groups) == ["1"]
    assert np.allclose(plan.rates(50, group="1"), theirs[1], rtol=1e-12)
    assert any("name them" in note for note in plan.notes)


def test_each_group_has_its_own_function() -> None:
    """LambdaLR with a list of functions gives each group its own."""
    optimizer = optimizer_of(0.1, 0.1, names=("a", "b"))
    scheduler = lrs.LambdaLR(optimizer, [lambda t: 1.0, lambda t: 1 / (1 + t)])
    plan = read(scheduler, total=20)
    theirs = trace(optimizer, scheduler, 20)
    assert np.allclose(plan.rates(20, group="b"), theirs[1], rtol=1e-12)


def test_a_group_whose_rate_is_zero_stays_at_zero() -> None:
    """A frozen group is read as such; its level cannot be known, its rate is 0."""
    optimizer = optimizer_of(0.1, 0.0, names=("a", "frozen"))
    plan = read(lrs.StepLR(optimizer, 10), total=20)
    assert not plan.rates(20, group="frozen").any()


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-4, 1), st.floats(1e-4, 1), st.integers(4, 60))
def test_one_cycle_by_group(low: float, high: float, total: int) -> None:
    """OneCycleLR with a rate for each group gives each its peak."""
    optimizer = optimizer_of(0.1, 0.1, names=("a", "b"), kind=torch.optim.AdamW)
    scheduler = lrs.OneCycleLR(optimizer, [low, high], total)
    plan = read(scheduler, total=total)
    theirs = trace(optimizer, scheduler, total)
    assert np.allclose(plan.rates(total), theirs[0], rtol=1e-12)
    group = "b" if plan.groups else None
    assert np.allclose(plan.rates(total, group=group), theirs[1], rtol=1e-12)


def test_rates_in_tensors_are_read_to_their_precision() -> None:
    """A rate that is a tensor of 32 bits is computed in 32 bits, and read as the formula."""
    optimizer = optimizer_of(torch.tensor(0.1), kind=torch.optim.AdamW)
    scheduler = lrs.CosineAnnealingLR(optimizer, 50)
    plan = read(scheduler, total=50)
    theirs = trace(optimizer, scheduler, 50)
    assert np.allclose(plan.rates(50), theirs[0], rtol=1e-4)
    assert plan.lr == rw.Cosine(to=0, over=50)


# The formula --------------------------------------------------------------------------------


def test_usual_schedules_are_read_as_one_would_write_them() -> None:
    """A warm-up and a cosine are two moves, a product is a product."""
    optimizer = optimizer_of(0.1)
    warm, cosine = (
        lrs.LinearLR(optimizer, 0.01, total_iters=10),
        lrs.CosineAnnealingLR(optimizer, 90),
    )
    plan = read(lrs.SequentialLR(optimizer, [warm, cosine], [10]), total=100)
    assert plan.lr == rw.Warmup(10, start=0.01) >> rw.Cosine(to=0, over=90)
    optimizer = optimizer_of(0.1)
    warm, steps = lrs.LinearLR(optimizer, 0.01, total_iters=10), lrs.StepLR(optimizer, 30)
    plan = read(lrs.ChainedScheduler([warm, steps]), total=100)
    assert plan.lr == rw.Warmup(10, start=0.01) * rw.Step(0.1, every=30)


def test_formulas_need_no_total() -> None:
    """What has a formula is read without a total, and agrees with what is read with one."""
    makes = [
        lambda o: lrs.StepLR(o, 7),
        lambda o: lrs.ExponentialLR(o, 0.9),
        lambda o: lrs.CosineAnnealingLR(o, 7, 0.01),
        lambda o: lrs.CosineAnnealingWarmRestarts(o, 7, 2),
        lambda o: lrs.LinearLR(o),
        lambda o: lrs.OneCycleLR(o, 0.1, 40, cycle_momentum=False),
    ]
    for make in makes:
        free, told = read(make(optimizer_of(0.1))), read(make(optimizer_of(0.1)), total=40)
        assert np.allclose(free.rates(40), told.rates(40), rtol=1e-12, atol=1e-16)


def test_another_scheduler_on_the_same_optimizer_is_noticed() -> None:
    """Where the rates are not those of the formula, only running the scheduler tells."""
    optimizer = optimizer_of(0.1)
    lrs.LinearLR(optimizer, 0.5)
    scheduler = lrs.StepLR(optimizer, 10)
    with pytest.raises(rw.ScheduleError, match="total=…"):
        read(scheduler)
    plan = read(scheduler, total=20)
    assert np.allclose(plan.rates(20), trace(optimizer, scheduler, 20)[0], rtol=1e-12)


def test_a_long_run_past_the_end_is_exact() -> None:
    """The rounding that CosineAnnealingLR carries upwards again is read as it is."""
    optimizer = optimizer_of(0.1)
    scheduler = lrs.CosineAnnealingLR(optimizer, 3000)
    plan = read(scheduler, total=6000)
    theirs = trace(optimizer, scheduler, 6000)[0]
    assert np.allclose(plan.rates(6000), theirs, rtol=1e-12, atol=1e-16)


def test_reading_leaves_everything_as_it_was() -> None:
    """The scheduler, its optimizer and its model are neither stepped nor copied."""
    optimizer = optimizer_of(0.1)
    scheduler = lrs.ExponentialLR(optimizer, 0.9)
    optimizer.step()
    scheduler.step()
    before = scheduler.state_dict(), optimizer.state_dict()
    weight = optimizer.param_groups[0]["params"][0]
    read(scheduler, total=50)
    assert (scheduler.state_dict(), optimizer.state_dict()) == before
    assert optimizer.param_groups[0]["params"][0] is weight


# Oddities and refusals ----------------------------------------------------------------------


def notes_of(scheduler: Any, total: int = 60) -> str:
    return " ".join(read(scheduler, total=total).notes)


def test_oddities_are_told() -> None:
    """The notes say what happens, and at which update."""
    o = optimizer_of(0.1)
    cut = lrs.SequentialLR(o, [lrs.LinearLR(o, total_iters=9), lrs.StepLR(o, 9)], [5])
    assert "leaves its LinearLR of 9 updates at update 5" in notes_of(cut)
    o = optimizer_of(0.1)
    inner = lrs.SequentialLR(o, [lrs.LinearLR(o, total_iters=5), lrs.StepLR(o, 9)], [5])
    outer = lrs.SequentialLR(o, [inner, lrs.ExponentialLR(o, 0.9)], [20])
    assert "one update early" in notes_of(outer)
    o = optimizer_of(0.1)
    chain = lrs.ChainedScheduler([lrs.StepLR(o, 9), lrs.LambdaLR(o, lambda t: 1.0)])
    assert "what comes before it has no effect" in notes_of(chain)
    o = optimizer_of(0.1)
    product = lrs.MultiplicativeLR(o, lambda t: 0.9)
    late = lrs.SequentialLR(o, [lrs.LinearLR(o, total_iters=9), product], [5])
    assert "goes on from the rate that it finds at update 5" in notes_of(late)
    assert "rises again" in notes_of(lrs.CosineAnnealingLR(optimizer_of(0.1), 20))
    assert "never leaves" in notes_of(lrs.LinearLR(optimizer_of(0.1), total_iters=0))
    assert "Updates 20 to 59 run at lr 0" in notes_of(lrs.PolynomialLR(optimizer_of(0.1), 20))
    assert "Update 0 runs at lr 0" in notes_of(lrs.LambdaLR(optimizer_of(0.1), lambda t: t / 99))


def test_a_rate_below_zero_is_refused_with_its_update() -> None:
    """Linear one-cycles go below 0 one update past their end."""
    scheduler = lrs.OneCycleLR(
        optimizer_of(0.1), 0.1, 10, anneal_strategy="linear", cycle_momentum=False
    )
    with pytest.raises(rw.ScheduleError, match=r"below 0, to .* at update 10"):
        read(scheduler, total=11)
    with pytest.raises(rw.ScheduleError, match="fails before update 11"):
        read(lrs.OneCycleLR(optimizer_of(0.1), 0.1, 10, cycle_momentum=False), total=20)


def test_a_plateau_inside_another_is_refused() -> None:
    """PyTorch does not step a plateau inside a composition, and it is not read there."""
    one = optimizer_of(0.1)
    parts = lrs.ChainedScheduler([lrs.ConstantLR(one)])
    parts._schedulers = [*parts._schedulers, lrs.ReduceLROnPlateau(one)]
    with pytest.raises(rw.ScheduleError, match="listens to metrics"):
        read(parts, total=10)


def test_our_own_scheduler_is_its_plan() -> None:
    """A live scheduler of ratewise is read as the plan that it follows."""
    from ratewise.torch import Scheduler

    scheduler = Scheduler(optimizer_of(0.1), rw.Warmup(5) >> rw.Cosine(to=0), total=20)
    assert read(scheduler).lr == (rw.Warmup(5) >> rw.Cosine(to=0)).resolve(20)
    scheduler = Scheduler(optimizer_of(0.1), rw.Function(lambda t: 1.0))
    with pytest.raises(rw.ScheduleError, match="is a function"):
        read(scheduler)


def test_what_cannot_be_copied_is_refused() -> None:
    """A scheduler that holds an open generator cannot be run on the side."""

    class Own(lrs.LRScheduler):
        def get_lr(self) -> list[float]:
            return [rate / (1 + self.last_epoch) for rate in self.base_lrs]

    scheduler = Own(optimizer_of(0.1))
    assert np.allclose(read(scheduler, total=9).rates(9), [0.1 / (1 + t) for t in range(9)])
    scheduler.pending = (t for t in range(3))
    with pytest.raises(rw.ScheduleError, match="cannot be copied"):
        read(scheduler, total=9)


def test_rates_that_were_changed_by_hand_are_noticed() -> None:
    """A stepped scheduler whose rates are not its own cannot be read as a whole."""
    optimizer = optimizer_of(0.1)
    scheduler = lrs.ExponentialLR(optimizer, 0.9)
    optimizer.step()
    scheduler.step()
    optimizer.param_groups[0]["lr"] = 0.05
    with pytest.raises(rw.ScheduleError, match="does not come back"):
        read(scheduler, total=9)


# The clock ----------------------------------------------------------------------------------


@settings(max_examples=examples(100), deadline=None)
@given(st.integers(1, 9), st.integers(1, 80))
def test_a_scheduler_may_be_stepped_per_epoch(epoch: int, total: int) -> None:
    """interval="epoch" says that step() is called once per epoch: the rate stays in between."""
    optimizer = optimizer_of(0.1)
    scheduler = lrs.CosineAnnealingLR(optimizer, 90, 0.01)
    plan = read(scheduler, total=total, epoch=epoch, interval="epoch")
    counts = trace(optimizer, scheduler, -(-total // epoch))[0]
    assert np.allclose(plan.rates(total), np.repeat(counts, epoch)[:total], rtol=1e-12)


def test_the_interval_is_checked() -> None:
    """An interval is "update" or "epoch"; per epoch, its length is needed."""
    scheduler = lrs.StepLR(optimizer_of(0.1), 10)
    with pytest.raises(rw.ScheduleError, match="did you mean epoch"):
        read(scheduler, total=10, interval="epochs")
    with pytest.raises(rw.ScheduleError, match="epoch=…"):
        read(scheduler, total=10, interval="epoch")
