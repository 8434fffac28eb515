"""Peaks, clocks, logs and groups in runs with PyTorch and its trainers."""

from __future__ import annotations

import warnings
from typing import Any
from unittest import mock

import torch
from torch.optim import SGD
from torch.optim import lr_scheduler as native

import ratewise as rw
from ratewise.adapters.torch import clock, device
from ratewise.convert import read
from ratewise.torch import Scheduler
from tests.edges.rows import edge, refused
from tests.torch.device_twin import Tape

PEAK, CLOCK, GROUPS = "the peak is the peak", "a clock that stands still", "groups and feedback"
CARD = ("is_on_card", "may_capture", "is_captured")


def made(*rates: float, **options: Any) -> SGD:
    """An optimizer with a group for each rate."""
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": rate} for rate in rates]
    return SGD(groups, lr=rates[0], **options)


def step(optimizer: torch.optim.Optimizer, times: int = 1) -> list[list[float]]:
    """Step an optimizer, and return the rates that each step has used, as a hook of ours sees."""
    used: list[list[float]] = []
    hook = optimizer.register_step_pre_hook(
        lambda one, *_: used.append([float(group["lr"]) for group in one.param_groups])
    )
    for _ in range(times):
        for group in optimizer.param_groups:
            for weight in group["params"]:
                weight.grad = torch.ones_like(weight)
        optimizer.step()
    hook.remove()
    return used


@edge(PEAK, "`Cosine(to=0.1)` for 10 updates, `detach()`, a second `Scheduler`")
def again() -> str:
    optimizer = made(1e-3)
    first = Scheduler(optimizer, rw.Cosine(to=0.1), total=10)
    step(optimizer, 10)
    first.detach()
    base = Scheduler(optimizer, rw.Cosine(), total=10).base_lrs
    assert base == [1e-3]
    return "its base is 1e-3, as the first one's was"


@edge(PEAK, "optimizer state loaded, then a `Scheduler`, then `seek(60)`")
def seek() -> str:
    saved = made(1.0, momentum=0.9)
    whole = Scheduler(saved, rw.Cosine(), total=100)
    used = step(saved, 60)
    state = saved.state_dict()
    used += step(saved)
    del whole
    fresh = made(1.0, momentum=0.9)
    fresh.load_state_dict(state)
    Scheduler(fresh, rw.Cosine(), total=100).seek(60)
    assert step(fresh) == used[60:]
    return f"update 60 uses {used[60][0]:.4f}, as in the whole run"


@edge(PEAK, "`read(get_linear_schedule_with_warmup(…))` of two groups, whose rates stand at 0")
def handed_on() -> str:
    from transformers import get_linear_schedule_with_warmup

    ours, theirs = made(1e-3, 1e-4), made(1e-3, 1e-4)
    plan = read(get_linear_schedule_with_warmup(ours, 10, 100))
    scheduler, used = get_linear_schedule_with_warmup(theirs, 10, 100), []
    for _ in range(100):
        used += step(theirs)
        scheduler.step()
    Scheduler(ours, plan)
    for mine, wanted in zip(step(ours, 100), used, strict=True):
        assert all(abs(a - b) <= 1e-15 for a, b in zip(mine, wanted, strict=True))
    return "trains with 1e-3 and 1e-4, at every update the rates of the one that was read"


@edge(PEAK, "a decayed rate that a loop by hand has saved, loaded into a new optimizer")
def by_hand() -> str:
    saved = made(1e-3, momentum=0.9)
    step(saved)
    saved.param_groups[0]["lr"] = 1e-4
    fresh = made(1e-3, momentum=0.9)
    fresh.load_state_dict(saved.state_dict())
    return refused(lambda: Scheduler(fresh, rw.Cosine(), total=10), "no peak", "Plan(…, peak=")


class _Inner(torch.optim.Optimizer):
    """Steps an optimizer of its own, so that nobody hears its own step."""

    def __init__(self, inner: SGD) -> None:
        super().__init__(inner.param_groups, {})
        self.inner = inner


def warned(act: Any) -> list[str]:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        act()
    return [str(one.message) for one in seen]


@edge(CLOCK, "a wrapper is bound, and the loop steps the optimizer inside, as with SAM")
def inside() -> str:
    inner = made(0.1)
    scheduler = Scheduler(_Inner(inner), rw.Linear(to=0), total=10)
    used = step(inner, 10)
    assert scheduler.committed == 10
    assert [round(rate, 12) for (rate,) in used] == [round(0.1 - 0.01 * t, 12) for t in range(10)]
    return "the optimizer inside is heard: every update has its rate"


@edge(CLOCK, "an optimizer is bound that the loop never steps, while the weights move")
def stands_still() -> str:
    bound, stepped = made(0.1), made(0.1)
    stepped.param_groups[0]["params"] = bound.param_groups[0]["params"]
    scheduler = Scheduler(bound, rw.Cosine(), total=30)

    def loop() -> None:
        for _ in range(10):
            step(stepped)
            scheduler.step()

    (told,) = warned(loop)
    assert "the rates stand still" in told
    return f"warns once: {told}"


@edge(CLOCK, "57 updates past the end, at rate 0")
def past() -> str:
    optimizer = made(0.1)
    Scheduler(optimizer, rw.Cosine(), total=10)
    (told,) = warned(lambda: step(optimizer, 67))
    assert "past the end" in told
    return f"warns once: {told}"


@edge(CLOCK, "a rate written into `param_groups` by somebody else")
def written() -> str:
    optimizer = made(0.1)
    Scheduler(optimizer, rw.Cosine(), total=10)

    def loop() -> None:
        step(optimizer, 3)
        optimizer.param_groups[0]["lr"] = 5.0
        assert step(optimizer)[0] != [5.0]

    (told,) = warned(loop)
    return f"kept out, and warns once: {told}"


@edge(CLOCK, "the same, with `by_hand='follow'` or `'refuse'`")
def policies() -> str:
    kept = made(0.1)
    Scheduler(kept, rw.Linear(to=0), total=10, by_hand="follow")
    step(kept, 5)
    before = kept.param_groups[0]["lr"]
    kept.param_groups[0]["lr"] = before / 2
    (used,) = step(kept)[0]
    assert 0 < used <= before / 2
    strict = made(0.1)
    Scheduler(strict, rw.Cosine(), total=10, by_hand="refuse")
    step(strict)
    strict.param_groups[0]["lr"] = 5.0
    return f"followed; {refused(lambda: step(strict), 'lr')}"


@edge(CLOCK, "a step that is captured into a CUDA graph (only what the stream says is simulated)")
def captured() -> str:
    optimizer = made(0.1)
    with mock.patch.multiple(clock, **{name: lambda *_: True for name in CARD}):
        scheduler = Scheduler(optimizer, rw.Cosine(), total=10)
        said = refused(lambda: step(optimizer), "captured", "behind each replay")
    assert scheduler.committed == 0
    return said


@edge(CLOCK, "the same with `on_device=True`: replayed 20 times, with 4 overflows (by a tape)")
def captured_on_device() -> str:
    weight = torch.nn.Parameter(torch.ones(2))
    weight.grad = torch.ones(2)
    optimizer = torch.optim.SGD([weight], lr=torch.tensor(0.1), fused=True)
    optimizer.grad_scale, optimizer.found_inf = torch.ones(()), torch.zeros(())
    with mock.patch.multiple(device, is_on_card=lambda _: True, is_captured=lambda: True):
        scheduler = Scheduler(optimizer, rw.Linear(to=0), total=20, on_device=True)
        with Tape() as tape:
            optimizer.step()
    scheduler.seek(0)
    for replay in range(20):
        optimizer.found_inf.fill_(float(replay % 5 == 2))
        tape.replay()
        t = replay - (replay + 2) // 5
        base = float(torch.tensor(0.1))
        assert float(optimizer.param_groups[0]["lr"]) == float(torch.tensor(base * (1 - t / 20)))
    assert scheduler.committed == 16
    return "counts 16 updates, each with its own rate, rounded once to float32"


@edge(GROUPS, "`ReduceLROnPlateau(min_lr=[…])` of groups at 1e-4 and 1e-3")
def plateau() -> str:
    ours, theirs = made(1e-4, 1e-3), made(1e-4, 1e-3)
    settings: dict[str, Any] = {"factor": 0.5, "patience": 1, "min_lr": [4e-5, 3e-4]}
    plan = read(native.ReduceLROnPlateau(made(1e-4, 1e-3), **settings))
    scheduler, reference = Scheduler(ours, plan), native.ReduceLROnPlateau(theirs, **settings)
    for metric in [1.0, 0.9, 0.95, 0.92, 0.94, 0.96, 0.99, 1.0, 1.0, 0.5, 0.6, 0.7, 0.8]:
        (mine,), (wanted,) = step(ours), step(theirs)
        assert all(abs(a - b) < 1e-15 for a, b in zip(mine, wanted, strict=True))
        scheduler.observe(val_loss=metric)
        reference.step(metric)
    return "each group keeps its rate and its floor, as PyTorch's own at every update"


@edge(GROUPS, "`read(StepLR)` of two groups without names")
def unnamed() -> str:
    ours, theirs = made(1.0, 0.1), made(1.0, 0.1)
    scheduler = native.StepLR(theirs, 3, 0.5)
    plan = read(native.StepLR(made(1.0, 0.1), 3, 0.5))
    Scheduler(ours, plan)
    for _ in range(9):
        (mine,), (wanted,) = step(ours), step(theirs)
        assert all(abs(a - b) < 1e-15 for a, b in zip(mine, wanted, strict=True))
        scheduler.step()
    return "binds by place, with the rates of each group"
