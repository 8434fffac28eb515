"""Optimizers that cannot carry a clock are refused before training, with what to write."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.torch import Scheduler

LR, TOTAL = 1e-2, 6
PLAN = rw.Warmup(2) >> rw.Cosine(to=0.1)
RATES = [LR * level for level in PLAN.resolve(total=TOTAL).values().tolist()]


def weight() -> torch.nn.Parameter:
    made = torch.nn.Parameter(torch.ones(2))
    made.grad = torch.ones(2)
    return made


class Lomo(torch.optim.Optimizer):
    """As LOMO and AdaLOMO: the weights change while gradients are computed; `step` is not used."""

    def __init__(self, parameters: Any, lr: float) -> None:
        super().__init__(parameters, {"lr": lr})

    def fused_backward(self, loss: Any, lr: float) -> None:
        loss.backward()

    def step(self, closure: Any = None) -> None:
        raise RuntimeError("use fused_backward")


class PerParameter(torch.optim.Optimizer):
    """As the layer-wise GaLore of Transformers: a stand-in that holds one optimizer for each."""

    def __init__(self, optimizers: dict[Any, Any]) -> None:
        self.optimizer_dict = optimizers
        super().__init__([torch.zeros(1)], {"lr": LR})

    def step(self, closure: Any = None) -> None:
        return None


class Several(PerParameter):
    """As a Muon beside an AdamW, in a list."""

    def __init__(self, optimizers: Any) -> None:
        super().__init__({})
        del self.optimizer_dict
        self.optimizers = list(optimizers)


class Together(torch.optim.Optimizer):
    """Holds several and steps them, and shows their groups: it can be followed."""

    def __init__(self, *optimizers: Any) -> None:
        super().__init__([weight()], {"lr": LR})
        self.optimizers = optimizers
        self.param_groups = [group for one in optimizers for group in one.param_groups]

    def step(self, closure: Any = None) -> None:
        for one in self.optimizers:
            one.step()


def zero_optimizer(inner: Any) -> Any:
    """DeepSpeed's wrapper by its contract: no optimizer of PyTorch, with one inside."""
    kind = type(
        "DeepSpeedZeroOptimizer", (), {"__module__": "deepspeed.runtime.zero.stage_1_and_2"}
    )
    made = kind()
    made.optimizer = inner
    return made


def accelerated(inner: Any) -> Any:
    """Accelerate's wrapper around it."""
    made = type("DeepSpeedOptimizerWrapper", (), {"__module__": "accelerate.utils.deepspeed"})()
    made.optimizer = inner
    return made


def sgd() -> torch.optim.SGD:
    return torch.optim.SGD([weight()], lr=LR)


CASES = {
    "in the backward pass": (lambda: Lomo([weight()], LR), r"fused_backward\(loss, lr \* level\)"),
    "one for each parameter": (lambda: PerParameter({1: sgd(), 2: sgd()}), r"2 .*\.optimizer_dict"),
    "several": (
        lambda: Several([sgd(), sgd(), sgd()]),
        r"holds 3 optimizers in \.optimizers.*bind them",
    ),
    "ZeRO": (lambda: zero_optimizer(sgd()), r"DeepSpeedZeroOptimizer.*deepspeed\.initialize\("),
    "ZeRO under Accelerate": (
        lambda: accelerated(zero_optimizer(sgd())),
        r"deepspeed\.initialize\(",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_before_training(case: str) -> None:
    """And nothing is bound, nor has a rate changed."""
    make, message = CASES[case]
    optimizer = make()
    with pytest.raises(rw.ScheduleError, match=message):
        Scheduler(optimizer, PLAN, total=TOTAL)
    for group in getattr(optimizer, "param_groups", ()):
        assert group["lr"] == LR
        assert "initial_lr" not in group


def test_a_schedule_that_was_bound_before_deepspeed_came_is_heard() -> None:
    """Its ZeRO steps the optimizer with one group at a time: one update is not to count as two."""
    optimizer = torch.optim.SGD([{"params": [weight()]}, {"params": [weight()]}], lr=LR)
    scheduler = Scheduler(optimizer, PLAN, total=TOTAL)
    groups = optimizer.param_groups
    optimizer.param_groups = groups[:1]
    optimizer.step()
    optimizer.param_groups = groups[1:]
    with pytest.raises(rw.ScheduleError, match=r"one after the other.*deepspeed\.initialize\("):
        optimizer.step()
    assert scheduler.committed == 1


def test_the_stand_in_of_transformers() -> None:
    """Its own class, as its trainer makes it for layer-wise optimizers."""
    utils = pytest.importorskip("transformers.trainer_pt_utils")
    optimizer = utils.LayerWiseDummyOptimizer(optimizer_dict={weight(): sgd()}, lr=LR)
    with pytest.raises(rw.ScheduleError, match=r"holds 1 optimizers? in \.optimizer_dict"):
        Scheduler(optimizer, PLAN, total=TOTAL)


def test_what_is_told_to_write_works() -> None:
    """A scheduler for each of the optimizers inside; one for those that show their groups."""
    optimizer = PerParameter({1: sgd(), 2: sgd()})
    used: list[float] = []
    Scheduler(optimizer.optimizer_dict, PLAN, total=TOTAL)
    for one in optimizer.optimizer_dict.values():
        one.register_step_pre_hook(lambda o, *_: used.append(o.param_groups[0]["lr"]))
    for _ in range(TOTAL):
        for one in optimizer.optimizer_dict.values():
            one.step()
    assert used == [rate for rate in RATES for _ in range(2)]
    together = Together(sgd(), sgd())
    Scheduler(together, PLAN, total=TOTAL)
    together.register_step_pre_hook(lambda o, *_: seen.append([g["lr"] for g in o.param_groups]))
    seen: list[list[float]] = []
    for _ in range(TOTAL):
        together.step()
    assert seen == [[rate] * 2 for rate in RATES]
