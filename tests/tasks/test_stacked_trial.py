"""Whether runs can be stacked, and whether that pays, is found out before anything is trained."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from ratewise.tasks.torch import stacked_trial
from ratewise.tasks.torch.stacked_parts import Unstackable, is_out_of_memory
from ratewise.tasks.torch.stacked_trial import (
    FEW,
    MOST,
    try_stack,
)
from tests.tasks.fixtures import Fading, Valleys
from tests.tasks.stacks import clip_by_hook, entropy, hooked, leaky, normed, plain, task_of


class Scaled(torch.autograd.Function):
    """A function of somebody's own, without a rule for vmap."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return 2 * x

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return 2 * grads[0]


class Counting(nn.Module):
    """Writes into a tensor that is no buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 2)
        self.held = [torch.zeros(2)]

    def forward(self, x: Any) -> Any:
        out = self.inner(x)
        self.held[0].add_(out.detach().sum(0))
        return out


def choosy(model: Any, batch: Any) -> Any:
    loss = entropy(model, batch)
    return loss if loss.item() < 0.5 else 2 * loss


def shaken(model: Any, batch: Any) -> Any:
    return entropy(model, batch) * random.random()


def pulled() -> nn.Module:
    model = normed()
    next(model.parameters()).register_hook(lambda gradient: gradient.clamp(-1, 1))
    return model


def halved() -> dict[str, Any]:
    """Weights in float16, where a step at another run's rate may have no number."""
    return {
        "model": lambda: plain().half(),
        "loss": lambda model, batch: entropy(model, (batch[0].half(), batch[1])),
        "optimizer": lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
        "metric": lambda model: 0.0,
    }


UNSTACKABLE: dict[str, tuple[Callable[[], Any], str]] = {
    "control flow": (lambda: task_of(loss=choosy), "looks at the values of tensors"),
    "function": (
        lambda: task_of(loss=lambda m, b: entropy(lambda x: Scaled.apply(m(x)), b)),
        "has no rule for vmap",
    ),
    "attribute": (
        lambda: task_of(model=lambda: nn.Sequential(Fading(), nn.Linear(6, 2))),
        "keeps what it learns in an attribute",
    ),
    "in place": (lambda: task_of(model=Counting), "writes in place"),
    "gradients": (lambda: task_of(model=pulled), "hooked on the gradients"),
    "another task": (Valleys, "says nothing of its model, loss and batches"),
}


@pytest.mark.parametrize("name", UNSTACKABLE)
def test_what_cannot_be_stacked_is_told_why(name: str) -> None:
    """One clear reason for each."""
    make, why = UNSTACKABLE[name]
    with pytest.raises(Unstackable, match=why):
        try_stack(make(), 0)


@pytest.mark.parametrize(
    ("changes", "randomness", "own_steps"),
    [
        ({}, "none", False),
        ({"model": normed}, "none", False),
        ({"model": leaky}, "same", False),
        ({"loss": shaken}, "same", False),
        ({"optimizer": hooked(clip_by_hook)}, "none", True),
        ({"optimizer": lambda m: torch.optim.Adafactor(m.parameters(), lr=1e-2)}, "none", True),
        ({"clip": 1.0}, "none", False),
        (halved(), "none", True),
    ],
    ids=["plain", "buffers", "dropout", "random", "hooks", "adafactor", "clip", "float16"],
)
def test_how_runs_are_stacked_follows_from_the_task(
    changes: Any, randomness: str, own_steps: bool
) -> None:
    """Who draws random numbers gets its seed's; what is hooked on a step sees one run alone."""
    found = try_stack(task_of(**changes), 0)
    assert (found.stacking.randomness, found.stacking.own_steps) == (randomness, own_steps)
    assert 1 <= found.room <= MOST
    assert found.bytes > 0


def attention() -> nn.Module:
    layer = nn.TransformerEncoderLayer(2, 1, 8, 0.2, batch_first=True)
    return nn.Sequential(nn.Unflatten(1, (3, 2)), layer, nn.Flatten(), nn.Linear(6, 2))


def test_what_draws_in_its_own_way_draws_others_in_a_stack() -> None:
    """Attention with dropout: checked without it, and stacked with numbers of its own."""
    assert try_stack(task_of(model=attention), 0).stacking.randomness == "different"


def test_a_trial_leaves_nothing_behind() -> None:
    """The process draws the same numbers after it, and another run begins as it would have."""
    task = task_of(model=leaky)
    before = torch.get_rng_state(), random.getstate()
    whole = task.open(0).train(torch.full((5,), 0.01).double().numpy())
    try_stack(task, 0)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
    assert (task.open(0).train(torch.full((5,), 0.01).double().numpy()) == whole).all()


@pytest.mark.parametrize("cost", [2.0, 20.0])
def test_the_gain_is_the_ratio_of_two_times(cost: float) -> None:
    """A clock of the test's own: one second for a run's update, `cost` for that of a stack."""
    now = [0.0]

    def loss(model: Any, batch: Any) -> Any:
        alone = isinstance(model[0].weight, nn.Parameter)
        now[0] += 1.0 if alone else cost
        return entropy(model, batch)

    assert try_stack(task_of(loss=loss), 0, lambda: now[0]).gain == pytest.approx(FEW / cost)


@pytest.mark.parametrize(
    ("free", "room"),
    [(0.0, 1), (1.0, 1), (2.0**40, MOST)],
)
def test_the_room_is_what_memory_has(monkeypatch: Any, free: float, room: int) -> None:
    """At least one run, and no more than are of use."""
    monkeypatch.setattr(stacked_trial, "_free_bytes", lambda device: free)
    assert try_stack(task_of(), 0).room == room


@pytest.mark.parametrize("runs", [2, 5, 30])
def test_the_room_grows_with_memory(monkeypatch: Any, runs: int) -> None:
    """Twice what a run takes, and half of what is free."""
    each = try_stack(task_of(), 0).bytes
    monkeypatch.setattr(stacked_trial, "_free_bytes", lambda device: 4.0 * each * runs)
    assert try_stack(task_of(), 0).room == runs


@pytest.mark.parametrize(
    ("error", "short"),
    [
        (MemoryError(), True),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried it"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_is_said_when_memory_is_short(error: Exception, short: bool) -> None:
    """Each device has words of its own."""
    assert is_out_of_memory(error) is short
