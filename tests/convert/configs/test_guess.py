"""A config is known for what it is, also as text, and its plan can be written down."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

import ratewise as rw
from ratewise.convert.reading import guess, read
from ratewise.convert.sources import load
from tests.convert.configs.texts import SOURCES, text


@pytest.mark.parametrize("name", SOURCES)
def test_a_text_is_known_for_what_it_is(name: str) -> None:
    """Of all formats exactly one takes the text for its own, and it is the right one."""
    assert guess(text(name)).name == name


AXOLOTL = load(text("axolotl"))
MEGATRON = "--lr 1e-3 --train-iters 100 --lr-decay-style cosine --lr-warmup-iters 10"


def test_several_formats_are_told_apart_by_what_only_one_has() -> None:
    """Keys that others have too are outweighed: a step scheduler of fairseq is none of Megatron."""
    assert guess("--lr-scheduler step --lr 1 --lr-decay 0.5 --lr-deacy-period 10").name == "fairseq"
    assert guess({**AXOLOTL, "micro_batch_size": 2}).name == "axolotl"
    with pytest.raises(rw.ScheduleError, match=r"looks like .*param_scheduler") as caught:
        guess({"param_scheduler": [], "lr_warmup_iters": 5})
    assert "megatron (lr_warmup_iters)" in str(caught.value)


@pytest.mark.parametrize(
    ("source", "near"),
    [
        ({"learning_rate": 1e-4, "lr_scheduler": "cosine"}, ["axolotl", "lr_scheduler"]),
        ({"lr_decay_iters": 100, "weight_decay": 0.1}, ["nanogpt", "lr_decay_iters"]),
        ({"train_iters": 100}, ["megatron", "gpt_neox", "train_iters"]),
    ],
    ids=repr,
)
def test_a_little_evidence_is_not_enough(source: dict[str, Any], near: list[str]) -> None:
    """What several projects write is claimed by none: the close ones and their marks are named."""
    with pytest.raises(rw.ScheduleError, match="format=") as caught:
        guess(source)
    assert all(word in str(caught.value) for word in near)
    with contextlib.suppress(rw.ScheduleError):
        assert read(source, format=near[0], total=10)


@pytest.mark.parametrize(
    ("key", "refused"),
    [
        ("lr_warmup_start", True),
        ("decoupled_lr", True),
        ("decoupled_min_lr", True),
        ("cooldown_iters", True),
        ("weight_decays", True),
        ("ema_decay", False),
        ("use_checkpoint_opt_param_scheduler", False),
        ("max_restarts", False),
        ("hidden_dropout", False),
    ],
)
def test_unread_keys_that_look_like_a_schedule_are_refused(key: str, refused: bool) -> None:
    """Nothing that changes the rate is dropped without a word; other keys are nobody's business."""
    flag = key.replace("_", "-")
    if not refused:
        assert read(f"{MEGATRON} --{flag} 5") == read(MEGATRON)
        return
    with pytest.raises(rw.ScheduleError, match=f"has the flag --{flag}"):
        read(f"{MEGATRON} --{flag} 5")


@pytest.mark.parametrize("name", SOURCES)
def test_a_text_is_read_at_once(name: str) -> None:
    """What is read has a rate for every update, none of them below 0, and its peak is known."""
    plan = read(text(name), **SOURCES[name][1])
    rates = plan.rates(200)
    assert len(rates) == 200
    assert rates.min() >= 0
    assert 0 < rates.max() <= plan.peak["lr"] * (1 + 1e-12)


@pytest.mark.parametrize("name", SOURCES)
def test_a_plan_that_was_read_can_be_written_down(name: str) -> None:
    """Its text and its dict are read back as the same plan."""
    plan = read(text(name), **SOURCES[name][1])
    assert rw.parse(repr(plan)) == plan
    assert rw.from_dict(plan.to_dict()) == plan


JUNK = [None, -1, 0, 0.5, "abc", "", [], {}, [1, "a"], float("nan"), 1e300, True, "auto", "3ep"]


def replaced(value: Any, junk: Any) -> Iterator[Any]:
    """Copies of a config with one of its values replaced."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        others = replaced(inner, junk) if isinstance(inner, dict | list) else iter(())
        for other in (junk, *others):
            copied = value.copy()
            copied[key] = other
            yield copied


@pytest.mark.parametrize(
    "name", sorted({*SOURCES} - {"diffusers", "factors", "fairseq", "megatron"})
)
@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_whatever_a_value_is_there_is_a_plan_or_an_error_of_ours(name: str, junk: Any) -> None:
    """Wrong values anywhere in a config are never anything but a plan or a ScheduleError."""
    more = {"total": 60, "epoch": 15, **SOURCES[name][1]}
    for source in replaced(load(text(name)), junk):
        with contextlib.suppress(rw.ScheduleError):
            plan = read(source, format=name, **more)
            assert plan.peak == {} or (plan.rates(60) >= 0).all()
