"""detectron2's SOLVER section gives the rates of its schedulers, made of fvcore's."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs.detectron2 import FORMATS
from ratewise.convert.reading import guess, read_source
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.configs.checks import agree, powers, read, some

fvcore = pytest.importorskip("fvcore.common.param_scheduler")

LR = 0.02
DEFAULTS: dict[str, Any] = {
    "LR_SCHEDULER_NAME": "WarmupMultiStepLR", "MAX_ITER": 40000, "BASE_LR": 0.001,
    "BASE_LR_END": 0.0, "GAMMA": 0.1, "STEPS": (30000,), "NUM_DECAYS": 3,
    "WARMUP_FACTOR": 1.0 / 1000, "WARMUP_ITERS": 1000, "WARMUP_METHOD": "linear",
    "RESCALE_INTERVAL": False, "POLY_LR_POWER": 0.9, "POLY_LR_CONSTANT_ENDING": 0.0,
}  # fmt: skip


def trace(keys: dict[str, Any], updates: Iterable[int] | None = None) -> list[float]:
    """Rates of fvcore's schedulers, put together as `build_lr_scheduler` does."""
    cfg = {**DEFAULTS, **keys}
    n, warmup, gamma = cfg["MAX_ITER"], cfg["WARMUP_ITERS"], cfg["GAMMA"]
    updates = range(n) if updates is None else updates
    if cfg["LR_SCHEDULER_NAME"] == "WarmupPolyLR":
        return [cfg["BASE_LR"] * poly(cfg, t) for t in updates]
    if cfg["LR_SCHEDULER_NAME"] == "WarmupMultiStepLR":
        steps = [x for x in cfg["STEPS"] if x <= n]
        values = [gamma**k for k in range(len(steps) + 1)]
        inner = fvcore.MultiStepParamScheduler(values, milestones=steps, num_updates=n)
    elif cfg["LR_SCHEDULER_NAME"] == "WarmupCosineLR":
        inner = fvcore.CosineParamScheduler(1, cfg["BASE_LR_END"] / cfg["BASE_LR"])
    else:
        inner = fvcore.StepWithFixedGammaParamScheduler(1.0, cfg["NUM_DECAYS"], gamma, n)
    length, rescaled = min(warmup / n, 1.0), cfg["RESCALE_INTERVAL"]
    end, start = inner(0.0) if rescaled else inner(length), cfg["WARMUP_FACTOR"] * inner(0.0)
    climb = fvcore.LinearParamScheduler(start, end)
    if cfg["WARMUP_METHOD"] == "constant":
        climb = fvcore.ConstantParamScheduler(start)
    scaling = ["rescaled", "rescaled" if rescaled else "fixed"]
    both = fvcore.CompositeParamScheduler([climb, inner], [length, 1 - length], scaling)
    return [cfg["BASE_LR"] * both(t / n) for t in updates]


def poly(cfg: dict[str, Any], t: int) -> float:
    """The multiplier of DeepLab's WarmupPolyLR."""
    warm = 1.0
    if t < cfg["WARMUP_ITERS"]:
        alpha = t / cfg["WARMUP_ITERS"] if cfg["WARMUP_METHOD"] == "linear" else 0.0
        warm = cfg["WARMUP_FACTOR"] * (1 - alpha) + alpha
    level = math.pow(1.0 - t / cfg["MAX_ITER"], cfg["POLY_LR_POWER"])
    if cfg["POLY_LR_CONSTANT_ENDING"] > 0 and warm == 1.0:
        return max(level, cfg["POLY_LR_CONSTANT_ENDING"])
    return warm * level


def config(**keys: Any) -> dict[str, Any]:
    return {"MODEL": {"META_ARCHITECTURE": "GeneralizedRCNN"}, "SOLVER": keys, "VERSION": 2}


@st.composite
def solvers(draw: st.DrawFn, name: str) -> dict[str, Any]:
    n = draw(st.integers(10, 120))
    return {
        "LR_SCHEDULER_NAME": name,
        "BASE_LR": LR,
        "MAX_ITER": n,
        "STEPS": tuple(sorted(draw(st.sets(st.integers(1, 150), max_size=3)) - {n})),
        "GAMMA": draw(st.sampled_from([0.1, 0.5])),
        "NUM_DECAYS": draw(st.integers(1, 4)),
        "BASE_LR_END": draw(st.sampled_from([0.0, 1e-3])),
        "WARMUP_ITERS": draw(st.sampled_from([0, 1, 5, 40])),
        "WARMUP_FACTOR": draw(st.sampled_from([0.001, 1 / 3, 1.0])),
        "WARMUP_METHOD": draw(st.sampled_from(["linear", "constant"])),
        "RESCALE_INTERVAL": draw(st.booleans()),
        "POLY_LR_POWER": draw(powers),
        "POLY_LR_CONSTANT_ENDING": draw(st.sampled_from([0.0, 0.3])),
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["WarmupMultiStepLR", "WarmupCosineLR", "WarmupStepWithFixedGammaLR", "WarmupPolyLR"],
)
@some
@given(st.data())
def test_schedulers(name: str, data: st.DataObject) -> None:
    """Every scheduler under every warm-up, on the clock of the run and on its own."""
    keys = data.draw(solvers(name))
    if keys["WARMUP_ITERS"] >= keys["MAX_ITER"]:
        keys["RESCALE_INTERVAL"] = False  # fvcore divides by nothing
    if name == "WarmupStepWithFixedGammaLR":
        keys["WARMUP_ITERS"] = min(keys["WARMUP_ITERS"], keys["MAX_ITER"] - 1)  # or fvcore fails
    agree(read(FORMATS, config(**keys)), trace(keys), slack=1e-12)


@pytest.mark.parametrize("rescaled", [False, True])
@pytest.mark.parametrize("name", ["WarmupMultiStepLR", "WarmupCosineLR"])
def test_a_long_run(name: str, rescaled: bool) -> None:
    """Where a millionth of the run is more than an update, fvcore takes its bounds before them."""
    keys = {"LR_SCHEDULER_NAME": name, "BASE_LR": LR, "MAX_ITER": 2_500_000, "WARMUP_ITERS": 50}
    keys |= {"STEPS": (400, 2_000_000), "RESCALE_INTERVAL": rescaled}
    found = read_any(config(**keys)).lr.resolve(2_500_000)
    updates = [*range(60), *range(390, 410), *range(1_999_990, 2_000_010), 2_499_999]
    got = [LR * found(t) for t in updates]
    assert got == pytest.approx(trace(keys, updates), rel=1e-12, abs=1e-15)


def test_defaults_are_said() -> None:
    """What a section leaves out is as in detectron2's own."""
    found = read_source({"SOLVER": {"LR_SCHEDULER_NAME": "WarmupMultiStepLR"}})
    assert (found.format.name, found.total) == ("detectron2", 40_000)
    agree(found.plan, trace({}), slack=1e-12)
    assert "WARMUP_ITERS=1000" in found.plan.notes[0]


def test_a_file_that_builds_on_another() -> None:
    """What every base says has to be in it; what few say is said to be a default."""
    text = (
        '_BASE_: "../Base.yaml"\nSOLVER:\n  BASE_LR: 0.02\n  STEPS: (210, 250)\n  MAX_ITER: 270\n'
    )
    assert guess(text).name == "detectron2"
    found = read_source(text)
    assert found.total == 270
    agree(found.plan, trace({"BASE_LR": LR, "STEPS": (210, 250), "MAX_ITER": 270}), slack=1e-12)
    assert "_BASE_, which is not here, may have others" in found.plan.notes[0]
    with pytest.raises(ScheduleError, match="leaves BASE_LR to its _BASE_"):
        read_any(text.replace("BASE_LR", "WEIGHT_DECAY"))
    told = read_source(text.replace("BASE_LR", "WEIGHT_DECAY"), lr=LR)
    assert told.plan.rates(270).tolist() == found.plan.rates(270).tolist()


def test_a_length_that_is_told_is_max_iter() -> None:
    """Steps behind it play no part, as there."""
    plan = read_any(config(BASE_LR=LR, STEPS=[50, 80], MAX_ITER=90), total=60)
    agree(plan, trace({"BASE_LR": LR, "STEPS": (50, 80), "MAX_ITER": 60}), slack=1e-12)
    assert any("Steps behind MAX_ITER=60" in note for note in plan.notes)


def test_biases_may_have_a_rate_of_their_own() -> None:
    """A group that has the same schedule at a multiple of the rate."""
    plan = read_any(config(BASE_LR=LR, STEPS=[50], MAX_ITER=90, BIAS_LR_FACTOR=2.0))
    assert plan.groups["bias"].peak["lr"] == 2 * LR
    assert plan.rates(90, group="bias").tolist() == (2 * plan.rates(90)).tolist()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"LR_SCHEDULER_NAME": "WarmupCosine"}, "did you mean WarmupCosineLR"),
        ({"WARMUP_ITER": 5}, "did you mean WARMUP_ITERS"),
        ({"BACKBONE_MULTIPLIER": 0.1}, "has the key BACKBONE_MULTIPLIER"),
        ({"LR_MULTIPLIER_NAMES": ["x"]}, "has the key LR_MULTIPLIER_NAMES"),
        ({"STEPS": (50, 40)}, "let the steps rise"),
        ({"STEPS": (100,)}, "below MAX_ITER"),
        ({"STEPS": "(50"}, "has STEPS"),
        ({"BASE_LR_END": 1.0, "LR_SCHEDULER_NAME": "WarmupCosineLR"}, "above lr"),
        ({"WARMUP_METHOD": "exp"}, "has WARMUP_METHOD"),
        (
            {"LR_SCHEDULER_NAME": "WarmupStepWithFixedGammaLR", "WARMUP_ITERS": 100},
            "where detectron2 fails",
        ),
        ({"REFERENCE_WORLD_SIZE": 8}, "scales its rate and lengths from 8 to 4"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """Keys of other projects too."""
    source = config(**{"BASE_LR": LR, "MAX_ITER": 100, "STEPS": (50,), **keys})
    with pytest.raises(ScheduleError, match=message):
        read_any(source, format="detectron2", processes=4)


@pytest.mark.parametrize(
    "solver",
    [
        {"BASE_LR": 0.02, "STEPS": (1, 2), "MAX_ITER": 9},
        {"BASE_LR": 0.1, "LR_POLICY": "cosine", "MAX_EPOCH": 9},
        {"BASE_LR": 0.1, "SCHED": "CosineAnnealingLR", "MAX_EPOCH": 9, "AMP": True},
    ],
)
def test_relatives_are_not_claimed(solver: dict[str, Any]) -> None:
    """Other projects have a section of this name."""
    with pytest.raises(ScheduleError, match="format"):
        guess({"SOLVER": solver})
