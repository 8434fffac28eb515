"""What is written for DeepSpeed."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest

import ratewise as rw
from ratewise.convert import write

TOTAL = 400
PEAK = 3e-4


def climb(params: dict[str, Any], i: int) -> float | None:
    """The share of the warm-up at step i, in plain numbers; None behind it."""
    steps = max(2, params["warmup_num_steps"])
    if i >= steps:
        return None
    linear = params["warmup_type"] == "linear"
    return i / steps if linear else math.log(i + 1) / math.log(steps)


def warmup_rate(params: dict[str, Any], i: int, lr: float) -> float:
    low, high = params["warmup_min_lr"], params["warmup_max_lr"]
    if i < 0:
        return low
    share = climb(params, i)
    if share is None:
        total = params.get("total_num_steps")
        steps = max(2, params["warmup_num_steps"])
        share = 1.0 if total is None else max(0.0, (total - i) / max(1, total - steps))
    return low + (high - low) * share


def cosine_rate(params: dict[str, Any], i: int, lr: float) -> float:
    if i < 0:
        return 0.0
    share, low, floor = climb(params, i), params["warmup_min_ratio"], params["cos_min_ratio"]
    if share is not None:
        return lr * (low + share * (1 - low))
    steps = max(2, params["warmup_num_steps"])
    p = min(1.0, (i - steps + 1) / max(1, params["total_num_steps"] - steps))
    return lr * (floor + (1 - floor) * (1 + math.cos(math.pi * p)) / 2)


def cycle_rate(params: dict[str, Any], i: int, lr: float) -> float:
    low, high = params["cycle_min_lr"], params["cycle_max_lr"]
    up, down = params["cycle_first_step_size"], params["cycle_second_step_size"]
    t = i + 1
    if t > up + down:
        size, rate = params["decay_step_size"], params["decay_lr_rate"]
        return low if not size or not rate else low / (1 + rate * (t - up - down) / size)
    return low + (high - low) * (t / up if t <= up else (up + down - t) / down)


KINDS = {
    "WarmupLR": warmup_rate,
    "WarmupDecayLR": warmup_rate,
    "WarmupCosineLR": cosine_rate,
    "OneCycle": cycle_rate,
}


def engine(text: str, n: int, lr: float = PEAK) -> np.ndarray:
    """The rates of n updates of an engine: the scheduler is stepped behind each of them."""
    config = json.loads(text)
    assert set(config) == {"_comment", "scheduler"}
    assert set(config["scheduler"]) == {"type", "params"}
    rate = KINDS[config["scheduler"]["type"]]
    return np.array([rate(config["scheduler"]["params"], t - 1, lr) for t in range(n)])


def with_peak(schedule: rw.Schedule) -> rw.Plan:
    return rw.Plan(lr=schedule, peak={"lr": PEAK}, notes=("From an old run.",))


FIRST = rw.Hold(0.0, over=1)
CYCLE = rw.Linear(to=1, start=0.1, over=100) >> rw.Linear(to=0.1, over=150)
EXACT: dict[str, tuple[rw.Schedule, str]] = {
    "warm-up": (FIRST >> rw.Warmup(50, start=0) >> rw.Hold(), "WarmupLR"),
    "from a level": (rw.Hold(0.2, over=1) >> rw.Warmup(50, start=0.2) >> rw.Hold(), "WarmupLR"),
    "decay": (FIRST >> rw.Warmup(50, start=0) >> rw.Linear(to=0), "WarmupDecayLR"),
    "decay past the end": (
        FIRST >> rw.Warmup(50, start=0) >> rw.Part(rw.Linear(to=0.0), of=500, over=349),
        "WarmupDecayLR",
    ),
    "decay to a level": (
        rw.Hold(0.1, over=1) >> rw.Warmup(50, start=0.1) >> rw.Linear(to=0.1),
        "WarmupDecayLR",
    ),
    "cycle": (CYCLE >> rw.Hold(), "OneCycle"),
    "cycle with a tail": (CYCLE >> rw.InverseTime(0.5, every=100), "OneCycle"),
}


@pytest.mark.parametrize("name", EXACT)
def test_what_deepspeed_can_say_is_said_exactly(name: str) -> None:
    """Where one of its types is the plan, an engine that reads the JSON uses the plan's rates."""
    schedule, kind = EXACT[name]
    plan = with_peak(schedule)
    text = write(plan, "deepspeed", total=TOTAL)
    assert json.loads(text)["scheduler"]["type"] == kind
    np.testing.assert_allclose(engine(text, TOTAL), plan.rates(TOTAL), rtol=1e-12, atol=1e-18)
    assert "Note: From an old run." in json.loads(text)["_comment"]


@pytest.mark.parametrize("shape", ["linear", "log"])
@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_a_warm_up_with_a_cosine_as_deepspeed_has_it(shape: str, floor: float) -> None:
    """Its cosine begins one update into itself and its first update is at zero: such a plan needs
    no peak, since its arguments are ratios.
    """
    params = {"warmup_type": shape, "warmup_num_steps": 40, "warmup_min_ratio": 0.05}
    params |= {"total_num_steps": TOTAL, "cos_min_ratio": floor}
    levels = {t: cosine_rate(params, t - 1, 1.0) for t in range(TOTAL)}
    text = write(rw.Piecewise(levels), "deepspeed", total=TOTAL)
    read = json.loads(text)["scheduler"]["params"]
    assert read.pop("warmup_type") == params.pop("warmup_type")
    assert read == pytest.approx(params, rel=1e-9)
    np.testing.assert_allclose(engine(text, TOTAL, 1.0), list(levels.values()), rtol=1e-12)


def test_a_logarithmic_warm_up_is_found() -> None:
    """DeepSpeed's default shape, over its own count of steps."""
    schedule = FIRST >> rw.Part(rw.Warmup(start=0, shape="log"), of=49, over=49) >> rw.Hold()
    plan = with_peak(schedule)
    text = write(plan, "deepspeed", total=TOTAL)
    assert json.loads(text)["scheduler"]["params"]["warmup_type"] == "log"
    np.testing.assert_allclose(engine(text, TOTAL), plan.rates(TOTAL), rtol=1e-12, atol=1e-18)


NEAR = {
    "cosine": (rw.Warmup(50) >> rw.Cosine(), 0.03),
    "linear": (rw.Warmup(50) >> rw.Linear(), 0.03),
    "late linear": (rw.Warmup(20, start=0) >> rw.Linear(to=0.1), 0.06),
    "constant": (rw.Warmup(50, shape="log") >> rw.Hold(), 0.2),
    "steps": (rw.Step(0.1, every=150), 0.51),
    "stable": (rw.Warmup(20) >> rw.Hold() >> rw.Sqrt(over="20%"), 0.5),
}


@pytest.mark.parametrize("name", NEAR)
def test_the_nearest_is_written_with_its_worst_error(name: str) -> None:
    """What it cannot say is refused; `approximate=True` writes valid JSON whose stated worst error
    is the true one.
    """
    schedule, most = NEAR[name]
    plan = with_peak(schedule)
    with pytest.raises(rw.ScheduleError, match="approximate=True"):
        write(plan, "deepspeed", total=TOTAL)
    text = write(plan, "deepspeed", total=TOTAL, approximate=True)
    error = np.abs(engine(text, TOTAL) - plan.rates(TOTAL)).max() / PEAK
    said = next(line for line in json.loads(text)["_comment"] if "nearest" in line)
    assert f"at worst {error:.3g} of the peak" in said
    assert error <= most


def test_absolute_rates_need_a_peak() -> None:
    """A cycle is written in rates, so a schedule without a peak is refused."""
    with pytest.raises(rw.ScheduleError, match="has no peak"):
        write(CYCLE >> rw.Hold(), "deepspeed", total=TOTAL)
    near = write(CYCLE >> rw.Hold(), "deepspeed", total=TOTAL, approximate=True)
    assert json.loads(near)["scheduler"]["type"] == "WarmupCosineLR"


def test_a_run_without_end_is_refused() -> None:
    """A plan is compared over its run, so it needs one."""
    with pytest.raises(rw.ScheduleError, match="total=…"):
        write(with_peak(rw.InverseSqrt(100)), "deepspeed")
