"""What PyTorch and trainers expect of a scheduler of theirs, and what moves ours: updates alone."""

from __future__ import annotations

import copy
import gc
import json
import pickle
import warnings
import weakref
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

import ratewise as rw
from ratewise.torch import Scheduler

LR, TOTAL = 3e-4, 12
PLAN = rw.Warmup(4) >> rw.Cosine(to=0.1)
LEVELS = PLAN.resolve(total=TOTAL).values().tolist()
RATES = [LR * level for level in LEVELS]


def bound(tools: Any, groups: int = 1, plan: Any = PLAN, **options: Any) -> tuple[Any, Scheduler]:
    optimizer = tools.make(LR, groups)
    return optimizer, Scheduler(optimizer, plan, total=TOTAL, **options)


def said(act: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        act()
    return [str(one.message) for one in found]


# PyTorch's own -------------------------------------------------------------------------------


def test_it_is_one_of_pytorchs(tools: Any) -> None:
    """By class, and with the groups' first rates where PyTorch's schedulers keep them."""
    optimizer, scheduler = bound(tools, 3)
    assert isinstance(scheduler, lr_scheduler.LRScheduler)
    assert scheduler.optimizer is optimizer
    wanted = [LR, LR / 2, LR / 3]
    assert scheduler.base_lrs == wanted == [g["initial_lr"] for g in optimizer.param_groups]
    assert scheduler.last_epoch == 0
    assert scheduler._step_count == 1
    assert (
        scheduler.get_last_lr() == scheduler._last_lr == [g["lr"] for g in optimizer.param_groups]
    )


@pytest.mark.parametrize("stepped", ["behind", "before", "never", "twice"])
def test_no_order_of_calls_warns(tools: Any, stepped: str) -> None:
    """PyTorch's warning about `scheduler.step()` before `optimizer.step()` has no place here."""
    optimizer, scheduler = bound(tools)

    def loop() -> None:
        for _ in range(TOTAL):
            if stepped == "before":
                scheduler.step()
            optimizer.step()
            for _ in range({"behind": 1, "twice": 2}.get(stepped, 0)):
                scheduler.step()
            scheduler.get_lr()  # outside of a step, where PyTorch's own warns

    assert said(loop) == []
    assert tools.trace(optimizer) == RATES


def test_one_of_pytorchs_may_come_first(tools: Any) -> None:
    """What it left in the groups and on `optimizer.step` neither warns nor changes a rate."""
    optimizer = tools.make(LR)
    lr_scheduler.LinearLR(optimizer, 0.1)
    scheduler = Scheduler(optimizer, PLAN, total=TOTAL)

    def loop() -> None:
        for _ in range(TOTAL):
            optimizer.step()
            scheduler.step()

    assert said(loop) == []
    assert tools.trace(optimizer) == RATES


def test_rates_that_were_handed_out_are_copies(tools: Any) -> None:
    """Changing what `get_last_lr`, `get_lr` and `base_lrs` return changes no rate."""
    optimizer, scheduler = bound(tools)
    for _ in range(TOTAL):
        for rates in (scheduler.get_last_lr(), scheduler.get_lr(), scheduler.base_lrs):
            rates[0] = 7.0
        optimizer.step()
    assert tools.trace(optimizer) == RATES


def test_a_state_is_as_pytorch_expects_it(tools: Any) -> None:
    """Through JSON and `torch.load(weights_only=True)`, and loaded into another scheduler."""
    optimizer, scheduler = bound(tools)
    tools.run(optimizer, 5)
    state = scheduler.state_dict()
    assert json.loads(json.dumps(state)) == state
    assert tools.saved(scheduler)[0] == state
    other, again = bound(tools)
    again.load_state_dict(json.loads(json.dumps(state)))
    assert again.last_epoch == 5
    tools.run(other, TOTAL - 5)
    assert tools.trace(other) == RATES[5:]


def test_copies_along_with_their_optimizer(tools: Any) -> None:
    """`copy.deepcopy` and pickle of both; each goes on for itself."""
    optimizer, scheduler = bound(tools)
    tools.run(optimizer, 5)
    both = copy.deepcopy((optimizer, scheduler))
    read = pickle.loads(pickle.dumps(scheduler.state_dict()))
    tools.run(optimizer, 2)
    other, again = both
    assert (again.last_epoch, again.optimizer) == (5, other)
    tools.run(other, TOTAL - 5)
    assert tools.trace(other) == RATES[5:]
    assert tools.trace(optimizer) == RATES[:7]
    assert read["committed"] == 5


def test_the_optimizer_may_go(tools: Any) -> None:
    """Whoever holds neither keeps neither alive, also when `step` and `last_epoch` were used."""
    gc.disable()
    try:
        optimizer, scheduler = bound(tools)
        optimizer.step()
        scheduler.step()
        scheduler.last_epoch = 7
        gone = weakref.ref(optimizer)
        del optimizer, scheduler
        assert gone() is None
    finally:
        gc.enable()


def test_momentum_goes_along_as_in_one_cycle(tools: Any) -> None:
    """Rates and momenta of PyTorch's `OneCycleLR`, one update after the other, as it does."""
    native = torch.optim.Adam([tools.parameter()], lr=LR, betas=(0.95, 0.99))
    cycle = lr_scheduler.OneCycleLR(native, LR, total_steps=TOTAL, div_factor=25)
    ours = torch.optim.Adam([tools.parameter()], lr=LR, betas=(0.95, 0.99))
    from ratewise.convert import read

    Scheduler(ours, read(cycle, total=TOTAL))
    ours.register_step_pre_hook(lambda *_: kept.append(ours.param_groups[0].copy()))
    kept: list[Any] = []
    for t in range(TOTAL):
        ours.step()
        theirs = native.param_groups[0]
        assert kept[t]["lr"] == pytest.approx(theirs["lr"], rel=1e-9)
        assert kept[t]["betas"][0] == pytest.approx(theirs["betas"][0], rel=1e-9)
        native.step()
        if t < TOTAL - 1:
            cycle.step()


def test_sequential_is_refused_and_chained_is_heard(tools: Any) -> None:
    """`SequentialLR` steps its parts by its own count; the factor of a `StepLR` is somebody's."""
    optimizer, scheduler = bound(tools)
    warm = lr_scheduler.LinearLR(optimizer, 0.1)
    with pytest.raises(
        rw.ScheduleError, match=r"cannot be a part of SequentialLR.*first >> second"
    ):
        lr_scheduler.SequentialLR(optimizer, [scheduler, warm], milestones=[3])
    optimizer, scheduler = bound(tools)
    warm = lr_scheduler.LinearLR(optimizer, 0.1)
    both = lr_scheduler.SequentialLR(optimizer, [warm, scheduler], milestones=[3])

    def loop() -> None:
        for _ in range(5):
            optimizer.step()
            both.step()

    with pytest.raises(rw.ScheduleError, match="cannot be a part of SequentialLR"):
        loop()
    optimizer, scheduler = bound(tools, by_hand="follow")
    chain = lr_scheduler.ChainedScheduler([scheduler, lr_scheduler.StepLR(optimizer, 4, 0.5)])
    for _ in range(TOTAL):
        optimizer.step()
        chain.step()
    wanted = [rate * 0.5 ** (t // 4) for t, rate in enumerate(RATES)]
    assert tools.trace(optimizer) == pytest.approx(wanted, rel=1e-9)


def test_who_else_writes_is_named_once(tools: Any) -> None:
    """A second scheduler is called by its class, in one warning for the whole run."""
    optimizer, _ = bound(tools)
    other = torch.optim.swa_utils.SWALR(optimizer, swa_lr=0.05, anneal_epochs=2)

    def loop() -> None:
        for _ in range(TOTAL):
            optimizer.step()
            other.step()

    (warned,) = said(loop)
    assert "set by somebody else (SWALR is bound to this optimizer too)" in warned
    assert tools.trace(optimizer) == RATES
    with pytest.raises(rw.ScheduleError, match="found a schedule on this"):
        Scheduler(optimizer, PLAN, total=TOTAL)


# What trainers do ----------------------------------------------------------------------------


def test_a_loop_that_counts_last_epoch_itself(tools: Any) -> None:
    """Ignite asks for the next rate, writes it and adds one, at each batch, accumulated or not."""
    for accumulation in (1, 3):
        optimizer, scheduler = bound(tools)

        def loop(
            optimizer: Any = optimizer, scheduler: Any = scheduler, n: int = accumulation
        ) -> None:
            for batch in range(TOTAL * n):
                rates = scheduler.get_lr()
                for group, rate in zip(optimizer.param_groups, rates, strict=True):
                    group["lr"] = rate
                scheduler.last_epoch += 1
                if batch % n == n - 1:
                    optimizer.step()

        assert said(loop) == []
        assert tools.trace(optimizer) == RATES
        assert scheduler.last_epoch == TOTAL


def test_a_trainer_that_sets_its_epoch(tools: Any) -> None:
    """Ultralytics sets `start_epoch - 1`: at the beginning, and behind a state that was loaded."""
    optimizer, scheduler = bound(tools)
    scheduler.last_epoch = -1
    tools.run(optimizer, 6)
    state = copy.deepcopy(optimizer.state_dict())
    other, again = bound(tools)
    other.load_state_dict(state)
    assert said(lambda: setattr(again, "last_epoch", 2)) == []  # two epochs of three updates
    tools.run(other, TOTAL - 6)
    assert tools.trace(other) == RATES[6:]


def test_last_epoch_says_where_an_untold_run_goes_on(tools: Any) -> None:
    """Set before the first update it is the place; later it is not, and `seek` is named."""
    optimizer, scheduler = bound(tools)
    scheduler.last_epoch = 7
    assert scheduler.last_epoch == scheduler.committed == 7
    assert scheduler.get_lr() == [RATES[7]]
    tools.run(optimizer, 2)
    (warned,) = said(lambda: [setattr(scheduler, "last_epoch", n) for n in (2, 3)])
    assert "last_epoch was set to 2 at update 9" in warned
    assert "seek(2)" in warned
    tools.run(optimizer, 1)
    assert tools.trace(optimizer) == RATES[7:10]


@pytest.mark.parametrize("last", [-1, 0, 5])
def test_last_epoch_as_an_argument(tools: Any, last: int) -> None:
    """As with PyTorch: -1 begins, n goes on behind n."""
    optimizer, scheduler = bound(tools, last_epoch=last)
    assert scheduler.last_epoch == last + 1
    tools.run(optimizer, 3)
    assert tools.trace(optimizer) == RATES[last + 1 : last + 4]


def test_a_scheduler_that_is_made_again_goes_on(tools: Any) -> None:
    """skorch makes one for each `partial_fit`, and passes its epochs: the updates count."""
    optimizer, _ = bound(tools)
    tools.run(optimizer, 5)
    again = Scheduler(optimizer, PLAN, total=TOTAL, last_epoch=0)
    assert again.committed == 5
    tools.run(optimizer, TOTAL - 5)
    assert tools.trace(optimizer) == RATES
    for wrong in (-2, 1.5, "3"):
        with pytest.raises(rw.ScheduleError, match="last_epoch"):
            bound(tools, last_epoch=wrong)
    with pytest.raises(rw.ScheduleError, match=r"updates=3, and last_epoch=3.*is updates=4"):
        bound(tools, updates=3, last_epoch=3)


def test_a_loop_of_timm(tools: Any) -> None:
    """`step_update` at each update and `step(epoch, metric)` at each epoch, as its script does."""
    optimizer, scheduler = bound(tools)
    updates = 0
    for epoch in range(3):
        for _ in range(4):
            optimizer.step()
            updates += 1
            scheduler.step_update(num_updates=updates, metric=0.3)
        scheduler.step(epoch + 1, 0.9)
    assert tools.trace(optimizer) == RATES
    plateau = tools.make(LR)
    follows = Scheduler(plateau, rw.Plateau("loss", patience=0, factor=0.5))
    for epoch in range(6):
        plateau.step()
        follows.step_update(num_updates=epoch, metric=5.0)
        follows.step(epoch + 1, 1.0 / (1 + epoch))  # always better
    assert tools.trace(plateau) == [LR] * 6
    for epoch in range(3):
        plateau.step()
        follows.step(epoch + 7, 9.0)
    assert tools.trace(plateau)[6:] == [LR, LR / 2, LR / 4]
