"""LeRobot's train_config.json gives the rates of its schedulers, stepped behind every batch."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.convert.configs.lerobot import FORMATS
from ratewise.convert.reading import guess, read_source
from ratewise.convert.reading import read as read_any
from ratewise.schedule import ScheduleError
from tests.convert.configs.checks import agree, lengths, rates, read, some, warmups

LR = 1e-4


def half_cosine(p: float) -> float:
    return 0.5 * (1.0 + math.cos(math.pi * p))


def pi0(t: int, steps: int, warmup: int, end: int, low: float) -> float:
    """`cosine_decay_with_warmup`, which shrinks where the run is shorter than the decay."""
    if steps < end:
        warmup, end = int(warmup * (steps / end)), steps
    if t < warmup:
        if t <= 0:
            return 1 / (warmup + 1)
        return (1 / (warmup + 1) - 1) * (1 - t / warmup) + 1
    return (1 - low) * half_cosine(min(t, end) / end) + low


def vqbet(t: int, steps: int, warmup: int, first: int, cycles: float) -> float:
    if t < first:
        return 1.0
    t -= first
    if t < warmup:
        return t / max(1, warmup)
    done = (t - warmup) / max(1, steps - warmup)
    return max(0.0, 0.5 * (1.0 + math.cos(math.pi * cycles * 2.0 * done)))


def molmoact(t: int, warmup: int, end: int, low: float) -> float:
    warmup, step = min(warmup, end), t + 1
    if warmup > 0 and step < warmup:
        return step / warmup
    if step >= end:
        return low
    return low + (1 - low) * half_cosine((step - warmup) / (end - warmup))


def diffuser(name: str, t: int, steps: int, warmup: int) -> float:
    """Those of diffusers' `get_scheduler` without more arguments."""
    if name == "constant":
        return 1.0
    if t < warmup:
        return t / max(1, warmup)
    p = (t - warmup) / max(1, steps - warmup)
    end = 1e-7 / LR
    levels = {"constant_with_warmup": 1.0, "linear": 1 - p, "cosine": half_cosine(p)}
    levels |= {
        "cosine_with_restarts": half_cosine(p % 1.0),
        "polynomial": (1 - end) * (1 - p) + end,
    }
    return max(0.0, levels[name])


def config(scheduler: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    base = {"policy": {"type": "act"}, "use_policy_training_preset": False, "batch_size": 8}
    return {**base, "optimizer": {"type": "adamw", "lr": LR}, "scheduler": scheduler, **more}


@some
@given(lengths, warmups, lengths, st.sampled_from([0.0, 1e-5, 1e-4]), rates)
def test_cosine_decay(steps: int, warmup: int, end: int, low: float, peak: float) -> None:
    """Under the warm-up the cosine has begun, and a short run shrinks both."""
    keys = {"type": "cosine_decay_with_warmup", "num_warmup_steps": warmup}
    keys |= {"num_decay_steps": end, "peak_lr": peak, "decay_lr": low}
    plan = read(FORMATS, config(keys, steps=steps))
    agree(plan, [LR * pi0(t, steps, warmup, end, low / peak) for t in range(steps)], slack=1e-12)


@some
@given(lengths, warmups, warmups, st.sampled_from([0.5, 1.0, 2.0]))
def test_vqbet(steps: int, warmup: int, first: int, cycles: float) -> None:
    """A constant rate, then a warm-up and a cosine that is never as long as it thinks."""
    keys = {"type": "vqbet", "num_warmup_steps": warmup, "num_vqvae_training_steps": first}
    plan = read(FORMATS, config({**keys, "num_cycles": cycles}, steps=steps))
    agree(plan, [LR * vqbet(t, steps, warmup, first, cycles) for t in range(steps)], slack=1e-12)


@some
@given(lengths, warmups, lengths, st.sampled_from([0.0, 1e-5]))
def test_molmoact(steps: int, warmup: int, end: int, low: float) -> None:
    """A warm-up and a cosine that count from step 1."""
    keys = {"type": "molmoact2_cosine_with_warmup", "num_warmup_steps": warmup}
    keys |= {"num_decay_steps": end, "peak_lr": LR, "decay_lr": low}
    plan = read(FORMATS, config(keys, steps=steps))
    agree(plan, [LR * molmoact(t, warmup, end, low / LR) for t in range(steps)], slack=1e-12)


DIFFUSERS = ["constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts"]


@some
@given(st.sampled_from([*DIFFUSERS, "polynomial"]), st.integers(2, 100), st.integers(0, 60))
def test_diffusers(name: str, steps: int, warmup: int) -> None:
    """A schedule of diffusers by its name."""
    warmup = min(warmup, steps - 1)
    keys = {"type": "diffuser", "name": name, "num_warmup_steps": warmup}
    plan = read(FORMATS, config(keys, steps=steps))
    agree(plan, [LR * diffuser(name, t, steps, warmup) for t in range(steps)], slack=1e-12)


@pytest.mark.parametrize("warmup", [0, 1, 7])
def test_the_others(warmup: int) -> None:
    """A constant rate behind a warm-up, a cosine to zero, and none at all."""
    constant = {"type": "constant_with_warmup", "num_warmup_steps": warmup}
    expected = [LR * diffuser("constant_with_warmup", t, 30, warmup) for t in range(30)]
    agree(read_any(config(constant, steps=30)), expected)
    annealing = {"type": "cosine_annealing_with_warmup", "num_warmup_steps": warmup}
    expected = [LR * diffuser("cosine", t, 30, warmup) for t in range(30)]
    agree(read_any(config(annealing, steps=30)), expected)
    assert read_any(config(None, steps=30)).rates(30).tolist() == [LR] * 30


@pytest.mark.parametrize(("steps", "batches"), [(40, 4), (43, 4), (9, 2)])
def test_accumulated_batches_step_the_schedule_too(steps: int, batches: int) -> None:
    """An update has the rate of its last batch, and there are fewer updates than steps."""
    keys = {"type": "diffuser", "name": "cosine", "num_warmup_steps": 5}
    source = config(keys, steps=steps, accelerator={"gradient_accumulation": {"steps": batches}})
    found = read_source(source)
    assert found.total == steps // batches
    last = range(batches - 1, steps, batches)
    agree(found.plan, [LR * diffuser("cosine", t, steps, 5) for t in last], slack=1e-12)
    assert read_source(config(keys, steps=steps), accumulation=batches).plan == found.plan


PI0 = {
    "policy": {
        "type": "pi0",
        "optimizer_lr": 2.5e-5,
        "scheduler_warmup_steps": 10,
        "scheduler_decay_steps": 300,
        "scheduler_decay_lr": 2.5e-6,
    },
    "steps": 400,
    "use_policy_training_preset": True,
    "optimizer": {"type": "adamw", "lr": 2.5e-5, "betas": [0.9, 0.95], "grad_clip_norm": 1.0},
    "scheduler": {"type": "cosine_decay_with_warmup", "num_warmup_steps": 10,
                  "num_decay_steps": 300, "peak_lr": 2.5e-5, "decay_lr": 2.5e-6},
}  # fmt: skip


def test_the_policy_counts_more_than_the_sections_unless_the_run_is_resumed() -> None:
    """LeRobot makes them anew from the policy; a note says so."""
    expected = [2.5e-5 * pi0(t, 400, 10, 300, 0.1) for t in range(400)]
    found = read_source(PI0)
    assert (found.format.name, found.total) == ("lerobot", 400)
    agree(found.plan, expected, slack=1e-12)
    changed = {**PI0, "scheduler": {**PI0["scheduler"], "num_warmup_steps": 50}}
    plan = read_any(changed)
    agree(plan, expected, slack=1e-12)
    assert any("counts more than the file's num_warmup_steps" in note for note in plan.notes)
    for key in ({"resume": True}, {"use_policy_training_preset": False}):
        own = [2.5e-5 * pi0(t, 400, 50, 300, 0.1) for t in range(400)]
        agree(read_any({**changed, **key}), own, slack=1e-12)


def test_what_is_told_counts_more() -> None:
    """The rate is that of the policy, whose floor is a rate; the length shrinks the schedule."""
    plan = read_any(PI0, lr=1e-4)
    agree(plan, [1e-4 * pi0(t, 400, 10, 300, 2.5e-6 / 1e-4) for t in range(400)], slack=1e-12)
    found = read_source(PI0, total=60)
    assert found.total == 60
    agree(found.plan, [2.5e-5 * pi0(t, 60, 10, 300, 0.1) for t in range(60)], slack=1e-12)


def test_rates_of_groups_are_told() -> None:
    """A backbone with a rate of its own has the same schedule."""
    policy = {"type": "act", "optimizer_lr": 1e-5, "optimizer_lr_backbone": 1e-6}
    plan = read_any(config(None, policy=policy, steps=10, use_policy_training_preset=True))
    assert plan.peak["lr"] == 1e-5
    assert any("optimizer_lr_backbone" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"type": "cosine_decay"}, "did you mean cosine_decay_with_warmup"),
        ({"type": "diffuser", "name": "cosin", "num_warmup_steps": 1}, "did you mean cosine"),
        ({"type": "diffuser", "name": "cosine"}, "has no num_warmup_steps"),
        ({"type": "vqbet", "num_warmup_steps": 5}, "has no num_vqvae_training_steps"),
        ({"type": "constant_with_warmup", "warmup_steps": 5}, "did you mean num_warmup_steps"),
    ],
)
def test_what_is_wrong_is_named(keys: dict[str, Any], message: str) -> None:
    """A type or a key that is not known is refused with the nearest."""
    with pytest.raises(ScheduleError, match=message):
        read_any(config(keys, steps=20), format="lerobot")


def test_what_cannot_be_read_is_refused() -> None:
    """Several optimizers, a schedule that only the policy knows, a rate that is not there."""
    for more, message in (
        ({"optimizer": {"type": "multi_adam", "lr": 1e-3, "optimizer_groups": {}}}, "several"),
        ({"optimizer": None}, "lr"),
        ({"lr_scheduler": "cosine"}, "has the key lr_scheduler"),
        ({"steps": 0}, "steps"),
        ({"accelerator": {"gradient_accumulation": {"steps": "few"}}}, "accumulation"),
        ({"accelerator": {"gradient_accumulation": {"steps": 11}}}, "an update takes 11"),
    ):
        with pytest.raises(ScheduleError, match=message):
            read_any(config(None, **{"steps": 10, **more}), format="lerobot")
    with pytest.raises(ScheduleError, match="has no scheduler"):
        read_any({"policy": {"type": "pi0"}, "steps": 10}, format="lerobot")
    assert guess({"policy": {"type": "pi0"}, "scheduler": {"type": "diffuser"}}).name == "lerobot"
