"""MMCV 1's lr_config gives the rates that its hook sets, by epoch and by update."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs.mmcv import FORMATS
from ratewise.convert.reading import guess
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.configs.checks import agree, many, read

LR, LOW = 0.02, 1e-4


def cosine(start: float, end: float, p: float, weight: float = 1.0) -> float:
    return end + 0.5 * weight * (start - end) * (math.cos(math.pi * p) + 1)


def policy(x: int, n: int, given: dict[str, Any]) -> float:
    """The rate at epoch or update x of n, as the hook of the policy works it out."""
    kind, gamma = given["policy"], given.get("gamma", 0.1)
    if kind == "step":
        at = given["step"]
        return LR * gamma ** (x // at if isinstance(at, int) else sum(x >= s for s in at))
    if kind == "exp":
        return LR * gamma**x
    if kind == "inv":
        return LR * (1 + gamma * x) ** -given.get("power", 1.0)
    if kind == "poly":
        return (LR - LOW) * (1 - x / n) ** given.get("power", 1.0) + LOW
    if kind == "CosineAnnealing":
        return cosine(LR, LOW, x / n)
    if kind == "LinearAnnealing":
        return LR + (LOW - LR) * x / n
    if kind == "FlatCosineAnnealing":
        start = round(n * given["start_percent"])
        return LR if x < start else cosine(LR, LOW, (x - start) / (n - start))
    if kind == "CosineRestart":
        begin = 0
        for period, weight in zip(given["periods"], given["restart_weights"], strict=True):
            if x < begin + period:
                return cosine(LR, LOW, (x - begin) / period, weight)
            begin += period
    return LR


def hook(total: int, epoch: int, given: dict[str, Any]) -> list[float]:
    """The rate of each update: the policy's, and in its first updates a share of that."""
    by_epoch = given.get("by_epoch", True)
    warmup, ratio = given.get("warmup"), given.get("warmup_ratio", 0.1)
    count = given.get("warmup_iters", 0) * (epoch if given.get("warmup_by_epoch") else 1)
    rates: list[float] = []
    for t in range(total):
        regular = policy(
            t // epoch if by_epoch else t, total // epoch if by_epoch else total, given
        )
        if warmup and t < count:
            share = {
                "constant": ratio,
                "linear": 1 - (1 - t / count) * (1 - ratio),
                "exp": ratio ** (1 - t / count),
            }[warmup]
            regular *= share
        rates.append(regular)
    return rates


POLICIES: list[dict[str, Any]] = [
    {"policy": "fixed"},
    {"policy": "step", "step": [4, 6]},
    {"policy": "step", "step": 3, "gamma": 0.5},
    {"policy": "exp", "gamma": 0.9},
    {"policy": "inv", "gamma": 0.25, "power": 0.75},
    {"policy": "poly", "power": 0.9, "min_lr": LOW},
    {"policy": "CosineAnnealing", "min_lr": LOW},
    {"policy": "CosineAnnealing", "min_lr_ratio": LOW / LR},
    {"policy": "LinearAnnealing", "min_lr": LOW},
    {"policy": "FlatCosineAnnealing", "start_percent": 0.5, "min_lr": LOW},
    {"policy": "CosineRestart", "periods": [3, 5], "restart_weights": [1, 0.5], "min_lr": LOW},
]
WARMUPS: list[dict[str, Any]] = [
    {},
    {"warmup": "linear", "warmup_iters": 11, "warmup_ratio": 0.001},
    {"warmup": "exp", "warmup_iters": 3},
    {"warmup": "constant", "warmup_iters": 2, "warmup_by_epoch": True},
]


@many
@given(st.sampled_from(POLICIES), st.sampled_from(WARMUPS), st.booleans())
def test_policies(policy: dict[str, Any], warmup: dict[str, Any], by_epoch: bool) -> None:
    """Every policy with every warm-up, by epoch of 5 updates, or by update."""
    given_ = {**policy, **warmup, "by_epoch": by_epoch}
    source: dict[str, Any] = {"optimizer": {"type": "SGD", "lr": LR}, "lr_config": given_}
    if not by_epoch and policy["policy"] == "CosineRestart":
        given_["periods"] = [20, 20]
    source["runner"] = {"type": "EpochBasedRunner", "max_epochs": 8}
    agree(read(FORMATS, source, epoch=5), hook(40, 5, given_))


def test_a_usual_config() -> None:
    """A schedule of MMDetection 2 is known for what it is."""
    config = {
        "optimizer": {"type": "SGD", "lr": 0.02, "momentum": 0.9},
        "lr_config": {"policy": "step", "warmup": "linear", "warmup_iters": 500,
                      "warmup_ratio": 0.001, "step": [8, 11]},
        "runner": {"type": "EpochBasedRunner", "max_epochs": 12},
    }  # fmt: skip
    assert guess(config).name == "mmcv"
    agree(read_any(config, epoch=100), hook(1200, 100, config["lr_config"]))
    assert read_any(config, epoch=100, lr=0.01).rates(1200)[700] == 0.01


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"policy": "stepp"}, "did you mean step"),
        ({"policy": "OneCycle", "max_lr": 0.1}, "has the policy 'OneCycle'"),
        ({"policy": "step", "step": 3, "warmup_iter": 5}, "did you mean warmup_iters"),
        ({"policy": "CosineAnnealing"}, "has no floor"),
        ({"policy": "CosineAnnealing", "min_lr": 0, "min_lr_ratio": 0.1}, "has both"),
        ({"policy": "inv", "gamma": 0.3}, "no whole number"),
        ({"policy": "step", "step": 3, "min_lr": 1e-6}, "leave min_lr out"),
        ({"policy": "CosineRestart", "periods": [3], "restart_weights": [], "min_lr": 0}, "weight"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """A policy or key that is not read is refused by its name."""
    source = {"optimizer": {"lr": LR}, "lr_config": keys, "runner": {"max_epochs": 4}}
    with pytest.raises(ScheduleError, match=message):
        read_any(source, epoch=10)


def test_without_the_length_of_an_epoch_it_is_asked_for() -> None:
    """What goes by epoch needs the updates of one."""
    with pytest.raises(ScheduleError, match="depends on epoch"):
        read_any({"lr_config": {"policy": "step", "step": 3}, "optimizer": {"lr": LR}}, total=40)
