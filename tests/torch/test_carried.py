"""The optimizer's own checkpoint carries the clock: nothing else is needed to go on exactly."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.torch import Scheduler

LR, TOTAL = 3e-4, 8
PLAN = rw.Warmup(3) >> rw.Cosine(to=0.1)
LEVELS = [*PLAN.resolve(total=TOTAL).values().tolist(), PLAN.resolve(total=TOTAL)(TOTAL)]


def weights(groups: int) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for i in range(groups):
        weight = torch.nn.Parameter(torch.ones(2, i + 1))
        weight.grad = torch.full((2, i + 1), 1e-3)
        made.append({"params": [weight], "lr": LR / (i + 1)})
    return made


def schedule_free(groups: Any) -> Any:
    kind = pytest.importorskip("schedulefree").AdamWScheduleFree
    optimizer = kind(groups, lr=LR)
    optimizer.train()
    return optimizer


KINDS: dict[str, Callable[[Any], Any]] = {
    "sgd": lambda groups: torch.optim.SGD(groups, lr=LR),
    "momentum": lambda groups: torch.optim.SGD(groups, lr=LR, momentum=0.9),
    "adam": lambda groups: torch.optim.Adam(groups, lr=LR),
    "foreach": lambda groups: torch.optim.AdamW(groups, lr=LR, foreach=True),
    "fused": lambda groups: torch.optim.AdamW(groups, lr=LR, fused=True),
    "adafactor": lambda groups: torch.optim.Adafactor(groups, lr=LR),
    "rprop": lambda groups: torch.optim.Rprop(groups, lr=LR),
    "schedule-free": schedule_free,
    "tensor": lambda groups: torch.optim.Adam(
        [{**group, "lr": torch.tensor(group["lr"], dtype=torch.float64)} for group in groups],
        lr=torch.tensor(LR, dtype=torch.float64),
        foreach=False,
    ),
}


def by_state_dict(saved: Any, fresh: Callable[[], Any]) -> tuple[Any, Callable[[Any], None]]:
    file = io.BytesIO()
    torch.save(saved.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    return fresh(), lambda optimizer: optimizer.load_state_dict(copy.deepcopy(state))


def by_groups(saved: Any, fresh: Callable[[], Any]) -> tuple[Any, Callable[[Any], None]]:
    """A loop of one's own that reads the groups, and puts them back in place."""
    kept = [
        {k: copy.deepcopy(v) for k, v in g.items() if k != "params"} for g in saved.param_groups
    ]

    def load(optimizer: Any) -> None:
        for group, values in zip(optimizer.param_groups, kept, strict=True):
            group.update(copy.deepcopy(values))

    return fresh(), load


WAYS = {"state_dict": by_state_dict, "groups": by_groups}
ORDERS = (
    "bind load",
    "load bind",
    "bind load load",
    "bind detach load bind",
    "load bind detach bind",
)


def rates_of(optimizer: Any, updates: int) -> list[list[float]]:
    """The rates that updates used, as a hook behind ours sees them."""
    used: list[list[float]] = []

    def look(one: Any, *_: Any) -> None:
        used.append([float(group["lr"]) for group in one.param_groups])

    hook = optimizer.register_step_pre_hook(look)
    for _ in range(updates):
        optimizer.step(*([lambda: 1.0] if isinstance(optimizer, torch.optim.LBFGS) else []))
    hook.remove()
    return used


def resumed(optimizer: Any, load: Callable[[Any], None], order: str, **options: Any) -> Scheduler:
    scheduler: Scheduler | None = None
    for what in order.split():
        if what == "load":
            load(optimizer)
        elif what == "detach" and scheduler is not None:
            scheduler.detach()
        else:
            scheduler = Scheduler(optimizer, PLAN, total=TOTAL, **options)
    assert scheduler is not None
    return scheduler


@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_optimizer_alone_resumes_exactly(kind: str, groups: int) -> None:
    """At every update of a run, in any order of construct and load, by either way of saving."""
    make = KINDS[kind]
    optimizer = make(weights(groups))
    scheduler = Scheduler(optimizer, PLAN, total=TOTAL)
    want = [[LR / (i + 1) * level for i in range(groups)] for level in LEVELS]
    for t in range(TOTAL):
        for way, save in WAYS.items():
            for order in ORDERS if t in (0, 5) else ORDERS[:2]:
                if way == "groups" and kind != "sgd" and order.startswith("load"):
                    continue  # without its moments it is another optimizer
                fresh, load = save(optimizer, lambda: make(weights(groups)))
                again = resumed(fresh, load, order)
                assert rates_of(fresh, 2) == want[t : t + 2], (way, order, t)
                assert again.committed == t + 2
        assert rates_of(optimizer, 1) == want[t : t + 1]
        assert scheduler.committed == t + 1


def test_a_pickled_optimizer_carries_it() -> None:
    """`torch.save(optimizer)`, `copy.deepcopy(optimizer)`: groups and all, at every update."""
    for kind in ("adam", "sgd", "tensor"):
        optimizer = KINDS[kind](weights(2))
        Scheduler(optimizer, PLAN, total=TOTAL)
        for t in range(TOTAL - 1):
            file = io.BytesIO()
            torch.save(optimizer, file)
            file.seek(0)
            for copied in (torch.load(file, weights_only=False), copy.deepcopy(optimizer)):
                again = Scheduler(copied, PLAN, total=TOTAL)
                assert again.committed == t
                assert rates_of(copied, 1) == [[LR * LEVELS[t], LR / 2 * LEVELS[t]]]
            optimizer.step()


def test_lbfgs_and_what_it_calls_inside() -> None:
    """One update with many evaluations is one."""
    (group,) = weights(1)
    optimizer = torch.optim.LBFGS(group["params"], lr=LR)
    Scheduler(optimizer, PLAN, total=TOTAL)
    rates_of(optimizer, 3)
    fresh = torch.optim.LBFGS(weights(1)[0]["params"], lr=LR)
    fresh.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert Scheduler(fresh, PLAN, total=TOTAL).committed == 3
    assert rates_of(fresh, 2) == [[LR * level] for level in LEVELS[3:5]]


def test_what_is_carried_is_small_and_primitive() -> None:
    """An int and a float for each scheduled key, in every group of a state."""
    optimizer = KINDS["tensor"](weights(3))
    Scheduler(optimizer, PLAN, total=TOTAL)
    rates_of(optimizer, 2)
    groups = optimizer.state_dict()["param_groups"]
    assert [type(group["ratewise_updates"]) for group in groups] == [int] * 3
    assert [group["ratewise_updates"] for group in groups] == [2] * 3
    assert [type(group["initial_lr"]) for group in groups] == [float] * 3
    assert not {"ratewise_shift"} & set(groups[0])


def test_updates_that_were_skipped_are_not_carried() -> None:
    """Those of a gradient scaler that found an overflow; accumulated batches are no updates."""
    optimizer = KINDS["adam"](weights(1))
    scheduler = Scheduler(optimizer, PLAN, total=TOTAL)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    (weight,) = optimizer.param_groups[0]["params"]
    committed = 0
    for t in range(6):
        for _ in range(2):
            scaler.scale((weight * (float("inf") if t in (1, 4) else 1.0)).sum()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        committed += t not in (1, 4)
        assert optimizer.param_groups[0]["ratewise_updates"] == scheduler.committed == committed
    assert committed == 4


def test_groups_that_move_carry_it() -> None:
    """The first group holds it, whichever that is; a group that leaves takes nothing along."""
    optimizer = KINDS["sgd"](weights(3))
    Scheduler(optimizer, PLAN, total=TOTAL)
    rates_of(optimizer, 2)
    first = optimizer.param_groups.pop(0)
    optimizer.param_groups.reverse()
    rates_of(optimizer, 1)
    assert "ratewise_updates" not in first
    assert ["ratewise_updates" in group for group in optimizer.param_groups] == [True, False]
    optimizer.param_groups.append(first)
    rates_of(optimizer, 1)
    fresh = KINDS["sgd"]([*weights(3)[:0:-1], weights(1)[0]])
    fresh.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert Scheduler(fresh, PLAN, total=TOTAL).committed == 4


def test_a_schedule_that_was_taken_off_takes_the_clock_along() -> None:
    """The next one begins at 0, with the peaks; one that made no update leaves what it found."""
    optimizer = KINDS["adam"](weights(2))
    before = copy.deepcopy(optimizer.state_dict()["param_groups"])
    scheduler = Scheduler(optimizer, PLAN, total=TOTAL)
    scheduler.detach()
    assert optimizer.state_dict()["param_groups"] == before
    scheduler = Scheduler(optimizer, PLAN, total=TOTAL)
    rates_of(optimizer, 3)
    scheduler.detach()
    assert optimizer.state_dict()["param_groups"] == before
    assert Scheduler(optimizer, PLAN, total=TOTAL).committed == 0
    assert rates_of(optimizer, 1) == [[LR * LEVELS[0], LR / 2 * LEVELS[0]]]


# Our own state beside it --------------------------------------------------------------------


def saved_at(t: int, kind: str = "adam", **options: Any) -> tuple[Any, Any]:
    optimizer = KINDS[kind](weights(1))
    scheduler = Scheduler(optimizer, PLAN, total=TOTAL, **options)
    rates_of(optimizer, t)
    return copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))


@pytest.mark.parametrize("own_first", [False, True])
def test_states_of_two_updates_are_refused(own_first: bool) -> None:
    """With both counts; nothing is changed by the one that comes second."""
    theirs, ours = saved_at(5)[0], saved_at(3)[1]
    fresh = KINDS["adam"](weights(1))
    scheduler = Scheduler(fresh, PLAN, total=TOTAL)
    steps = [lambda: scheduler.load_state_dict(ours), lambda: fresh.load_state_dict(theirs)]
    first, second = steps if own_first else steps[::-1]
    first()
    before = copy.deepcopy(fresh.state_dict()), scheduler.state_dict()
    with pytest.raises(rw.ScheduleError, match=r"of update 3, and one of the .* of update 5"):
        second()
    assert str((fresh.state_dict(), scheduler.state_dict())) == str(before)


@pytest.mark.parametrize("own_first", [False, True])
@pytest.mark.parametrize("policy", ["checkpoint", "code"])
def test_with_a_policy_our_own_state_wins(own_first: bool, policy: str) -> None:
    """In both orders, and with the optimizer loaded before the scheduler is made."""
    theirs, ours = saved_at(5)[0], saved_at(3)[1]
    fresh = KINDS["adam"](weights(1))
    scheduler = Scheduler(fresh, PLAN, total=TOTAL, resume=policy)
    steps = [lambda: scheduler.load_state_dict(ours), lambda: fresh.load_state_dict(theirs)]
    for step in steps if own_first else steps[::-1]:
        step()
    assert rates_of(fresh, 1) == [[LR * LEVELS[3]]]


def test_a_run_goes_back_with_its_states_in_any_order() -> None:
    """Loaded again in the middle, both or the optimizer alone, twice or once."""
    theirs, ours = saved_at(2)
    for loads in ("both", "both back", "optimizer", "optimizer twice", "own"):
        optimizer = KINDS["adam"](weights(1))
        scheduler = Scheduler(optimizer, PLAN, total=TOTAL)
        rates_of(optimizer, 6)
        steps = [
            lambda o=optimizer: o.load_state_dict(copy.deepcopy(theirs)),
            lambda s=scheduler: s.load_state_dict(ours),
        ]
        chosen = {"optimizer": steps[:1], "optimizer twice": steps[:1] * 2, "own": steps[1:]}
        for step in chosen.get(loads, steps[::-1] if loads == "both back" else steps):
            step()
        assert rates_of(optimizer, 2) == [[LR * level] for level in LEVELS[2:4]], loads


def test_a_run_that_was_rescaled_is_carried_too() -> None:
    """Its place in the schedule is another than its count: both are in the groups."""
    ours = saved_at(4)[1]
    optimizer = KINDS["adam"](weights(1))
    scheduler = Scheduler(optimizer, PLAN, total=2 * TOTAL, resume="rescale")
    scheduler.load_state_dict(ours)
    rates_of(optimizer, 1)
    state = copy.deepcopy(optimizer.state_dict())
    want = rates_of(optimizer, 3)
    for load_first in (False, True):
        fresh = KINDS["adam"](weights(1))
        if load_first:
            fresh.load_state_dict(copy.deepcopy(state))
        again = Scheduler(fresh, PLAN, total=2 * TOTAL)
        if not load_first:
            fresh.load_state_dict(copy.deepcopy(state))
        assert rates_of(fresh, 3) == want
        assert again.committed == 8


def test_the_live_groups_carry_the_count_and_the_short_way_writes_it() -> None:
    """At every update, over a block of rates and its end, for one group and for several."""
    for groups in (1, 3):
        optimizer = KINDS["sgd"](weights(groups))
        scheduler = Scheduler(optimizer, rw.Cosine(to=0.1), total=5000)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for t in range(1100):
                optimizer.step()
                assert optimizer.param_groups[0]["ratewise_updates"] == t + 1
        assert scheduler.committed == 1100
