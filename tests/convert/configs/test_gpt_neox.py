"""GPT-NeoX configs give the rates of its `AnnealingLR`."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs.gpt_neox import FORMATS
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.configs.checks import agree, lengths, many, read

LR = 6e-4


def annealing(t: int, style: str, end: int, warmup: float, low: float) -> float:
    """The rate of update t as GPT-NeoX writes it."""
    w = warmup * end
    if w > 0 and t <= w:
        return LR * max(1, t) / w
    p = (t - w) / (end - w)
    rate = {
        "constant": lambda: LR,
        "linear": lambda: LR * (1 - p),
        "cosine": lambda: low + (LR - low) / 2 * (math.cos(math.pi * p) + 1),
        "exponential": lambda: LR * math.exp(-0.693 * p),
    }[style]()
    return max(rate, low)


def config(**keys: Any) -> dict[str, Any]:
    return {"num_layers": 12, "optimizer": {"type": "Adam", "params": {"lr": LR}}, **keys}


@many
@given(
    st.sampled_from(["constant", "linear", "cosine", "exponential"]),
    lengths,
    st.integers(0, 40),
    st.sampled_from([0.0, 0.01, 0.1, 0.5]) | st.floats(1e-6, 0.95),
    st.sampled_from([0.0, 6e-5, 1e-4]),
)
def test_styles(style: str, end: int, more: int, warmup: float, low: float) -> None:
    """Warm-up and decay of every style, also where the run goes on past the decay."""
    source = config(
        lr_decay_style=style,
        lr_decay_iters=end,
        train_iters=end + more,
        warmup=warmup,
        min_lr=low,
    )
    expected = [annealing(t, style, end, warmup, low) for t in range(end + more)]
    agree(read(FORMATS, source), expected, slack=1e-13)


TEXT = """
# pretraining
{
   "num_layers": 12,
   # optimizer settings
   "optimizer": {"type": "Adam", "params": {"lr": 0.0006, "betas": [0.9, 0.95]}},
   "min_lr": 0.00006,
   "weight_decay": 0.1,
   "train-iters": 300,
   "lr-decay-iters": 300,
   "lr-decay-style": "cosine",
   "warmup": 0.01,
}
"""


def test_a_file_with_comments_and_dashes_is_read() -> None:
    """Nobody says which format it is, the rate is the optimizer's, and Megatron is not meant."""
    expected = [annealing(t, "cosine", 300, 0.01, 6e-5) for t in range(300)]
    agree(read_any(TEXT), expected)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"lr_decay_stile": "cosine"}, "did you mean lr_decay_style"),
        ({"warmup": 1.0, "train_iters": 10}, "divides by zero at update 11"),
        ({"lr_decay_style": "cosin", "train_iters": 10}, "did you mean cosine"),
        ({"lr_decay_style": "cosine"}, "depends on the length of the run"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """What cannot be is refused by name."""
    with pytest.raises(ScheduleError, match=message):
        read_any(config(**keys), format="gpt_neox", **({"total": 20} if "warmup" in keys else {}))
