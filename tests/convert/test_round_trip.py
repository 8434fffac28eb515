"""Reading what was written gives what was read, where the format can say it."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from ratewise.convert import read, write
from tests.examples import examples

TOTAL = 200
many = settings(max_examples=examples(60), deadline=None)
warmups = st.integers(0, 150)


@st.composite
def arguments(draw):
    """Keywords of `TrainingArguments`."""
    warmup = draw(warmups)
    kwargs = {
        "linear": {},
        "cosine": {},
        "constant": {},
        "constant_with_warmup": {},
        "inverse_sqrt": {},
        "polynomial": {"power": draw(st.sampled_from([0.5, 2.0])), "lr_end": 3e-6},
        "cosine_with_min_lr": {"min_lr_rate": draw(st.sampled_from([0.1, 0.25]))},
        "warmup_stable_decay": {
            "num_decay_steps": draw(st.integers(3, 49)),  # of two, a line is a cosine
            "decay_type": draw(st.sampled_from(["linear", "cosine", "1-sqrt"])),
        },
    }
    kind = draw(st.sampled_from(sorted(kwargs)))
    given = {"learning_rate": 3e-4, "lr_scheduler_type": kind, "max_steps": TOTAL}
    if kind != "constant":
        given["warmup_steps"] = warmup
    return {**given, "lr_scheduler_kwargs": kwargs[kind]} if kwargs[kind] else given


@many
@given(arguments())
def test_transformers_there_and_back(given):
    """Training arguments, read, written as such and read again, are the same plan."""
    plan = read(given, total=TOTAL)
    written: dict = {}
    exec(write(plan, "transformers", total=TOTAL), written)
    again = read(written["arguments"], total=TOTAL)
    assert again.lr.resolve(TOTAL) == plan.lr.resolve(TOTAL)
    assert write(again, "transformers", total=TOTAL) == write(plan, "transformers", total=TOTAL)


@many
@given(
    st.sampled_from(["WarmupLR", "WarmupDecayLR", "WarmupCosineLR"]),
    st.integers(2, 150),
    st.sampled_from(["log", "linear"]),
)
def test_deepspeed_there_and_back(kind, warmup, shape):
    """A DeepSpeed scheduler, read, written and read again, has the same rates."""
    params = {"warmup_num_steps": warmup, "warmup_type": shape}
    if kind != "WarmupCosineLR":
        params |= {"warmup_min_lr": 0.0, "warmup_max_lr": 3e-4}
    if kind != "WarmupLR":
        params["total_num_steps"] = TOTAL
    config = {"scheduler": {"type": kind, "params": params}}
    if kind == "WarmupCosineLR":
        config["optimizer"] = {"type": "AdamW", "params": {"lr": 3e-4}}
    plan = read(config, total=TOTAL)
    again = read(json.loads(write(plan, "deepspeed", total=TOTAL)), total=TOTAL)
    assert again.lr.resolve(TOTAL) == plan.lr.resolve(TOTAL)


@many
@given(arguments())
def test_our_own_forms_there_and_back(given):
    """A plan that was read survives its text and JSON."""
    plan = read(given, total=TOTAL)
    assert read(repr(plan)) == read(plan.to_dict()) == plan
