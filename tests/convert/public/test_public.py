"""Public configs, trimmed to keys and values, have the rates that their own project gives them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratewise.convert.reading import guess, read_source

HERE = Path(__file__).parent


def cosine(p: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * p))


def olmo(
    peak: float, warmup: float, end: float, least: float, is_linear: bool = False
) -> Callable[[int], float]:
    """OLMo, in updates; the count of an update begins at 1."""

    def rate(t: int) -> float:
        now = t + 1
        if now < warmup:
            return least + (peak - least) * now / warmup
        if now >= end:
            return 0.1 * peak
        done = (now - warmup) / (end - warmup)
        return peak * (0.1 + 0.9 * (1 - done if is_linear else cosine(done)))

    return rate


def maxtext(peak: float, steps: int, warmup: int, final: float) -> Callable[[int], float]:
    """MaxText's cosine, whose last update is at the final fraction."""

    def rate(t: int) -> float:
        if t < warmup:
            return peak * t / warmup
        weight = cosine((t - warmup) / (steps - warmup - 1))
        return peak * (weight + final * (1 - weight))

    return rate


def trainer(peak: float, steps: int, warmup: int, kind: str = "cosine") -> Callable[[int], float]:
    """The Trainer of Transformers."""

    def rate(t: int) -> float:
        if kind == "constant":
            return peak
        if t < warmup:
            return peak * t / warmup
        return peak * max(0.0, cosine((t - warmup) / (steps - warmup)))

    return rate


CASES: dict[str, tuple[str, dict[str, Any], int, Callable[[int], float]]] = {
    "olmo_OLMo-1B": ("olmo", {}, 739_328, olmo(4e-4, 2000, 739_328, 4e-5)),
    "olmo_OLMo-7B": ("olmo", {}, 476_838, olmo(3e-4, 5000, 476_838, 3e-5, True)),
    "olmo_OLMo-7B-0424": (
        "olmo",
        {"epoch": 400_000},
        800_000,
        olmo(3e-4, 2500, 3e12 / (1024 * 4096), 3e-5),
    ),
    "olmo_OLMo2-1B-stage1": (
        "olmo",
        {},
        math.ceil(4e12 / (512 * 4096)),
        olmo(4e-4, 4000, 5e12 / (512 * 4096), 0.0),
    ),
    "maxtext_base": ("maxtext", {}, 150_001, maxtext(3e-5, 150_001, 15_000, 0.1)),
    "maxtext_distillation": ("maxtext", {}, 200_000, maxtext(2e-4, 200_000, 20_000, 0.1)),
    "maxtext_distillation_gpt_oss_20b": (
        "maxtext",
        {},
        100_000,
        maxtext(5e-5, 100_000, 2000, 0.2),
    ),
    "llama_factory_llama3_sft": ("llama_factory", {"epoch": 50}, 1000, trainer(5e-6, 1000, 10)),
    "llama_factory_qwen2_full_sft": ("llama_factory", {"epoch": 125}, 375, trainer(1e-5, 375, 38)),
    "llama_factory_qwen3_5_full_sft_fsdp2": ("llama_factory", {}, 500, trainer(1e-5, 500, 50)),
    "llama_factory_qwen3_moe_full": (
        "llama_factory",
        {"epoch": 100},
        200,
        trainer(3e-6, 200, 0, "constant"),
    ),
    "verl_fsdp": ("verl", {"total": 40}, 40, lambda t: 1e-3),
    "verl_legacy_ppo_trainer": ("verl", {"total": 40}, 40, lambda t: 1e-6),
}


@pytest.mark.parametrize("name", CASES)
def test_a_public_config_is_read_as_its_project_reads_it(name: str) -> None:
    """Its own reader claims it, its length is known, and so is the rate at every update."""
    format, told, total, rate = CASES[name]
    path = HERE / f"{name}.yaml"
    assert guess(path).name == format
    found = read_source(path, **told)
    assert found.total == total
    updates = sorted({*range(0, total, max(total // 500, 1)), *range(min(total, 50)), total - 1})
    rates = found.plan.rates(total)[updates]
    np.testing.assert_allclose(rates, [rate(t) for t in updates], rtol=1e-9, atol=1e-18)
