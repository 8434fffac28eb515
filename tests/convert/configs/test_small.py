"""ESPnet, OpenNMT-py, mistral-finetune and Lingua: their rates, written down from their sources."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs import espnet, lingua, mistral_finetune, opennmt
from ratewise.convert.reading import guess, read_source
from ratewise.schedule import ScheduleError
from tests.convert.configs.checks import agree, many, read, warmups

totals = st.sampled_from([1, 2, 50]) | st.integers(1, 120)


@many
@given(warmups, totals)
def test_espnet(warmup: int, total: int) -> None:
    """lr · √W · min(s^-0.5, s · W^-1.5) with s from 1 on, and lr · s^-0.5 without a warm-up."""
    source = {"scheduler": "warmuplr", "scheduler_conf": {"warmup_steps": warmup}}
    own = [
        2e-3 * (warmup**0.5 * min(s**-0.5, s * warmup**-1.5) if warmup else s**-0.5)
        for s in range(1, total + 1)
    ]
    agree(read(espnet.FORMATS, {**source, "optim_conf": {"lr": 2e-3}}, total), own)


def test_espnets_noam() -> None:
    """The same at model_size^-0.5 of it."""
    conf = {"warmup_steps": 20, "model_size": 256}
    source = {"scheduler": "noamlr", "scheduler_conf": conf, "optim_conf": {"lr": 5.0}}
    own = [5 * 256**-0.5 * min(s**-0.5, s * 20**-1.5) for s in range(1, 101)]
    agree(read(espnet.FORMATS, source, 100), own)


@many
@given(st.sampled_from(["noam", "rsqrt"]), st.integers(1, 60), totals)
def test_opennmt(method: str, warmup: int, total: int) -> None:
    """Its functions are asked from update 1 on."""
    keys = {"decay_method": method, "learning_rate": 2.0, "warmup_steps": warmup}
    source = {**keys, "hidden_size": 512, "train_steps": total}
    own = [
        2 * (512**-0.5 * min(s**-0.5, s * warmup**-1.5))
        if method == "noam"
        else 2 / math.sqrt(max(s, warmup))
        for s in range(1, total + 1)
    ]
    agree(read(opennmt.FORMATS, source), own)


@many
@given(st.integers(1, 60), st.integers(1, 40), totals)
def test_opennmts_steps(begin: int, every: int, total: int) -> None:
    """Without a method it falls by a factor from start_decay_steps on."""
    source = {"start_decay_steps": begin, "decay_steps": every, "learning_rate_decay": 0.7}
    own = [0.1 * 0.7 ** (max(s - begin + every, 0) // every) for s in range(1, total + 1)]
    agree(read(opennmt.FORMATS, {**source, "learning_rate": 0.1}, total), own)


@pytest.mark.parametrize("share", [0.05, 0.3])
def test_mistral_finetune(share: float) -> None:
    """PyTorch's one-cycle over the run, its momentum included."""
    import torch

    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], lr=6e-5)
    made = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=6e-5, total_steps=300, pct_start=share
    )
    own: dict[str, list[float]] = {"lr": [], "momentum": []}
    for _ in range(299):
        own["lr"].append(optimizer.param_groups[0]["lr"])
        own["momentum"].append(optimizer.param_groups[0]["betas"][0])
        optimizer.step()
        made.step()
    source = {"max_steps": 300, "optim": {"lr": 6e-5, "weight_decay": 0.1, "pct_start": share}}
    plan = read(mistral_finetune.FORMATS, source)
    for key, rates in own.items():
        np.testing.assert_allclose(plan.rates(300, key=key)[:299], rates, rtol=1e-9)


def lingua_level(kind: str, t: int, warmup: int, n: int, low: float) -> float:
    """The multiplier of step t, as its functions have it."""
    if kind == "constant":
        return 1.0
    if t < warmup:
        return t / warmup
    if kind == "inv_sqrt":
        return max((warmup / t) ** 0.5, low)
    if kind == "wsd":
        last = int(n * 0.1)
        if t <= n - last:
            return 1.0
        p = (t - (n - last)) / last
        return 1 / (p / low + 1 - p)
    s = (t - warmup) / (n - warmup)
    if kind == "linear":
        return s * low + 1 - s
    return low + 0.5 * (1 - low) * (math.cos(math.pi * s) + 1)


@pytest.mark.parametrize("kind", ["constant", "linear", "cosine", "inv_sqrt", "wsd"])
@pytest.mark.parametrize("warmup", [1, 20, 200])
def test_lingua(kind: str, warmup: int) -> None:
    """Every schedule, with a warm-up that is longer than the run as well."""
    optim = {"lr": 3e-3, "scheduler": kind, "warmup": warmup, "lr_min_ratio": 0.1}
    own = [3e-3 * lingua_level(kind, t, warmup, 150, 0.1) for t in range(150)]
    agree(read(lingua.FORMATS, {"steps": 150, "optim": optim}), own)


PUBLIC: dict[str, tuple[str, dict[str, Any], str, int]] = {
    # wenet-e2e/wenet: examples/aishell/s0/conf/train_conformer.yaml
    "wenet": (
        "grad_clip: 5\naccum_grad: 4\nmax_epoch: 240\noptim: adam\noptim_conf:\n    lr: 0.002\n"
        "scheduler: warmuplr     # pytorch v1.1.0+ required\nscheduler_conf:\n"
        "    warmup_steps: 25000\n",
        {"epoch": 200},
        "espnet",
        48_000,
    ),
    # OpenNMT/OpenNMT-py: config/config-transformer-base-1GPU.yml
    "opennmt": (
        "data: exp/dataset.de-en\nsave_model: exp/model.de-en\ntrain_steps: 500000\n"
        "valid_steps: 10000\nwarmup_steps: 8000\nhidden_size: 512\nlayers: 6\naccum_count: 8\n"
        "optim: adam\nadam_beta2: 0.998\ndecay_method: noam\nlearning_rate: 2.0\nbatch_size: 4096\n"
        "batch_type: tokens\n",
        {},
        "opennmt",
        500_000,
    ),
    # mistralai/mistral-finetune: example/7B.yaml
    "mistral": (
        "data: {instruct_data: x}\nmodel_id_or_path: m\nlora: {rank: 64}\nseq_len: 32768\n"
        "batch_size: 1\nmax_steps: 300\noptim: {lr: 6.e-5, weight_decay: 0.1, pct_start: 0.05}\n"
        "ckpt_freq: 100\nsave_adapters: True\n",
        {},
        "mistral_finetune",
        300,
    ),
    # facebookresearch/lingua: apps/main/configs/llama_1B.yaml
    "lingua": (
        "name: large_lm\nsteps: 60_000\nprobe_freq: null\noptim: {lr: 3e-3, weight_decay: 0.033, "
        "warmup: 5000, lr_min_ratio: 0.000001, clip: 1.0}\ndistributed: {fsdp_type: full_shard}\n",
        {},
        "lingua",
        60_000,
    ),
}


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_config_is_known_for_what_it_is(name: str) -> None:
    """Its own reader claims it, and its length and highest rate are known."""
    text, told, format, total = PUBLIC[name]
    assert guess(text).name == format
    found = read_source(text, **told)
    assert found.total == total
    peaks = {"wenet": 2e-3, "opennmt": 2 * (512 * 8000) ** -0.5, "mistral": 6e-5, "lingua": 3e-3}
    assert max(found.plan.rates(total)) == pytest.approx(peaks[name], rel=1e-6)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"scheduler": "warmuplr", "scheduler_conf": {"warmup_step": 5}, "optim_conf": {"lr": 1}},
         "did you mean warmup_steps"),
        ({"scheduler": "noamhold", "scheduler_conf": {}, "optim_conf": {"lr": 1}, "accum_grad": 1},
         "scheduler='noamhold'"),
        ({"decay_method": "noamwd", "learning_rate": 2}, "noamwd"),
        ({"model_id_or_path": "m", "optim": {"lr": 1e-4, "pct_start": 0.1, "pct_end": 1}},
         "'pct_end'"),
        ({"optim": {"lr": 1e-4, "lr_min_ratio": 0.1, "warmup": 5, "cosine_theta": 2}}, "theta"),
        ({"optim": {"lr": 1e-4, "lr_min_ratio": 0.1, "warmups": 5}}, "did you mean"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_named(source: dict[str, Any], message: str) -> None:
    """By its key."""
    with pytest.raises(ScheduleError, match=message):
        read_source(source, total=100)
