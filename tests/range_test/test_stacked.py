"""Sweeps and short runs that are trained in stacks, beside those alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from ratewise.choose import find
from ratewise.range_test.ladder import Ladder
from ratewise.range_test.short_runs import stack_short_runs, train_short_runs
from ratewise.schedule import ScheduleError
from ratewise.tasks.stack_plan import StackPlan
from ratewise.tasks.torch import stacked
from tests.tasks.fixtures import Valleys
from tests.tasks.stacks import (
    CLOSE,
    STACKED,
    adam,
    apart,
    final,
    leaky,
    short_of_memory,
    task_of,
)


@pytest.mark.parametrize("size", [16, 5])
def test_short_runs_are_trained_together(size: int, monkeypatch: Any) -> None:
    """The losses and metrics of each alone; one that breaks has no metric."""
    ladder = Ladder(1e-3, 1e30, 8, 10)
    task = task_of(model=leaky)
    told = train_short_runs(task, ladder, (0, 1), None)
    short_of_memory(monkeypatch, 6, MemoryError())
    plan = StackPlan(stacked.Stacking("same"), size)
    made = stack_short_runs(task, ladder, (0, 1), None, plan)
    assert made[0] == told[0]
    pairs = [
        pair for rows in zip(made[1], told[1], strict=True) for pair in zip(*rows, strict=True)
    ]
    assert len(pairs) == 16
    assert any(np.isnan(value) for _, (_, value) in pairs)
    for (losses, value), (expected, truth) in pairs:
        np.testing.assert_allclose(losses, expected, rtol=CLOSE)  # a NaN is like a NaN
        assert np.isnan(value) == np.isnan(truth)
        assert np.isnan(truth) or value == pytest.approx(truth, rel=CLOSE)


def test_sweeps_are_climbed_together() -> None:
    """Each ends where it ends alone, with the same losses while they are finite."""
    steps: dict[str, Any] = {"rungs": 30, "lowest": 1e-4, "highest": 10.0}
    plain, result = (find(task_of(), **steps, **how) for how in ({}, {**STACKED, "stack": 2}))
    for a, b in zip(result.sweeps, plain.sweeps, strict=True):
        assert (a.seed, a.broke, len(a.losses)) == (b.seed, b.broke, len(b.losses))
        assert apart(a.losses, b.losses) < 1e-2  # it ends where losses are all but chaotic
    assert result.rate == pytest.approx(plain.rate, rel=0.01)
    assert "in a stack" in str(result)


def test_sweeps_that_cannot_be_stacked_are_told_of() -> None:
    """They are climbed one by one, to the last bit."""
    steps: dict[str, Any] = {"rungs": 12, "lowest": 1e-4, "highest": 1.0}
    plain, result = (find(Valleys(), **steps, **how) for how in ({}, STACKED))
    assert [s.losses for s in result.sweeps] == [s.losses for s in plain.sweeps]
    assert "not stacked" in result.how


@pytest.mark.parametrize("options", [{"engine": "ray"}, {"stack": 3}])
def test_a_range_test_refuses_what_is_none_of_its_engines(options: Any) -> None:
    """It has two."""
    with pytest.raises(ScheduleError):
        find(task_of(), **options)


def test_sweeps_of_a_loop_in_place_cannot_be_stacked() -> None:
    """There is one model, and it is there already."""
    model = torch.nn.Linear(6, 2)
    loop: dict[str, Any] = {"model": model, "optimizer": adam(model), "batches": [0]}
    with pytest.raises(ScheduleError, match="needs a task"):
        find(step=lambda batch: final(model), **loop, engine="stacked")
