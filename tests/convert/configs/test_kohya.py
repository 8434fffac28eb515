"""TOML of sd-scripts gives the rates of its `get_scheduler_fix`, over Transformers' functions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratewise.convert.reading import guess, read_source
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.configs.checks import agree, powers, some
from tests.examples import examples

torch = pytest.importorskip("torch")
optimization = pytest.importorskip("transformers.optimization")

LR = 1e-4
BASE = {"network_module": "networks.lora", "learning_rate": LR, "optimizer_type": "AdamW8bit"}


def trace(keys: dict[str, Any], processes: int = 1, lr: float = LR) -> list[float]:
    """The rates of a run, the scheduler made as sd-scripts makes it and stepped by Accelerate."""
    total = keys["max_train_steps"]
    steps = total * processes
    part = {
        name: int(value * steps) if isinstance(value, float) else value
        for name in ("lr_warmup_steps", "lr_decay_steps")
        for value in [keys.get(name, 0)]
    }
    warmup, decay = part["lr_warmup_steps"], part["lr_decay_steps"]
    cycles, low = keys.get("lr_scheduler_num_cycles", 1), keys.get("lr_scheduler_min_lr_ratio")
    name = optimization.SchedulerType(keys.get("lr_scheduler", "constant"))
    more: dict[str, Any] = {
        "constant": {},
        "constant_with_warmup": {"num_warmup_steps": warmup},
        "inverse_sqrt": {
            "num_warmup_steps": warmup, "timescale": keys.get("lr_scheduler_timescale"),
        },
        "cosine_with_restarts": {"num_cycles": cycles},
        "polynomial": {"power": keys.get("lr_scheduler_power", 1)},
        "cosine_with_min_lr": {"num_cycles": cycles / 2, "min_lr_rate": low},
        "warmup_stable_decay": {
            "num_warmup_steps": warmup, "num_stable_steps": steps - warmup - decay,
            "num_decay_steps": decay, "num_cycles": cycles / 2, "min_lr_ratio": low or 0.0,
        },
    }.get(name.value, {})  # fmt: skip
    if "num_warmup_steps" not in more and name.value != "constant":
        more |= {"num_warmup_steps": warmup, "num_training_steps": steps}
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=lr)
    made = optimization.TYPE_TO_SCHEDULER_FUNCTION[name](optimizer, **more)
    rates = []
    for _ in range(total):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        for _ in range(processes):
            made.step()
    return rates


NAMES = ("constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts",
         "polynomial", "inverse_sqrt", "cosine_with_min_lr", "warmup_stable_decay")  # fmt: skip


@settings(some, max_examples=examples(120))
@given(
    st.sampled_from(NAMES),
    st.integers(2, 60),
    st.sampled_from([0, 1, 5, 0.1, 0.25]),
    st.sampled_from([1, 2, 3]),
    powers,
    st.sampled_from([0, 4, 0.2]),
    st.sampled_from([1, 1, 2, 4]),
)
def test_schedulers(
    name: str, total: int, warmup: Any, cycles: int, power: float, decay: Any, processes: int
) -> None:
    """Every scheduler by its name, a warm-up as an int or a share, in one process or several."""
    keys = {"lr_scheduler": name, "max_train_steps": total, "lr_scheduler_num_cycles": cycles}
    keys |= {"lr_scheduler_power": power, "lr_decay_steps": decay}
    warmup = 0 if name == "constant" else warmup
    steps = total * processes
    warmup = min(warmup, total // 2) if isinstance(warmup, int) else warmup
    keys |= {"lr_warmup_steps": warmup, "lr_scheduler_min_lr_ratio": 0.1}
    if name == "inverse_sqrt" and processes > 1:
        keys |= {"lr_warmup_steps": 4 * processes, "lr_scheduler_timescale": 10 * processes}
        assert steps
    found = read_source({**BASE, **keys}, **({"processes": processes} if processes > 1 else {}))
    assert (found.format.name, found.total) == ("kohya", total)
    agree(found.plan, trace(keys, processes), slack=1e-12)


SECTIONS = """
[additional_network_arguments]
unet_lr = 0.0001
text_encoder_lr = 5e-5
network_module = "networks.lora"
network_dim = 16

[optimizer_arguments]
optimizer_type = "AdamW8bit"
learning_rate = 0.0001
lr_scheduler = "cosine_with_restarts"
lr_warmup_steps = 10
lr_scheduler_num_cycles = 3

[training_arguments]
max_train_epochs = 10
max_train_steps = 7
huber_schedule = "snr"
"""


def test_sections_and_groups() -> None:
    """Keys of all sections count, epochs count more than steps, every group has its rate."""
    found = read_source(SECTIONS, epoch=20)
    keys = {"lr_scheduler": "cosine_with_restarts", "lr_warmup_steps": 10}
    keys |= {"lr_scheduler_num_cycles": 3, "max_train_steps": 200}
    assert (found.format.name, found.total) == ("kohya", 200)
    np.testing.assert_allclose(found.plan.rates(200), trace(keys), rtol=1e-12)
    text_encoder = found.plan.rates(200, group="text_encoder")
    np.testing.assert_allclose(text_encoder, trace(keys, lr=5e-5), rtol=1e-12)
    with pytest.raises(ScheduleError, match=r"epoch=…"):
        read_any(SECTIONS)


def test_what_is_told_counts_more() -> None:
    """In sections too: the rate is the U-Net's, epochs are those of the run."""
    assert read_source(SECTIONS, epoch=20, epochs=4).total == 80
    assert read_source(SECTIONS, total=50).total == 50
    plan = read_any(SECTIONS, epoch=20, lr=1e-3)
    assert plan.peak["lr"] == 1e-3
    assert any("unet_lr=0.0001" in note for note in plan.notes)
    assert read_any({**BASE, "max_train_steps": 10}, lr=1e-3).peak["lr"] == 1e-3


@pytest.mark.parametrize(
    ("keys", "peak", "groups"),
    [
        ({}, LR, {}),
        ({"unet_lr": 2e-4, "text_encoder_lr": 2e-4}, 2e-4, {}),
        ({"unet_lr": 2e-4}, 2e-4, {"text_encoder": LR}),
        ({"unet_lr": 2e-4, "network_train_unet_only": True}, 2e-4, {}),
        ({"unet_lr": 2e-4, "network_train_text_encoder_only": True}, LR, {}),
        ({"text_encoder_lr": 0.0}, LR, {}),
        ({"text_encoder_lr": [5e-5, 2e-5]}, LR, {"text_encoder1": 5e-5, "text_encoder2": 2e-5}),
        ({"network_module": None, "learning_rate_te": 1e-6}, LR, {"text_encoder": 1e-6}),
        (
            {"network_module": None, "learning_rate_te1": 3e-6, "learning_rate_te2": LR},
            LR,
            {"text_encoder1": 3e-6, "text_encoder2": LR},
        ),
    ],
)
def test_rates_of_groups(keys: dict[str, Any], peak: float, groups: dict[str, float]) -> None:
    """A group that is not trained has none; groups of one rate are none."""
    source = {**BASE, **keys, "max_train_steps": 10, "lr_scheduler_num_cycles": 1}
    plan = read_any(source)
    assert plan.peak["lr"] == peak
    assert {name: each.peak["lr"] for name, each in plan.groups.items()} == groups


def test_floors_are_those_of_the_optimizers_own_rate() -> None:
    """The end of a polynomial is an absolute rate, divided by learning_rate for every group."""
    keys = {"lr_scheduler": "polynomial", "max_train_steps": 40, "lr_scheduler_power": 2.0}
    plan = read_any({**BASE, **keys, "unet_lr": 1e-3, "network_train_unet_only": True})
    expected = [10 * rate for rate in trace(keys)]
    agree(plan, expected, slack=1e-12)


@pytest.mark.parametrize(
    ("name", "arguments", "make"),
    [
        ("CosineAnnealingLR", ["T_max=30", "eta_min=1e-6"], {"T_max": 30, "eta_min": 1e-6}),
        (
            "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts",
            ["T_0=8", "T_mult=2"],
            {"T_0": 8, "T_mult": 2},
        ),
        ("OneCycleLR", ["max_lr=1e-4", "total_steps=41"], {"max_lr": 1e-4, "total_steps": 41}),
    ],
)
def test_a_class_of_pytorch(name: str, arguments: list[str], make: dict[str, Any]) -> None:
    """It is made on groups of the same rates."""
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.ones(1))], lr=LR)
    made = getattr(torch.optim.lr_scheduler, name.rpartition(".")[2])(optimizer, **make)
    expected = []
    for _ in range(40):
        expected.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        made.step()
    keys = {"lr_scheduler_type": name, "lr_scheduler_args": arguments, "max_train_steps": 40}
    agree(read_any({**BASE, **keys}), expected, slack=1e-12)


def test_flags() -> None:
    """The same keys on a command line, where a length below 1 or in percent is a share."""
    text = (
        'accelerate launch train_network.py --network_module="networks.lora" --network_dim=8 '
        "--learning_rate=1e-4 --lr_scheduler=cosine --lr_warmup_steps={} --max_train_steps=50 "
        '--lr_scheduler_num_cycles=1 --optimizer_args "weight_decay=0.01" "betas=.9,.99"'
    )
    keys = {"lr_scheduler": "cosine", "max_train_steps": 50}
    for spelled, value in {"5": 5, "0.1": 0.1, "10%": 0.1, "0": 0}.items():
        expected = trace({**keys, "lr_warmup_steps": value})
        assert guess(text.format(spelled)).name == "kohya"
        agree(read_any(text.format(spelled)), expected, slack=1e-12)


def test_a_schedule_free_optimizer_has_no_schedule() -> None:
    """Whatever lr_scheduler says."""
    keys = {"optimizer_type": "AdamWScheduleFree", "lr_scheduler": "cosine", "lr_warmup_steps": 5}
    plan = read_any({**BASE, **keys, "max_train_steps": 20})
    assert plan.rates(20).tolist() == [LR] * 20


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"lr_scheduler": "cosin"}, "did you mean cosine"),
        ({"lr_scheduler": "piecewise_constant"}, "has lr_scheduler='piecewise_constant'"),
        ({"lr_scheduler": "constant", "lr_warmup_steps": 5}, "which sd-scripts refuses"),
        ({"lr_scheduler": "cosine_with_min_lr"}, "has no floor"),
        ({"lr_warmup": 10}, "did you mean lr_warmup_steps"),
        ({"lr_scheduler_cycles": 2}, "has the key lr_scheduler_cycles"),
        ({"lr_scheduler": "cosine", "lr_warmup_steps": 100.0}, "lr_warmup_steps"),
        ({"self_attn_lr": 1e-5}, "has .*self_attn_lr"),
        ({"optimizer_type": "AdaFactor"}, "makes its own rates"),
        ({"lr_scheduler": "adafactor:1e-3"}, "makes its own rates"),
        ({"lr_scheduler_type": "CosineAnnealingWarmupRestarts"}, "lr_scheduler_type"),
        ({"lr_scheduler_type": "mine.Scheduler"}, "read it live"),
        ({"lr_scheduler_type": "CosineAnnealingLR"}, "lr_scheduler_args that"),
        ({"lr_scheduler_type": "StepLR", "lr_scheduler_args": ["step_size"]}, "name=value"),
        ({"lr_scheduler": "cosine", "lr_scheduler_args": ["power=2"]}, "power"),
        ({"lr_scheduler": "polynomial", "lr_scheduler_args": ["power=2"]}, "give it once"),
        ({"learning_rate": 0}, "rate of 0"),
        ({"lr_scheduler": "constant", "lr_scheduler_args": ["a=2"]}, "which has none"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """What sd-scripts refuses or only its own code can make."""
    with pytest.raises(ScheduleError, match=message):
        read_any({**BASE, "max_train_steps": 20, **keys}, format="kohya")


def test_adafactor_with_rates_of_the_schedule() -> None:
    """relative_step=False leaves the rate to lr_scheduler."""
    keys = {"optimizer_type": "AdaFactor", "optimizer_args": ["relative_step=False"]}
    keys |= {"lr_scheduler": "constant_with_warmup", "lr_warmup_steps": 4}
    agree(read_any({**BASE, **keys, "max_train_steps": 9}),
          [LR * min(t / 4, 1) for t in range(9)])  # fmt: skip


def test_defaults() -> None:
    """A rate of 2e-6 and a constant schedule, and both are said."""
    plan = read_any({"network_module": "networks.lora", "max_train_steps": 30})
    assert plan.rates(30).tolist() == [2e-6] * 30
    assert any("learning_rate=2e-06" in note for note in plan.notes)
    assert math.isfinite(read_any({"network_module": "lora"}).rates(1600)[-1])
