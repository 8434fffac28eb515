"""The peak is the peak: where a schedule has moved a rate, the next one starts from the base."""

from __future__ import annotations

import copy
import itertools
import warnings
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

import ratewise as rw
from ratewise.convert import read
from ratewise.torch import Scheduler

LR, TOTAL = 1e-3, 12
PEAKS = [LR, LR / 2, LR / 3]
OPTIONS = pytest.mark.parametrize("options", [{}, {"momentum": 0.9}], ids=["no state", "state"])


def used(tools: Any, optimizer: Any, start: int = 0) -> None:
    """Require that the updates that were made since `start` used peak × f(t), in every group."""
    made = optimizer.used[start:]
    levels = tools.plan.resolve(total=TOTAL).values().tolist()
    assert made == [[peak * level for peak in PEAKS] for level in levels[: len(made)]]


def decayed(tools: Any, **options: Any) -> tuple[Any, Scheduler]:
    """An optimizer of three groups in the middle of its schedule."""
    optimizer = tools.make(LR, 3, **options)
    scheduler = Scheduler(optimizer, tools.plan, total=TOTAL)
    tools.run(optimizer, 10)
    return optimizer, scheduler


@OPTIONS
@pytest.mark.parametrize("keep", [False, True])
def test_the_second_schedule_starts_from_the_peak(tools: Any, keep: bool, options: Any) -> None:
    """Whether or not `detach` gave the peaks back, what was decayed is no peak."""
    optimizer, scheduler = decayed(tools, **options)
    held = [group["lr"] for group in optimizer.param_groups]
    scheduler.detach(keep=keep)
    assert [group["lr"] for group in optimizer.param_groups] == (held if keep else PEAKS)
    second = Scheduler(optimizer, tools.plan, total=TOTAL)
    assert second.base_lrs == PEAKS
    tools.run(optimizer, TOTAL)
    used(tools, optimizer, start=10)


def test_detach_gives_back_every_key_once(tools: Any) -> None:
    """Beta1 too; a second call, and one after another schedule has begun, change nothing."""
    optimizer = torch.optim.Adam([tools.parameter()], lr=LR, betas=(0.8, 0.9))
    first = Scheduler(optimizer, rw.Plan(lr=rw.Cosine(to=0), momentum=rw.Linear(to=0.5)), total=4)
    tools.run(optimizer, 3)
    first.detach()
    group = optimizer.param_groups[0]
    assert (group["lr"], group["betas"]) == (LR, (0.8, 0.9))
    Scheduler(optimizer, rw.Linear(to=0), total=4)
    tools.run(optimizer, 3)
    first.detach()
    assert group["lr"] == LR * rw.Linear(to=0).resolve(4)(2)


@OPTIONS
def test_a_rate_set_by_hand_after_detach_is_a_wish(tools: Any, options: Any) -> None:
    """So is a peak in the plan; both win over what the schedule before had."""
    for keep, wish in ((True, 0.25), (False, 0.25), (True, LR / 9), (False, LR / 9)):
        optimizer, scheduler = decayed(tools, **options)
        scheduler.detach(keep=keep)
        optimizer.param_groups[1]["lr"] = wish
        assert Scheduler(optimizer, tools.plan, total=TOTAL).base_lrs == [LR, wish, LR / 3]
    Scheduler.of(optimizer).detach()
    plan = rw.Plan(lr=tools.plan, peak={"lr": 0.5})
    assert Scheduler(optimizer, plan, total=TOTAL).base_lrs == [0.5] * 3


@OPTIONS
def test_a_group_that_is_added_behind_detach_has_its_own_rate(tools: Any, options: Any) -> None:
    """As weights are unfrozen: the optimizer has trained, and the group has not."""
    optimizer, scheduler = decayed(tools, **options)
    scheduler.detach()
    optimizer.add_param_group({"params": [tools.parameter(7)], "lr": LR / 9})
    assert Scheduler(optimizer, tools.plan, total=TOTAL).base_lrs == [*PEAKS, LR / 9]


STEPS = ("bind", "optimizer", "seek", "again")
ORDERS = [o for o in itertools.permutations(STEPS) if o.index("bind") < o.index("again")]


@OPTIONS
@pytest.mark.parametrize("saved", ["ours", "torch"])
@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_all_orders_agree(tools: Any, order: Any, saved: str, options: Any) -> None:
    """Bind, load the optimizer, seek, detach and bind again: every rate is peak × f(t)."""
    if saved == "ours":
        first = decayed(tools, **options)[0]
    else:
        first = tools.make(LR, 3, **options)
        native = lr_scheduler.CosineAnnealingLR(first, TOTAL)
        for _ in range(10):
            first.step()
            native.step()
    state = tools.saved(first)[0]
    optimizer = tools.make(LR, 3, **options)
    scheduler: Scheduler | None = None
    for what in order:
        if what == "optimizer":
            optimizer.load_state_dict(copy.deepcopy(state))
        elif what == "seek" and scheduler is not None:
            scheduler.seek(5)
        else:
            if scheduler is not None:
                scheduler.detach(keep=bool(order.index("seek") % 2))
            scheduler = Scheduler(optimizer, tools.plan, total=TOTAL)
    assert scheduler is not None
    assert scheduler.base_lrs == PEAKS
    scheduler.seek(6)
    optimizer.step()
    level = tools.plan.resolve(total=TOTAL)(6)
    assert optimizer.used[-1] == [peak * level for peak in PEAKS]


def test_a_state_keeps_the_peaks_as_torch_does(tools: Any) -> None:
    """PyTorch's own scheduler, bound to what was loaded, takes them too."""
    optimizer, scheduler = decayed(tools)
    assert [group["initial_lr"] for group in optimizer.param_groups] == PEAKS
    scheduler.base_lrs = [2 * peak for peak in PEAKS]
    other = tools.make(7.0, 3)
    other.load_state_dict(tools.saved(optimizer)[0])
    assert Scheduler(other, tools.plan, total=TOTAL).base_lrs == [2 * peak for peak in PEAKS]
    third = tools.make(7.0, 3)
    third.load_state_dict(tools.saved(optimizer)[0])
    assert lr_scheduler.StepLR(third, 3).base_lrs == [2 * peak for peak in PEAKS]


@pytest.mark.parametrize(
    "native",
    [
        lambda o: lr_scheduler.LinearLR(o, 0.01),
        lambda o: lr_scheduler.ExponentialLR(o, 0.5),
        lambda o: lr_scheduler.OneCycleLR(o, PEAKS, total_steps=TOTAL, cycle_momentum=False),
        lambda o: lr_scheduler.LambdaLR(o, lambda t: 0.0),
    ],
)
@pytest.mark.parametrize("steps", [0, 3])
def test_a_scheduler_of_torch_that_ran_is_no_wish(tools: Any, native: Any, steps: int) -> None:
    """Its `initial_lr` is the base, as its own second scheduler would find; `OneCycleLR` has a
    `max_lr`."""
    optimizer = tools.make(LR, 3)
    scheduler = native(optimizer)
    for _ in range(steps):
        optimizer.step()
        scheduler.step()
    assert Scheduler(optimizer, tools.plan, total=TOTAL).base_lrs == PEAKS
    tools.run(optimizer, TOTAL)
    used(tools, optimizer, start=steps)


def test_what_cannot_be_told_is_refused(tools: Any) -> None:
    """A rate above its `initial_lr`; a loop by hand, saved and loaded; 0 in every group."""
    cyclic = tools.make(LR)
    native = lr_scheduler.CyclicLR(cyclic, LR / 10, LR, cycle_momentum=False)
    native.step()
    by_hand = tools.make(LR, 2, momentum=0.9)
    by_hand.step()
    state = by_hand.state_dict()
    for group in state["param_groups"]:
        group["lr"] *= 0.1
    loaded = tools.make(LR, 2, momentum=0.9)
    loaded.load_state_dict(state)
    for optimizer in (cyclic, loaded):
        before = copy.deepcopy(optimizer.state_dict())
        with pytest.raises(rw.ScheduleError, match=r"no peak.*Plan\(…, peak=\{'lr': …\}\)"):
            Scheduler(optimizer, tools.plan, total=TOTAL)
        assert optimizer.state_dict()["param_groups"] == before["param_groups"]
        plan = rw.Plan(lr=tools.plan, peak={"lr": LR})
        assert set(Scheduler(optimizer, plan, total=TOTAL).base_lrs) == {LR}
    still = tools.make(LR)
    still.param_groups[0]["lr"] = 0.0
    with pytest.raises(rw.ScheduleError, match="lr=0 in every group"):
        Scheduler(still, tools.plan, total=TOTAL)
    still.param_groups[0]["initial_lr"] = LR
    assert Scheduler(still, tools.plan, total=TOTAL).base_lrs == [LR]


FRESH = sorted(
    name
    for name, kind in vars(torch.optim).items()
    if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer) and name != "Optimizer"
)


@pytest.mark.parametrize("name", FRESH)
def test_a_rate_set_by_hand_before_the_first_update_is_the_peak(name: str) -> None:
    """Even where the optimizer makes its state when it is made, as Adagrad does."""
    optimizer = getattr(torch.optim, name)([torch.nn.Parameter(torch.ones(2, 2))])
    optimizer.param_groups[0]["lr"] = 0.3
    assert Scheduler(optimizer, rw.Cosine(), total=TOTAL).base_lrs == [0.3]


@pytest.mark.parametrize("kind", ["linear", "cosine", "constant_with_warmup", "inverse_sqrt"])
@pytest.mark.parametrize("names", [False, True])
def test_a_scheduler_that_was_read_hands_its_peaks_on(kind: str, names: bool) -> None:
    """Bound to the optimizer that it was read from, whose groups stand at 0, the plan trains with
    the rates of Transformers' own scheduler, group by group."""
    transformers = pytest.importorskip("transformers")

    def make() -> torch.optim.Optimizer:
        groups = [
            {
                "params": [torch.nn.Parameter(torch.ones(1))],
                "lr": lr,
                **({"name": n} if names else {}),
            }
            for lr, n in ((1e-4, "body"), (1e-2, "head"))
        ]
        return torch.optim.SGD(groups)

    def rates(optimizer: Any, step: Any) -> list[list[float]]:
        used: list[list[float]] = []
        optimizer.register_step_pre_hook(
            lambda o, *_: used.append([float(group["lr"]) for group in o.param_groups])
        )
        for _ in range(50):
            optimizer.step()
            step()
        return used

    native, other = make(), make()
    theirs = transformers.get_scheduler(kind, native, 10, 100)
    source = transformers.get_scheduler(kind, other, 10, 100)
    assert [group["lr"] for group in other.param_groups] == [0.0, 0.0]
    Scheduler(other, read(source, total=100))
    ours, expected = rates(other, lambda: None), rates(native, theirs.step)
    for mine, meant in zip(ours, expected, strict=True):
        assert mine == pytest.approx(meant, rel=1e-12)
    elsewhere = make()
    for group in elsewhere.param_groups:
        group["lr"] = 0.0
    with pytest.raises(rw.ScheduleError, match="lr=0 in every group"):
        Scheduler(elsewhere, read(source, total=100))


def test_one_peak_in_place_of_several_rates_is_said() -> None:
    """A plan of one rate makes groups alike that were not; with none, or one each, it does not."""
    several = [parameters(1e-4), parameters(1e-3)]

    def bound(plan: rw.Plan) -> list[float]:
        optimizer = torch.optim.SGD([dict(group) for group in several], lr=1e-4)
        return Scheduler(optimizer, plan, total=9).base_lrs

    with pytest.warns(UserWarning, match=r"place of 2 rates that the groups have \(0.0001, 0.001"):
        assert bound(rw.Plan(lr=rw.Cosine(), peak={"lr": 3e-4})) == [3e-4, 3e-4]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert bound(rw.Plan(lr=rw.Cosine())) == [1e-4, 1e-3]
        own = {name: rw.Plan(lr=rw.Cosine(), peak={"lr": 1e-2}) for name in "01"}
        assert bound(rw.Plan(lr=rw.Cosine(), groups=own, peak={"lr": 3e-4})) == [1e-2, 1e-2]


def parameters(lr: float) -> dict[str, Any]:
    return {"params": [torch.nn.Parameter(torch.zeros(2))], "lr": lr}
