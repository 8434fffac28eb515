"""A damaged state of a scheduler is refused whole, or it works: there is nothing between."""

from __future__ import annotations

import contextlib
import copy
import io
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.torch import Scheduler
from tests.mutations import mutated, seeds

POLICIES = (None, "checkpoint", "code", "rescale", "continue")
METRICS = [0.9, 0.9, 1.2, 0.5, 0.5, float("nan"), 0.4, 0.4, 0.4, 0.4]


def optimizer(kind: str) -> Any:
    parts = [{"params": [weight(n)], "name": name} for n, name in ((2, "body"), (3, "head"))]
    if kind == "tensor":
        for part in parts:
            part["lr"] = torch.tensor(0.1)
    if kind == "adam":
        return torch.optim.AdamW(parts, lr=0.1, weight_decay=0.01)
    return torch.optim.SGD(parts, lr=0.1, momentum=0.9, weight_decay=0.01)


def weight(size: int) -> torch.nn.Parameter:
    one = torch.nn.Parameter(torch.ones(size))
    one.grad = torch.full((size,), 1e-3)
    return one


SEVERAL = rw.Plan(
    lr=rw.Warmup(4) >> rw.Cosine(to=0.1),
    weight_decay=rw.Linear(to=0.5),
    keys={"betas[1]": rw.Hold(over=3) >> rw.Hold(0.9)},
    groups={"head": rw.Plan(lr=rw.Linear(to=0) * rw.Step(0.5, at=(3, 9)), peak={"lr": 0.2})},
    notes=("a note",),
)
HEARD = rw.Plan(
    lr=(rw.Warmup(2) >> rw.Plateau("loss", patience=1, smoothing=0.5, cooldown=1)).clip(0.01, 1)
    * rw.Divergence("loss", threshold=1.5, recover=1),
    groups={"head": rw.Greedy("loss", patience=1, smoothing=0.5) * 0.5},
)
RUNS: dict[str, tuple[str, Any, int | None]] = {
    "plain": ("sgd", rw.Warmup(4) >> rw.Cosine(to=0.1), 20),
    "several keys and groups": ("adam", SEVERAL, 20),
    "tensor rates": ("tensor", rw.Hold(over=3) >> rw.Sqrt(to=0), 20),
    "cycles": ("sgd", rw.Repeat(rw.Cosine(to=0.1), every=3, grow=2, shrink=0.5), 20),
    "no end": ("sgd", rw.Power(0.5, every=5), None),
    "heard": ("sgd", HEARD, 20),
    "its own length": ("sgd", rw.Warmup(2) >> rw.EarlyCool("loss", patience=0), None),
    "a function": ("sgd", rw.Function(lambda t: 0.9**t) * rw.Plateau("loss", patience=0), 20),
}


def begun(name: str, policy: str | None = None, updates: int = 8) -> tuple[Any, Scheduler]:
    """A run that has gone on for a while, and been shown its metrics."""
    kind, plan, total = RUNS[name]
    opt = optimizer(kind)
    scheduler = Scheduler(opt, plan, total=total, resume=policy)
    for t in range(updates):
        opt.step()
        scheduler.observe({"loss": METRICS[t % len(METRICS)], "other": 1.0})
    if name == "plain":
        scheduler.step()  # the values of the coming update are in place
    return opt, scheduler


STATES = {name: begun(name, updates=9)[1].state_dict() for name in RUNS}
PLANS: dict[str, Callable[[Any], Any]] = {"other": lambda plan: rw.Warmup(3) >> rw.Linear(to=0.2)}


def numbers(opt: Any) -> list[float]:
    """Everything that is scheduled, as the groups hold it."""
    values = [(g["lr"], g["weight_decay"], *g.get("betas", ())) for g in opt.param_groups]
    return [float(value) for row in values for value in row]


def went_on(opt: Any, scheduler: Scheduler, updates: int) -> list[list[float]]:
    used = []
    for _ in range(updates):
        opt.step()
        used.append(numbers(opt))
        scheduler.observe({"loss": 0.7})
    return used


def content(opt: Any, scheduler: Scheduler) -> str:
    """All that can be seen of both, as a text in which a NaN is a NaN."""
    seen = scheduler.state_dict(), opt.state_dict(), scheduler.get_last_lr(), scheduler.base_lrs
    return repr((*seen, scheduler.committed, scheduler.finished, numbers(opt)))


def tried(name: str, policy: str | None, state: Any) -> bool:
    """Load a state; return whether it was refused. What must hold in either case is asserted."""
    opt, scheduler = begun(name, policy)
    before = content(opt, scheduler)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            scheduler.load_state_dict(state)
    except rw.ScheduleError as error:
        assert content(opt, scheduler) == before
        assert str(error).isprintable()
        assert len(str(error)) < 5000
        assert went_on(opt, scheduler, 3) == went_on(*begun(name, policy), 3)
        return True
    for row in went_on(opt, scheduler, 5):
        assert all(math.isfinite(value) and value >= 0 for value in row)
    after = scheduler.state_dict()
    assert after["committed"] == scheduler.committed
    with contextlib.redirect_stdout(io.StringIO()):
        begun(name, "checkpoint" if name != "a function" else policy)[1].load_state_dict(after)
    return False


@pytest.mark.parametrize("name", RUNS)
def test_a_damaged_state_is_refused_whole_or_works(name: str) -> None:
    """A seeded corpus; a number of cases comes from the environment."""
    strangers = [state for other, state in STATES.items() if other != name]
    refused = 0
    for seed in seeds(60):
        rng = random.Random(f"{name} {seed}")
        state = mutated(rng, STATES[name], strangers)
        refused += tried(name, rng.choice(POLICIES), state)
    assert refused > len(seeds(60)) / 3
