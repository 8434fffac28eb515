"""Megatron flags give the rates and the weight decay that its scheduler gives."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ratewise.convert.configs.megatron import FORMATS
from ratewise.schedule import Plan, ScheduleError
from tests.convert.configs import formulas
from tests.convert.configs.checks import agree, many, rates, read, shares

styles = st.sampled_from(["constant", "linear", "cosine", "inverse-square-root", "WSD"])
tails = st.sampled_from(["exponential", "linear", "cosine", "minus_sqrt"])
sizes = st.sampled_from([1, 8, 7])


def flags(total: int | None = None, **given: Any) -> Plan:
    """Read flags as one text."""
    text = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in given.items())
    return read(FORMATS, f"python pretrain_gpt.py --num-layers 12 {text} --bf16", total)


@many
@given(st.integers(1, 150), sizes, styles, rates, shares, shares, st.data())
def test_iterations(
    n: int, size: int, style: str, lr: float, low: float, init: float, data: st.DataObject
) -> None:
    """Every style, counted in iterations, is met at every update and past the decay."""
    decay = data.draw(st.integers(2, 130))
    warmup = data.draw(st.sampled_from([0, 1]) | st.integers(0, decay - 1))
    last, tail = data.draw(st.integers(1, decay)), data.draw(tails)
    plan = flags(
        n,
        lr=lr,
        min_lr=lr * low,
        lr_warmup_init=lr * init,
        lr_decay_style=style,
        lr_wsd_decay_style=tail,
        lr_decay_iters=decay,
        lr_warmup_iters=warmup,
        lr_wsd_decay_iters=last,
        global_batch_size=size,
    )
    expected = formulas.megatron(
        n, size, style, lr, lr * low, lr * init, warmup * size, decay * size, last * size, tail
    )
    agree(plan, expected)


@many
@given(st.integers(1, 150), sizes, styles, shares, shares, st.data())
def test_samples(
    n: int, size: int, style: str, low: float, fraction: float, data: st.DataObject
) -> None:
    """Lengths in samples, and a warm-up fraction, need not be whole updates."""
    decay = data.draw(st.integers(2, 900))
    last, tail = data.draw(st.integers(1, decay)), data.draw(tails)
    assume(fraction < 1)
    assume(fraction == 0 or fraction * decay > 1e-6)
    plan = flags(
        n,
        lr=3e-4,
        min_lr=3e-4 * low,
        lr_decay_style=style,
        lr_wsd_decay_style=tail,
        train_samples=n * size,
        lr_decay_samples=decay,
        lr_warmup_fraction=fraction,
        lr_wsd_decay_samples=last,
        global_batch_size=size,
    )
    expected = formulas.megatron(
        n, size, style, 3e-4, 3e-4 * low, 0.0, fraction * decay, decay, last, tail
    )
    agree(plan, expected, slack=1e-13)


@many
@given(st.integers(1, 150), st.integers(1, 120), shares, st.sampled_from(["linear", "cosine"]))
def test_weight_decay(n: int, steps: int, start: float, style: str) -> None:
    """The weight decay climbs over the run of the config and stays."""
    plan = flags(
        n,
        lr=1e-3,
        train_iters=steps + 1,
        lr_decay_style="constant",
        start_weight_decay=0.1 * start,
        end_weight_decay=0.1,
        weight_decay_incr_style=style,
    )
    expected = formulas.megatron_weight_decay(n, 0.1 * start, 0.1, steps + 1, style)
    agree(plan, expected, key="weight_decay")


def test_a_mapping_of_arguments_is_read_as_flags_are() -> None:
    """Underscores or dashes, numbers or texts: the plan is the same."""
    words = {"lr": 1e-3, "train-iters": 100, "lr_decay_style": "cosine", "lr_warmup_iters": 10}
    text = "--lr=1e-3 \\\n  --train-iters 100 --lr-decay-style cosine --lr-warmup-iters 10 # end"
    assert read(FORMATS, words) == read(FORMATS, text)


def test_an_inverse_root_drops_at_its_end_and_says_so() -> None:
    """Behind the decay steps the rate is min_lr at once, and the note names the update."""
    plan = flags(
        40, lr=1.0, lr_decay_style="inverse-square-root", lr_decay_iters=30, lr_warmup_iters=10
    )
    values = plan.rates(40)
    assert values[30] > 0.57
    assert values[31] == 0.0
    assert plan.notes[-1] == "At update 31 the rate drops from its curve to min_lr at once."


def test_a_config_that_knows_its_run_needs_no_total() -> None:
    """With --train-iters the plan is that of the run, and is as long."""
    plan = flags(lr=1.0, train_iters=30, lr_decay_style="inverse-square-root", lr_warmup_iters=10)
    agree(plan, formulas.megatron(30, 1, "inverse-square-root", 1.0, 0.0, 0.0, 10, 30))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("--lr 1 --lr-decay-iterz 5", "did you mean --lr-decay-iters"),
        ("--lr 1 --lr-decay-style cos --train-iters 5", "did you mean cosine"),
        (
            "--lr 1 --lr-warmup-fraction .1 --lr-warmup-iters 5 --train-iters 50",
            "both lr_warmup_fraction='.1' and lr_warmup_iters='5'",
        ),
        ("--lr 1 --lr-decay-style linear", "depends on the length of the run"),
        ("--lr 1 --lr-decay-style WSD --train-iters 9", "has no lr_wsd_decay_iters"),
        ("--lr 1 --lr-warmup-iters 9 --train-iters 9", "make the warm-up shorter"),
        ("--lr 1 --min-lr 2 --lr-warmup-iters 1 --train-iters 9", "has min_lr above lr"),
        ("--min-lr 2 --lr-warmup-iters 1 --train-iters 9", "absolute rate min_lr=2 and no peak"),
        ("--lr 1 --lr-decay-samples 9 --train-samples 9", "give --global-batch-size, or samples"),
        ("--lr 1 --lr-decay-samples 9 --train-iters 9", "give lr_decay_iters"),
        ("--lr abc --lr-warmup-iters 1 --train-iters 9", "needs lr in"),
        (
            "--lr 1 --lr-decay-style inverse-square-root --train-iters 9",
            "inverse square root without warm-up in samples",
        ),
        (
            "--lr 1 --lr-decay-iters 9 --start-weight-decay 0 --train-iters 9",
            "a constant weight decay",
        ),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    """Flags that contradict each other, or cannot be, are refused by name."""
    with pytest.raises(ScheduleError, match=message):
        read(FORMATS, text)
