"""MMEngine configs give the values that its recursions give, by update and by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs.mmengine import FORMATS
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.configs.checks import agree, many, read
from tests.convert.configs.formulas_mmengine import Scheduler, trace

LR = 2e-3
EPOCH = 7
MULTIPLY = ["Linear", "Constant", "Step", "MultiStep", "Exponential"]
ALL = [*MULTIPLY, "Poly", "CosineAnnealing", "CosineRestart", "QuadraticWarmup"]


@st.composite
def arguments(draw: st.DrawFn, kind: str, n: int) -> dict[str, Any]:
    """The keys of one scheduler with a window of n steps."""
    low = draw(st.sampled_from([0.0, 1e-4, 5e-4]))
    gamma = draw(st.sampled_from([0.1, 0.5, 0.97]))
    if kind == "Linear":
        first = draw(st.sampled_from([1e-6, 0.1, 1 / 3, 1.0]))
        return {"start_factor": first, "end_factor": draw(st.sampled_from([1.0, 0.5, 0.0]))}
    if kind == "Constant":
        return {"factor": draw(st.sampled_from([0.1, 1 / 3, 1.0]))}
    if kind == "Step":
        return {"step_size": draw(st.integers(1, 30)), "gamma": gamma}
    if kind == "MultiStep":
        at = draw(st.lists(st.integers(0, n + 5), max_size=4))
        return {"milestones": at, "gamma": gamma}
    if kind == "Exponential":
        return {"gamma": gamma}
    if kind == "QuadraticWarmup":
        return {}
    if kind == "Poly":
        return {"eta_min": low, "power": draw(st.sampled_from([1.0, 0.9, 2.0]))}
    if kind == "CosineAnnealing":
        return {"T_max": draw(st.none() | st.integers(1, 60)), "eta_min": low}
    periods = draw(st.lists(st.integers(1, 25), min_size=1, max_size=4))
    weights = [draw(st.sampled_from([1, 0.5, 0.3])) for _ in periods]
    return {"periods": periods, "restart_weights": weights, "eta_min": low}


@st.composite
def windows(draw: st.DrawFn, kinds: list[str], *, apart: bool) -> list[Scheduler]:
    """A few schedulers, one behind the other or anywhere."""
    found: list[Scheduler] = []
    behind = 0
    for _ in range(draw(st.integers(1, 3))):
        pace = draw(st.sampled_from([1, 1, EPOCH]))
        gap = draw(st.sampled_from([0, 0, 3]))
        begin = -(-behind // pace) + gap if apart else draw(st.integers(0, 20))
        steps = draw(st.sampled_from([1, 2]) | st.integers(1, 40 if pace == 1 else 9))
        kind = draw(st.sampled_from(kinds))
        args = draw(arguments(kind, steps))
        found.append(Scheduler(kind, begin, begin + steps, pace, args))
        behind = (begin + steps) * pace
    return found


def config(schedulers: list[Scheduler], suffix: str = "LR") -> dict[str, Any]:
    """The config of schedulers, as it stands in a file."""
    items = [
        {
            "type": f"{each.kind}{suffix}",
            "begin": each.begin,
            "end": each.end,
            "by_epoch": each.pace != 1,
            **{key: value for key, value in each.args.items() if value is not None},
        }
        for each in schedulers
    ]
    optimizer = {"type": "SGD", "lr": LR, "momentum": 0.9}
    return {"param_scheduler": items, "optim_wrapper": {"optimizer": optimizer}}


@many
@given(windows(ALL, apart=True), st.integers(1, 130))
def test_one_behind_the_other(schedulers: list[Scheduler], n: int) -> None:
    """Every scheduler starts from the value that the one before it has left."""
    plan = read(FORMATS, config(schedulers), n, epoch=EPOCH)
    agree(plan, trace(n, LR, schedulers), slack=3e-13)


@many
@given(windows(MULTIPLY, apart=False), st.integers(1, 130))
def test_over_each_other(schedulers: list[Scheduler], n: int) -> None:
    """Schedulers that multiply, and overlap, multiply each other."""
    plan = read(FORMATS, config(schedulers), n, epoch=EPOCH)
    agree(plan, trace(n, LR, schedulers), slack=3e-13)


@many
@given(windows(ALL, apart=True), st.integers(1, 130))
def test_momentum(schedulers: list[Scheduler], n: int) -> None:
    """The variants for the momentum do the same to the momentum."""
    plan = read(FORMATS, config(schedulers, "Momentum"), n, epoch=EPOCH)
    assert plan.lr is None
    agree(plan, trace(n, 0.9, schedulers), key="momentum", slack=3e-13)


@many
@given(st.data(), st.sampled_from(ALL), st.integers(0, 4), st.integers(1, 9), st.integers(1, 90))
def test_conversion(data: st.DataObject, kind: str, begin: int, epochs: int, n: int) -> None:
    """`convert_to_iter_based` multiplies lengths by the epoch, and nothing else."""
    args = data.draw(arguments(kind, epochs))
    source = config([Scheduler(kind, begin, begin + epochs, EPOCH, args)])
    source["param_scheduler"][0]["convert_to_iter_based"] = True
    scaled = {
        key: [x * EPOCH for x in value] if key in ("milestones", "periods") else value
        for key, value in args.items()
    }
    scaled |= {key: args[key] * EPOCH for key in ("T_max", "step_size") if args.get(key)}
    same = Scheduler(kind, begin * EPOCH, (begin + epochs) * EPOCH, 1, scaled)
    agree(read(FORMATS, source, n, epoch=EPOCH), trace(n, LR, [same]), slack=3e-13)


@many
@given(
    st.integers(2, 120),
    st.sampled_from([0.3, 0.1, 0.5]) | st.floats(0.01, 0.99),
    st.sampled_from(["cos", "linear"]),
    st.booleans(),
)
def test_one_cycle(n: int, share: float, shape: str, three: bool) -> None:
    """OneCycle sets its own peak and ends phases between updates, as PyTorch's does."""
    from tests.convert.configs import formulas_axolotl as formulas

    keys = {"eta_max": 0.1, "pct_start": share, "anneal_strategy": shape, "three_phase": three}
    item = {"type": "OneCycleLR", "by_epoch": False, "end": n, **keys}
    low = 1 / 25
    levels = (low, 1.0, low, low / 1e4) if three else (low, 1.0, low / 1e4)
    if share * n == 1:
        with pytest.raises(ScheduleError, match="which is 0"):
            read(FORMATS, [item], n)
        return
    expected = [0.1 * x for x in formulas.one_cycle(n, n, share, levels, shape, three)]
    agree(read(FORMATS, [item], n), expected)


def test_a_usual_config() -> None:
    """A warm-up by update under milestones by epoch is the product of the two."""
    items = [
        {"type": "LinearLR", "start_factor": 0.001, "by_epoch": False, "begin": 0, "end": 50},
        {"type": "MultiStepLR", "begin": 0, "end": 12, "milestones": [8, 11], "gamma": 0.1},
    ]
    source = {
        "param_scheduler": items,
        "train_cfg": {"type": "EpochBasedTrainLoop", "max_epochs": 12},
    }
    plan = read(FORMATS, source, 360, epoch=30, lr=0.02)
    same = [
        Scheduler("Linear", 0, 50, 1, {"start_factor": 0.001, "end_factor": 1.0}),
        Scheduler("MultiStep", 0, 12, 30, {"milestones": [8, 11], "gamma": 0.1}),
    ]
    agree(plan, trace(360, 0.02, same), slack=1e-13)
    assert plan.notes == ("Linear reaches its end at update 49, one step before its window's.",)


@pytest.mark.parametrize("by_epoch", [False, True])
@pytest.mark.parametrize("kind", ["Step", "MultiStep", "Exponential"])
def test_without_an_end_it_goes_on(kind: str, by_epoch: bool) -> None:
    """What needs no end needs no total either, and the plan fits any run."""
    args: dict[str, Any] = {"gamma": 0.5, "step_size": 3, "milestones": [2, 5]}
    kept = {"Step": ["step_size"], "MultiStep": ["milestones"], "Exponential": []}[kind]
    args = {key: args[key] for key in ("gamma", *kept)}
    plan = read(FORMATS, [{"type": f"{kind}LR", "by_epoch": by_epoch, **args}], epoch=5, lr=1.0)
    same = Scheduler(kind, 0, 10**9, 5 if by_epoch else 1, args)
    for total in (4, 60):
        same.clock = same.last = -1
        agree(plan, trace(total, 1.0, [same]))


def test_windows_without_an_end_stop_with_the_run() -> None:
    """The default end is that of the training loop, or of the run."""
    item = {"type": "PolyLR", "by_epoch": False, "begin": 10}
    same = Scheduler("Poly", 10, 40, 1, {"eta_min": 0.0, "power": 1.0})
    expected = trace(40, 1.0, [same])
    agree(read(FORMATS, [item], 40, lr=1.0), expected, slack=1e-13)
    source = {"param_scheduler": item, "train_cfg": {"max_iters": 40}}
    agree(read(FORMATS, source, lr=1.0), expected, slack=1e-13)


def test_quirks_are_noted() -> None:
    """A cosine that stops short, and a gamma that is not converted, are said."""
    cosine = {"type": "CosineAnnealingLR", "by_epoch": False, "end": 6, "eta_min": 0.0}
    plan = read(FORMATS, [cosine], 8, lr=1.0)
    assert plan.rates(8)[7] == pytest.approx(0.067, abs=1e-3)
    assert plan.notes == (
        "The cosine stops at update 5, short of its lowest value, and stays there.",
    )
    decay = {"type": "ExponentialLR", "gamma": 0.9, "convert_to_iter_based": True}
    plan = read(FORMATS, [decay], 8, epoch=4, lr=1.0)
    assert plan.notes == (
        "gamma applies at every update, not at every epoch: it is not converted.",
    )


def test_other_parameters_are_scheduled_by_name() -> None:
    """`*ParamScheduler` schedules whatever key it names."""
    item = {"type": "LinearParamScheduler", "param_name": "weight_decay", "by_epoch": False}
    plan = read(FORMATS, [{**item, "start_factor": 0.5, "end": 5}], weight_decay=0.1)
    assert list(plan.rates(6, key="weight_decay").round(4)) == [
        0.05,
        0.0625,
        0.075,
        0.0875,
        0.1,
        0.1,
    ]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([{"type": "LinarLR"}], "did you mean LinearLR"),
        ([{"type": "ReduceOnPlateauLR"}], "depends on a metric"),
        ([{"type": "LinearLR", "start_facter": 1}], "did you mean start_factor"),
        ([{"type": "LinearLR", "end": 5}], r"call read\(…, epoch=…\)"),
        ([{"type": "LinearLR", "by_epoch": False}], "has no end"),
        ([{"type": "LinearLR", "by_epoch": False, "begin": 5, "end": 5}], "begin=5 and end=5"),
        (
            [{"type": "LinearLR", "by_epoch": False, "end": 5, "start_factor": 0}],
            "divides by start_factor=0 at update 1",
        ),
        (
            [{"type": "ConstantLR", "by_epoch": False, "end": 5, "factor": 0}],
            "divides by factor=0 at update 4",
        ),
        (
            [{"type": "PolyLR", "by_epoch": False, "end": 5, "eta_min": 0.1}],
            "absolute rate eta_min=0.1 and no peak",
        ),
        (
            [
                {
                    "type": "CosineAnnealingLR",
                    "by_epoch": False,
                    "end": 5,
                    "eta_min": 0.1,
                    "eta_min_ratio": 0.1,
                }
            ],
            "both eta_min=0.1 and eta_min_ratio=0.1",
        ),
        (
            [
                {"type": "LinearLR", "by_epoch": False, "end": 5},
                {"type": "CosineAnnealingLR", "by_epoch": False, "end": 9, "eta_min_ratio": 0.1},
            ],
            "overlaps another window",
        ),
        (
            [{"type": "OneCycleLR", "by_epoch": False, "end": 9, "eta_max": 1, "total_steps": 5}],
            "runs out of its total_steps at update 5",
        ),
        (
            [{"type": "StepLR", "by_epoch": False, "step_size": 2, "convert_to_iter_based": True}],
            "goes by updates already",
        ),
    ],
)
def test_what_is_wrong_is_named(items: list[dict[str, Any]], message: str) -> None:
    """Types, keys and windows that cannot be are refused by name."""
    from ratewise.convert.formats import RunFacts

    with pytest.raises(ScheduleError, match=message):
        FORMATS[0].read(items, RunFacts())


def test_several_optimizers_are_read_one_by_one() -> None:
    """A dict of lists is for several optimizers; one list is asked for."""
    with pytest.raises(ScheduleError, match="several optimizers"):
        read(FORMATS, {"param_scheduler": {"generator": [], "discriminator": []}})


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"auto_scale_lr": {"enable": True, "base_batch_size": 16}}, "multiplies lr by the batch"),
        (
            {"optim_wrapper": {"optimizer": {"lr": LR}, "accumulative_counts": 4}},
            "count batches, not updates",
        ),
    ],
)
def test_what_changes_rates_elsewhere_is_refused(more: dict[str, Any], message: str) -> None:
    """MMEngine scales lr before training if told to, and steps schedulers at every batch."""
    source = {**config([Scheduler("Step", 0, 9, 1, {"step_size": 2, "gamma": 0.1})]), **more}
    with pytest.raises(ScheduleError, match=message):
        read(FORMATS, source, 9)


def test_the_length_of_the_run_is_that_of_its_loop() -> None:
    """What the config states need not be told; a rate that is told counts more than its own."""
    from ratewise.convert.reading import read_source

    schedulers = [Scheduler("Step", 0, 6, EPOCH, {"step_size": 2, "gamma": 0.1})]
    for loop, told in (({"max_epochs": 6}, 6 * EPOCH), ({"max_iters": 40}, 40)):
        found = read_source({**config(schedulers), "train_cfg": loop}, epoch=EPOCH, lr=0.5)
        assert found.total == told
        schedulers[0].clock = schedulers[0].last = -1
        agree(found.plan, trace(told, 0.5, schedulers))


def test_scaled_rates_need_the_samples_of_an_update() -> None:
    """`auto_scale_lr` multiplies the rate by the samples over their base."""
    source = {
        "param_scheduler": [{"type": "mmdet.LinearLR", "by_epoch": False, "begin": 0, "end": 5}],
        "optim_wrapper": {"optimizer": {"type": "SGD", "lr": 0.02}},
        "auto_scale_lr": {"enable": True, "base_batch_size": 16},
        "train_cfg": {"max_iters": 20},
    }
    with pytest.raises(ScheduleError, match="samples"):
        read_any(source)
    assert read_any(source, samples=32).peak == {"lr": 0.04}
    assert read_any(source, batch_size=8, processes=2).peak == {"lr": 0.02}


def test_the_weight_decay_of_mmpretrain() -> None:
    """Its cosine may rise."""
    scheduler = {"type": "CosineAnnealingWeightDecay", "by_epoch": False, "T_max": 40}
    source = {
        "param_scheduler": [{"type": "ConstantLR", "factor": 1.0, "by_epoch": False, "end": 40},
                            {**scheduler, "eta_min": 0.2, "begin": 0, "end": 40}],
        "optim_wrapper": {"optimizer": {"type": "Lamb", "lr": 1e-3, "weight_decay": 0.04}},
    }  # fmt: skip
    own = trace(40, 0.04, [Scheduler("CosineAnnealing", 0, 40, 1, {"T_max": 40, "eta_min": 0.2})])
    agree(read_any(source, total=40), own, key="weight_decay")


def test_a_class_may_be_named_behind_a_star(tmp_path: Path) -> None:
    """In the newer form of its configs, of which a base may be missing, `dict` is `dict`."""
    path = tmp_path / "config.py"
    path.write_text(
        "from mmengine.config import read_base\nwith read_base():\n    from .none import *\n"
        "from mmengine.optim import LinearLR\n"
        "param_scheduler = [dict(type=LinearLR, by_epoch=False, end=5)]\n"
        "optim_wrapper = dict(optimizer=dict(lr=0.02))\ntrain_cfg = dict(max_iters=20)\n"
    )
    agree(read_any(path), [0.02 * min(1, 1 / 3 + t / 6) for t in range(20)])
