"""On a real card: graphs, overflows, and nothing that waits."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.adapters.torch import layout
from ratewise.torch import Scheduler
from tests.gpu.conftest import TWIN
from tests.torch.device_twin import rates, rounded

LR = 3e-4
PLAN = rw.Warmup(10) >> rw.Cosine(to=0.1)
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "sgd fused": (torch.optim.SGD, {"fused": True, "momentum": 0.9}),
    "adamw fused": (torch.optim.AdamW, {"fused": True}),
}
if not TWIN:  # PyTorch takes these on a card only
    KINDS |= {
        "adamw foreach": (torch.optim.AdamW, {"foreach": True, "capturable": True}),
        "adam one by one": (torch.optim.Adam, {"foreach": False, "capturable": True}),
    }
FUSED = [name for name in KINDS if "fused" in name]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def network(card: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    layers = torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 1)
    return torch.nn.Sequential(*layers).to(card.device)


def optimizer_of(module: torch.nn.Module, name: str) -> Any:
    """Two groups whose rates are as 1 to 2."""
    kind, options = KINDS[name]
    weights = [*module.parameters()]
    parts = [{"params": weights[:2], "lr": LR}, {"params": weights[2:], "lr": LR * 2}]
    return kind(parts, lr=LR, **options)


def filled(optimizer: Any) -> None:
    for group in optimizer.param_groups:
        for weight in group["params"]:
            weight.grad = torch.full_like(weight, 1e-3)


def expected(total: int, updates: range) -> list[list[float]]:
    levels = PLAN.resolve(total=total).values(max(updates) + 1)[updates.start :]
    return [rounded([LR * level, 2 * LR * level]) for level in levels]


def held(optimizer: Any) -> torch.Tensor:
    return torch.stack([group["lr"].reshape(()) for group in optimizer.param_groups])


@pytest.mark.parametrize("name", KINDS)
def test_whole_step(card: Any, name: str) -> None:
    """A graph of forward, backward and step; past the end the rate holds."""
    module = network(card)
    optimizer = optimizer_of(module, name)
    scheduler = Scheduler(optimizer, PLAN, total=900, on_device=True)
    inputs = torch.ones(4, 8, device=card.device)
    for weight in module.parameters():
        weight.grad = torch.zeros_like(weight)

    def step() -> None:
        for weight in module.parameters():
            weight.grad.zero_()
        module(inputs).square().mean().backward()
        optimizer.step()

    with card.warming():
        for _ in range(3):
            step()
    if TWIN:
        pytest.skip("a tape holds no backward pass")
    replay, used = card.capture(step), []
    before = [weight.detach().clone() for weight in module.parameters()]
    for _ in range(1000):
        replay()
        used.append(held(optimizer))
    assert torch.stack(used).tolist() == expected(900, range(3, 1003))
    assert scheduler.committed == 1003
    pairs = zip(before, module.parameters(), strict=True)
    assert any(not torch.equal(old, new) for old, new in pairs)


@pytest.mark.parametrize("name", FUSED)
def test_optimizer_alone(card: Any, name: str) -> None:
    """What a scaler tells a fused step is in the graph: overflows do not count."""
    module = network(card)
    optimizer = optimizer_of(module, name)
    scheduler = Scheduler(optimizer, PLAN, total=800, on_device=True)
    filled(optimizer)
    optimizer.grad_scale = torch.ones((), device=card.device)
    optimizer.found_inf = found = torch.zeros((), device=card.device)
    with card.warming():
        for _ in range(3):
            optimizer.step()
    start = scheduler.committed
    replay, used = card.capture(optimizer.step), []
    scheduler.seek(start)  # a tape has run it once
    for turn in range(1000):
        found.fill_(float(turn % 7 == 3))
        replay()
        if turn % 7 != 3:
            used.append(held(optimizer))
    assert torch.stack(used).tolist() == expected(800, range(3, 3 + len(used)))
    assert scheduler.committed == 3 + len(used)


@pytest.mark.parametrize("name", KINDS)
def test_nothing_waits(card: Any, name: str) -> None:
    """Neither the hooks nor what trainers call beside them."""
    module = network(card)
    optimizer = optimizer_of(module, name)
    scheduler = Scheduler(optimizer, PLAN, total=120, on_device=True)
    filled(optimizer)
    for _ in range(2):
        optimizer.step()
    with card.waiting_refused():
        for _ in range(100):
            optimizer.step()
            scheduler.step()
    assert scheduler.committed == 102
    assert scheduler.get_last_lr()[0] == LR * PLAN.resolve(total=120)(101)


@pytest.mark.parametrize("name", FUSED)
def test_scaler(card: Any, name: str) -> None:
    """The scaler's own calls are PyTorch's; the step reads nothing."""
    module = network(card)
    optimizer = optimizer_of(module, name)
    scheduler = Scheduler(optimizer, PLAN, total=40, on_device=True)
    scaler = torch.amp.GradScaler(device=card.device, init_scale=8.0, growth_interval=1000)
    inputs, used = torch.ones(4, 8, device=card.device), []
    for batch in range(48):
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(module(inputs).square().mean()).backward()
        if batch % 6 == 1:
            next(module.parameters()).grad.fill_(float("inf"))
        if batch > 1:
            with card.waiting_refused():
                scaler.step(optimizer)
        else:
            scaler.step(optimizer)
        scaler.update()
        if batch % 6 != 1:
            used.append(held(optimizer))
    assert torch.stack(used).tolist() == expected(40, range(40))
    assert scheduler.committed == 40


def test_graphed_callables(card: Any) -> None:
    """Forward and backward are graphs, and the step is eager: the clock is on the device."""
    if TWIN:
        pytest.skip("a tape holds no backward pass")
    inputs = torch.ones(4, 8, device=card.device)
    module = network(card)
    graphed = torch.cuda.make_graphed_callables(module, (inputs,))
    optimizer = optimizer_of(module, "adamw fused")
    scheduler = Scheduler(optimizer, PLAN, total=30, on_device=True)
    used = []
    for _ in range(30):
        optimizer.zero_grad(set_to_none=True)
        graphed(inputs).square().mean().backward()
        optimizer.step()
        used.append(held(optimizer))
    assert torch.stack(used).tolist() == expected(30, range(30))
    assert scheduler.committed == 30


@pytest.mark.parametrize("name", [name for name in KINDS if "one" not in name])
def test_compiled(card: Any, name: str) -> None:
    """Rates are those of each update; the graphs of the first few are those of all."""
    if TWIN:
        pytest.skip("there is nothing to reduce on a CPU")
    torch.compiler.reset()
    optimizer = optimizer_of(network(card), name)
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(group["lr"], device=card.device)
    scheduler = Scheduler(optimizer, PLAN, total=50)
    filled(optimizer)
    step = torch.compile(lambda: optimizer.step(), mode="reduce-overhead")
    used, compiled = [], []
    for _ in range(50):
        step()
        used.append(held(optimizer))
        compiled.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    base = [float(torch.tensor(LR)), float(torch.tensor(2 * LR))]
    levels = PLAN.resolve(total=50).values()
    assert torch.stack(used).tolist() == [rounded([b * level for b in base]) for level in levels]
    assert scheduler.committed == 50
    assert compiled[3] == compiled[-1]
    torch.compiler.reset()


@pytest.mark.parametrize("behind", [False, True])
def test_resume(card: Any, behind: bool) -> None:
    """States that are loaded before a capture; behind it too, where a step has no state."""
    first = optimizer_of(network(card), "adamw fused")
    scheduler = Scheduler(first, PLAN, total=60, on_device=True)
    filled(first)
    for _ in range(25):
        first.step()
    saved = first.state_dict(), scheduler.state_dict()
    module = network(card)
    kind: Any = torch.optim.SGD if behind else torch.optim.AdamW
    weights = [*module.parameters()]
    parts = [{"params": weights[:2], "lr": LR}, {"params": weights[2:], "lr": LR * 2}]
    optimizer = kind(parts, lr=LR, fused=True)
    other = Scheduler(optimizer, PLAN, total=60, on_device=True)
    filled(optimizer)
    if not behind:
        optimizer.load_state_dict(saved[0])
        other.load_state_dict(saved[1])
    with card.warming():
        for _ in range(2):
            optimizer.step()
    replay = card.capture(optimizer.step)
    if behind:
        other.load_state_dict(saved[1])
    start = 25 if behind else 27
    other.seek(start)
    for t in range(start, 60):
        replay()
        assert rates(optimizer) == expected(60, range(t, t + 1))[0]
    assert other.committed == 60


def test_by_hand(card: Any) -> None:
    """The replay uses the schedule's; who asks is told."""
    optimizer = optimizer_of(network(card), "adamw fused")
    scheduler = Scheduler(optimizer, PLAN, total=60, on_device=True, by_hand="refuse")
    filled(optimizer)
    with card.warming():
        for _ in range(3):
            optimizer.step()
    replay = card.capture(optimizer.step)
    scheduler.seek(3)
    replay()
    assert scheduler.committed == 4
    optimizer.param_groups[0]["lr"].fill_(0.5)
    replay()
    assert rates(optimizer) == expected(60, range(4, 5))[0]
    with pytest.raises(rw.ScheduleError, match="somebody else had written"):
        _ = scheduler.committed


def test_by_default(card: Any) -> None:
    """Without being asked to; numbers keep the clock on the host."""
    optimizer = optimizer_of(network(card), "adamw fused")
    assert not Scheduler(optimizer, PLAN, total=20)._clock.on_device
    Scheduler.of(optimizer).detach()
    for group in optimizer.param_groups:
        group["lr"] = torch.tensor(group["lr"], device=card.device)
    assert Scheduler(optimizer, PLAN, total=20)._clock.on_device is not TWIN


def test_moved(card: Any) -> None:
    """The count and the rates go along, exactly."""
    module = network(card).to("cpu")
    optimizer = optimizer_of(module, "sgd fused")
    scheduler = Scheduler(optimizer, PLAN, total=60, on_device=True)
    filled(optimizer)
    for _ in range(7):
        optimizer.step()
    module.to(card.device)
    filled(optimizer)
    for state in optimizer.state.values():
        state["momentum_buffer"] = state["momentum_buffer"].to(card.device)
    for t in range(7, 20):
        optimizer.step()
        assert rates(optimizer) == expected(60, range(t, t + 1))[0]
    assert {group["lr"].device.type for group in optimizer.param_groups} == {card.device}
    assert scheduler.committed == 20


def test_float_refused(card: Any) -> None:
    """No weight moves, and plain steps go on."""
    weight = torch.nn.Parameter(torch.ones(4, device=card.device))
    weight.grad = torch.ones_like(weight)
    options: dict[str, Any] = {"fused": True} if TWIN else {"capturable": True}
    optimizer = torch.optim.Adam([weight], lr=0.1, **options)
    scheduler = Scheduler(optimizer, rw.Linear(to=0), total=10)
    for _ in range(3):
        optimizer.step()
    if TWIN:
        pytest.skip("the host's refusal is tried in tests/torch/test_captured.py")
    before = weight.detach().clone()
    with pytest.raises(rw.ScheduleError, match="captured"):
        card.capture(optimizer.step)
    assert torch.equal(weight.detach(), before)
    optimizer.step()
    assert scheduler.committed == 4


def test_open_refused(card: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The levels are laid out in blocks, which a replay could not have refilled."""
    monkeypatch.setattr(layout, "BLOCK", 64)
    optimizer = optimizer_of(network(card), "adamw fused")
    scheduler = Scheduler(optimizer, rw.Warmup(3) >> rw.InverseSqrt(), on_device=True)
    filled(optimizer)
    for _ in range(3):
        optimizer.step()
    with pytest.raises(rw.ScheduleError, match="total="):
        card.capture(optimizer.step)
    optimizer.step()
    assert scheduler.committed == 4
