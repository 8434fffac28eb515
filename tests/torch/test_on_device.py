"""The clock on the device is the clock on the host, and waits for nothing.

All of it runs on the CPU, where a mode stands for the card that must not be read.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.adapters.torch import layout, table
from ratewise.adapters.torch.trainers import RunSettings
from ratewise.torch import Scheduler, Schedulers
from tests.examples import examples
from tests.torch.device_twin import NoReads, Plain, Still, rates, rounded

LR = 3e-4
PLAN = rw.Warmup(4) >> rw.Cosine(to=0.1)
OPTIMIZERS = {
    "sgd fused": (torch.optim.SGD, {"fused": True}),
    "adamw fused": (torch.optim.AdamW, {"fused": True}),
    "plain": (Plain, {}),
}
pytestmark = pytest.mark.filterwarnings("ignore:Scheduler.on_device=True.*:UserWarning")


def build(tools: Any, kind: Any = Plain, groups: int = 1, **options: Any) -> Any:
    parts = [{"params": [tools.parameter(k + 1)], "lr": LR / (k + 1)} for k in range(groups)]
    return kind(parts, lr=LR, **options)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("groups", [1, 3])
def test_a_hundred_updates_read_nothing(tools: Any, name: str, groups: int) -> None:
    """Overflows among them, and calls of `step` as trainers make them; the rates are exact."""
    kind, options = OPTIMIZERS[name]
    optimizer = build(tools, kind, groups, **options)
    scheduler = Scheduler(optimizer, PLAN, total=80, on_device=True)
    optimizer.step()
    found = torch.zeros(())
    used = [torch.zeros(groups) for _ in range(100)]
    optimizer.found_inf = found
    committed = 1
    with NoReads() as mode:
        for batch in range(100):
            found.fill_(batch % 7 == 3)
            optimizer.step()
            for group, there in zip(optimizer.param_groups, used[batch], strict=True):
                there.copy_(group["lr"])
            scheduler.step()
            scheduler._step_count += 1  # as Accelerate does
    assert len(mode.seen) > 1000
    levels = PLAN.resolve(total=80).values(200)
    for batch in range(100):
        expected = [LR / (k + 1) * levels[committed] for k in range(groups)]
        assert used[batch].tolist() == rounded(expected)
        committed += batch % 7 != 3
    assert scheduler.committed == scheduler.last_epoch == committed
    assert scheduler.get_last_lr() == [LR / (k + 1) * levels[committed - 1] for k in range(groups)]


@pytest.mark.parametrize("name", ["sgd fused", "adamw fused"])
def test_under_a_gradient_scaler_nothing_is_read(tools: Any, name: str) -> None:
    """A fused step is told of an overflow by a tensor, and the clock does not read it."""
    kind, options = OPTIMIZERS[name]
    optimizer = build(tools, kind, 2, **options)
    scheduler = Scheduler(optimizer, PLAN, total=20, on_device=True)
    scaler = torch.amp.GradScaler(device="cpu", init_scale=4.0, growth_interval=3)
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for batch in range(24):
        for weight in weights:
            weight.grad = None
            scaler.scale(weight.sum()).backward()
            if batch % 6 == 0:
                weight.grad[0] = float("inf")
        if batch > 1:  # the first makes the states
            with NoReads():
                scaler.step(optimizer)
        else:
            scaler.step(optimizer)
        scaler.update()
    assert scheduler.committed == 20
    assert rates(optimizer) == rounded([LR * PLAN.resolve(20)(19), LR / 2 * PLAN.resolve(20)(19)])


def test_numbers_become_tensors_and_it_is_said_once(tools: Any) -> None:
    """A logger reads them as before; taken off, they are numbers again."""
    optimizer = build(tools, groups=2)
    with pytest.warns(UserWarning, match="2 of the values that Plain holds are tensors on cpu"):
        scheduler = Scheduler(optimizer, PLAN, total=20, on_device=True)
    assert rates(optimizer) == rounded([LR / 5, LR / 10])
    assert all(group["lr"].dtype == torch.float32 for group in optimizer.param_groups)
    scheduler.detach()
    assert [group["lr"] for group in optimizer.param_groups] == [LR, LR / 2]


def test_a_tensor_on_the_cpu_keeps_the_clock_on_the_host(tools: Any) -> None:
    """Unless it is asked for; a tensor that is there is kept, whatever its type."""
    rate = torch.tensor(LR, dtype=torch.float64)
    host = Scheduler(Plain([tools.parameter()], lr=rate.clone()), PLAN, total=20)
    there = Scheduler(Plain([tools.parameter()], lr=rate), PLAN, total=20, on_device=True)
    for scheduler in (host, there):
        tools.run(scheduler.optimizer, 7)
    assert there.optimizer.param_groups[0]["lr"] is rate
    assert isinstance(there.optimizer.param_groups[0]["ratewise_updates"], torch.Tensor)
    assert float(rate) == float(host.optimizer.param_groups[0]["lr"]) == there.get_last_lr()[0]
    assert host.state_dict() == there.state_dict()


# Against the clock on the host ---------------------------------------------------------------


SCHEDULES = st.sampled_from(
    [
        PLAN,
        rw.Warmup(3) >> rw.Hold() >> rw.Sqrt(to=0, over=5),
        rw.Linear(to=0),
        rw.Repeat(rw.Cosine(to=0.2), every=7),
        rw.Warmup(2) >> rw.InverseSqrt(),
        rw.Warmup(3) >> rw.Plateau("loss", patience=1, factor=0.5),
    ]
)
DTYPES = st.sampled_from([torch.float32, torch.float64, torch.bfloat16])
EVENTS = st.lists(
    st.sampled_from(
        ["step"] * 6
        + ["skip", "skip", "announce", "observe", "seek", "both", "alone", "late", "hand", "copy"]
    ),
    min_size=5,
    max_size=30,
)


class Pair:
    """One run with the clock on the host, and the same with it on the device."""

    def __init__(self, plans: Any, dtypes: Any, total: int | None, policy: str) -> None:
        self.plans, self.dtypes, self.policy = plans, dtypes, policy
        self.total = total
        self.sides = [self.make(on_device) for on_device in (False, True)]

    def make(self, on_device: bool, bound: bool = True) -> list[Any]:
        parts = [
            {
                "params": [torch.nn.Parameter(torch.ones(k + 1))],
                "lr": torch.tensor(LR / (k + 1), dtype=dtype),
                "name": f"g{k}",
            }
            for k, dtype in enumerate(self.dtypes)
        ]
        optimizer = Still(parts, lr=LR)
        return [optimizer, self.bind(optimizer, on_device) if bound else None]

    def bind(self, optimizer: Any, on_device: bool) -> Scheduler:
        own = {f"g{k}": rw.Plan(lr=plan) for k, plan in enumerate(self.plans[1:], 1)}
        plan = rw.Plan(lr=self.plans[0], groups=own)
        options = {"total": self.total, "on_device": on_device, "by_hand": self.policy}
        return Scheduler(optimizer, plan, **options)

    def act(self, event: str, number: int) -> list[str]:
        """Do it on both sides; return what they are refused with."""
        said = []
        for on_device, side in enumerate(self.sides):
            try:
                self._act(side, event, number, bool(on_device))
            except rw.ScheduleError as error:
                said.append(str(error))
        return said

    def _act(self, side: list[Any], event: str, number: int, on_device: bool) -> None:
        optimizer, scheduler = side
        if event in ("step", "skip"):
            optimizer.found_inf = torch.tensor(float(event == "skip"))
            optimizer.step()
            del optimizer.found_inf
        elif event == "announce":
            scheduler.step()
        elif event == "observe":
            scheduler.observe(loss=1.0 + number % 3)
        elif event == "seek":
            scheduler.seek(number)
        elif event == "hand":
            optimizer.param_groups[0]["lr"].fill_(LR * 0.7)
        elif event == "copy":
            side[:] = copy.deepcopy(side)
        else:
            self.resume(side, event, on_device)

    def resume(self, side: list[Any], event: str, on_device: bool) -> None:
        saved = copy.deepcopy([one.state_dict() for one in side])
        side[:] = self.make(on_device, bound=event != "late")
        side[0].load_state_dict(saved[0])
        if event == "late":
            side[1] = self.bind(side[0], on_device)
        if event == "both" or any("Plateau" in repr(plan) for plan in self.plans):
            side[1].load_state_dict(saved[1])

    def seen(self, side: list[Any]) -> dict[str, Any]:
        optimizer, scheduler = side
        return {
            "rates": rates(optimizer),
            "dtypes": [group["lr"].dtype for group in optimizer.param_groups],
            "committed": scheduler.committed,
            "last": scheduler.get_last_lr(),
            "next": scheduler.get_lr(),
            "bases": scheduler.base_lrs,
            "state": scheduler.state_dict(),
            "carried": [g["ratewise_updates"] for g in optimizer.state_dict()["param_groups"]],
        }


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=examples(60))
@given(
    st.lists(SCHEDULES, min_size=1, max_size=3),
    st.lists(DTYPES, min_size=3, max_size=3),
    st.sampled_from([20, 40]),
    st.sampled_from(["warn", "ignore", "follow"]),
    EVENTS,
    st.integers(0, 2**20),
)
def test_it_is_the_clock_of_the_host_to_the_bit(
    plans: Any, dtypes: Any, total: int, policy: str, events: Any, seed: int
) -> None:
    """Through skipped updates, seeks, resumes, copies, metrics and rates set by hand."""
    pair = Pair(plans, dtypes[: len(plans)], total, policy)
    numbers = np.random.default_rng(seed).integers(0, total, len(events))
    for event, number in zip(events, numbers.tolist(), strict=True):
        if said := pair.act(event, number):
            assert said[0] == said[-1], event
            assert len(said) == 2, said
            return
        host, there = (pair.seen(side) for side in pair.sides)
        assert host == there, event


@pytest.mark.parametrize("several", [False, True])
def test_a_run_without_an_end_is_laid_out_in_blocks(
    tools: Any, monkeypatch: pytest.MonkeyPatch, several: bool
) -> None:
    """A new block comes where the last one may end; the count is read then, and not before."""
    monkeypatch.setattr(layout, "BLOCK", 16)
    reads: list[int] = []
    read = table.RateTable.read
    plan = rw.Warmup(5) >> rw.InverseSqrt()
    plan = rw.Plan(lr=plan, groups={"head": rw.Hold()}) if several else plan
    optimizer = build(tools, Still, 2)
    optimizer.param_groups[1]["name"] = "head"
    scheduler = Scheduler(optimizer, plan, on_device=True)
    monkeypatch.setattr(table.RateTable, "read", lambda self: reads.append(1) or read(self))
    used, found = [], torch.zeros(())
    optimizer.found_inf = found
    for batch in range(100):
        found.fill_(batch % 5 == 4)
        optimizer.step()
        if batch % 5 != 4:
            used.append(rates(optimizer)[0])
    assert 6 <= len(reads) <= 30
    levels = (rw.Warmup(5) >> rw.InverseSqrt()).resolve().values(80)
    assert used == rounded(LR * levels)
    assert scheduler.committed == 80


def test_a_thousand_updates_with_overflows(tools: Any) -> None:
    """Each committed one uses base × values(), rounded once to the type of the rate."""
    for dtype in (torch.float32, torch.float64, torch.float16):
        optimizer = Still([tools.parameter()], lr=torch.tensor(LR, dtype=dtype))
        base = float(optimizer.param_groups[0]["lr"])
        scheduler = Scheduler(optimizer, PLAN, total=900, on_device=True)
        used, found = [], torch.zeros(1)  # some have it as one element
        optimizer.found_inf = found
        for batch in range(1000):
            found.fill_(batch % 10 == 0)
            optimizer.step()
            if batch % 10:
                used.append(optimizer.param_groups[0]["lr"].clone())
        exact = base * PLAN.resolve(total=900).values()
        assert torch.stack(used).tolist() == rounded(exact, dtype)
        assert scheduler.committed == 900


def test_many_rates_are_written_like_one_by_one() -> None:
    """The fast way has a plain twin; views and rates of one element keep their neighbours."""
    values = torch.rand(5, dtype=torch.float64)
    for write in (table.write_each, table.write_one_by_one):
        whole = torch.zeros(7, dtype=torch.float64)
        tensors = [whole[0], whole[2], whole[4:5], torch.zeros(()), torch.zeros(1)]
        tensors = [tensor.to(torch.float64) for tensor in tensors]
        write(tensors, table._each(values, tensors))
        assert [float(tensor) for tensor in tensors] == values.tolist()
        assert whole[[1, 3, 5, 6]].tolist() == [0.0] * 4


def test_a_resume_keeps_the_tensor_that_graphs_may_hold(tools: Any) -> None:
    """A state brings another tensor, or a number: its value counts, and the tensor stays."""
    optimizer = build(tools, Plain, 2)
    scheduler = Scheduler(optimizer, PLAN, total=20, on_device=True)
    tools.run(optimizer, 9)
    saved = tools.saved(optimizer, scheduler)
    later = build(tools, Plain, 2)
    other = Scheduler(later, PLAN, total=20, on_device=True)
    before = [group["lr"] for group in later.param_groups]
    later.load_state_dict(saved[0])
    assert all(group["lr"] is old for group, old in zip(later.param_groups, before, strict=True))
    assert other.committed == 9
    assert rates(later) == rates(optimizer)
    other.load_state_dict(saved[1])
    tools.run(later, 5)
    assert rates(later)[0] == rounded([LR * PLAN.resolve(20)(13)])[0]


def test_a_schedule_that_finds_its_own_length_ends(tools: Any) -> None:
    """`finished` reads the count when it is asked."""
    optimizer = build(tools, Still)
    plan = rw.Warmup(2) >> rw.Plateau("loss", patience=1, factor=0.5, cooldown=0)
    scheduler = Scheduler(optimizer, plan, total=30, on_device=True)
    twin = Scheduler(build(tools, Still), plan, total=30)
    for _ in range(12):
        for one in (scheduler, twin):
            tools.run(one.optimizer, 2)
            one.observe(loss=1.0)
        assert scheduler.get_lr() == twin.get_lr()
        assert scheduler.finished == twin.finished
    assert scheduler.replay() == twin.replay()


def test_several_optimizers_have_a_clock_each(tools: Any) -> None:
    """The switch reaches each of them."""
    both = [build(tools, Still), build(tools, Still)]
    schedulers = Scheduler(both, PLAN, total=20, on_device=True)
    assert isinstance(schedulers, Schedulers)
    tools.run(both[0], 3)
    tools.run(both[1], 5)
    assert schedulers.committed == (3, 5)
    assert all(isinstance(one.param_groups[0]["lr"], torch.Tensor) for one in both)


@pytest.mark.parametrize("groups", [1, 100])
def test_an_update_costs_five_kernels_whatever_the_groups(tools: Any, groups: int) -> None:
    """Clamp, look up, multiply, write, count; one more under a scaler. Views start no kernel."""
    optimizer = build(tools, Still, groups)
    Scheduler(optimizer, PLAN, total=80, on_device=True)
    optimizer.step()
    for found, kernels in ((None, 5), (torch.zeros(()), 6)):
        optimizer.found_inf = found
        with NoReads() as mode:
            optimizer.step()
        views = {"view", "unbind", "reshape", "alias"}
        started = [n for n in mode.seen if n not in views and not n.startswith("_record_function")]
        assert len(started) == kernels, started


def test_what_a_trainer_was_given_is_passed_on(tools: Any) -> None:
    """The settings that the trainers' faces share know the switch."""
    settings = {"total": 20, "example": "attach(…)", "on_device": True}
    asked = RunSettings.read("attach", PLAN, {}, **settings)
    scheduler = asked.bind(build(tools, Still))
    assert scheduler._clock.on_device
    assert not RunSettings.read("attach", PLAN, {}, total=20, example="").policies["on_device"]
