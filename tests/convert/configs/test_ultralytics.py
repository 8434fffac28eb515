"""The args.yaml of Ultralytics gives the rates that its loop sets, batch by batch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ratewise.convert.configs.ultralytics import FORMATS
from ratewise.convert.reading import guess, read_source
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.configs.checks import agree, read

ARGS: dict[str, Any] = {
    "task": "detect",
    "epochs": 6,
    "batch": 64,
    "optimizer": "SGD",
    "cos_lr": False,
    "close_mosaic": 10,
    "lr0": 0.01,
    "lrf": 0.01,
    "momentum": 0.937,
    "weight_decay": 0.0005,
    "warmup_epochs": 3.0,
    "warmup_momentum": 0.8,
    "warmup_bias_lr": 0.1,
    "nbs": 64,
    "imgsz": 640,
}


def loop(args: dict[str, Any], nb: int, *, at_least: int, last: bool) -> dict[str, list[float]]:
    """The rates of its updates, from the loop of its trainer.

    Versions differ in the least number of batches of the warm-up, and in whether batch nw is one.
    """
    from torch import nn, optim

    def group() -> dict[str, Any]:
        return {"params": [nn.Parameter(nn.Linear(1, 1).weight)]}

    optimizer = optim.SGD(
        [{**group(), "name": "bias"}, {**group(), "name": "weight"}], lr=args["lr0"]
    )
    lrf, epochs = args["lrf"], args["epochs"]

    def lf(x: int) -> float:
        if args["cos_lr"]:
            return ((1 - math.cos(x * math.pi / epochs)) / 2) * (lrf - 1) + 1
        return max(1 - x / epochs, 0) * (1.0 - lrf) + lrf

    scheduler = optim.lr_scheduler.LambdaLR(optimizer, lr_lambda=lf)
    scheduler.last_epoch = -1
    length = args["warmup_epochs"]
    nw = max(round(length * nb), at_least) if length > 0 else -1
    accumulate, last_step = max(round(args["nbs"] / args["batch"]), 1), -1
    used: dict[str, list[float]] = {"bias": [], "weight": []}
    for epoch in range(epochs):
        scheduler.step()
        for i in range(nb):
            ni = i + nb * epoch
            if ni < nw or (last and ni == nw):
                ends = [1, args["nbs"] / args["batch"]]
                accumulate = max(1, int(np.interp(ni, [0, nw], ends).round()))
                for x in optimizer.param_groups:
                    begin = args["warmup_bias_lr"] if x["name"] == "bias" else 0.0
                    x["lr"] = np.interp(ni, [0, nw], [begin, x["initial_lr"] * lf(epoch)])
            if ni - last_step >= accumulate:
                for x in optimizer.param_groups:
                    used[x["name"]].append(float(x["lr"]))
                last_step = ni
    return used


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize(
    ("change", "nb"),
    [
        ({}, 40),
        ({"cos_lr": True, "warmup_bias_lr": 0.0}, 40),
        ({"batch": 16}, 40),
        ({"batch": 8, "lrf": 0.2}, 37),
        ({"batch": 128, "warmup_epochs": 2.0}, 50),
        ({"warmup_epochs": 0}, 7),
        ({"batch": 24, "nbs": 100}, 60),
    ],
)
def test_every_update_of_its_loop(change: dict[str, Any], nb: int, last: bool) -> None:
    """Warm-up by batch, decay by epoch, batches gathered for an update, biases of their own."""
    args = {**ARGS, **change}
    expected = loop(args, nb, at_least=100, last=last)
    plan = read(FORMATS, args, batches=nb)
    agree(plan, expected["weight"], slack=1e-13)
    if plan.groups:
        got = plan.rates(len(expected["bias"]), group="bias")
        np.testing.assert_allclose(got, expected["bias"], rtol=1e-12)
    else:
        np.testing.assert_allclose(expected["weight"], expected["bias"], rtol=1e-12)
    assert read_source(args, batches=nb).total == len(expected["weight"])


def test_where_an_update_takes_one_batch_an_epoch_says_all() -> None:
    """The batches of an epoch are its updates then; with accumulation they are asked for."""
    assert guess(ARGS).name == "ultralytics"
    assert read_any(ARGS, epoch=40) == read_any(ARGS, batches=40)
    with pytest.raises(ScheduleError, match=r"takes 4 batches.*batches"):
        read_any({**ARGS, "batch": 16}, epoch=40)


def test_a_rate_that_is_told_counts_more() -> None:
    """The optimizer `auto` chooses its rate by itself, which has to be told."""
    found = read_any(ARGS, epoch=40, lr=0.02)
    assert found.peak == {"lr": 0.02}
    assert any("lr0=0.01" in note for note in found.notes)
    auto = {**ARGS, "optimizer": "auto"}
    with pytest.raises(ScheduleError, match=r"auto, which chooses the rate.*lr"):
        read_any(auto, epoch=40)
    expected = loop({**ARGS, "lr0": 0.002, "warmup_bias_lr": 0.0}, 40, at_least=100, last=True)
    agree(read_any(auto, epoch=40, lr=0.002), expected["bias"], slack=1e-13)


@pytest.mark.parametrize(
    ("change", "nb"),
    [({}, 10), ({"warmup_epochs": 2.5}, 50), ({"batch": 16, "warmup_epochs": 0.3}, 21)],
)
def test_what_versions_do_differently_is_asked_for(change: dict[str, Any], nb: int) -> None:
    """Some warm up for 100 batches at least, some leave the last rate to the end of an epoch."""
    args = {**ARGS, **change}
    with pytest.raises(ScheduleError, match="warmup_least"):
        read_any(args, batches=nb)
    for least in (100, 0):
        plan = read_any(args, batches=nb, warmup_least=least)
        agree(plan, loop(args, nb, at_least=least, last=least > 0)["weight"], slack=1e-13)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": 2.5}, "has time"),
        ({"batch": -1}, "batch_size"),
        ({"batch": 0.7}, "batch_size"),
        ({"optimizer": "MuSGD"}, "MuSGD"),
        ({"warmup_steps": 5}, "did you mean warmup_epochs"),
        ({"lr": 5}, "did you mean lr"),
        ({"epochs": 0}, "epochs"),
        ({"lrf": 2}, "lrf"),
        ({"epochs": 10**9}, "batches in all"),
    ],
)
def test_what_cannot_be_said_is_refused(change: dict[str, Any], message: str) -> None:
    """By the key that it is about."""
    with pytest.raises(ScheduleError) as caught:
        read_any({**ARGS, **change}, epoch=40)
    assert message in str(caught.value)
