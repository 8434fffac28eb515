"""LitGPT, nanotron, OpenCLIP, OpenRLHF, Levanter: their rates, written down from their sources."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ratewise.convert.configs import levanter, litgpt, nanotron, open_clip
from ratewise.convert.reading import read as read_any
from ratewise.convert.reading import read_source
from ratewise.schedule import ScheduleError
from tests.convert.configs import formulas_levanter
from tests.convert.configs.checks import agree, read, some
from tests.convert.public import projects
from tests.convert.public import test_public_more as own

warmups = st.sampled_from([1, 2, 3]) | st.integers(1, 40)
totals = st.sampled_from([2, 3, 50]) | st.integers(41, 120)


def finetune(**train: Any) -> dict[str, Any]:
    optimizer = {"class_path": "torch.optim.AdamW", "init_args": {"lr": 2e-4}}
    return {"checkpoint_dir": "m", "train": train, "optimizer": optimizer}


@some
@given(totals, warmups)
def test_litgpt_finetunes_with_two_schedulers_of_pytorch(total: int, warmup: int) -> None:
    """Warm-up and cosine are those of LambdaLR and CosineAnnealingLR in a row."""
    source = finetune(lr_warmup_steps=warmup, max_steps=total, epochs=9)
    if warmup >= total:
        with pytest.raises(ScheduleError, match="warm-up"):
            read(litgpt.FORMATS, source)
        return
    rate = own.litgpt_finetuning(2e-4, warmup, total)
    agree(read(litgpt.FORMATS, source), [rate(t) for t in range(total)], slack=1e-13)


@some
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 12), st.integers(13, 60), st.integers())
def test_litgpt_pretrains_by_the_batch(
    batches: int, processes: int, warmup: int, updates: int, more: int
) -> None:
    """Each update has the rate of its last batch, and the run may end between two updates."""
    micro, length = 2, 8
    tokens = (updates * batches + more % batches) * micro * length * processes
    sizes = (batches * micro * processes, micro, length, processes)
    source = finetune(
        **{"lr_warmup_steps": warmup, "min_lr": 2e-5, "max_tokens": tokens},
        **dict(
            zip(("global_batch_size", "micro_batch_size", "max_seq_length"), sizes, strict=False)
        ),
    )
    plan = read_any({**source, "devices": processes, "num_nodes": 1})
    rate = own.litgpt_pretraining(2e-4, 2e-5, warmup, tokens, sizes)
    agree(plan, [rate(t) for t in range(updates)])


def test_litgpt_says_what_it_needs() -> None:
    """A warm-up of none divides by zero there; processes are asked for where tokens count."""
    with pytest.raises(ScheduleError, match="divides by lr_warmup_steps"):
        read(litgpt.FORMATS, finetune(lr_warmup_steps=0, max_steps=5, epochs=1))
    with pytest.raises(ScheduleError, match=r"processes=…"):
        read(litgpt.FORMATS, {**finetune(lr_warmup_steps=5, max_tokens=100), "devices": "auto"})


@some
@given(
    st.integers(0, 30), st.none() | st.integers(0, 60), st.none() | st.integers(1, 60), st.data()
)
def test_nanotron_warms_up_stays_and_decays(
    warmup: int, start: int | None, steps: int | None, data: st.DataObject
) -> None:
    """Four phases, of which each may be empty or cover another."""
    total = data.draw(st.integers(warmup + (start or 0) + 1, 120))
    style = data.draw(st.sampled_from(["cosine", "linear", "1-sqrt"]))
    keys = {"lr_decay_starting_step": start, "lr_decay_steps": steps, "lr_decay_style": style}
    first = {"learning_rate": 1e-3, "lr_warmup_steps": warmup, "lr_warmup_style": "linear"}
    inner = {**first, **keys, "min_decay_lr": 1e-4}
    source = {
        "optimizer": {"learning_rate_scheduler": inner}, "tokens": {"train_steps": total}
    }  # fmt: skip
    plan = read(nanotron.FORMATS, source)
    long = steps if steps is not None else total - warmup - (start or 0)
    begin = warmup if start is None else start
    shapes = {
        "cosine": lambda p: (1 + math.cos(math.pi * p)) / 2,
        "linear": lambda p: 1 - p,
        "1-sqrt": lambda p: 1 - math.sqrt(p),
    }

    def rate(t: int) -> float:
        if t <= warmup:
            return 1e-3 * t / max(warmup, 1)
        if t < begin:
            return 1e-3
        if t < begin + long:
            return 1e-4 + 9e-4 * shapes[style]((t - begin) / long)
        return 1e-4

    expected = [rate(t) for t in range(total)]
    agree(plan, expected)


@some
@given(totals, warmups, st.integers(1, 5), st.sampled_from([1.0, 2.0]))
def test_open_clip(total: int, warmup: int, cooled: int, power: float) -> None:
    """Cosine, constant and cooldown behind a warm-up that counts from 1."""
    assume(warmup < total)
    front = [1e-3 * (t + 1) / warmup for t in range(warmup)]
    flags = f"--train-data x --train-num-samples 9 --accum-freq 1 --lr 1e-3 --warmup {warmup}"
    plan = read(open_clip.FORMATS, flags, total)
    agree(plan, [own.open_clip(1e-3, warmup, total)(t) for t in range(total)])
    plan = read(open_clip.FORMATS, f"{flags} --lr-scheduler const", total)
    agree(plan, front + [1e-3] * (total - warmup))
    last = f"--epochs-cooldown {cooled} --lr-cooldown-end 1e-4 --lr-cooldown-power {power}"
    assume(cooled * 2 <= total)
    plan = read(open_clip.FORMATS, f"{flags} --lr-scheduler const-cooldown {last}", total, epoch=2)
    start = total - 2 * cooled
    tail = [
        1e-3 if t < start else (1 - (t - start) / (2 * cooled)) ** power * 9e-4 + 1e-4
        for t in range(warmup, total)
    ]
    agree(plan, front + tail)


def test_open_clip_has_a_warmup_of_its_own() -> None:
    """What is left out is as in its params.py, and is said."""
    plan = read(open_clip.FORMATS, "--train-num-samples 9 --accum-freq 1 --lr 1e-3", 20_000)
    assert "warmup=10000" in plan.notes[0]
    assert plan.rates(20_000)[9_999] == pytest.approx(1e-3)


@pytest.mark.parametrize(
    ("flags", "kind", "warmup", "more"),
    [
        ("--adam.lr 1e-5", "cosine_with_min_lr", 6, {"min_lr_rate": 0.1}),
        ("--learning_rate 1e-5 --micro_train_batch_size 2", "cosine_with_min_lr", 6,
         {"min_lr_rate": 0.1}),
        ("--actor.adam.lr 1e-5 --actor.lr_scheduler constant", "constant", 0, {}),
        ("--adam.lr 1e-5 --lr_scheduler linear --lr_warmup_ratio 0.1", "linear", 20, {}),
        ("--adam.lr 1e-5 --min_lr_ratio 0.2", "cosine_with_min_lr", 6, {"min_lr_rate": 0.2}),
    ],
)  # fmt: skip
def test_openrlhf(flags: str, kind: str, warmup: int, more: dict[str, Any]) -> None:
    """Its schedules are those that `get_scheduler` of Transformers makes."""
    plan = read_any(f"python -m openrlhf.cli.train {flags} --ds.zero_stage 3", total=200)
    agree(plan, [projects.trainer(1e-5, 200, warmup, kind, **more)(t) for t in range(200)])


@pytest.mark.parametrize("words", ["--critic_learning_rate 9e-6", "--critic.adam.lr 9e-6"])
def test_openrlhf_says_that_the_critic_is_another(words: str) -> None:
    """The plan is that of the actor, and a note says so."""
    source = f"openrlhf --actor_learning_rate 1e-6 --micro_train_batch_size 1 {words}"
    plan = read_any(source, total=50, format="openrlhf")
    assert plan.peak == {"lr": 1e-6}
    assert any("critic" in note for note in plan.notes)


@some
@given(st.sampled_from([0.0, 0.1, 5, 20]), st.none() | st.sampled_from([0.2, 10]), totals)
def test_levanter(warmup: float, decay: float | None, total: int) -> None:
    """Lengths are shares up to 1 and updates above it."""
    keys: dict[str, Any] = {"learning_rate": 1e-3, "warmup": warmup, "lr_schedule": "linear"}
    keys |= {} if decay is None else {"decay": decay}
    source = {"trainer": {"num_train_steps": total}, "optimizer": keys}
    first = int(warmup * total) if warmup <= 1 else int(warmup)
    last = total - first if decay is None else int(decay * total) if decay <= 1 else int(decay)
    if first + last > total:
        with pytest.raises(ScheduleError, match="warm-up"):
            read(levanter.FORMATS, source)
        return

    def rate(t: int) -> float:
        if t < first:
            return 1e-3 * t / first
        x = max(t - (total - last), 0) / last if last else 0
        return 1e-3 + (1e-4 - 1e-3) * x

    agree(read(levanter.FORMATS, source), [rate(t) for t in range(total)])


@pytest.mark.parametrize("kind", ["constant", "cosine", "linear", "inv", "inv_sqrt"])
@pytest.mark.parametrize(
    ("cycles", "ends"),
    [
        ({}, []),
        ({"cycles": 3, "rewarmup": 4}, [30, 60]),
        ({"cycles": [20, 50], "rewarmup": 0.1, "decay": 0.5}, [20, 50]),
        ({"cycle_length": [10, 30], "cooldown": 0.1}, [10, 40]),
        ({"cycle_length": 0.25, "decay": 5}, [22, 44, 66]),
        ({"haps": [40]}, [40]),
    ],
)
def test_levanters_cycles(kind: str, cycles: dict[str, Any], ends: list[int]) -> None:
    """Each of them warms up, stays and decays; what comes behind begins where it has ended."""
    keys: dict[str, Any] = {"learning_rate": 1e-3, "min_lr_ratio": 0.05, "warmup": 5, **cycles}
    keys["lr_schedule"] = {"type": kind} if ends else kind
    source = {"trainer": {"num_train_steps": 90}, "optimizer": keys}
    expected = formulas_levanter.rates(90, ends, **{**keys, "lr_schedule": kind})
    agree(read(levanter.FORMATS, source), expected)


@pytest.mark.parametrize(
    ("keys", "group", "rate"),
    [
        ({"type": "muon", "lr": 0.02, "adam_lr": 3e-4}, "adamw", 3e-4),
        ({"type": "scion"}, "signum", 2.5e-4),
    ],
)
def test_levanters_other_groups_have_their_rates(
    keys: dict[str, Any], group: str, rate: float
) -> None:
    """What Muon and Scion leave to another optimizer goes by the same schedule at its own rate."""
    source = {"trainer": {"num_train_steps": 50}, "optimizer": {"learning_rate": 1e-3, **keys}}
    plan = read(levanter.FORMATS, source)
    own = formulas_levanter.rates(
        50, [], learning_rate=1e-3, min_lr_ratio=0.1, warmup=0.01, lr_schedule="cosine"
    )
    agree(plan, own)
    np.testing.assert_allclose(plan.rates(50, group=group), np.array(own) * rate / 1e-3, rtol=1e-12)


def test_levanters_run_has_400_000_updates_unless_it_says_so() -> None:
    """A config without num_train_steps is a whole one."""
    source = {"trainer": {"mp": "p=f32,c=bfloat16"}, "optimizer": {"learning_rate": 1e-3}}
    found = read_source(source)
    assert (found.format.name, found.total) == ("levanter", 400_000)
    assert any("num_train_steps=400000" in note for note in found.plan.notes)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"type": "shampoo"}, "known are|did you mean"),
        ({"lr_schedule": "power"}, "lr_schedule='power'"),
        ({"lr_schedule": {"type": "cosine", "exponent": 2}}, "exponent"),
        ({"lr_schedule": "inv", "min_lr_ratio": 0}, "divides by"),
        ({"cycles": [50, 20]}, "one behind the other"),
        ({"cycles": 2, "cycle_length": 10}, "both"),
    ],
)
def test_levanter_refuses_what_is_not_read(keys: dict[str, Any], message: str) -> None:
    """What is not read, or cannot be, is named."""
    with pytest.raises(ScheduleError, match=message):
        read(levanter.FORMATS, {"trainer": {"num_train_steps": 100}, "optimizer": keys})
