"""Transformers' schedules, read: every type against the scheduler that the Trainer would build."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.examples import examples

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from transformers import get_scheduler  # noqa: E402

from tests.convert.trainer import arguments, plan_of, scheduler, trace  # noqa: E402

often = settings(max_examples=examples(250, least=200), deadline=None)
less = settings(max_examples=examples(250), deadline=None)

lengths = st.sampled_from([0, 1, 2, 3]) | st.integers(0, 70)
totals = st.sampled_from([1, 2, 3, 40]) | st.integers(1, 60)
rates = st.sampled_from([1e-4, 5e-5, 3e-4, 1.0]) | st.floats(1e-6, 2.0)
floors = st.sampled_from([0.0, 0.1, 1.0]) | st.floats(0, 1.5)
cycles = st.sampled_from([0.5, 0.0, 1.0, 1.5, 2.0]) | st.floats(0, 5)
warmups = lengths | st.sampled_from([0.0, 0.1, 0.06, 0.5, 0.99]) | st.floats(0, 0.999)
ramps = st.sampled_from(["linear", "cosine", "1-sqrt"])

KWARGS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "constant": st.just({}),
    "constant_with_warmup": st.just({}),
    "linear": st.just({}),
    "cosine": st.fixed_dictionaries({}, optional={"num_cycles": cycles}),
    "cosine_with_restarts": st.fixed_dictionaries(
        {}, optional={"num_cycles": st.integers(0, 9) | st.integers(20, 60) | cycles}
    ),
    "polynomial": st.fixed_dictionaries(
        {},
        optional={
            "lr_end": st.sampled_from([0.0, 1e-7, 1e-6]),
            "power": st.sampled_from([0.5, 1, 2, 0, 3.5]) | st.floats(0.1, 5),
        },
    ),
    "inverse_sqrt": st.fixed_dictionaries({}, optional={"timescale": st.integers(1, 20_000)}),
    "cosine_with_min_lr": st.fixed_dictionaries(
        {}, optional={"num_cycles": cycles, "min_lr": floors}
    )
    | st.fixed_dictionaries({"min_lr_rate": floors}, optional={"num_cycles": cycles}),
    "cosine_warmup_with_min_lr": st.fixed_dictionaries(
        {"min_lr_rate": floors},
        optional={"num_cycles": cycles, "warmup_lr_rate": st.none() | floors},
    ),
    "warmup_stable_decay": st.fixed_dictionaries(
        {"num_decay_steps": lengths},
        optional={
            "num_stable_steps": lengths,
            "warmup_type": ramps,
            "decay_type": ramps,
            "min_lr_ratio": floors,
            "num_cycles": cycles,
        },
    ),
}


def assert_same(ours: np.ndarray, theirs: np.ndarray, scale: float = 1.0) -> None:
    """Equal to 1e-12, but for what 1 + cos and 1 - x lose when they cancel at the very end.

    That is a few last places of the largest rate computed with: `scale` times the largest used.
    """
    peak = max(theirs.max(initial=0.0), 1e-300)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=2e-15 * scale * peak)


@pytest.mark.parametrize("kind", KWARGS)
@often
@pytest.mark.filterwarnings("ignore:Both num_training_steps")
@given(data=st.data())
def test_a_plan_uses_the_rates_of_the_trainers_scheduler(kind: str, data: st.DataObject) -> None:
    """Whatever the type, its kwargs and the warm-up, update t uses the Trainer's rate."""
    total, warmup, rate = data.draw(totals), data.draw(warmups), data.draw(rates)
    kwargs = data.draw(KWARGS[kind])
    if kind == "cosine_with_min_lr" and not {"min_lr", "min_lr_rate"} & {*kwargs}:
        kwargs["min_lr"] = rate / 3
    assume(kind != "polynomial" or kwargs.get("lr_end", 1e-7) < rate)
    args = arguments(
        learning_rate=rate,
        lr_scheduler_type=kind,
        lr_scheduler_kwargs=kwargs or None,
        warmup_steps=warmup,
        max_steps=total,
    )
    assume(kind != "polynomial" or args.get_warmup_steps(total) != total)  # divides by zero
    ours = plan_of(args).rates(total)
    floor = max(1.0, kwargs.get("min_lr", 0.0) / rate, kwargs.get("min_lr_rate", 0.0))
    scale = (1 + 9 * kwargs.get("num_cycles", 1)) * floor
    assert_same(ours, trace(scheduler(args, total), total), scale)


FIXED = {kind: KWARGS[kind] for kind in KWARGS if kind != "cosine_with_min_lr"}


@pytest.mark.parametrize("kind", FIXED)
@less
@pytest.mark.filterwarnings("ignore:Both num_training_steps")
@given(data=st.data())
def test_a_scheduler_is_read_for_runs_of_another_length(kind: str, data: st.DataObject) -> None:
    """A scheduler made for T updates is read as what it does in a shorter or a longer run."""
    warmup, steps, run = data.draw(lengths), data.draw(totals), data.draw(totals)
    kwargs, rate = data.draw(FIXED[kind]), data.draw(rates)
    assume(kind != "polynomial" or (kwargs.get("lr_end", 1e-7) < rate and warmup != steps))
    args = arguments(
        learning_rate=rate,
        lr_scheduler_type=kind,
        lr_scheduler_kwargs=kwargs or None,
        warmup_steps=warmup,
    )
    built = scheduler(args, steps)
    plan = plan_of(built, total=run)
    scale = 1 + 9 * kwargs.get("num_cycles", 1) * max(1.0, run / max(1, steps - warmup))
    assert_same(plan.rates(run), trace(built, run), scale)


@less
@given(st.floats(0, 30), st.floats(1, 60), totals, st.sampled_from(["linear", "cosine"]))
def test_lengths_between_updates_are_read_exactly(
    warmup: float, steps: float, run: int, kind: str
) -> None:
    """`0.1 * steps` written by hand gives a fractional warm-up, and the plan has it too."""
    weight = torch.nn.Parameter(torch.zeros(1))
    built = get_scheduler(kind, torch.optim.SGD([weight], lr=3e-4), warmup, steps)
    plan = plan_of(built, total=run)
    scale = 1 + 9 * max(1.0, run / max(1, steps - warmup))
    assert_same(plan.rates(run), trace(built, run), scale)


@pytest.mark.parametrize("kind", ["linear", "cosine", "cosine_with_restarts", "inverse_sqrt"])
def test_a_long_run_agrees_as_well(kind: str) -> None:
    """At 20,000 updates and 6 % of warm-up nothing has drifted."""
    args = arguments(lr_scheduler_type=kind, warmup_steps=0.06, learning_rate=2e-4)
    function = scheduler(args, 20_000).lr_lambdas[0]
    theirs = 2e-4 * np.array([function(t) for t in range(20_000)])
    assert_same(plan_of(args, total=20_000).rates(20_000), theirs, 10)
