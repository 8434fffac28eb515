"""Schedulers of PyTorch with a state that is older, of another class, or has lost something."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert import read

torch = pytest.importorskip("torch")
from torch.optim import lr_scheduler as lrs  # noqa: E402

TOTAL = 24
KINDS: dict[str, Any] = {
    "StepLR": lambda o: lrs.StepLR(o, 5),
    "MultiStepLR": lambda o: lrs.MultiStepLR(o, [4, 9]),
    "ConstantLR": lambda o: lrs.ConstantLR(o, 0.5, 6),
    "LinearLR": lambda o: lrs.LinearLR(o, 0.1, total_iters=6),
    "ExponentialLR": lambda o: lrs.ExponentialLR(o, 0.9),
    "PolynomialLR": lambda o: lrs.PolynomialLR(o, 20, 2.0),
    "CosineAnnealingLR": lambda o: lrs.CosineAnnealingLR(o, 15, 1e-4),
    "CosineAnnealingWarmRestarts": lambda o: lrs.CosineAnnealingWarmRestarts(o, 4, 2),
    "LambdaLR": lambda o: lrs.LambdaLR(o, lambda t: 1 / (1 + t)),
    "MultiplicativeLR": lambda o: lrs.MultiplicativeLR(o, lambda t: 0.9),
    "OneCycleLR": lambda o: lrs.OneCycleLR(o, [0.1, 0.01], 30),
    "CyclicLR": lambda o: lrs.CyclicLR(o, 1e-3, [0.1, 0.01], 4),
    "SWALR": lambda o: torch.optim.swa_utils.SWALR(o, 0.05, 5),
    "ReduceLROnPlateau": lambda o: lrs.ReduceLROnPlateau(o),
    "SequentialLR": lambda o: lrs.SequentialLR(
        o, [lrs.LinearLR(o, 0.1, total_iters=4), lrs.StepLR(o, 5)], [4]
    ),
    "ChainedScheduler": lambda o: lrs.ChainedScheduler(
        [lrs.LinearLR(o, 0.1, total_iters=4), lrs.ExponentialLR(o, 0.9)]
    ),
}


def made(name: str) -> Any:
    groups = [
        {"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr, "name": n}
        for lr, n in ((0.1, "a"), (0.01, "b"))
    ]
    return KINDS[name](torch.optim.SGD(groups, momentum=0.9))


def used(name: str, steps: int = 7) -> Any:
    scheduler = made(name)
    for _ in range(steps):
        scheduler.optimizer.step()
        scheduler.step(*([1.0] if name == "ReduceLROnPlateau" else []))
    return scheduler


def stepped(source: Any) -> int:
    """How often a scheduler, or the first of its parts, was stepped; 0 where nothing tells."""
    parts = vars(source).get("_schedulers")
    first = parts[0] if isinstance(parts, list | tuple) and parts else None
    count = getattr(source, "last_epoch", getattr(first, "last_epoch", 0))
    return count if isinstance(count, int) else 0


def says_what_it_does(source: Any) -> bool:
    """Require that a scheduler is refused by an error of ours, or that its next rates are read."""
    done = stepped(source)
    try:
        plan = read(source, total=TOTAL)
    except rw.ScheduleError:
        return False
    if any(schedule.listens for schedule in plan.schedules().values()):
        return True
    mine = [plan.rates(TOTAL), plan.rates(TOTAL, group="b" if "b" in plan.groups else None)]
    for t in range(done, TOTAL - 1):
        now = [float(group["lr"]) for group in source.optimizer.param_groups]
        np.testing.assert_allclose([rates[t] for rates in mine], now, rtol=1e-9, atol=1e-15)
        source.optimizer.step()
        try:
            source.step()
        except Exception:
            return True
    return True


@pytest.mark.parametrize("name", KINDS)
def test_a_state_of_its_own_is_read(name: str) -> None:
    """Loaded with the optimizer's, in both orders, it goes on as it would have."""
    if name in ("ReduceLROnPlateau", "CyclicLR"):
        return  # what has heard metrics; what cannot be loaded without its function
    saved = used(name)
    states = copy.deepcopy((saved.state_dict(), saved.optimizer.state_dict()))
    for first in (0, 1):
        fresh = made(name)
        targets = (fresh, fresh.optimizer)
        for i in (first, 1 - first):
            targets[i].load_state_dict(copy.deepcopy(states[i]))
        assert says_what_it_does(fresh)


@pytest.mark.parametrize("name", KINDS)
def test_whatever_is_missing_is_answered(name: str) -> None:
    """One attribute or one key of a group less: read as it is, or one error of ours."""
    for change in ("attribute", "group"):
        source = used(name, 3)
        own = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1).param_groups[0]
        keys = vars(source) if change == "attribute" else source.optimizer.param_groups[0]
        for key in [key for key in keys if key not in (*own, "optimizer", "name")]:
            broken = used(name, 3)
            where = vars(broken) if change == "attribute" else broken.optimizer.param_groups[1]
            where.pop(key, None)
            says_what_it_does(broken)


@pytest.mark.parametrize("name", KINDS)
def test_whatever_stands_there_is_answered(name: str) -> None:
    """None, a text, a negative number or an empty list in place of an attribute."""
    for key in [key for key in vars(made(name)) if key != "optimizer"]:
        for odd in (None, "x", -3, []):
            broken = made(name)
            setattr(broken, key, odd)
            says_what_it_does(broken)


@pytest.mark.parametrize("name", KINDS)
def test_a_state_of_another_class_is_answered(name: str) -> None:
    """PyTorch loads it without a word; what comes of it is read, or refused."""
    for other in KINDS:
        source = made(name)
        try:
            source.load_state_dict(copy.deepcopy(used(other).state_dict()))
        except Exception:
            continue
        says_what_it_does(source)


def test_one_cycle_of_an_older_pytorch() -> None:
    """It had a function where a name is now; PyTorch runs it, and so it is run to be read."""
    source = made("OneCycleLR")
    vars(source)["anneal_func"] = type(source)._annealing_linear
    del source._anneal_func_type
    assert says_what_it_does(source)
    with pytest.raises(rw.ScheduleError, match="total=…"):
        read(source)


def test_a_group_without_what_one_cycle_keeps_there() -> None:
    """As after the optimizer's state from before the scheduler was made."""
    source = made("OneCycleLR")
    for group in source.optimizer.param_groups:
        for key in ("max_lr", "min_lr", "initial_lr"):
            group.pop(key)
    with pytest.raises(rw.ScheduleError, match=r"not in a state that it can be read in \(KeyError"):
        read(source, total=TOTAL)
