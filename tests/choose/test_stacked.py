"""A choice looks and searches in stacks, and proves its pick with runs alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ratewise.choose import choose
from ratewise.tasks.torch import stacked, stacked_trial
from tests.tasks.stacks import (
    CLOSE,
    OF_ONE_LENGTH,
    STACKED,
    apart,
    task_of,
)


def test_a_choice_searches_in_stacks_and_proves_alone(tmp_path: Path) -> None:
    """Probes and search are stacked; what the pick rests on is what each run alone comes to."""
    journal = tmp_path / "runs.db"
    asked: dict[str, Any] = {"total": 30, "budget": 600, "peaks": [3e-3, 3e-2], "seeds": 2}
    found = choose(task_of(), OF_ONE_LENGTH, **asked, **STACKED, journal=journal)
    assert found.trials
    assert all(trial.stacked for trial in found.trials)
    assert not any(run.stacked for run in found.proof.runs)
    assert found.trained <= found.budget
    for run in found.proof.runs:
        alone = task_of().open(run.seed)
        assert np.array_equal(alone.train(run.rates), run.losses)
        assert alone.measure() == run.metrics
    assert "trained in a stack" in found.report(width=200)
    assert "in a stack" in found.html()
    again = choose(task_of(), OF_ONE_LENGTH, **asked, **STACKED, journal=journal)
    assert (again.name, again.peak, again.metric) == (found.name, found.peak, found.metric)
    assert repr(again.trials) == repr(found.trials)


def test_a_choice_without_room_for_a_proof_says_so() -> None:
    """Two runs of budget: the figures are those of stacks, and it is told."""
    asked: dict[str, Any] = {"total": 30, "budget": 60, "peaks": [3e-3, 3e-2], "seeds": 1}
    found = choose(task_of(), OF_ONE_LENGTH, **asked, **STACKED)
    assert found.trained <= 60
    assert any("no room to train the best alone" in note for note in found.notes)


ROOMY: dict[str, Any] = {"total": 48, "budget": 960, "seeds": 1, "finalists": 1}
"""Enough for a range test with two seeds."""


def test_a_choice_looks_for_its_peaks_in_stacks(tmp_path: Path) -> None:
    """The range test, too; a journal has it under a name of its own, and it is told."""
    task, journal = task_of(), tmp_path / "runs.db"
    few = {"late": OF_ONE_LENGTH["late"]}
    plain = choose(task, few, **ROOMY, journal=journal)
    found = choose(task, few, **ROOMY, **STACKED, journal=journal)
    assert not plain.found.how
    assert "in a stack" in found.found.how
    assert found.found.how in found.notes
    for one, other in zip(found.found.sweeps, plain.found.sweeps, strict=True):
        assert one.losses != other.losses
        assert apart(one.losses[:10], other.losses[:10]) < CLOSE
    assert found.found.rate == pytest.approx(plain.found.rate, rel=0.05)


def test_a_choice_looks_alone_where_stacks_do_not_pay(monkeypatch: Any, tmp_path: Path) -> None:
    """To the last bit, and told why."""
    few = {"late": OF_ONE_LENGTH["late"]}
    monkeypatch.setattr(stacked_trial, "PAYS", 1e9)
    plain = choose(task_of(), few, **ROOMY)
    found = choose(task_of(), few, **ROOMY, engine="stacked")
    assert not found.found.how
    assert [one.losses for one in found.found.sweeps] == [one.losses for one in plain.found.sweeps]
    assert any("does not pay" in note for note in found.notes)


def test_a_choice_does_not_stack_where_that_does_not_pay(monkeypatch: Any) -> None:
    """It searches one by one, says so once, and proves with what it has trained already."""
    trial = stacked_trial.StackTrial(stacked.Stacking(), 0.7, 1000, 4)
    monkeypatch.setattr(stacked_trial, "try_stack", lambda task, seed: trial)
    asked: dict[str, Any] = {"total": 30, "budget": 240, "peaks": [3e-3, 3e-2], "seeds": 1}
    found = choose(task_of(), OF_ONE_LENGTH, **asked, engine="stacked")
    assert not any(trial.stacked for trial in found.trials)
    assert found.spent["prove"] == 0
    assert sum("does not pay: 0.70 times" in note for note in found.notes) == 1
