"""Construct, step, save, load, seek, detach, in any order: every update uses peak × f(t)."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

import ratewise as rw
from ratewise.torch import Scheduler

TOTAL = 12
OPTIMIZERS: dict[str, Any] = {
    "sgd": (torch.optim.SGD, {}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9}),
    "adam": (torch.optim.Adam, {"betas": (0.8, 0.9)}),
    "adagrad": (torch.optim.Adagrad, {}),
    "rmsprop": (torch.optim.RMSprop, {"momentum": 0.9}),
}
MOMENTUM = {"momentum": 0.9, "adam": 0.8, "rmsprop": 0.9}
WARM = rw.Warmup(4) >> rw.Cosine(to=0.1)
PLANS = [
    rw.Plan(lr=WARM),
    rw.Plan(lr=rw.Linear(to=0), weight_decay=rw.Cosine(to=0.1)),
    rw.Plan(lr=WARM, groups={"0": rw.Step(0.5, every=3)}),
    rw.Plan(lr=rw.Cosine(to=0), momentum=rw.Linear(to=0.5)),
    rw.Plan(weight_decay=rw.Linear(to=0), lr=rw.Hold()),
]
RATES = st.lists(st.sampled_from([1e-3, 3e-4, 1e-5]), min_size=1, max_size=3)
STEPS = st.one_of(
    st.tuples(st.just("bind"), st.integers(0, len(PLANS) - 1), st.booleans()),
    st.tuples(st.just("detach"), st.booleans()),
    st.tuples(st.just("step"), st.integers(1, 5)),
    st.tuples(st.just("seek"), st.integers(0, TOTAL)),
    st.tuples(st.sampled_from(["save", "load optimizer", "load both"])),
)


@dataclass
class Run:
    """An optimizer, what is bound to it, and what its updates should find."""

    kind: str
    rates: list[float]
    optimizer: Any
    saved: Any
    scheduler: Scheduler | None = None
    plan: rw.Plan | None = None
    found: Any = None
    counted: bool = True

    def values(self) -> list[dict[str, float]]:
        """What a plan schedules, as the groups hold it in an update."""
        keys = [] if self.plan is None else list(self.plan.schedules())
        groups = self.optimizer.param_groups
        return [{key: self.value(group, key) for key in keys} for group in groups]

    def look(self, *_: Any) -> None:
        self.found = self.values()

    def value(self, group: Any, key: str) -> float:
        adam = key == "momentum" and "betas" in group
        return float(group["betas"][0] if adam else group[key])

    def expected(self, t: int) -> list[dict[str, float]]:
        assert self.plan is not None
        out = []
        for i, rate in enumerate(self.rates):
            own = self.plan.groups.get(str(i))
            schedules = {**self.plan.schedules(), **(own.schedules() if own else {})}
            peaks = {"lr": rate, "weight_decay": 0.1, "momentum": MOMENTUM.get(self.kind, 0.0)}
            out.append({k: peaks[k] * s.resolve(total=TOTAL)(t) for k, s in schedules.items()})
        return out

    def bind(self, which: int, keep: bool) -> None:
        plan = PLANS[which]
        if plan.momentum is not None and self.kind not in MOMENTUM:
            plan = PLANS[0]
        self.detach(keep)
        self.scheduler, self.plan = Scheduler(self.optimizer, plan, total=TOTAL), plan

    def detach(self, keep: bool) -> None:
        if self.scheduler is not None:
            self.scheduler.detach(keep=keep)
            if not keep:
                for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
                    assert group["lr"] == rate
        self.scheduler = self.plan = None

    def step(self, n: int) -> None:
        if self.scheduler is None:
            return  # a loop by hand would train with whatever is there
        for _ in range(n):
            t = self.scheduler.committed
            # Hooks run in order: this one comes behind the scheduler's.
            look = self.optimizer.register_step_pre_hook(self.look)
            if not self.stepped(t):
                self.scheduler.seek(t)
                self.optimizer.step()
            look.remove()
            assert self.found == [pytest.approx(one, rel=1e-12) for one in self.expected(t)]
            assert self.scheduler.committed == t + 1

    def stepped(self, t: int) -> bool:
        """Make an update, unless it is asked where the run stands."""
        try:
            self.optimizer.step()
        except rw.ScheduleError as error:
            asked = str(error)
        else:
            return True
        # A state of PyTorch's own scheduler has no count, one of a long run is past the end.
        assert ("past the end" in asked and t > TOTAL) or (
            "how many updates" in asked and not self.counted
        )
        self.counted = True
        return False

    def seek(self, updates: int) -> None:
        if self.scheduler is not None:
            self.scheduler.seek(updates)

    def save(self) -> None:
        state = None if self.scheduler is None else (self.plan, self.scheduler.state_dict())
        self.saved = copy.deepcopy((self.optimizer.state_dict(), state))

    def load(self, both: bool) -> None:
        optimizer, scheduler = copy.deepcopy(self.saved)
        self.optimizer.load_state_dict(optimizer)
        self.counted = "ratewise_updates" in optimizer["param_groups"][0]
        plan, state = scheduler or (None, None)
        if both and self.scheduler is not None and plan == self.plan:
            self.scheduler.load_state_dict(state)

    def do(self, what: str, *arguments: Any) -> None:
        if what.startswith("load"):
            self.load(what == "load both")
        else:
            getattr(self, what)(*arguments)
        if self.scheduler is not None:
            assert self.scheduler.base_lrs == self.rates


def begun(kind: str, rates: list[float], names: bool) -> Any:
    groups = []
    for i, rate in enumerate(rates):
        weight = torch.nn.Parameter(torch.ones(i + 1))
        weight.grad = torch.full((i + 1,), 1e-3)
        groups.append({"params": [weight], "lr": rate, **({"name": f"g{i}"} if names else {})})
    make, options = OPTIMIZERS[kind]
    return make(groups, weight_decay=0.1, **options)


def decayed(kind: str, rates: list[float], names: bool, native: bool) -> Any:
    """The state of an optimizer whose rates a schedule, ours or PyTorch's, has brought down."""
    optimizer = begun(kind, rates, names)
    if native:
        scheduler: Any = lr_scheduler.CosineAnnealingLR(optimizer, TOTAL)
    else:
        scheduler = Scheduler(optimizer, rw.Cosine(to=0), total=TOTAL)
    for _ in range(10):
        optimizer.step()
        scheduler.step()
    return copy.deepcopy(optimizer.state_dict())


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(OPTIMIZERS)),
    RATES,
    st.booleans(),
    st.booleans(),
    st.lists(STEPS, min_size=2, max_size=8),
)
def test_every_order_of_what_a_run_does_agrees(
    kind: str, rates: list[float], names: bool, native: bool, steps: list[Any]
) -> None:
    """With any optimizer, groups and schedules, whoever made the state that is loaded."""
    optimizer = begun(kind, rates, names)
    run = Run(kind, rates, optimizer, (decayed(kind, rates, names, native), None))
    for what, *arguments in steps:
        run.do(what, *arguments)
    run.bind(0, keep=True)
    run.do("seek", 6)
    run.do("step", 2)
