"""Flags of the Trainer and keys of a model card give the rates of Transformers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from ratewise.convert.configs.trainer import FORMATS
from ratewise.convert.reading import guess
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.configs.checks import agree, lengths, many, read, shares, warmups

LR = 5e-5


def linear(t: int, warmup: int, total: int) -> float:
    """The rate of update t of `get_linear_schedule_with_warmup`."""
    if t < warmup:
        return LR * t / max(1, warmup)
    return LR * max(0.0, (total - t) / max(1, total - warmup))


def cosine(t: int, warmup: int, total: int) -> float:
    """The rate of update t of `get_cosine_schedule_with_warmup`."""
    if t < warmup:
        return LR * t / max(1, warmup)
    progress = (t - warmup) / max(1, total - warmup)
    return LR * max(0.0, 0.5 * (1.0 + math.cos(math.pi * progress)))


@many
@given(lengths, shares)
def test_a_model_card_by_epochs(epoch: int, ratio: float) -> None:
    """A share of the warm-up is rounded up, the run is so many epochs."""
    card = {
        "learning_rate": LR,
        "train_batch_size": 8,
        "seed": 42,
        "lr_scheduler_type": "linear",
        "lr_scheduler_warmup_ratio": ratio,
        "num_epochs": 3,
    }
    total = 3 * epoch
    warmup = math.ceil(total * ratio)
    expected = [linear(t, warmup, total) for t in range(total)]
    agree(read(FORMATS, card, epoch=epoch), expected)


@many
@given(lengths, warmups)
def test_flags(total: int, warmup: int) -> None:
    """Flags of a launched script are read, whatever else stands beside them."""
    text = (
        f"torchrun --nproc_per_node 8 train.py --learning_rate {LR} --lr_scheduler_type cosine "
        f"--warmup_steps {warmup} --max_steps {total} --weight_decay 0.1 --bf16"
    )
    agree(read(FORMATS, text), [cosine(t, warmup, total) for t in range(total)])


def test_a_card_is_told_from_arguments() -> None:
    """The keys of TrainingArguments stay those of Transformers."""
    arguments = {"learning_rate": LR, "lr_scheduler_type": "linear", "warmup_steps": 5}
    assert guess(arguments).name == "transformers"
    card = {"learning_rate": LR, "lr_scheduler_type": "cosine", "lr_scheduler_warmup_steps": 5}
    assert guess(card).name == "trainer"
    assert guess({**card, "training_steps": 10}).name == "trainer"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"lr_scheduler_warmup_step": 5}, "did you mean lr_scheduler_warmup_steps"),
        ({"min_lr_ratio": 0.1}, "has the key min_lr_ratio"),
        ({"warmup_steps": 5, "lr_scheduler_warmup_steps": 5}, "has both"),
        ({"lr_scheduler_type": "cosin"}, "did you mean cosine"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """A key that looks like a schedule does not vanish."""
    with pytest.raises(ScheduleError, match=message):
        read_any({"learning_rate": LR, "num_epochs": 3, **keys}, format="trainer", total=10)


@pytest.mark.parametrize("key", ["min_lr", "cooldown_steps", "warmup_epochs", "lr_schedule"])
def test_all_arguments_are_read_as_strictly(key: str) -> None:
    """A dict of TrainingArguments that holds more than these is no different from flags."""
    source = {"learning_rate": 1e-4, "lr_scheduler_type": "cosine", "max_steps": 10, key: 0.5}
    assert guess(source).name == "transformers"
    with pytest.raises(ScheduleError, match=key):
        read_any(source)
    whole = {"learning_rate": 1e-4, "lr_scheduler_type": "cosine", "train_batch_size": 8}
    assert guess({**whole, "per_device_train_batch_size": 8}).name == "transformers"
    assert guess({**whole, "num_epochs": 3}).name == "trainer"


def test_parts_of_a_model_with_rates_of_their_own_are_groups() -> None:
    """They go by the same schedule; one at a rate of 0 is not trained."""
    text = (
        f"deepspeed llava/train/train.py --learning_rate {LR} --mm_projector_lr 2e-5 "
        "--vision_tower_lr 0 --lr_scheduler_type cosine --warmup_steps 5 --max_steps 60 "
        "--per_device_train_batch_size 4 --output_dir o"
    )
    plan = read_any(text)
    agree(plan, [cosine(t, 5, 60) for t in range(60)])
    assert list(plan.groups) == ["mm_projector"]
    own = [2e-5 / LR * cosine(t, 5, 60) for t in range(60)]
    np.testing.assert_allclose(plan.rates(60, group="mm_projector"), own, rtol=1e-12)


@pytest.mark.parametrize(("script", "warmup"), [("open_instruct/finetune.py", 3), ("sft.py", 4)])
def test_a_share_is_rounded_as_its_script_rounds_it(script: str, warmup: int) -> None:
    """The Trainer rounds it up, open-instruct down."""
    text = (
        f"accelerate launch {script} --learning_rate {LR} --lr_scheduler_type linear "
        "--warmup_ratio 0.03 --num_train_epochs 2 --per_device_train_batch_size 1 --output_dir o"
    )
    agree(read_any(text, epoch=55), [linear(t, warmup, 110) for t in range(110)])
