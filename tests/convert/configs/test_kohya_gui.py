"""What kohya_ss saves has the rates of the sd-scripts command that it makes of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ratewise.convert.reading import guess, read, read_source
from ratewise.schedule import ScheduleError
from tests.convert.public import projects as p

SAVED: dict[str, Any] = {
    "LoRA_type": "Standard", "additional_parameters": "", "learning_rate": 1e-4, "unet_lr": 1e-4,
    "text_encoder_lr": 5e-5, "lr_scheduler": "cosine", "lr_scheduler_args": "",
    "lr_scheduler_num_cycles": "", "lr_scheduler_power": "", "lr_warmup": 10, "lr_warmup_steps": 0,
    "max_train_steps": 0, "max_train_epochs": 0, "epoch": 4, "train_batch_size": 2,
    "optimizer": "AdamW8bit", "optimizer_args": "weight_decay=0.1", "block_lr_zero_threshold": "",
    "mem_eff_attn": False, "max_data_loader_n_workers": "0", "pretrained_model_name_or_path": "m",
}  # fmt: skip


def check(told: dict[str, Any], total: int, rate: p.Rate, **more: Any) -> None:
    """Require the rates of the U-Net."""
    source = {**SAVED, **more}
    assert guess(source).name == "kohya_gui"
    found = read_source(source, **told)
    assert found.total == total
    np.testing.assert_allclose(found.plan.rates(total), [rate(t) for t in range(total)], rtol=1e-12)


@pytest.mark.parametrize(
    ("more", "told", "total", "warmup"),
    [
        ({}, {"epoch": 50}, 200, 20),
        ({"lr_warmup": "5"}, {"epoch": 50}, 200, 10),
        ({"max_train_steps": "300"}, {}, 300, 30),
        ({"max_train_steps": 300, "max_train_epochs": "3"}, {"epoch": 40}, 120, 12),
        ({"max_train_steps": 300, "lr_warmup_steps": 7}, {}, 300, 7),
        ({"lr_warmup": 0}, {"total": 90}, 90, 0),
    ],
)
def test_lengths(more: dict[str, Any], told: dict[str, Any], total: int, warmup: int) -> None:
    """A warm-up is a percentage unless it is given in steps, and 0 is no length."""
    check(told, total, p.trainer(1e-4, total, warmup), **more)


def test_the_parts_whose_rates_are_not_0_are_trained() -> None:
    """Each with its own rate."""
    plan = read(SAVED, epoch=50)
    own = p.trainer(5e-5, 200, 20)
    got = plan.rates(200, group="text_encoder")
    np.testing.assert_allclose(got, [own(t) for t in range(200)], rtol=1e-12)
    assert read({**SAVED, "text_encoder_lr": 0}, epoch=50).groups == {}
    assert read({**SAVED, "unet_lr": 0}, epoch=50).peak == {"lr": 5e-5}
    whole = {k: v for k, v in SAVED.items() if k not in ("LoRA_type", "unet_lr", "text_encoder_lr")}
    plan = read({**whole, "learning_rate_te": 2e-6}, epoch=50)
    assert plan.groups["text_encoder"].peak == {"lr": 2e-6}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"block_lr": "1e-4,1e-5"}, "has block_lr"),
        ({"optimizer": "Adafactor"}, "relative steps"),
        ({"lr_scheduler": "cosin"}, "did you mean cosine"),
        ({"lr_warmups": 5}, "did you mean lr_warmup"),
    ],
)
def test_what_is_not_read_is_named(more: dict[str, Any], message: str) -> None:
    """Rates of single blocks, and what sd-scripts makes of its own."""
    with pytest.raises(ScheduleError, match=message):
        read({**SAVED, **more}, epoch=50)
