"""Factors and names of groups: multiplied once, never twice; meant by name, place or pattern."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import sys
import types
from typing import Any

import pytest
import torch

import ratewise as rw
from ratewise.convert import write
from ratewise.torch import Scheduler

LR, TOTAL = 1e-2, 6
PLAN = rw.Warmup(2) >> rw.Cosine(to=0.1)
LEVELS = PLAN.resolve(total=TOTAL).values().tolist()
SCALES = (0.125, 0.25, 0.5, 1.0)


def part(i: int = 0, **values: Any) -> dict[str, Any]:
    weight = torch.nn.Parameter(torch.ones(i + 1))
    weight.grad = torch.full((i + 1,), 1e-3)
    return {"params": [weight], **values}


def rates(optimizer: Any, updates: int) -> list[list[float]]:
    used: list[list[float]] = []
    hook = optimizer.register_step_pre_hook(
        lambda one, *_: used.append([float(group["lr"]) for group in one.param_groups])
    )
    for _ in range(updates):
        optimizer.step()
    hook.remove()
    return used


def layered(
    key: str = "lr_scale", multiplied: bool = False, kind: Any = torch.optim.AdamW, **options: Any
) -> Any:
    groups = [
        part(i, **{key: scale}, **({"lr": LR * scale} if multiplied else {}))
        for i, scale in enumerate(SCALES)
    ]
    return kind(groups, lr=LR, **options)


def wanted(start: int = 0) -> list[Any]:
    return [
        pytest.approx([LR * scale * level for scale in SCALES], rel=1e-12)
        for level in LEVELS[start:]
    ]


@pytest.mark.parametrize("key", ["lr_scale", "lr_mult", "lr_multiplier"])
@pytest.mark.parametrize("multiplied", [False, True])
@pytest.mark.parametrize("options", [{}, {"foreach": True}, {"fused": True}], ids=str)
def test_a_factor_counts_once(key: str, multiplied: bool, options: Any) -> None:
    """As timm, Megatron and DINOv2 keep it, and as MMEngine does, which has multiplied before."""
    optimizer = layered(key, multiplied, **options)
    scheduler = Scheduler(optimizer, PLAN, total=TOTAL)
    assert scheduler.base_lrs == [LR * scale for scale in SCALES]
    assert rates(optimizer, TOTAL) == wanted()
    scheduler.detach()
    plain = [LR * scale if multiplied else LR for scale in SCALES]
    assert [group["lr"] for group in optimizer.param_groups] == plain
    Scheduler(optimizer, PLAN, total=TOTAL)
    assert rates(optimizer, TOTAL) == wanted()


@pytest.mark.parametrize("load_first", [False, True])
@pytest.mark.parametrize("multiplied", [False, True])
def test_it_counts_once_after_a_resume(load_first: bool, multiplied: bool) -> None:
    """From the optimizer alone, and from our own state; in either order."""
    for own in (False, True):
        optimizer = layered(multiplied=multiplied)
        scheduler = Scheduler(optimizer, PLAN, total=TOTAL)
        rates(optimizer, 3)
        states = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
        fresh = layered(multiplied=multiplied)
        if load_first:
            fresh.load_state_dict(states[0])
        again = Scheduler(fresh, PLAN, total=TOTAL)
        if not load_first:
            fresh.load_state_dict(states[0])
        if own:
            again.load_state_dict(states[1])
        assert rates(fresh, 3) == wanted(3)


@pytest.mark.parametrize(("value", "scale"), [(LR, 0.5), (LR * 0.5, 0.5), (LR, 2.0)])
def test_one_group_alone(value: float, scale: float) -> None:
    """It is held against the optimizer's default; a factor above 1 is one too."""
    optimizer = torch.optim.SGD([part(lr=value, lr_scale=scale)], lr=LR)
    Scheduler(optimizer, PLAN, total=TOTAL)
    assert rates(optimizer, 1) == [[LR * scale * LEVELS[0]]]


def test_a_peak_for_all_is_multiplied_and_one_of_a_group_is_not() -> None:
    """What a plan says of one group is meant as it stands."""
    plan = rw.Plan(lr=PLAN, peak={"lr": 1.0}, groups={"0": rw.Plan(lr=PLAN, peak={"lr": 0.7})})
    optimizer = layered()
    assert Scheduler(optimizer, plan, total=TOTAL).base_lrs == [0.7, 0.25, 0.5, 1.0]


def test_weight_decay_has_a_factor_too() -> None:
    """DINOv2's `wd_multiplier`: nothing for biases."""
    groups = [part(0, wd_multiplier=1.0), part(1, wd_multiplier=0.0)]
    optimizer = torch.optim.AdamW(groups, lr=LR, weight_decay=0.1)
    Scheduler(optimizer, rw.Plan(lr=rw.Hold(), weight_decay=rw.Linear(to=0.5)), total=2)
    optimizer.step()
    optimizer.step()
    assert [group["weight_decay"] for group in optimizer.param_groups] == [
        pytest.approx(0.075),
        0.0,
    ]


def schedulers_of_timm() -> Any:
    """timm's schedulers; without torchvision the rest of timm cannot be imported."""
    spec = importlib.util.find_spec("timm")
    if spec is None or spec.submodule_search_locations is None:
        pytest.skip("timm is not installed")
    if importlib.util.find_spec("torchvision") is None and "timm" not in sys.modules:
        package = types.ModuleType("timm")
        package.__path__ = list(spec.submodule_search_locations)
        package.__spec__ = spec
        sys.modules["timm"] = package
    return importlib.import_module("timm.scheduler")


@pytest.mark.parametrize("kind", ["CosineLRScheduler", "PolyLRScheduler"])
def test_layer_decay_is_that_of_timms_scheduler(kind: str) -> None:
    """Groups as its factory makes them, its scheduler beside ours, and ours behind its.

    The factory itself needs torchvision; its groups hold `lr_scale` and no rate of their own.
    """
    timm = schedulers_of_timm()
    ours, theirs = layered(), layered()
    scheduler = getattr(timm, kind)(theirs, t_initial=TOTAL, t_in_epochs=False)
    Scheduler(
        ours,
        rw.Cosine(to=0) if kind.startswith("Cos") else rw.Polynomial(to=0, power=0.5),
        total=TOTAL,
    )
    for t in range(TOTAL):
        (mine,) = rates(ours, 1)
        scheduler.step_update(t)
        assert mine == pytest.approx([group["lr"] for group in theirs.param_groups], rel=1e-9)
    behind = Scheduler(theirs, PLAN, total=TOTAL)
    assert behind.base_lrs == [LR * scale for scale in SCALES]
    assert rates(theirs, TOTAL) == wanted()


def test_ratios_of_groups_are_kept() -> None:
    """LoRA+ gives one group sixteen times the rate of another; names, fused, and all."""
    for options in ({"foreach": True}, {"fused": True}, {}):
        groups = [part(0, name="lora_A"), part(1, name="lora_B", lr=16 * LR)]
        optimizer = torch.optim.AdamW(groups, lr=LR, **options)
        Scheduler(optimizer, PLAN, total=TOTAL)
        assert rates(optimizer, TOTAL) == [[LR * x, 16 * LR * x] for x in LEVELS]


# Patterns -----------------------------------------------------------------------------------

NAMES = ("embed", "layers.0.attn", "layers.0.mlp", "layers.1.attn", "head")
HALF, TENTH, WHOLE = rw.Hold(0.5), rw.Hold(0.1), rw.Hold()


def named(names: Any = NAMES) -> Any:
    return torch.optim.SGD([part(i, name=name) for i, name in enumerate(names)], lr=LR)


def levels(optimizer: Any, plan: rw.Plan) -> list[float]:
    Scheduler(optimizer, plan, total=TOTAL)
    (used,) = rates(optimizer, 1)
    return [round(rate / LR, 9) for rate in used]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"layers.*": HALF}, [1, 0.5, 0.5, 0.5, 1]),
        ({"layers.*": HALF, "layers.0.*": TENTH}, [1, 0.1, 0.1, 0.5, 1]),
        ({"*": HALF, "head": WHOLE}, [0.5, 0.5, 0.5, 0.5, 1]),
        ({"layers.?.attn": TENTH, "layers.*": HALF}, [1, 0.1, 0.5, 0.1, 1]),
        ({"layers.[0].*": TENTH, "4": HALF}, [1, 0.1, 0.1, 1, 0.5]),
        ({"*": HALF, "0": TENTH}, [0.1, 0.5, 0.5, 0.5, 0.5]),
    ],
)
def test_the_most_specific_counts(groups: Any, expected: Any) -> None:
    """A name or place before any pattern, and of two patterns the one that says more.

    The order in which they are written does not matter, nor whether they are a text or JSON.
    """
    for keys in (groups, dict(reversed(groups.items()))):
        plan = rw.Plan(lr=WHOLE, groups=keys)
        assert rw.parse(repr(plan)) == plan == rw.from_json(plan.to_json())
        assert levels(named(), rw.parse(repr(plan))) == expected
        space: dict[str, Any] = {}
        exec(write(plan, "torch", total=TOTAL), space)
        optimizer = named()
        space["make_scheduler"](optimizer)
        assert [round(group["lr"] / LR, 9) for group in optimizer.param_groups] == expected
        rated = rates_by_name(plan)
        assert rated == expected


def rates_by_name(plan: rw.Plan) -> list[float]:
    """What `Plan.rates` says of each group by its name; one that is meant by place has no name."""
    keys = {"0": "0", "4": "4"}
    names = [keys[str(i)] if str(i) in plan.groups else name for i, name in enumerate(NAMES)]
    peaked = rw.Plan(lr=plan.lr, groups=plan.groups, peak={"lr": 1.0})
    return [float(_rates(peaked, name)[0]) for name in names]


def _rates(plan: rw.Plan, name: str) -> Any:
    try:
        return plan.rates(total=TOTAL, group=name)
    except rw.ScheduleError:
        return plan.rates(total=TOTAL)


def test_what_nobody_can_tell_is_refused() -> None:
    """Two patterns that say as much; one that fits nothing."""
    tied = rw.Plan(lr=WHOLE, groups={"layers.?.attn": HALF, "layers.*.attn": TENTH})
    with pytest.raises(rw.ScheduleError, match=r"fits group 'layers.0.attn', which .* as well"):
        Scheduler(named(), tied, total=TOTAL)
    with pytest.raises(rw.ScheduleError, match="names no group"):
        Scheduler(named(), rw.Plan(lr=WHOLE, groups={"block.*": HALF}), total=TOTAL)


def test_a_name_with_a_bracket_is_a_name() -> None:
    """Also where it could be read as a pattern."""
    optimizer = named(("layers[0]", "layers0"))
    assert levels(optimizer, rw.Plan(lr=WHOLE, groups={"layers[0]": HALF})) == [0.5, 1]


def test_names_of_parameters_are_those_of_a_group_without_one() -> None:
    """As `named_parameters()` gives them; a group that is meant in part is refused."""
    model = torch.nn.ModuleDict({"body": torch.nn.Linear(1, 1), "head": torch.nn.Linear(1, 1)})
    parts = [{"params": list(model[name].named_parameters(name))} for name in ("body", "head")]
    optimizer = torch.optim.SGD(parts, lr=LR)
    for weight in model.parameters():
        weight.grad = torch.ones_like(weight)
    assert levels(optimizer, rw.Plan(lr=WHOLE, groups={"head.*": HALF})) == [1, 0.5]
    whole = torch.optim.SGD(model.named_parameters(), lr=LR)
    with pytest.raises(rw.ScheduleError, match=r"fits 'head.weight' in group 0, and not 'body"):
        Scheduler(whole, rw.Plan(lr=WHOLE, groups={"head.*": HALF}), total=TOTAL)


def test_a_group_that_joins_late_is_meant_by_a_pattern_too() -> None:
    """As by its name."""
    optimizer = named()
    Scheduler(optimizer, rw.Plan(lr=WHOLE, groups={"layers.*": HALF}), total=TOTAL)
    optimizer.add_param_group(part(7, name="layers.2.mlp"))
    assert rates(optimizer, 1)[0][-1] == LR / 2
