"""Public configs of timm, sd-scripts, detectron2, LeRobot and MLX-LM have their own rates."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratewise.convert.reading import guess, read_source
from tests.convert.public.forced import check_other_readers

HERE = Path(__file__).parent
Rate = Callable[[int], float]


def cosine(p: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * p))


def timm(epoch: int, rate: Rate) -> Rate:
    """timm's script, where a rate stays for an epoch."""
    return lambda t: rate(t // epoch)


def warm(start: float, peak: float, n: int, then: Rate, to: int | None = None) -> Rate:
    """A straight line over the first n epochs or updates, to the peak at n or at `to`."""
    return lambda t: start + (peak - start) * t / (to or n) if t < n else then(t)


def pi0(peak: float, warmup: int, end: int, low: float) -> Rate:
    """LeRobot's cosine_decay_with_warmup."""

    def rate(t: int) -> float:
        if t < warmup:
            return peak * (1 + (1 / (warmup + 1) - 1) * (1 - t / warmup))
        return low + (peak - low) * cosine(min(t, end) / end)

    return rate


def steps(peak: float, *at: int) -> Rate:
    """detectron2's WarmupMultiStepLR with its defaults."""
    return warm(0.001 * peak, peak, 1000, lambda t: peak * 0.1 ** bisect_right(at, t))


def poly(t: int) -> float:
    """DeepLab's WarmupPolyLR with its defaults."""
    climb = 0.001 + 0.999 * t / 1000 if t < 1000 else 1.0
    return 0.01 * climb * (1 - t / 90_000) ** 0.9


CASES: dict[str, tuple[str, dict[str, Any], int, Rate]] = {
    "timm_args_seresnet34.sh": (
        "timm_args",
        {"epoch": 20},
        3000,
        timm(20, warm(1e-5, 0.4, 5, lambda e: 0.4 * cosine(e / 150))),
    ),
    "timm_args_efficientnet_b2.sh": (
        "timm_args",
        {"epoch": 10},
        4500,
        timm(10, warm(1e-6, 0.016, 5, lambda e: 0.016 * 0.97 ** (e // 2.4))),
    ),
    "timm_args_convnextv2_wds.sh": (
        "timm_args",
        {"epoch": 300},
        3000,
        timm(300, lambda e: 5e-5 + 5e-5 * cosine(e / 10)),
    ),
    "kohya_lycoris.toml": ("kohya", {"epoch": 50}, 100, lambda t: 2e-4),
    "kohya_prodigy.toml": ("kohya", {"epoch": 50}, 1500, lambda t: cosine(t / 1500)),
    "kohya_adafactor.sh": ("kohya", {"epoch": 40}, 2000, lambda t: 3e-5),
    "detectron2_Base-RCNN-FPN.yaml": ("detectron2", {}, 90_000, steps(0.02, 60_000, 80_000)),
    "detectron2_cityscapes_mask_rcnn.yaml": ("detectron2", {}, 24_000, steps(0.01, 18_000)),
    "detectron2_deeplab.yaml": ("detectron2", {}, 90_000, poly),
    "lerobot_diffusion_spatula.json": (
        "lerobot",
        {},
        100_000,
        warm(0.0, 1e-4, 500, lambda t: 1e-4 * cosine((t - 500) / 99_500)),
    ),
    "lerobot_act_robopour.json": ("lerobot", {}, 200_000, lambda t: 1e-5),
    "lerobot_groot.json": ("lerobot", {}, 40_000, pi0(1e-4, 500, 10_000, 1e-5)),
    "mlx_lm_compass.yaml": ("mlx_lm", {}, 75, lambda t: 2e-5),
    "mlx_lm_example.yaml": (
        "mlx_lm",
        {},
        1000,
        warm(1e-7, 1e-5, 101, lambda t: 1e-7 + 9.9e-6 * cosine((t - 101) / 1000), to=100),
    ),
    "mlx_lm_llama_finetune.yaml": ("mlx_lm", {}, 100, lambda t: 1e-6),
}


@pytest.mark.parametrize("name", CASES)
def test_a_public_config_is_read_as_its_project_reads_it(name: str) -> None:
    """Its own reader claims it, its length is known, and so is the rate at every update."""
    format, told, total, rate = CASES[name]
    assert guess(HERE / name).name == format
    found = read_source(HERE / name, **told)
    assert found.total == total
    updates = sorted({*range(0, total, max(total // 500, 1)), *range(min(total, 50)), total - 1})
    rates = found.plan.rates(total)[updates]
    np.testing.assert_allclose(rates, [rate(t) for t in updates], rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("name", CASES)
def test_no_other_reader_takes_it_for_something_else(name: str) -> None:
    """Forced to be read as any other format it is refused, or its rates are the same."""
    format, told, total, rate = CASES[name]
    updates = sorted({*range(0, total, max(total // 500, 1)), *range(min(total, 50)), total - 1})
    check_other_readers(HERE / name, format, told, updates, [rate(t) for t in updates])
