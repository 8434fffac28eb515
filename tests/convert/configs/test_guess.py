"""A config is known for what it is, also as text, and its plan can be written down."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

import ratewise as rw
from ratewise.convert.reading import guess, read
from ratewise.convert.sources import load

SOURCES: dict[str, tuple[str, dict[str, Any]]] = {
    "axolotl": (
        """
        base_model: some/model
        learning_rate: 2e-4
        lr_scheduler: cosine
        cosine_min_lr_ratio: 0.1
        warmup_steps: 10
        datasets: [{path: some/data, type: alpaca}]
        """,
        {"total": 200},
    ),
    "composer": (
        """
        max_duration: 3ep
        global_train_batch_size: 64
        optimizer: {name: decoupled_adamw, lr: 6.0e-4}
        scheduler: {name: cosine_with_warmup, t_warmup: 10ba, alpha_f: 0.1}
        """,
        {"epoch": 50},
    ),
    "deepspeed": (
        """
        {"train_batch_size": 8, "optimizer": {"type": "AdamW", "params": {"lr": 1e-3}},
         "scheduler": {"type": "WarmupDecayLR", "params": {"total_num_steps": 200,
         "warmup_num_steps": 20}}}
        """,
        {},
    ),
    "factors": ("constant * linear_warmup * rsqrt_decay", {"warmup_steps": 20}),
    "fairseq": (
        "--lr 5e-4 --lr-scheduler inverse_sqrt --warmup-updates 20 --warmup-init-lr 1e-07",
        {},
    ),
    "megatron": (
        "--lr 6e-4 --min-lr 6e-5 --lr-decay-style WSD --lr-wsd-decay-style minus_sqrt \\\n"
        "  --train-iters 200 --lr-wsd-decay-iters 40 --lr-warmup-fraction 0.05",
        {},
    ),
    "mmengine": (
        """
        param_scheduler:
          - {type: LinearLR, start_factor: 0.001, by_epoch: false, begin: 0, end: 20}
          - {type: MultiStepLR, by_epoch: true, milestones: [8, 11], gamma: 0.1, end: 12}
        optim_wrapper: {optimizer: {type: SGD, lr: 0.02}}
        """,
        {"epoch": 15},
    ),
    "nemo": (
        """
        trainer: {max_steps: 200}
        model:
          optim: {name: adamw, lr: 1e-3, sched: {name: CosineAnnealing, max_steps: 200,
                  warmup_steps: 20, min_lr: 1e-5}}
        """,
        {},
    ),
    "torchtitan": (
        """
        [optimizer]
        lr = 3e-4
        [lr_scheduler]
        warmup_steps = 20
        decay_ratio = 0.2
        decay_type = "sqrt"
        [training]
        steps = 200
        """,
        {},
    ),
    "torchtune": (
        """
        optimizer: {_component_: torch.optim.AdamW, lr: 2e-5}
        lr_scheduler:
          _component_: torchtune.training.lr_schedulers.get_cosine_schedule_with_warmup
          num_warmup_steps: 20
        """,
        {},
    ),
}


def text(name: str) -> str:
    lines = SOURCES[name][0].split("\n")
    margin = " " * 8
    return "\n".join(line.removeprefix(margin) for line in lines).strip("\n")


@pytest.mark.parametrize("name", SOURCES)
def test_a_text_is_known_for_what_it_is(name: str) -> None:
    """Of all formats exactly one takes the text for its own, and it is the right one."""
    assert guess(text(name)).name == name


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


@pytest.mark.parametrize("name", sorted({*SOURCES} - {"factors", "fairseq", "megatron"}))
@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_whatever_a_value_is_there_is_a_plan_or_an_error_of_ours(name: str, junk: Any) -> None:
    """Wrong values anywhere in a config are never anything but a plan or a ScheduleError."""
    more = {"total": 60, "epoch": 15, **SOURCES[name][1]}
    for source in replaced(load(text(name)), junk):
        with contextlib.suppress(rw.ScheduleError):
            plan = read(source, format=name, **more)
            assert plan.peak == {} or (plan.rates(60) >= 0).all()
