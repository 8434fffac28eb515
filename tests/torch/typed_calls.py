"""Calls of `Scheduler` that run time accepts, for a type checker; what it has to refuse is marked.

`test_typed_calls.py` runs them, and has pyright look at them.
"""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from __future__ import annotations

from typing import assert_type

import torch
from torch.optim import SGD, AdamW, Optimizer

import ratewise as rw
from ratewise.torch import Scheduler, Schedulers

plan = rw.Plan(lr=rw.Warmup(2) >> rw.Cosine(to=0.1))


class Wrapper:
    """Holds an optimizer as Lightning does."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer

    @property
    def optimizer(self) -> Optimizer:
        return self._optimizer


def sgd() -> SGD:
    return SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)


def adamw() -> AdamW:
    return AdamW([torch.nn.Parameter(torch.ones(1))], lr=0.1)


def one() -> None:
    assert_type(Scheduler(sgd(), plan, total=9), Scheduler)
    assert_type(Scheduler(adamw(), "cosine", warmup="10%", total=9), Scheduler)
    assert_type(Scheduler(Wrapper(sgd()), "Cosine(to=0)", total="3 epochs", epoch=3), Scheduler)
    optimizer = sgd()
    scheduler = Scheduler(optimizer, rw.Linear(to=0), total=9, resume="code", on_device=False)
    assert_type(scheduler.committed, int)
    assert_type(Scheduler.of(optimizer), Scheduler)


def several() -> None:
    same = [sgd(), sgd()]
    assert_type(Scheduler(same, plan, total=9), Schedulers)
    assert_type(Scheduler([sgd(), adamw()], plan, total=[9, 45]), Schedulers)
    assert_type(Scheduler((sgd(), adamw()), ["Linear(to=0)", plan], total=9), Schedulers)
    each = {"g": sgd(), "d": adamw()}
    schedulers = Scheduler(each, plan, total=(9, 45), by_hand=["warn", "ignore"])
    assert_type(schedulers, Schedulers)
    assert_type(schedulers.committed, tuple[int, ...])


def refused() -> list[object]:
    """Return what a type checker is to refuse, as functions that raise."""
    return [
        lambda: Scheduler(3, plan, total=9),  # pyright: ignore
        lambda: Scheduler([1, 2], plan, total=9),  # pyright: ignore
        lambda: Scheduler(sgd(), 3, total=9),  # pyright: ignore
        lambda: Scheduler(sgd(), plan, total=[9]),  # pyright: ignore
    ]
