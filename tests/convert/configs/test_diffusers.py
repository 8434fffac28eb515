"""Flags of diffusers' scripts give the rates of its `get_scheduler`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs.diffusers import FORMATS
from ratewise.convert.reading import guess
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.configs.checks import agree, lengths, many, powers, read, warmups

LR = 1e-4


def level(name: str, t: int, warmup: int, total: int, cycles: int, power: float) -> float:
    """The multiplier of update t as diffusers writes it."""
    if name == "constant":
        return 1.0
    if t < warmup:
        return t / max(1, warmup)
    p = (t - warmup) / max(1, total - warmup)
    end = 1e-7 / LR
    return {
        "constant_with_warmup": lambda: 1.0,
        "linear": lambda: max(0.0, 1 - p),
        "cosine": lambda: max(0.0, 0.5 * (1 + math.cos(math.pi * p))),
        "cosine_with_restarts": lambda: (
            0.0 if p >= 1 else max(0.0, 0.5 * (1 + math.cos(math.pi * ((cycles * p) % 1.0))))
        ),
        "polynomial": lambda: (1 - end) * (1 - p) ** power + end,
    }[name]()


NAMES = ["constant", "constant_with_warmup", "linear", "cosine", "polynomial"]


@many
@given(st.sampled_from(NAMES), lengths, warmups, powers)
def test_schedulers(name: str, total: int, warmup: int, power: float) -> None:
    """Every scheduler by its name, from flags as a script is given them."""
    text = (
        f"accelerate launch train.py --pretrained_model_name_or_path=$MODEL --train_batch_size=1 "
        f'--learning_rate={LR} --lr_scheduler="{name}" --lr_warmup_steps={warmup} '
        f"--lr_power={power} --max_train_steps={total}"
    )
    expected = [LR * level(name, t, warmup, total, 1, power) for t in range(total)]
    agree(read(FORMATS, text), expected, slack=1e-12)


def test_restarts() -> None:
    """lr_num_cycles is the number of waves."""
    source = {"learning_rate": LR, "lr_scheduler": "cosine_with_restarts", "lr_num_cycles": 3}
    plan = read(FORMATS, {**source, "lr_warmup_steps": 5, "max_train_steps": 65})
    agree(plan, [LR * level("cosine_with_restarts", t, 5, 65, 3, 1.0) for t in range(65)])


def test_without_a_warmup_there_is_none() -> None:
    """A config of diffusers is nobody else's, and what it leaves out is said."""
    source = {"learning_rate": LR, "lr_scheduler": "cosine", "max_train_steps": 1600}
    assert guess(source).name == "diffusers"
    plan = read_any(source)
    agree(plan, [LR * level("cosine", t, 0, 1600, 1, 1.0) for t in range(1600)])
    assert "lr_warmup_steps is not given" in plan.notes[0]


def accelerated(kind: str, warmup: int, total: int, batches: int) -> list[float]:
    """The rate at each update of a script that counts its lengths in batches, under Accelerate."""
    import torch
    from accelerate import Accelerator
    from transformers import get_scheduler

    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=batches)
    weight = torch.nn.Parameter(torch.ones(1))
    plain = torch.optim.SGD([weight], lr=LR)
    made = get_scheduler(kind, plain, warmup * batches, total * batches)
    optimizer, scheduler = accelerator.prepare(plain, made)
    rates: list[float] = []
    plain.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
    for _ in range(total * batches):
        with accelerator.accumulate():
            accelerator.backward((weight * 0).sum())
            optimizer.step()
            scheduler.step()
            optimizer.zero_grad()
    return rates


@pytest.mark.parametrize("kind", ["cosine", "linear", "constant_with_warmup", "polynomial"])
@pytest.mark.parametrize(("warmup", "batches"), [(5, 4), (0, 2), (5, 1), (30, 3)])
def test_scripts_that_count_batches(kind: str, warmup: int, batches: int) -> None:
    """Their schedules are longer than the run, as often as there are batches in an update."""
    command = (
        f"accelerate launch train_text_to_image_sdxl.py --learning_rate={LR} --lr_scheduler={kind} "
        f"--lr_warmup_steps={warmup} --max_train_steps=60 --gradient_accumulation_steps={batches}"
    )
    assert guess(command).name == "diffusers"
    plan = read_any(command)
    agree(plan, accelerated(kind, warmup, 60, batches), slack=1e-12)
    assert any("in batches" in note for note in plan.notes) == (batches > 1)
    others = command.replace("_sdxl", "")
    agree(read_any(others), accelerated(kind, warmup, 60, 1), slack=1e-12)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("train_unconditional.py", "cosine"),
        ("examples/controlnet/train_controlnet_flux.py", "constant"),
        ("train_dreambooth_lora_sdxl_advanced.py", "constant"),
        ("textual_inversion.py", "constant"),
    ],
)
def test_a_script_has_its_own_defaults(script: str, kind: str) -> None:
    """What is left out is what the script takes, and a note says so."""
    command = f"accelerate launch {script} --learning_rate={LR} --max_train_steps=600"
    plan = read_any(command)
    agree(plan, [LR * level(kind, t, 500, 600, 1, 1.0) for t in range(600)])
    assert any(f"lr_scheduler={kind}" in note for note in plan.notes)
    plan = read_any(command + " --lr_scheduler=linear")
    agree(plan, [LR * level("linear", t, 500, 600, 1, 1.0) for t in range(600)])


def test_a_text_encoder_that_is_trained_has_its_own_rate() -> None:
    """Its group goes by the same schedule; one that is not trained has no group."""
    command = (
        "train_dreambooth_lora_flux.py --learning_rate=1e-4 --text_encoder_lr=5e-6 "
        "--lr_scheduler=cosine --lr_warmup_steps=5 --max_train_steps=60"
    )
    assert read_any(command).groups == {}
    plan = read_any(f"{command} --train_text_encoder")
    own = [5e-6 * level("cosine", t, 5, 60, 1, 1.0) for t in range(60)]
    np.testing.assert_allclose(plan.rates(60, group="text_encoder"), own, rtol=1e-12)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"lr_warmup_step": 5}, "did you mean lr_warmup_steps"),
        ({"lr_scheduler": "cosin"}, "did you mean cosine"),
        ({"lr_scheduler": "cosine", "min_lr": 1e-6}, "has the key min_lr"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """A key or name that is not known is refused with the nearest."""
    with pytest.raises(ScheduleError, match=message):
        read_any({"learning_rate": LR, **keys}, format="diffusers", total=10)
