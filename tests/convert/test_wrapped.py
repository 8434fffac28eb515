"""A config that Weights & Biases wrote down is read as the config that it holds."""

from __future__ import annotations

from typing import Any

import pytest

from ratewise.convert.reading import guess, read, read_source
from ratewise.convert.wrapped import unwrapped

TRAINER: dict[str, Any] = {
    "learning_rate": 5e-5,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 10,
    "max_steps": 100,
    "weight_decay": 0.0,
}
TUNE: dict[str, Any] = {
    "optimizer": {"_component_": "torch.optim.AdamW", "lr": 2e-5},
    "lr_scheduler": {
        "_component_": "torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup",
        "num_warmup_steps": 5,
    },
}


def with_descriptions(source: dict[str, Any]) -> dict[str, Any]:
    wrapped = {key: {"desc": None, "value": value} for key, value in source.items()}
    own = {"desc": None, "value": {"python_version": "3.11.4", "t": {"1": [1, 5]}}}
    return {"wandb_version": 1, "_wandb": own, **wrapped}


def with_values(source: dict[str, Any]) -> dict[str, Any]:
    return {"_wandb": {"value": {}}, **{key: {"value": value} for key, value in source.items()}}


def flat(source: dict[str, Any]) -> dict[str, Any]:
    return {"_wandb": {"cli_version": "0.17"}, **source}


def bare(source: dict[str, Any]) -> dict[str, Any]:
    return {key: {"value": value} for key, value in source.items()}


@pytest.mark.parametrize("wrap", [with_descriptions, with_values, flat, bare])
@pytest.mark.parametrize("source", [TRAINER, TUNE], ids=["trainer", "torchtune"])
def test_it_is_the_same_as_what_it_holds(wrap: Any, source: dict[str, Any]) -> None:
    """The same format, plan and length, whatever the wrapping."""
    assert unwrapped(wrap(source)) == source
    assert guess(wrap(source)) is guess(source)
    assert read_source(wrap(source), total=100) == read_source(source, total=100)


def test_a_rate_that_is_told_reaches_it() -> None:
    """What is told takes the place of what is wrapped."""
    assert read(with_values(TRAINER), lr=1e-4).peak == {"lr": 1e-4}


@pytest.mark.parametrize(
    "source", [{"lr": {"value": 1, "decay": 2}}, {"a": {"value": 1}, "b": 2}, {}, [], "x"]
)
def test_other_keys_called_value_stay(source: Any) -> None:
    """Only what is wrapped as a whole, or beside its own keys, is taken apart."""
    assert unwrapped(source) == source
