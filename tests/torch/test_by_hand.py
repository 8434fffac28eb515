"""A value that somebody else sets in the groups is met by a named policy, and never in silence."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler, swa_utils

import ratewise as rw
from ratewise.torch import EffectiveRateLogger, Scheduler

LR, TOTAL, AT = 3e-4, 20, 7
PLAN = rw.Warmup(4) >> rw.Cosine(to=0.1)
LEVELS = PLAN.resolve(total=TOTAL).values().tolist()
RATES = [LR * level for level in LEVELS]
TENSOR = {"tensor": lambda: torch.tensor(LR, dtype=torch.float64)}
KINDS = {"float": lambda: LR, **TENSOR}
kinds = pytest.mark.parametrize("lr", KINDS.values(), ids=KINDS)


def build(tools: Any, lr: Any = LR, groups: int = 1, **options: Any) -> tuple[Any, Scheduler]:
    kind = tools.recording(torch.optim.Adam)
    optimizer = tools.make(lr, groups, kind=kind, foreach=False)
    return optimizer, Scheduler(optimizer, PLAN, total=TOTAL, **options)


def put(group: Any, value: float) -> None:
    """Set a rate as others do: a tensor is filled, a number replaced."""
    if isinstance(group["lr"], torch.Tensor):
        group["lr"].fill_(value)
    else:
        group["lr"] = value


def said(act: Any) -> list[str]:
    """What was warned of."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        act()
    return [str(one.message) for one in found if str(one.message).startswith("Scheduler")]


def run(optimizer: Any, scheduler: Scheduler, hand: Any, step: bool = False) -> list[str]:
    """A whole run; before update `AT`, and each one behind it, `hand` is at work."""

    def act() -> None:
        for t in range(TOTAL):
            if t >= AT:
                hand(t)
            optimizer.step()
            if step:
                scheduler.step()

    return said(act)


@kinds
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("step", [False, True])
def test_it_is_kept_out_and_said_once(tools: Any, lr: Any, groups: int, step: bool) -> None:
    """By default every update uses the schedule's; one warning has value, group and update."""
    optimizer, scheduler = build(tools, lr(), groups)
    last = optimizer.param_groups[-1]
    (warned,) = run(optimizer, scheduler, lambda t: put(last, 0.5), step)
    assert f"found lr=0.5 in group {groups - 1} at update {AT}" in warned
    assert f"the schedule's {RATES[AT] / groups:g} is used" in warned
    assert 'by_hand="follow"' in warned
    for group in range(groups):
        wanted = [LR / (group + 1) * level for level in LEVELS]
        assert tools.trace(optimizer, group) == wanted


@kinds
def test_ignore_says_nothing(tools: Any, lr: Any) -> None:
    """`by_hand="ignore"` keeps it out without a word."""
    optimizer, scheduler = build(tools, lr(), by_hand="ignore")
    assert run(optimizer, scheduler, lambda t: put(optimizer.param_groups[0], 0.5)) == []
    assert tools.trace(optimizer) == RATES


@kinds
@pytest.mark.parametrize("groups", [1, 3])
def test_follow_goes_on_from_it(tools: Any, lr: Any, groups: int) -> None:
    """`by_hand="follow"`: that update uses the value, those behind it are in proportion.

    The other groups stay as they are, and a resumed run goes on in the same way.
    """
    optimizer, scheduler = build(tools, lr(), groups, by_hand="follow")
    last = optimizer.param_groups[-1]
    hand = lambda t: put(last, 0.5) if t == AT else None  # noqa: E731
    assert run(optimizer, scheduler, hand) == []
    trace = tools.trace(optimizer, groups - 1)
    before = [LR / groups * level for level in LEVELS]
    assert trace[:AT] == before[:AT]
    assert trace[AT:] == pytest.approx([0.5 * x / LEVELS[AT] for x in LEVELS[AT:]], rel=1e-12)
    assert groups == 1 or tools.trace(optimizer) == RATES
    assert scheduler.base_lrs[-1] == pytest.approx(0.5 / LEVELS[AT], rel=1e-12)


def test_a_halved_rate_that_is_followed_survives_a_resume(tools: Any) -> None:
    """What was taken in is in the state."""
    whole, scheduler = build(tools, by_hand="follow")
    halve = lambda o: o.param_groups[0].update(lr=o.param_groups[0]["lr"] / 2)  # noqa: E731
    for t in range(TOTAL):
        if t == AT:
            halve(whole)
        if t == 12:
            saved = copy.deepcopy(tools.saved(whole, scheduler))
        whole.step()
    again, resumed = build(tools, by_hand="follow")
    resumed.load_state_dict(saved[1])
    again.load_state_dict(saved[0])
    tools.run(again, TOTAL - 12)
    assert tools.trace(again) == tools.trace(whole)[12:]
    assert tools.trace(whole)[AT] == RATES[AT - 1] / 2


@kinds
def test_refuse_stops_before_the_update(tools: Any, lr: Any) -> None:
    """`by_hand="refuse"` raises with value, group and update; nothing was made or counted."""
    optimizer, scheduler = build(tools, lr(), by_hand="refuse")
    with pytest.raises(rw.ScheduleError, match=rf"lr=0.5 in group 0 at update {AT}, set by"):
        run(optimizer, scheduler, lambda t: put(optimizer.param_groups[0], 0.5))
    assert scheduler.committed == AT
    assert tools.trace(optimizer) == RATES[:AT]


def test_what_cannot_be_followed_is_refused(tools: Any) -> None:
    """A rate that is no number, and one where the schedule is at 0."""
    for value in (-1.0, float("nan"), float("inf"), "fast"):
        optimizer, _ = build(tools, by_hand="follow")
        optimizer.step()
        optimizer.param_groups[0]["lr"] = value
        with pytest.raises(rw.ScheduleError, match="finite number"):
            optimizer.step()
    optimizer = tools.make(LR)
    Scheduler(optimizer, rw.Linear(to=0, over=2), by_hand="follow")
    tools.run(optimizer, 2)
    optimizer.param_groups[0]["lr"] = 0.1
    with pytest.raises(rw.ScheduleError, match="the schedule is at 0"):
        optimizer.step()


def test_an_unknown_policy_is_refused_with_those_there_are(tools: Any) -> None:
    """And the nearest one is named."""
    with pytest.raises(
        rw.ScheduleError, match=r"did you mean follow.*warn, ignore, follow, refuse"
    ):
        build(tools, by_hand="folow")


@pytest.mark.parametrize("place", ["behind the update", "behind step()", "before observe()"])
def test_it_is_found_wherever_it_happens(tools: Any, place: str) -> None:
    """Also where `step()` or `observe()` is about to put the coming rate in place."""
    optimizer = tools.make(LR)
    scheduler = Scheduler(optimizer, rw.Plateau("loss", patience=2))

    def act() -> None:
        optimizer.step()
        if place == "behind the update":
            optimizer.param_groups[0]["lr"] = 0.5
        scheduler.step()
        if place != "behind the update":
            optimizer.param_groups[0]["lr"] = 0.5
        if place == "before observe()":
            scheduler.observe(loss=1.0)
        optimizer.step()

    (warned,) = said(act)
    assert "lr=0.5 in group 0 at update 1" in warned
    assert tools.trace(optimizer) == [LR, LR]


def test_other_keys_too(tools: Any) -> None:
    """Whatever a plan schedules, by its own name; what it does not is everybody's."""
    kind = tools.recording(torch.optim.AdamW)
    optimizer = tools.make(LR, kind=kind, weight_decay=0.1)
    fall = rw.Linear(to=0.5)
    plan = rw.Plan(lr=PLAN, momentum=fall, weight_decay=fall)
    Scheduler(optimizer, plan, total=TOTAL)
    (group,) = optimizer.param_groups
    optimizer.step()

    def momentum() -> None:
        group["eps"] = 1e-6
        group["betas"] = (0.5, 0.999)
        optimizer.step()

    (warned,) = said(momentum)
    assert "found momentum=0.5 in group 0 at update 1" in warned
    assert group["betas"][0] == 0.9 * fall.resolve(TOTAL)(1)
    assert group["eps"] == 1e-6


EVENTS = {
    "a state of the optimizer": lambda o, s: o.load_state_dict(copy.deepcopy(o.state_dict())),
    "a state of the scheduler": lambda o, s: s.load_state_dict(s.state_dict()),
    "an older state": lambda o, s: s.seek(2),
    "a group that is added": lambda o, s: o.add_param_group(
        {"params": [torch.nn.Parameter(torch.ones(1))], "lr": 0.7}
    ),
    "groups in another order": lambda o, s: o.param_groups.reverse(),
    "other dicts": lambda o, s: setattr(o, "param_groups", [dict(g) for g in o.param_groups]),
    "the base rates": lambda o, s: setattr(s, "base_lrs", [0.1] * len(s.base_lrs)),
    "the same number": lambda o, s: [g.update(lr=g["lr"] * 1.0) for g in o.param_groups],
    "the coming rate": lambda o, s: [
        group.update(lr=rate) for group, rate in zip(o.param_groups, s.get_lr(), strict=True)
    ],
    "a number made a tensor": lambda o, s: [
        g.update(lr=torch.as_tensor(g["lr"])) for g in o.param_groups
    ],
    "another schedule": lambda o, s: s.detach() or Scheduler(o, PLAN, total=TOTAL),
    "a schedule taken off": lambda o, s: s.detach() or o.param_groups[0].update(lr=0.5) or o,
    "other keys": lambda o, s: [g.update(weight_decay=0.3) for g in o.param_groups],
}


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS)
@pytest.mark.parametrize("groups", [1, 3])
@pytest.mark.parametrize("step", [False, True])
def test_what_is_no_hand(tools: Any, event: Any, groups: int, step: bool) -> None:
    """States that are loaded, groups that come and go, and values that are ours warn of nothing."""
    optimizer, scheduler = build(tools, LR, groups)

    def act(last: Any = scheduler) -> None:
        for t in range(6):
            if t == 3:
                new = event(optimizer, scheduler)
                last = new if isinstance(new, Scheduler | torch.optim.Optimizer) else last
            optimizer.step()
            if step and isinstance(last, Scheduler):
                last.step()

    assert said(act) == []


def test_a_number_made_a_tensor_is_filled_from_then_on(tools: Any) -> None:
    """As for a step that is going to be compiled, behind the scheduler."""
    optimizer, _ = build(tools)
    tools.run(optimizer, 3)
    rate = torch.tensor(optimizer.param_groups[0]["lr"], dtype=torch.float64)
    optimizer.param_groups[0]["lr"] = rate
    assert said(lambda: tools.run(optimizer, 3)) == []
    assert optimizer.param_groups[0]["lr"] is rate
    assert tools.trace(optimizer) == RATES[:6]


@pytest.mark.parametrize("step", [False, True])
def test_what_somebody_set_is_kept_by_a_detach_that_keeps(tools: Any, step: bool) -> None:
    """The values of the last update stay, or what a hand has made of them: it is then the peak."""
    optimizer, scheduler = build(tools)
    tools.run(optimizer, 5)
    if step:
        scheduler.step()
    scheduler.detach(keep=True)
    assert optimizer.param_groups[0]["lr"] == RATES[4]
    assert Scheduler(optimizer, PLAN, total=TOTAL).base_lrs == [LR]


def test_swalr_and_a_plateau_of_torch_are_heard(tools: Any) -> None:
    """Two schedulers on one optimizer: the second writes, and is said to."""
    for second in (
        lambda o: swa_utils.SWALR(o, swa_lr=0.05, anneal_epochs=2),
        lambda o: lr_scheduler.StepLR(o, 1, 0.5),
    ):
        optimizer, _ = build(tools, groups=2)
        other = second(optimizer)

        def act(optimizer: Any = optimizer, other: Any = other) -> None:
            for _ in range(TOTAL):
                optimizer.step()
                other.step()

        (warned,) = said(act)
        assert "set by somebody else" in warned
        assert tools.trace(optimizer) == RATES


class Unread(torch.Tensor):
    """A tensor as on a device: it tells when the host reads it."""

    reads = 0

    @property
    def device(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        return torch.device("cuda")

    def __float__(self) -> float:
        type(self).reads += 1
        return super().__float__()

    def item(self) -> Any:
        type(self).reads += 1
        return super().item()


@pytest.mark.parametrize(("policy", "reads"), [("warn", 0), ("ignore", 0), ("follow", 1)])
def test_a_rate_on_a_device_is_not_read(tools: Any, policy: str, reads: int) -> None:
    """That it was written to is known without: only to go on from it is it read, that one time."""
    Unread.reads = 0
    weight = tools.parameter()
    optimizer = torch.optim.SGD([weight], lr=LR)
    optimizer.param_groups[0]["lr"] = rate = torch.tensor(LR, dtype=torch.float64).as_subclass(
        Unread
    )
    Scheduler(optimizer, rw.Plan(lr=PLAN, peak={"lr": LR}), total=TOTAL, by_hand=policy)
    begun = Unread.reads
    optimizer.register_step_pre_hook(lambda *_: seen.append(rate.tolist()))
    seen: list[float] = []
    optimizer.step = lambda: None  # type: ignore[method-assign]
    hooks = list(optimizer._optimizer_step_pre_hooks.values())

    def act() -> None:
        for t in range(TOTAL):
            if t == AT:
                rate.fill_(0.5)
            for hook in hooks:
                hook(optimizer, (), {})
            for hook in list(optimizer._optimizer_step_post_hooks.values()):
                hook(optimizer, (), {})

    warned = said(act)
    assert Unread.reads - begun == reads
    assert len(warned) == (policy == "warn")
    if policy == "warn":
        assert "found another lr in group 0" in warned[0]
    if policy != "follow":
        assert seen == RATES
    else:
        assert seen[AT] == pytest.approx(0.5)


def test_copies_keep_the_policy(tools: Any) -> None:
    """What is copied or pickled along with its optimizer does the same as the original."""
    optimizer, scheduler = build(tools, by_hand="refuse")
    tools.run(optimizer, 2)
    again, _ = copy.deepcopy((optimizer, scheduler))
    again.step()
    again.param_groups[0]["lr"] = 0.5
    with pytest.raises(rw.ScheduleError, match="set by somebody else"):
        again.step()


def test_the_effective_rate_is_that_of_the_update(tools: Any) -> None:
    """A logger that stands in the optimizer's hooks reads before any `step()`."""
    optimizer, scheduler = build(tools)
    with EffectiveRateLogger(optimizer, every=1, quantiles=[0.5]) as log:
        for _ in range(4):
            optimizer.step()
            scheduler.step()
    assert [row["lr"] for row in log.rows()] == pytest.approx(RATES[:4], rel=1e-6)


def test_a_rate_that_detach_would_take_away_is_heard(tools: Any) -> None:
    """Set just before `detach()`, which gives the peak back; `keep=True` leaves it in place."""
    for keep, warned, left in ((False, 1, LR), (True, 0, 5.0)):
        optimizer, scheduler = build(tools)
        tools.run(optimizer, AT)
        put(optimizer.param_groups[0], 5.0)
        assert len(said(lambda s=scheduler, keep=keep: s.detach(keep=keep))) == warned
        assert optimizer.param_groups[0]["lr"] == left
    optimizer, scheduler = build(tools, by_hand="refuse")
    tools.run(optimizer, AT)
    put(optimizer.param_groups[0], 5.0)
    with pytest.raises(rw.ScheduleError, match="set by somebody else"):
        scheduler.detach()
