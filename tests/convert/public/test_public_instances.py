"""Public configs that name classes, or that another tool wrote down, have their own rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ratewise.convert.reading import guess, read, read_source
from tests.convert.configs.instantiate import node, stepped
from tests.convert.configs.test_ultralytics import loop
from tests.convert.public.cases import path
from tests.convert.public.forced import check_other_readers
from tests.convert.public.projects import cosine
from tests.convert.test_read_feedback import rates as observed

T = "torch.optim.lr_scheduler."


def linear(peak: float, steps: int, warmup: int) -> Callable[[int], float]:
    """The Trainer's default."""

    def rate(t: int) -> float:
        return peak * (t / warmup if t < warmup else (steps - t) / (steps - warmup))

    return rate


def falling(peak: float, steps: int, warmup: int, low: float = 0.0) -> Callable[[int], float]:
    """A warm-up from 0, and a cosine from there to the end."""

    def rate(t: int) -> float:
        if t < warmup:
            return peak * t / warmup
        return peak * (low + (1 - low) * cosine((t - warmup) / (steps - warmup)))

    return rate


def by_epoch(scheduler: dict[str, Any], rate: float, epoch: int, epochs: int) -> list[float]:
    """What a class of PyTorch gives where Lightning steps it behind each epoch."""
    return stepped(scheduler, rate, epoch * epochs, every=epoch)


def at(total: int, rate: Callable[[int], float]) -> list[float]:
    return [rate(t) for t in range(total)]


ONE_CYCLE = node(
    f"{T}OneCycleLR", max_lr=1e-4, total_steps=1000, pct_start=0.05, cycle_momentum=False,
    div_factor=500.0, final_div_factor=1.0,
)  # fmt: skip
CASES: dict[str, tuple[str, dict[str, Any], Callable[[], list[float]]]] = {
    "lightning_cli_terratorch_elephants": (
        "lightning_cli",
        {"epoch": 3},
        lambda: by_epoch(node(f"{T}CosineAnnealingLR", T_max=20), 1e-4, 3, 100),
    ),
    "omatg_linode": (
        "lightning_cli",
        {"epoch": 2},
        lambda: [0.0006689636445843722] * 4000,
    ),
    "hydra_transferable_samplers_al3": (
        "hydra",
        {"epoch": 3, "interval": "epoch"},
        lambda: by_epoch(ONE_CYCLE, 1e-4, 3, 1000),
    ),
    "wandb_chatglm_lora": (
        "transformers",
        {"epoch": 400},
        lambda: at(400, linear(1e-3, 400, 40)),
    ),
    "wandb_poem_generation": (
        "transformers",
        {"epoch": 8},
        lambda: at(2000, linear(1e-5, 2000, 0)),
    ),
    "wandb_peft_bert": ("transformers", {"epoch": 100}, lambda: at(300, linear(5e-5, 300, 0))),
    "mcli_composer_1b_8k": ("composer", {}, lambda: at(24_800, falling(2e-4, 24_800, 100, 0.1))),
    "optim_verl_megatron": ("verl", {"total": 40}, lambda: [1e-3] * 40),
}


@pytest.mark.parametrize("name", CASES)
def test_a_public_config_is_read_as_its_project_reads_it(name: str) -> None:
    """Its own reader claims it, its length is known, and so is the rate at every update."""
    format, told, expected = CASES[name]
    file = path(name)
    assert guess(file).name == format
    found, rates = read_source(file, **told), expected()
    assert found.total == len(rates)
    np.testing.assert_allclose(found.plan.rates(found.total), rates, rtol=1e-9, atol=1e-16)


@pytest.mark.parametrize("name", CASES)
def test_no_other_reader_takes_it_for_something_else(name: str) -> None:
    """Forced to be read as any other format it is refused, or its rates are the same."""
    format, told, expected = CASES[name]
    rates = expected()
    check_other_readers(path(name), format, told, range(len(rates)), rates)


ARGS = {"warmup_epochs": 3, "warmup_bias_lr": 0.1, "nbs": 64, "lrf": 0.01, "cos_lr": False}
DETECTION: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ultralytics_small_objects": (
        {},
        {**ARGS, "epochs": 150, "batch": 32, "lr0": 0.0005, "cos_lr": True},
    ),
    "ultralytics_fall": ({}, {**ARGS, "epochs": 100, "batch": 16, "lr0": 0.01}),
    "ultralytics_uav": (
        {"lr": 0.002},
        {**ARGS, "epochs": 50, "batch": 32, "lr0": 0.002, "lrf": 0.005, "warmup_bias_lr": 0.0},
    ),
}


@pytest.mark.parametrize("name", DETECTION)
def test_a_run_of_ultralytics_has_the_rates_of_its_loop(name: str) -> None:
    """By batch in the warm-up and by epoch behind it, in every group."""
    told, args = DETECTION[name]
    file = path(name)
    assert guess(file).name == "ultralytics"
    expected = loop(args, 90, at_least=100, last=True)
    found = read_source(file, batches=90, **told)
    assert found.total == len(expected["weight"])
    groups = {"weight": None, **({"bias": "bias"} if found.plan.groups else {})}
    for which, group in groups.items():
        rates = found.plan.rates(found.total, group=group)
        np.testing.assert_allclose(rates, expected[which], rtol=1e-9, atol=1e-16)


PLATEAUS: dict[str, tuple[str, dict[str, Any], float, dict[str, Any]]] = {
    "lightning_cli_terratorch_eurosat": ("lightning_cli", {}, 1e-4, {}),
    "hydra_template_mnist": ("hydra", {"metric": "val/loss"}, 1e-3, {}),
    "hydra_nequip_tutorial": (
        "hydra",
        {},
        0.01,
        {"factor": 0.6, "patience": 5, "threshold": 0.2, "min_lr": 1e-6},
    ),
}


@pytest.mark.parametrize("name", PLATEAUS)
def test_a_plateau_cuts_when_that_of_pytorch_does(name: str) -> None:
    """Shown the same metric, epoch by epoch."""
    import torch

    format, told, rate, given = PLATEAUS[name]
    file = path(name)
    assert guess(file).name == format
    metric = [math.exp(-t / 9) + 0.3 * (t % 4 == 1) + 0.2 * (t > 30) for t in range(120)]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=rate)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **given)
    expected = []
    for value in metric:
        scheduler.step(value)
        expected.append(optimizer.param_groups[0]["lr"])
    assert len({*expected}) > 2
    np.testing.assert_allclose(observed(read(file, **told), metric), expected, rtol=1e-12)
