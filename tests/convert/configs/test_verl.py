"""The optim section of verl gives the rates of its two schedules."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ratewise.convert.configs.verl import FORMATS
from ratewise.convert.reading import guess, read_source
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.configs import formulas
from tests.convert.configs.checks import agree, lengths, many, read, shares, warmups

RATE = 1e-6


def rate(t: int, total: int, warmup: int, kind: str, low: float, cycles: float) -> float:
    """The rate of update t as verl's two functions write it."""
    if t < warmup:
        return RATE * float(t) / float(max(1, warmup))
    if kind == "constant":
        return RATE
    progress = float(t - warmup) / float(max(1, total - warmup))
    x = math.cos(math.pi * float(cycles) * 2.0 * progress)
    return RATE * max(low, x * (1 - low) * 0.5 + (1 + low) * 0.5)


def config(**keys: Any) -> dict[str, Any]:
    return {"lr": RATE, "weight_decay": 0.01, "lr_warmup_steps_ratio": 0.0, **keys}


@many
@given(lengths, warmups, shares, st.sampled_from([0.5, 1.0, 1.5]), st.booleans(), st.booleans())
def test_both_schedules(
    total: int, warmup: int, low: float, cycles: float, is_cosine: bool, has_ratio: bool
) -> None:
    """A warm-up in steps, or as a ratio that is cut to whole steps, then a cosine or nothing."""
    kind = "cosine" if is_cosine else "constant"
    keys = {"lr_scheduler_type": kind, "min_lr_ratio": low, "num_cycles": cycles}
    length = {"lr_warmup_steps_ratio": 0.1} if has_ratio else {"lr_warmup_steps": warmup}
    plan = read(FORMATS, config(**keys, **length, total_training_steps=total))
    steps = int(0.1 * total) if has_ratio else warmup
    agree(plan, [rate(t, total, steps, kind, low, cycles) for t in range(total)])


def test_the_actor_of_a_whole_config_is_meant() -> None:
    """Its steps are told by the trainer, -1 in the file; the critic is mentioned."""
    actor = config(total_training_steps=-1, lr_warmup_steps=5, lr_scheduler_type="constant")
    critic = {"optim": config(lr=1e-5)}
    source = {"actor_rollout_ref": {"actor": {"optim": actor}}, "critic": critic}
    assert guess(source).name == "verl"
    found = read_source(source, total=40, lr=2e-6)
    agree(found.plan, [2 * rate(t, 40, 5, "constant", 0, 0.5) for t in range(40)])
    assert any("critic" in note for note in found.plan.notes)


@many
@given(lengths, lengths, warmups, shares, shares, st.data())
def test_the_scheduler_of_megatron(
    total: int, end: int, warmup: int, low: float, start: float, data: st.DataObject
) -> None:
    """Counted in steps, whatever the samples; a ratio is one of the decay steps."""
    assume(warmup < end)
    style = data.draw(
        st.sampled_from(["constant", "linear", "cosine", "inverse-square-root", "WSD"])
    )
    tail = data.draw(st.sampled_from(["exponential", "linear", "cosine", "minus_sqrt"]))
    last = data.draw(st.integers(1, end))
    keys = {
        "_target_": "verl.workers.config.McoreOptimizerConfig",
        "lr_warmup_steps": warmup,
        "lr_warmup_init": RATE * start,
        "lr_decay_steps": end,
        "lr_decay_style": style,
        "min_lr": RATE * low,
        "lr_wsd_decay_style": tail,
        "lr_wsd_decay_steps": last,
        "weight_decay_incr_style": "constant",
        "use_checkpoint_opt_param_scheduler": False,
    }
    plan = read(FORMATS, config(**keys, total_training_steps=total))
    lows = RATE * low, RATE * start
    agree(plan, formulas.megatron(total, 1, style, RATE, *lows, warmup, end, last, tail))


def test_a_whole_config_of_megatron() -> None:
    """verl's own, and no flags of Megatron; its steps are those of the trainer."""
    actor = config(lr_decay_style="cosine", lr_decay_steps=None, lr_warmup_steps=-1)
    actor |= {"lr_warmup_steps_ratio": 0.15, "total_training_steps": -1, "min_lr": 1e-7}
    source = {
        "actor_rollout_ref": {"actor": {"strategy": "megatron", "optim": actor}},
        "trainer": {"total_training_steps": 50, "total_epochs": 3},
    }
    assert guess(source).name == "verl"
    assert guess(actor).name == "verl"
    found = read_source(source)
    assert found.total == 50
    expected = formulas.megatron(50, 1, "cosine", RATE, 1e-7, 0.0, 7, 50, 1, "linear")
    agree(found.plan, expected)
    assert any("mini-batches" in note for note in found.plan.notes)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"lr_decay_style": "cosine", "lr_warmup_iters": 5}, "did you mean lr_warmup_"),
        ({"lr_decay_style": "inverse_square_root"}, "did you mean inverse-square-root"),
        ({"lr_decay_style": "linear", "lr_decay_steps": 5, "lr_warmup_steps": 5}, "warm-up of 5"),
        ({"lr_decay_style": "WSD", "lr_decay_steps": 5}, "has no lr_wsd_decay_steps"),
        ({"_target_": "verl.workers.config.McoreOptimizerConfig"}, "lr_decay_style"),
        ({"override_optimizer_config": {"lr": 1}}, "override_optimizer_config"),
        ({"lr_warmup_step": 5}, "did you mean lr_warmup_steps"),
        ({"lr_scheduler_type": "linear"}, "has lr_scheduler_type='linear'"),
        ({"lr_scheduler_type": "cosine"}, "depends on the length"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """Other schedules and keys are refused."""
    with pytest.raises(ScheduleError, match=message):
        read_any(config(**keys), format="verl")
