"""What a config says of its run and what is told reach every reader; what is told counts more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert import read
from ratewise.convert.reading import read_source

MEGATRON = "--lr 1e-3 --min-lr 1e-4 --train-iters 100 --lr-decay-style cosine --lr-warmup-iters 10"
CARD = {
    "learning_rate": 1e-4,
    "lr_scheduler_type": "linear",
    "lr_scheduler_warmup_ratio": 0.1,
    "num_epochs": 3,
}
ARGUMENTS = {"learning_rate": 1e-4, "lr_scheduler_type": "linear", "warmup_steps": 10}
DEEPSPEED = {
    "scheduler": {"type": "WarmupLR", "params": {"warmup_max_lr": 1e-3, "warmup_num_steps": 10}}
}


@pytest.mark.parametrize(
    ("source", "other"),
    [
        (MEGATRON, MEGATRON.replace("--lr 1e-3", "--lr 2e-3")),
        (ARGUMENTS, {**ARGUMENTS, "learning_rate": 2e-3}),
        (CARD, {**CARD, "learning_rate": 2e-3}),
        (
            {"lr_decay_style": "cosine", "warmup": 0.1, "train_iters": 100,
             "optimizer": {"params": {"lr": 1e-3}}, "min_lr": 1e-4},
            {"lr_decay_style": "cosine", "warmup": 0.1, "train_iters": 100,
             "optimizer": {"params": {"lr": 2e-3}}, "min_lr": 1e-4},
        ),
    ],
)  # fmt: skip
def test_a_rate_that_is_told_stands_in_place_of_the_one_of_the_config(
    source: Any, other: Any
) -> None:
    """The plan is that of the config with the other rate, absolute floors included; a note."""
    told, own = read(source, lr=2e-3, total=100), read(other, total=100)
    np.testing.assert_array_equal(told.rates(100), own.rates(100))
    assert any("lr=0.002 was given" in note for note in told.notes)
    assert not any("was given" in note for note in read(source, total=100).notes)


@pytest.mark.parametrize("source", ["Warmup(10) >> Cosine(to=0)", lambda update: 1.0, DEEPSPEED])
def test_a_rate_that_is_told_is_the_peak_of_what_has_no_place_for_one(source: Any) -> None:
    """Levels stay, and a peak that is replaced is told."""
    plan = read(source, lr=0.5)
    assert plan.peak["lr"] == 0.5
    assert plan.lr == read(source).lr
    assert len(plan.notes) == len(read(source).notes) + ("lr" in read(source).peak)


def test_epochs_and_sizes_make_lengths() -> None:
    """total = epochs · epoch, samples = batch_size · accumulation · processes."""
    assert read_source(CARD, epoch=50).total == 150
    assert read_source(CARD, epoch=50, epochs=2).total == 100
    assert read_source(CARD, epoch=50, total=30).total == 30
    samples = "--lr 1 --train-samples 6400 --lr-warmup-samples 640 --lr-decay-style constant"
    plan = read(samples, format="megatron", batch_size=8, accumulation=4, processes=2)
    assert plan == read(samples, format="megatron", samples=64)


TRAINER = {
    "learning_rate": 2e-5,
    "lr_scheduler_type": "cosine",
    "warmup_ratio": 0.1,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 16,
    "gradient_accumulation_steps": 2,
}


@pytest.mark.parametrize("examples", [1, 31, 32, 33, 1000, 1001])
@pytest.mark.parametrize("processes", [None, 1, 3])
def test_samples_of_an_epoch_make_its_updates(examples: int, processes: int | None) -> None:
    """With the sizes that the config has: a rest makes a batch, and a rest of these an update."""
    batches = len(range(0, examples, 16 * (processes or 1)))
    epoch = len(range(0, batches, 2))
    found = read_source(TRAINER, examples=examples, processes=processes)
    assert (found.total, found.epoch) == (3 * epoch, epoch)
    told = "One process was taken" in " ".join(found.plan.notes)
    assert told == (processes is None)
    np.testing.assert_array_equal(
        found.plan.rates(3 * epoch), read(TRAINER, total=3 * epoch).rates(3 * epoch)
    )


def test_what_is_told_of_sizes_counts_more_than_the_config() -> None:
    found = read_source(TRAINER, examples=1000, batch_size=10, accumulation=1, epochs=2)
    assert found.total == 200
    assert read_source(TRAINER, examples=1000, epoch=7).total == 21


def test_samples_alone_say_nothing() -> None:
    """Where neither the config nor whoever asks knows the batch."""
    with pytest.raises(rw.ScheduleError, match=r"says nothing .* batch_size"):
        read_source(ARGUMENTS, examples=1000)


def test_steps_of_the_file_give_way() -> None:
    """A length that is told is that of the run; a note says what the file has."""
    plan = read({**CARD, "training_steps": 200}, total=100)
    np.testing.assert_array_equal(plan.rates(100), read(CARD, total=100).rates(100))
    assert any("total=100 was given" in note for note in plan.notes)


@pytest.mark.parametrize(
    "name", ["lr", "epochs", "batch_size", "accumulation", "processes", "examples"]
)
@pytest.mark.parametrize("value", [0, -1, float("nan"), "many", True])
def test_what_is_told_is_checked(name: str, value: Any) -> None:
    """Only finite numbers above 0."""
    with pytest.raises(rw.ScheduleError, match=f"needs {name} in"):
        read(CARD, total=10, **{name: value})
