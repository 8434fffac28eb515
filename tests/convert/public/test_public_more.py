"""More public configs: formats without a class to ask, and commands as their scripts write them.

The rates are written down from each project's own source; where it takes a class of PyTorch, of
Transformers or of Optax, that class is asked.
"""

# ruff: noqa: E501  (a table is read in rows)
from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from ratewise.convert.reading import formats, guess, read_source
from ratewise.convert.sources import load
from ratewise.schedule import ScheduleError
from tests.convert.public import projects as p
from tests.convert.public.projects import Rate

HERE = Path(__file__).parent


def litgpt_finetuning(peak: float, warmup: int, total: int) -> Rate:
    """Two schedulers of PyTorch in a row, as its `get_lr_scheduler` puts them."""
    import torch
    from torch.optim import lr_scheduler as s

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=peak)
    first = s.LambdaLR(optimizer, lambda step: step / warmup)
    second = s.CosineAnnealingLR(optimizer, T_max=total - warmup)
    made = s.SequentialLR(optimizer, [first, second], milestones=[warmup])
    rates: list[float] = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        made.step()
    return p.told(rates)


def litgpt_pretraining(
    peak: float, low: float, warmup: int, tokens: int, sizes: tuple[int, int, int, int]
) -> Rate:
    """Its `get_lr`, asked for each batch; the last batch of an update decides."""
    batch, micro, length, processes = sizes
    batches = batch // processes // micro
    end = (tokens // processes) // (micro * length)

    def rate(t: int) -> float:
        it, first = t * batches + batches - 1, min(end, warmup * batches)
        if it < first:
            return peak * it / first
        if it > end:
            return low
        return low + (peak - low) * 0.5 * (1 + math.cos(math.pi * (it - first) / (end - first)))

    return rate


def nanotron(peak: float, low: float, warmup: int, start: int, steps: int) -> Rate:
    """Its `lr_lambda` with a linear warm-up and a cosine."""

    def rate(t: int) -> float:
        if t <= warmup:
            return peak * t / max(warmup, 1)
        if t < start:
            return peak
        if t < start + steps:
            return low + (peak - low) * (1 + math.cos(math.pi * (t - start) / steps)) / 2
        return low

    return rate


def open_clip(peak: float, warmup: int, total: int) -> Rate:
    """Its `cosine_lr`."""

    def rate(t: int) -> float:
        if t < warmup:
            return peak * (t + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * (t - warmup) / (total - warmup))) * peak

    return rate


def levanter(peak: float, low: float, warmup: int, total: int) -> Rate:
    """The schedules of Optax that its `lr_scheduler` joins, in float64 as written there."""

    def rate(t: int) -> float:
        if t < warmup:
            return peak * t / warmup
        x = min(t - warmup, total - warmup) / (total - warmup)
        return peak * ((1 - low) * 0.5 * (1 + math.cos(math.pi * x)) + low)

    return rate


class More(NamedTuple):
    """A public config: what has to claim it, where it is from, its run and its own rates."""

    format: str
    source: str
    total: int
    rate: Callable[[], Rate]
    told: dict[str, Any]


_TINY = (512, 4, 2048, 8)
_UPDATES = 3 * 10**12 // 8 // (4 * 2048) // 16
MORE = {
    "litgpt_falcon_7b_lora": More("litgpt", "Lightning-AI/litgpt: config_hub/finetune/falcon-7b/lora.yaml", 1000, lambda: litgpt_finetuning(2e-4, 10, 1000), {"total": 1000}),
    "litgpt_tinyllama_pretrain": More("litgpt", "Lightning-AI/litgpt: config_hub/pretrain/tinyllama.yaml", _UPDATES, lambda: litgpt_pretraining(4e-4, 4e-5, 2000, 3 * 10**12, _TINY), {"processes": 8}),
    "nanotron_tiny_llama": More("nanotron", "huggingface/nanotron: examples/config_tiny_llama.yaml", 2000, lambda: nanotron(3e-4, 1e-5, 2, 2, 13), {}),
    "nanotron_llamoe": More("nanotron", "huggingface/nanotron: examples/moe/config_llamoe.yaml", 1918, lambda: nanotron(3e-4, 1e-5, 100, 100, 1818), {}),
    "levanter_gpt2_small_fast_mix": More("levanter", "stanford-crfm/levanter: config/gpt2_small_fast_mix.yaml", 20_000, lambda: levanter(1e-3, 0.1, 200, 20_000), {}),
    "levanter_olmo_7b_repro": More("levanter", "stanford-crfm/levanter: config/olmo/olmo_7b_repro.yaml", 750_000, lambda: levanter(3e-4, 0.1, 2000, 750_000), {}),
    "open_clip_vit_b16_i50_pretrain": More("open_clip", "mlfoundations/open_clip: docs/script_examples/clipa/vit_b16/i50_t16_pretrain.sh", 6000, lambda: open_clip(2.048e-3, 782, 6000), {"epoch": 1000}),
    "open_clip_stability": More("open_clip", "mlfoundations/open_clip: docs/script_examples/stability_example.sh", 9700, lambda: open_clip(1e-3, 2000, 9700), {"epoch": 100}),
    "openrlhf_ppo_ray_hybrid": More("openrlhf", "OpenRLHF/OpenRLHF: examples/scripts/train_ppo_ray_hybrid_engine.sh", 500, lambda: p.trainer(5e-7, 500, 15, "cosine_with_min_lr", min_lr_rate=0.1), {"total": 500}),
    "openrlhf_dpo_llama": More("openrlhf", "OpenRLHF/OpenRLHF: examples/scripts/train_dpo_llama.sh", 777, lambda: p.trainer(5e-7, 777, math.ceil(777 * 0.03), "cosine_with_min_lr", min_lr_rate=0.1), {"epoch": 777}),
    "more_verl_grpo_qwen2_7b": More("verl", "volcengine/verl: examples/grpo_trainer/run_qwen2-7b.sh", 100, lambda: p.always(1e-6), {"total": 100}),
    "more_megatron_t5_220m": More("megatron", "NVIDIA/Megatron-LM: examples/t5/train_t5_220m_distributed.sh", 1_000_000, lambda: p.megatron(1e-4, 1e-5, 512, 0.01 * 1_000_000 * 512, 1_000_000 * 512, "linear"), {}),
    "more_trainer_deepspeed_chat_13b": More("trainer", "microsoft/DeepSpeedExamples: applications/DeepSpeed-Chat/training/step1_supervised_finetuning/training_scripts/opt/single_node/run_13b.sh", 1600, lambda: p.trainer(1e-4, 1600, 0), {"epoch": 100}),
}  # fmt: skip


def landmarks(total: int) -> list[int]:
    return sorted({*range(0, total, max(total // 300, 1)), *range(min(total, 30)), total - 1})


def file(name: str) -> Path:
    (found,) = HERE.glob(f"{name}.*")
    return found


def check(plan: Any, name: str) -> None:
    case = MORE[name]
    level, rate = plan.lr.resolve(case.total), case.rate()
    got = [plan.peak["lr"] * level(t) for t in landmarks(case.total)]
    own = [rate(t) for t in landmarks(case.total)]
    np.testing.assert_allclose(got, own, rtol=1e-9, atol=1e-18)


@pytest.mark.parametrize("name", MORE)
def test_a_config_has_the_rates_of_its_project(name: str) -> None:
    """Its own reader claims it, its length is known, and so is the rate at every update."""
    case = MORE[name]
    assert guess(file(name)).name == case.format
    found = read_source(file(name), **case.told)
    assert found.total == case.total
    check(found.plan, name)


@pytest.mark.parametrize("name", MORE)
def test_no_other_reader_makes_something_else_of_it(name: str) -> None:
    """Forced to be read as any other format it is refused, or its rates are the same."""
    case, content = MORE[name], load(file(name))
    for other in formats():
        told = case.told if other == case.format else {"total": case.total, **case.told}
        with contextlib.suppress(ScheduleError):
            plan = read_source(content, format=other, **told).plan
            assert plan.lr is not None
            if "lr" in plan.peak:
                check(plan, name)


def test_levanter_joins_what_optax_makes() -> None:
    """What is written down above is what the schedules of Optax give, to their own precision."""
    import optax

    made: Any = optax.join_schedules(
        [
            optax.linear_schedule(0.0, 1e-3, 200),
            optax.cosine_decay_schedule(1e-3, 800, 0.1),
        ],
        [200],
    )
    rate = levanter(1e-3, 0.1, 200, 1000)
    got = [float(made(t)) for t in (0, 1, 199, 200, 600, 999)]
    np.testing.assert_allclose(got, [rate(t) for t in (0, 1, 199, 200, 600, 999)], rtol=1e-4)
