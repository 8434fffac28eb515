"""Optimizers that wrap others: what is inside is bound, or the wrapper is refused by name."""

from __future__ import annotations

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import Optimizer, swa_utils

import ratewise as rw
from ratewise.torch import Scheduler

LR, TOTAL = 3e-4, 12


class Private(Optimizer):
    """As differential privacy wraps: properties of the one inside, and updates it leaves out."""

    def __init__(self, inner: Any, every: int = 1) -> None:
        self.original_optimizer, self.every, self.calls = inner, every, 0

    @property
    def param_groups(self) -> Any:  # type: ignore[override]
        return self.original_optimizer.param_groups

    @property
    def state(self) -> Any:  # type: ignore[override]
        return self.original_optimizer.state

    @property
    def defaults(self) -> Any:  # type: ignore[override]
        return self.original_optimizer.defaults

    def step(self, closure: Any = None) -> Any:
        self.calls += 1
        return None if self.calls % self.every else self.original_optimizer.step(closure)


def silently(act: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        act()


@pytest.mark.parametrize("every", [1, 3])
def test_a_wrapper_of_properties_is_seen_through(tools: Any, every: int) -> None:
    """Updates that it leaves out are none; `step()` with each of its calls warns of nothing."""
    inner = tools.make(LR, groups=2)
    wrapper = Private(inner, every)
    scheduler = Scheduler(wrapper, tools.plan, total=TOTAL)

    def act() -> None:
        for _ in range(TOTAL * every):
            wrapper.step()
            scheduler.step()

    silently(act)
    assert scheduler.optimizer is inner
    assert tools.trace(inner) == tools.expected(tools.plan, TOTAL)
    assert Scheduler.of(wrapper).committed == TOTAL


def test_a_wrapper_of_schedule_free_is_refused_and_its_base_is_followed(tools: Any) -> None:
    """It is no optimizer, and reads the rate before its base makes the update.

    A loop that calls `step()`, as it would for a scheduler of PyTorch, has the coming one there.
    """
    free = pytest.importorskip("schedulefree")
    inner = tools.recording(torch.optim.SGD)([tools.parameter()], lr=LR)
    wrapper = free.ScheduleFreeWrapper(inner, momentum=0.9)
    wrapper.train()
    with pytest.raises(rw.ScheduleError, match=r"give its .base, Scheduler\(optimizer.base, …\)"):
        Scheduler(wrapper, tools.plan, total=TOTAL)
    scheduler = Scheduler(inner, tools.plan, total=TOTAL)
    read: list[float] = []

    def act() -> None:
        for _ in range(TOTAL):
            read.append(wrapper.param_groups[0]["lr"])
            wrapper.step()
            scheduler.step()

    silently(act)
    assert read == tools.trace(inner) == tools.expected(tools.plan, TOTAL)


def lookahead() -> Any:
    """timm's Lookahead, from its file alone: the package needs torchvision."""
    found = importlib.util.find_spec("timm")
    if found is None or found.origin is None:
        pytest.skip("timm is not installed")
    path = Path(found.origin).parent / "optim" / "lookahead.py"
    spec: Any = importlib.util.spec_from_file_location("timm_lookahead", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Lookahead


def test_lookahead_of_timm_is_refused_and_its_base_is_followed(tools: Any) -> None:
    """It never called `Optimizer.__init__`: the one that it was made of is to be bound.

    Saved and loaded through the wrapper, the run goes on in it.
    """
    kind = lookahead()

    def build() -> tuple[Any, Any, Scheduler]:
        base = tools.make(LR)
        ahead = kind(base, k=3)
        with pytest.raises(rw.ScheduleError, match=r"cannot hear this Lookahead.*that it wraps"):
            Scheduler(ahead, tools.plan, total=TOTAL)
        return base, ahead, Scheduler(base, tools.plan, total=TOTAL)

    base, ahead, scheduler = build()
    silently(lambda: [ahead.step() for _ in range(7)])
    base_2, ahead_2, resumed = build()
    resumed.load_state_dict(scheduler.state_dict())
    ahead_2.load_state_dict(ahead.state_dict())
    silently(lambda: [ahead_2.step() for _ in range(7, TOTAL)])
    trace = tools.trace(base) + tools.trace(base_2)
    assert trace == tools.expected(tools.plan, TOTAL)


def test_the_optimizer_of_accelerate_is_seen_through(tools: Any) -> None:
    """Bound before or behind `prepare`; a wrapper that nobody steps is named after some calls."""
    accelerate = pytest.importorskip("accelerate")
    accelerator = accelerate.Accelerator(cpu=True)
    inner = tools.make(LR)
    wrapper = accelerator.prepare(inner)
    scheduler = Scheduler(wrapper, tools.plan, total=TOTAL)
    silently(lambda: [wrapper.step() for _ in range(TOTAL)])
    assert tools.trace(inner) == tools.expected(tools.plan, TOTAL)
    said = r"RecordingSGD.step\(\) made no update since update 12"
    with pytest.warns(UserWarning, match=said):
        [scheduler.step() for _ in range(100)]


def test_averaged_weights_are_no_update(tools: Any) -> None:
    """`AveragedModel` reads the weights; the clock and the rates stay as they are."""
    model = torch.nn.Linear(2, 1)
    optimizer = tools.recording(torch.optim.SGD)(model.parameters(), lr=LR)
    scheduler = Scheduler(optimizer, tools.plan, total=TOTAL)
    averaged = swa_utils.AveragedModel(model)

    def act() -> None:
        for _ in range(TOTAL):
            model(torch.ones(1, 2)).sum().backward()
            optimizer.step()
            scheduler.step()
            averaged.update_parameters(model)

    silently(act)
    assert tools.trace(optimizer) == tools.expected(tools.plan, TOTAL)
