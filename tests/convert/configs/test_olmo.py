"""OLMo configs give the rates of its trainer, which counts an update before it sets the rate."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs.olmo import FORMATS
from ratewise.convert.reading import guess
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.configs.checks import agree, lengths, many, read, shares, warmups

RATE = 3e-4


def rate(
    name: str, now: float, warmup: float, end: float, low: float = 0.1, least: float | None = None
) -> float:
    """The rate at a count of updates or tokens, as OLMo's `get_lr` writes it."""
    if name == "constant":
        return RATE
    if now < warmup:
        begin = RATE * 0.10 if least is None else least
        return begin + (RATE - begin) * min(now, warmup) / warmup
    if name == "constant_with_warmup":
        return RATE
    if now >= end:
        return RATE * low
    done = (now - warmup) / (end - warmup)
    if name == "linear_with_warmup":
        return RATE - (RATE - RATE * low) * done
    return RATE * low + (RATE - RATE * low) * (1 + math.cos(math.pi * done)) / 2


def config(scheduler: dict[str, Any], duration: Any, **more: Any) -> dict[str, Any]:
    return {
        "model": {"max_sequence_length": 16},
        "optimizer": {"name": "adamw", "learning_rate": RATE},
        "scheduler": scheduler,
        "max_duration": duration,
        "global_train_batch_size": 4,
        **more,
    }


NAMES = ("cosine_with_warmup", "linear_with_warmup", "constant", "constant_with_warmup")


@many
@given(st.sampled_from(NAMES), lengths, warmups, st.none() | lengths, shares)
def test_updates(name: str, total: int, warmup: int, end: int | None, low: float) -> None:
    """Warm-up, decay and floor, whichever of the lengths is the longest."""
    keys = {"name": name, "t_warmup": warmup, "alpha_f": low, "t_max": end}
    plan = read(FORMATS, config(keys, total))
    stop = total if end is None else end
    agree(plan, [rate(name, t + 1, warmup, stop, low) for t in range(total)])


@many
@given(st.sampled_from(NAMES), st.integers(1, 9_000), st.integers(0, 4_000), st.none() | lengths)
def test_tokens(name: str, tokens: int, warmup: int, end: int | None) -> None:
    """In tokens, 64 of them an update, warm-up and decay may end between two updates."""
    keys = {"name": name, "units": "tokens", "t_warmup": warmup, "warmup_min_lr": 0.0}
    stop = tokens if end is None else end * 50
    plan = read(FORMATS, config({**keys, "t_max": None if end is None else stop}, f"{tokens}T"))
    total = math.ceil(tokens / 64)
    agree(plan, [rate(name, 64 * (t + 1), warmup, stop, least=0.0) for t in range(total)])


@pytest.mark.parametrize(
    ("duration", "total"),
    [(100, 100), ("1e2", 100), ("6401T", 101), ("64e2T", 100), ("2ep", 60)],
)
def test_the_length_of_the_run(duration: Any, total: int) -> None:
    """Updates, tokens (an update that is begun counts) and epochs."""
    keys = {"name": "linear_with_warmup", "t_warmup": 10}
    plan = read(FORMATS, config(keys, duration), epoch=30)
    agree(plan, [rate("linear_with_warmup", t + 1, 10, total) for t in range(total)])


def test_composer_is_not_meant() -> None:
    """Both have a scheduler with this name."""
    scheduler = {"name": "cosine_with_warmup", "t_warmup": 100, "alpha_f": 0.1}
    assert guess(config(scheduler, 100)).name == "olmo"
    scheduler["t_warmup"] = "100ba"
    composer = {"scheduler": scheduler, "max_duration": "3ep", "optimizer": {"lr": 1e-3}}
    assert guess(composer).name == "composer"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"t_warm": 5}, "did you mean t_warmup"),
        ({"name": "max_scheduler"}, "has name='max_scheduler'"),
        ({"units": "samples"}, "has units"),
        ({"warmup_min_lr": 1.0}, "has warmup_min_lr above lr"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """Other schedulers and keys are refused."""
    with pytest.raises(ScheduleError, match=message):
        read_any(config(keys, 100), format="olmo")
