"""Optimizers with modes and clocks of their own, under a schedule: schedule-free and Prodigy."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import ratewise as rw
from ratewise.torch import Scheduler, follow_modes

schedulefree = pytest.importorskip("schedulefree")
LR = 3e-4
KINDS = ["AdamWScheduleFree", "SGDScheduleFree"]
HILLS = rw.Repeat(rw.Warmup(4) >> rw.Cosine(to=0.1), every=10, shrink=2)


def free(name: str, weights: Any, **options: Any) -> Any:
    return getattr(schedulefree, name)(weights, lr=LR, **options)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).double()


def batches(n: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(16, 4, generator=generator, dtype=torch.float64) for _ in range(n)]


def weights(model: nn.Module) -> bytes:
    return b"".join(p.detach().numpy().tobytes() for p in model.parameters())


def loop(
    name: str, plan: Any, prepare: Callable[[Any, nn.Module], Any], *, by_hand: bool, **options: Any
) -> tuple[bytes, list[float], Any]:
    """The loop that everyone writes, with an evaluation every five updates."""
    model = net()
    optimizer = free(name, model.parameters(), **options)
    prepare(optimizer, model)
    if plan is not None:
        Scheduler(optimizer, plan, total=20)
    losses: list[float] = []
    for t, batch in enumerate(batches(20)):
        model.train()
        if by_hand:
            optimizer.train()
        optimizer.zero_grad()
        (model(batch) - batch.sum(1, keepdim=True)).square().mean().backward()
        optimizer.step()
        if t % 5 == 4:
            model.eval()
            if by_hand:
                optimizer.eval()
            losses.append(float(model(batch).detach().square().mean()))
    return weights(model), losses, optimizer


@pytest.mark.parametrize("name", [*KINDS, "RAdamScheduleFree"])
def test_the_optimizer_follows_the_model(name: str) -> None:
    """With `follow_modes`, a loop that knows of no modes gives the bits of one that does."""
    ours = loop(name, HILLS, follow_modes, by_hand=False)
    theirs = loop(name, HILLS, lambda *_: None, by_hand=True)
    assert ours[:2] == theirs[:2]


def test_without_it_the_loop_is_refused() -> None:
    """The optimizer raises if nobody puts it into its training mode: the helper is needed."""
    with pytest.raises(Exception, match="not in train mode"):
        loop("AdamWScheduleFree", None, lambda *_: None, by_hand=False)


def test_evaluation_is_at_the_other_point() -> None:
    """In evaluation the weights are x = y + (1 − 1/β)(z − y), and y again in training."""
    model, data = net(), batches(3)
    optimizer = free("AdamWScheduleFree", model.parameters())
    follow_modes(optimizer, model)
    for batch in data:
        model(batch).square().mean().backward()
        optimizer.step()
    y = [p.detach().clone() for p in model.parameters()]
    z = [optimizer.state[p]["z"] for p in model.parameters()]
    model.eval()(data[0])
    for p, a, b in zip(model.parameters(), y, z, strict=True):
        torch.testing.assert_close(p.detach(), a + (1 - 1 / 0.9) * (b - a), rtol=1e-9, atol=0)
    model.train()(data[0])
    for p, a in zip(model.parameters(), y, strict=True):
        torch.testing.assert_close(p.detach(), a, rtol=1e-9, atol=0)


def test_an_optimizer_without_modes_is_left_alone() -> None:
    """The same loop serves Adam; the handle takes the helper off again."""
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    follow_modes(optimizer, model).remove()
    modes: list[str] = []
    switched = SimpleNamespace(
        train=lambda: modes.append("train"), eval=lambda: modes.append("eval")
    )
    handle = follow_modes(switched, model)
    model(batches(1)[0])
    handle.remove()
    model(batches(1)[0])
    assert modes == ["train"]
    with pytest.raises(rw.ScheduleError, match="needs a module, got"):
        follow_modes(model, optimizer)  # pyright: ignore


@pytest.mark.parametrize("name", KINDS)
def test_the_average_is_weighted_by_the_largest_rate_so_far(name: str) -> None:
    """lr_max is the running maximum of the scheduled rates, and weight_sum adds its squares."""
    optimizer = loop(name, HILLS, follow_modes, by_hand=False)[2]
    largest = list(itertools.accumulate((LR * HILLS.resolve(total=20).values()).tolist(), max))
    (group,) = optimizer.param_groups
    assert group["lr_max"] == largest[-1]
    assert group["weight_sum"] == pytest.approx(sum(rate**2 for rate in largest), rel=1e-12)


@pytest.mark.parametrize("name", KINDS)
def test_a_scheduled_warmup_is_the_built_in_one(name: str) -> None:
    """`Warmup(n − 1)` then `Hold()` is what warmup_steps = n does, to rounding."""
    ours = loop(name, rw.Warmup(7) >> rw.Hold(), follow_modes, by_hand=False)
    theirs = loop(name, None, follow_modes, by_hand=False, warmup_steps=8)
    a, b = (np.frombuffer(one[0]) for one in (ours, theirs))
    np.testing.assert_allclose(a, b, rtol=1e-9)


@pytest.mark.parametrize("name", KINDS)
def test_a_rate_of_zero_at_first_is_no_update(name: str) -> None:
    """A warm-up from 0 with a rate that is a float leaves the weights as they are, and no NaN."""
    before = weights(net())
    model = net()
    optimizer = free(name, model.parameters())
    follow_modes(optimizer, model)
    Scheduler(optimizer, rw.Warmup(3, start=0) >> rw.Hold(), total=10)
    model(batches(1)[0]).square().mean().backward()
    optimizer.step()
    assert weights(model) == before
    for _ in range(9):
        optimizer.step()
    assert np.isfinite(np.frombuffer(weights(model))).all()


@pytest.mark.parametrize("name", KINDS)
def test_a_run_goes_on_from_a_checkpoint(name: str, tools: Any) -> None:
    """Saved in the training mode and loaded elsewhere, it ends in the bits of the whole run."""

    def run(model: nn.Module, optimizer: Any, data: Any) -> None:
        for batch in data:
            optimizer.zero_grad()
            model(batch).square().mean().backward()
            optimizer.step()

    def make() -> tuple[nn.Module, Any, Scheduler]:
        model = net()
        optimizer = free(name, model.parameters())
        follow_modes(optimizer, model)
        return model, optimizer, Scheduler(optimizer, HILLS, total=20)

    data = batches(20)
    whole, first, second = make(), make(), make()
    run(*whole[:2], data)
    run(*first[:2], data[:12])
    for thing, state in zip(second, tools.saved(*first), strict=True):
        thing.load_state_dict(state)
    run(*second[:2], data[12:])
    assert weights(second[0]) == weights(whole[0])
    assert second[1].param_groups[0]["lr_max"] == whole[1].param_groups[0]["lr_max"]


def test_prodigy_finds_its_own_scale_under_a_schedule() -> None:
    """The schedule multiplies lr = 1; d is the optimizer's own, and only grows."""
    prodigy = pytest.importorskip("prodigyopt")
    model = net()
    optimizer = prodigy.Prodigy(model.parameters(), lr=1.0, safeguard_warmup=True)
    plan = rw.Warmup(5) >> rw.Cosine(to=0)
    Scheduler(optimizer, plan, total=60)
    used: list[float] = []
    sizes: list[float] = []
    for batch in batches(60):
        optimizer.zero_grad()
        (model(batch) - batch.sum(1, keepdim=True)).square().mean().backward()
        optimizer.step()
        used.append(optimizer.param_groups[0]["lr"])
        sizes.append(optimizer.param_groups[0]["d"])
    assert used == plan.resolve(total=60).values().tolist()
    assert sizes == sorted(sizes)
    assert sizes[-1] > 100 * sizes[0]
