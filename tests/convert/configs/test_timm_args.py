"""timm's args.yaml gives the rates that timm's own factory and the loop of its script give."""

from __future__ import annotations

import importlib
from argparse import Namespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.convert.configs.timm_args import FORMATS
from ratewise.convert.reading import guess, read_source
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.test_read_timm import optimizer_of, timm
from tests.examples import examples

factory = importlib.import_module("timm.scheduler.scheduler_factory")

SCRIPT: dict[str, Any] = {
    "sched": "cosine", "sched_on_updates": False, "lr": None, "lr_base": 0.1, "lr_base_size": 256,
    "lr_base_scale": "", "lr_noise": None, "lr_noise_pct": 0.67, "lr_noise_std": 1.0,
    "lr_cycle_mul": 1.0, "lr_cycle_decay": 0.5, "lr_cycle_limit": 1, "lr_k_decay": 1.0,
    "warmup_lr": 1e-5, "min_lr": 0, "epochs": 300, "decay_milestones": [90, 180, 270],
    "decay_epochs": 90, "warmup_epochs": 5, "warmup_prefix": False, "cooldown_epochs": 0,
    "patience_epochs": 10, "decay_rate": 0.1, "opt": "sgd", "batch_size": 128, "seed": 42,
    "weight_decay": 2e-5, "model_ema_decay": 0.9998, "layer_decay": None,
}  # fmt: skip
"""What the script writes if it is told nothing."""


def trace(args: dict[str, Any], epoch: int) -> list[float]:
    """The rate of every update, made and stepped as timm's script does."""
    told = Namespace(**{**SCRIPT, **args})
    optimizer = optimizer_of(told.lr)
    kwargs = factory.scheduler_kwargs(told)
    scheduler, length = timm.create_scheduler_v2(optimizer, updates_per_epoch=epoch, **kwargs)
    rates: list[float] = []
    for e in range(int(length)):
        for _ in range(epoch):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            if scheduler is not None:
                scheduler.step_update(len(rates))
        if scheduler is not None:
            scheduler.step(e + 1)
    return rates


def check(args: dict[str, Any], epoch: int) -> rw.Plan:
    expected = trace(args, epoch)
    found = read_source({**SCRIPT, **args}, epoch=epoch)
    assert found.format.name == "timm_args"
    assert found.total == len(expected)
    slack = 4e-15 * max(found.plan.peak["lr"], *expected)
    np.testing.assert_allclose(found.plan.rates(len(expected)), expected, rtol=1e-12, atol=slack)
    return found.plan


KEYS: dict[str, list[Any]] = {
    "lr": [0.5, 1e-3],
    "epochs": [1, 7, 12],
    "warmup_epochs": [0, 1, 3],
    "warmup_lr": [1e-6, 0.0],
    "warmup_prefix": [True, False],
    "min_lr": [0.0, 1e-5],
    "cooldown_epochs": [0, 4],
    "decay_epochs": [2.4, 3, 0.97],
    "decay_milestones": [[2, 5], [4]],
    "decay_rate": [0.1, 0.97, 1.0],
    "lr_cycle_mul": [1.0, 2.0, 1.5],
    "lr_cycle_decay": [0.5, 1.0],
    "lr_cycle_limit": [1, 2, 3],
    "lr_k_decay": [1.0, 0.5],
    "sched_on_updates": [False, True],
}


@settings(max_examples=examples(80), deadline=None)
@given(
    st.sampled_from(["cosine", "tanh", "poly", "step", "multistep", "constant", "none"]),
    st.fixed_dictionaries({name: st.sampled_from(values) for name, values in KEYS.items()}),
    st.sampled_from([1, 3, 5]),
)
def test_every_scheduler_of_the_factory(sched: str, args: dict[str, Any], epoch: int) -> None:
    """By epoch or by update, with every key at several values: rates and the length of the run."""
    args["warmup_epochs"] = min(args["warmup_epochs"], args["epochs"])
    check({"sched": sched, **args}, epoch)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["wsd", "rsqrt"]),
    st.sampled_from([0.2, 0.5, 2, 3]),
    st.sampled_from([None, "linear", "1-sqrt", "cosine", "power", "exp"]),
    st.sampled_from([1, 2]),
    st.sampled_from([None, 1, 2.5]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.0, 1e-3]),
)
def test_a_stable_phase_and_a_decay(
    sched: str, decay: float, fall: str, warm: int, scale: Any, prefix: bool, each: bool, low: float
) -> None:  # fmt: skip
    """The warm-up lies before both, and the decay is a share of them or so many epochs."""
    args = {"sched": sched, "decay_epochs": decay, "lr_decay_fn": fall, "warmup_epochs": warm}
    args |= {"lr_stable_timescale": scale, "warmup_prefix": prefix, "sched_on_updates": each}
    check({**args, "lr": 0.1, "epochs": 8, "min_lr": low, "cooldown_epochs": 1}, 4)


def test_without_a_decay_its_length_is_a_fifth() -> None:
    """As timm has it where the script leaves decay_epochs out."""
    args = {"sched": "wsd", "lr": 0.1, "epochs": 10, "warmup_epochs": 0, "decay_epochs": None}
    check(args, 5)


@pytest.mark.parametrize(
    ("keys", "processes", "accumulation", "lr"),
    [
        ({}, 8, 1, 0.1 * 128 * 8 / 256),
        ({"grad_accum_steps": 2}, 4, 2, 0.1 * 128 * 8 / 256),
        ({"opt": "adamw", "lr_base": 1e-3}, 2, 1, 1e-3 * 1.0),
        ({"opt": "lamb", "lr_base_scale": "linear"}, 4, 1, 0.1 * 2),
        ({"opt": "sgd", "lr_base_scale": "sqrt", "lr_base_size": 512}, 16, 1, 0.1 * 2),
    ],
)
def test_a_base_rate_grows_with_the_samples_of_an_update(
    keys: dict[str, Any], processes: int, accumulation: int, lr: float
) -> None:
    """The file has no rate then, and the number of processes has to be told."""
    plan = read_any({**SCRIPT, **keys}, epoch=10, processes=processes)
    assert plan.peak["lr"] == pytest.approx(lr, rel=1e-15)
    with pytest.raises(ScheduleError, match=r"processes=…"):
        read_any({**SCRIPT, **keys}, epoch=10)


def test_flags_of_the_script() -> None:
    """Short ones are no values of the flag before them."""
    text = (
        "./distributed_train.sh 2 --data-dir /imagenet --model efficientnet_b2 -b 128 --sched step "
        "--epochs 45 --decay-epochs 2.4 --decay-rate .97 --opt rmsproptf -j 8 --warmup-lr 1e-6 "
        "--warmup-epochs 3 --weight-decay 1e-5 --model-ema-decay 0.9999 --lr .016 --amp"
    )
    assert guess(text).name == "timm_args"
    args = {"sched": "step", "epochs": 45, "decay_epochs": 2.4, "decay_rate": 0.97}
    args |= {"warmup_lr": 1e-6, "warmup_epochs": 3, "lr": 0.016}
    np.testing.assert_allclose(read_any(text, epoch=4).rates(180), trace(args, 4), rtol=1e-12)


def test_what_is_told_counts_more() -> None:
    """The rate, the epochs, the length."""
    args = {**SCRIPT, "lr": 0.5, "cooldown_epochs": 10}
    assert read_source(args, epoch=10).total == 3100
    expected = trace({"lr": 0.25, "epochs": 30}, 10)
    plan = read_any(args, epoch=10, epochs=30, lr=0.25)
    np.testing.assert_allclose(plan.rates(300), expected[:300], rtol=1e-12)
    assert any("timm trains for 40 epochs" in note for note in plan.notes)
    assert read_source(args, epoch=10, total=77).total == 77


def test_notes_name_what_the_script_adds() -> None:
    """Defaults, where the run begins, and rates of layers."""
    short = {"sched": "cosine", "sched_on_updates": False, "lr": 0.5, "epochs": 10}
    (note,) = read_any(short, epoch=2).notes
    assert "warmup_epochs=5, warmup_lr=1e-05, min_lr=0.0" in note
    more = {**SCRIPT, "lr": 0.5, "start_epoch": 3, "layer_decay": 0.75}
    notes = read_any(more, epoch=2).notes
    assert any("begins at epoch 3" in note for note in notes)
    assert any("lr_scale" in note for note in notes)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"sched": "cosin"}, "did you mean cosine"),
        ({"sched": "plateau"}, "feedback"),
        ({"lr_noise": [0.4, 0.9]}, "random numbers"),
        ({"warmup_epoch": 5}, "did you mean warmup_epochs"),
        ({"lr_cycle_limits": 2}, "did you mean lr_cycle_limit"),
        ({"unscale_lr": False}, "has the key unscale_lr"),
        ({"blr": 1e-3}, "has the key blr"),
        ({"min_lr": -1}, "min_lr"),
        ({"epochs": 0}, "has no epochs"),
        ({"sched_on_updates": "often"}, "true or false"),
        ({"sched": "multistep", "decay_milestones": [5, 2]}, "do not rise"),
        ({"sched": "wsd", "decay_epochs": 400}, "decay that fits"),
        ({"sched": "rsqrt", "warmup_epochs": 0, "decay_epochs": 0.2}, "without a warm-up"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """Nothing that changes the rate is dropped without a word."""
    with pytest.raises(ScheduleError, match=message):
        read_any({**SCRIPT, "lr": 0.1, **keys}, format="timm_args", epoch=2)


def test_an_epoch_has_to_be_known() -> None:
    """The file counts in epochs, whatever its scheduler does."""
    (form,) = FORMATS
    assert form.matches({**SCRIPT, "lr": 0.1})
    with pytest.raises(ScheduleError, match=r"epoch=…"):
        read_any({**SCRIPT, "lr": 0.1}, total=100)
