"""Public configs of other people's repositories have the rates of the projects that they are for.

The rates are written down from each project's own source; where it takes a class of PyTorch or of
Transformers, that class is asked.
"""

# ruff: noqa: E501  (a table is read in rows)
from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from ratewise.convert.reading import guess, read_source
from tests.convert.configs import formulas_levanter
from tests.convert.configs.formulas_mmengine import Scheduler
from tests.convert.public import projects as p
from tests.convert.public.forced import check_other_readers
from tests.convert.public.projects import Rate

HERE = Path(__file__).parent


class Third(NamedTuple):
    """How a config is read, how long its run is, and what its project does there."""

    format: str
    told: dict[str, Any]
    total: int
    rate: Callable[[], Rate]
    groups: dict[str, float] = {}  # noqa: RUF012  (their rates as multiples of the first)


def levanter(run: int, **keys: Any) -> Rate:
    own = {"min_lr_ratio": 0.1, "warmup": 0.01, "lr_schedule": "cosine", **keys}
    return p.told(formulas_levanter.rates(run, [], **own))


def nanotron(peak: float, warmup: int, start: int, steps: int) -> Rate:
    """Its linear decay to 0 behind a stretch at the peak."""

    def rate(t: int) -> float:
        if t < warmup:
            return peak * t / warmup
        return peak * (1 - max(t - start, 0) / steps)

    return rate


def mmcv(epoch: int, warmup: int, ratio: float, peak: float, *at: int) -> Rate:
    """The step policy of its hook, with a linear warm-up."""

    def rate(t: int) -> float:
        share = 1 - (1 - t / warmup) * (1 - ratio) if t < warmup else 1
        return share * peak * 0.1 ** bisect_right(at, t // epoch)

    return rate


def rtmo(epoch: int) -> Rate:
    """Two cosines of MMEngine, a step up between them, and a quadratic warm-up in front."""
    return p.mmengine(
        600 * epoch,
        0.004,
        Scheduler("QuadraticWarmup", 0, 5 * epoch),
        Scheduler(
            "CosineAnnealing", 5 * epoch, 280 * epoch, 1, {"T_max": 280 * epoch, "eta_min": 2e-4}
        ),
        Scheduler("Constant", 280, 281, epoch, {"factor": 2.5}),
        Scheduler(
            "CosineAnnealing", 281 * epoch, 580 * epoch, 1, {"T_max": 300 * epoch, "eta_min": 2e-4}
        ),
        Scheduler("Constant", 580, 600, epoch, {"factor": 1}),
    )


def steps(peak: float, *at: int) -> Rate:
    """detectron2's WarmupMultiStepLR with its defaults."""
    return lambda t: peak * (0.001 + 0.999 * t / 1000 if t < 1000 else 0.1 ** bisect_right(at, t))


CASES: dict[str, Third] = {
    "third_open_r1_distill": Third("transformers", {"epoch": 200}, 1000, lambda: p.trainer(4e-5, 1000, p.warmup_steps(1000, 0.03), "cosine_with_min_lr", min_lr_rate=0.1)),
    "third_trainer_swift_full": Third("trainer", {"epoch": 90}, 90, lambda: p.trainer(1e-5, 90, p.warmup_steps(90, 0.05))),
    "third_trainer_internvl2": Third("trainer", {"epoch": 500}, 500, lambda: p.trainer(4e-5, 500, p.warmup_steps(500, 0.03))),
    "third_trainer_smolvlm2": Third("trainer", {"epoch": 400}, 400, lambda: p.trainer(2e-5, 400, p.warmup_steps(400, 0.03)), {"vision_tower": 0.25, "connector": 5.0}),
    "third_llama_factory_qwen3": Third("llama_factory", {"examples": 1000, "processes": 1}, 375, lambda: p.trainer(1e-4, 375, p.warmup_steps(375, 0.1))),
    "third_diffusers_unconditional": Third("diffusers", {"epoch": 64}, 6400, lambda: p.trainer(1e-4, 6400, 500)),
    "third_kohya_gui_dadapt": Third("kohya_gui", {"epoch": 40}, 1000, lambda: p.trainer(1.0, 1000, 50)),
    "third_levanter_llama2_7b": Third("levanter", {}, 10_000, lambda: levanter(10_000, learning_rate=1e-3, warmup=1000, decay=0.1, lr_schedule="inv")),
    "third_levanter_gpt2_large": Third("levanter", {}, 400_000, lambda: levanter(400_000, learning_rate=2e-4)),
    "third_levanter_gpt2_small_fast_muon": Third("levanter", {}, 20_000, lambda: levanter(20_000, learning_rate=0.01), {"adamw": 0.06}),
    "third_gpt_neox_pythia_14M": Third("gpt_neox", {}, 143_000, lambda: p.gpt_neox(1e-3, 1e-4, 143_000, 0.01)),
    "third_nanotron_smollm2": Third("nanotron", {}, 5_240_000, lambda: nanotron(5e-4, 2000, 4_716_000, 524_000)),
    "third_megatron_tr3_1B3": Third("megatron", {}, 146_484_375 // 1024, lambda: p.megatron(1e-4, 1e-5, 1024, 183_105, 126_953_125)),
    "third_nemo_salm": Third("hydra", {}, 100_000, lambda: p.nemo("CosineAnnealing", 3e-4, 1e-6, 100_000)),
    "third_nemo_salm_peft": Third("hydra", {}, 1_000_000, lambda: p.nemo("CosineAnnealing", 1e-4, 5e-5, 1_000_000, warmup=250, constant=10_000)),
    "third_nemo_griffin": Third("nemo", {}, 10_000, lambda: p.nemo("CosineAnnealing", 2e-4, 2e-5, 10_000, warmup=500, constant=50_000)),
    "third_nemo_gpt3_5b": Third("nemo", {}, 75_000, lambda: p.nemo("CosineAnnealing", 1.6e-4, 1.6e-5, 75_000, warmup=115, constant=12_500)),
    "third_verl_megatron_lora": Third("verl", {"total": 120}, 120, lambda: p.always(1e-6)),
    "third_fairseq_xlsr": Third("fairseq", {"total": 20_000}, 20_000, lambda: p.fairseq("tri_stage", 3e-4, (2000, 8000, 10_000), 0.01, 0.05)),
    "third_detectron2_Base-RetinaNet": Third("detectron2", {}, 90_000, lambda: steps(0.01, 60_000, 80_000)),
    "third_mmengine_rtmo_s": Third("mmengine", {"epoch": 20}, 12_000, lambda: rtmo(20)),
    "third_mmcv_mask_rcnn_2x": Third("mmcv", {"epoch": 300}, 7200, lambda: mmcv(300, 500, 0.001, 0.02, 16, 22)),
    "third_mmcv_yolov3_273e": Third("mmcv", {"epoch": 50}, 13_650, lambda: mmcv(50, 2000, 0.1, 0.001, 218, 246)),
}  # fmt: skip


def file(name: str) -> Path:
    (found,) = HERE.glob(f"{name}.*")
    return found


def landmarks(total: int) -> list[int]:
    return sorted({*range(0, total, max(total // 300, 1)), *range(min(total, 30)), total - 1})


@pytest.mark.parametrize("name", CASES)
def test_a_config_has_the_rates_of_its_project(name: str) -> None:
    """Its own reader claims it, its length is known, and so are the rates of every group."""
    case = CASES[name]
    assert guess(file(name)).name == case.format
    found = read_source(file(name), **case.told)
    assert found.total == case.total
    rate, at = case.rate(), landmarks(case.total)
    own = np.array([rate(t) for t in at])
    level = found.plan.lr.resolve(case.total)  # pyright: ignore[reportOptionalMemberAccess]
    got = [found.plan.peak["lr"] * level(t) for t in at]
    np.testing.assert_allclose(got, own, rtol=1e-9, atol=1e-18)
    assert {*found.plan.groups} == {*case.groups}
    for group, times in case.groups.items():
        plan = found.plan.groups[group]
        level = plan.lr.resolve(case.total)  # pyright: ignore[reportOptionalMemberAccess]
        got = [plan.peak["lr"] * level(t) for t in at]
        np.testing.assert_allclose(got, own * times, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.total < 100_000])
def test_no_other_reader_takes_it_for_something_else(name: str) -> None:
    """Forced to be read as any other format it is refused, or its rates are the same."""
    case = CASES[name]
    rate, at = case.rate(), landmarks(case.total)
    check_other_readers(file(name), case.format, case.told, at, [rate(t) for t in at])
