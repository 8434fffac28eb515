"""nanoGPT configs give the rates of its `get_lr`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from ratewise.convert.configs.nanogpt import FORMATS
from ratewise.convert.reading import guess
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.configs.checks import agree, lengths, many, read, warmups


def rate(t: int, lr: float, low: float, warmup: int, end: int) -> float:
    """The rate of update t as nanoGPT writes it."""
    if t < warmup:
        return lr * (t + 1) / (warmup + 1)
    if t > end:
        return low
    coeff = 0.5 * (1.0 + math.cos(math.pi * (t - warmup) / (end - warmup)))
    return low + coeff * (lr - low)


def config(**keys: Any) -> dict[str, Any]:
    return {"block_size": 1024, "wandb_log": False, "learning_rate": 1e-3, "min_lr": 1e-4, **keys}


@many
@given(lengths, lengths, warmups)
def test_warmup_and_cosine(total: int, end: int, warmup: int) -> None:
    """Warm-up, cosine and floor, whichever of the lengths is the longest."""
    source = config(max_iters=total, lr_decay_iters=end, warmup_iters=warmup)
    if warmup == end < total:
        with pytest.raises(ScheduleError, match=f"divides by zero at update {end}"):
            read(FORMATS, source)
        return
    expected = [rate(t, 1e-3, 1e-4, warmup, end) for t in range(total)]
    agree(read(FORMATS, source), expected)


def test_a_file_without_most_keys_has_those_of_the_script(tmp_path: Path) -> None:
    """What a config leaves out is as in train.py, and the plan says so; Megatron is not meant."""
    path = tmp_path / "train_gpt2.py"
    path.write_text(
        "wandb_log = False\nmax_iters = 5000\nlr_decay_iters = 5000\nweight_decay = 0.1\n"
    )
    assert guess(path).name == "nanogpt"
    plan = read_any(path)
    agree(plan, [rate(t, 6e-4, 6e-5, 2000, 5000) for t in range(5000)])
    assert "warmup_iters=2000" in plan.notes[0]


def test_no_decay_is_constant() -> None:
    """decay_lr=False leaves the rate where it is."""
    agree(read(FORMATS, config(decay_lr=False), 10), [1e-3] * 10)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"warmup_iter": 5}, "did you mean warmup_iters"),
        ({"lr_decay_steps": 5}, "has the key lr_decay_steps"),
        ({"warmup_iters": -1}, "needs warmup_iters"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """A key that looks like a schedule and is none of nanoGPT's is refused."""
    with pytest.raises(ScheduleError, match=message):
        read_any(config(**keys), format="nanogpt")
