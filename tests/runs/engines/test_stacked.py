"""The engine that trains many runs in one call: its records beside those of runs alone."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from ratewise.choose import compare
from ratewise.cli import app
from ratewise.compare.comparison import Interrupted
from ratewise.runs.engines.config import EngineConfig
from ratewise.runs.journal import status
from ratewise.schedule import ScheduleError
from ratewise.tasks.torch import stacked, stacked_trial
from tests.runs.journal.tasks import Bowl
from tests.tasks.stacks import (
    ASKED,
    CANDIDATES,
    CLOSE,
    STACKED,
    adam,
    apart,
    deadly,
    entropy,
    leaky,
    normed,
    short_of_memory,
    task_of,
)


def same(one: Any, other: Any, close: float = CLOSE) -> bool:
    """Tell whether two comparisons have the same records, but for rounding."""
    for a, b in zip(one.runs, other.runs, strict=True):
        told = [(r.name, r.peak, r.seed, r.diverged, r.error is None) for r in (a, b)]
        known = np.isfinite(b.losses)
        if told[0] != told[1] or not np.array_equal(np.isfinite(a.losses), known):
            return False
        if apart(a.losses[known], b.losses[known]) > close:
            return False
        if b.ended and apart(a.metrics["metric"], b.metrics["metric"]) > close:
            return False
    return True


@pytest.fixture(scope="module")
def truth() -> Any:
    """Each run alone."""
    return compare(task_of(), CANDIDATES, **ASKED)


@pytest.mark.parametrize("stack", [1, 2, 5, 64])
def test_any_stack_has_the_records_of_runs_alone(truth: Any, stack: int) -> None:
    """As many updates, shared beginnings included; every loss within rounding."""
    result = compare(task_of(), CANDIDATES, **ASKED, engine="stacked", stack=stack)
    assert same(result, truth)
    assert result.trained == truth.trained < truth.asked
    assert all(run.stacked for run in result.runs)
    assert not any(run.stacked for run in truth.runs)


def test_buffers_and_dropout_go_along() -> None:
    """BatchNorm and dropout: the same losses, and the masks that each run has alone."""
    for model in (normed, leaky):
        plain = compare(task_of(model=model), CANDIDATES, **ASKED)
        result = compare(task_of(model=model), CANDIDATES, **ASKED, **STACKED)
        assert apart(
            np.concatenate([run.losses for run in result.runs]),
            np.concatenate([run.losses for run in plain.runs]),
        ) < 10 * CLOSE  # fmt: skip


def test_who_breaks_is_told_as_alone() -> None:
    """Runs that diverge end at the update at which they do alone; the others go on."""
    sgd = {"optimizer": lambda m: torch.optim.SGD(m.parameters(), lr=0.1)}
    task = task_of(**sgd, loss=lambda m, b: entropy(m, b) ** 2)
    asked = {**ASKED, "peaks": [0.01, 0.1, 1e30]}
    plain, result = (compare(task, CANDIDATES, **asked, **how) for how in ({}, STACKED))
    assert same(result, plain)
    assert {run.diverged is None for run in result.runs if run.peak == 1e30} == {False}
    assert {run.diverged for run in result.runs if run.peak < 1} == {None}


@pytest.mark.parametrize(
    "raised",
    [MemoryError(), torch.cuda.OutOfMemoryError("CUDA out of memory"),
     RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes")],
    ids=["host", "card", "torch"],
)  # fmt: skip
def test_a_stack_that_does_not_fit_is_halved(truth: Any, monkeypatch: Any, raised: Any) -> None:
    """Until it fits; nothing is lost, and it is told."""
    sizes = short_of_memory(monkeypatch, 3, raised)
    monkeypatch.setattr(stacked_trial, "FEW", 2)
    result = compare(task_of(), CANDIDATES, **ASKED, **STACKED)
    assert same(result, truth)
    assert max(sizes) > 3
    assert any("was halved" in note for note in result.notes)
    late = sizes[sizes.index(max(sizes)) + 4 :]
    assert max(late) <= 3


def test_what_raises_in_a_stack_is_trained_alone(truth: Any, monkeypatch: Any) -> None:
    """An error that is none of memory: each goes on by itself, and has its record."""
    short_of_memory(monkeypatch, 2, RuntimeError("no kernel for this"))
    monkeypatch.setattr(stacked_trial, "FEW", 2)
    result = compare(task_of(), CANDIDATES, **ASKED, **STACKED)
    assert same(result, truth)
    assert any("taken out of the stack" in note and "no kernel" in note for note in result.notes)


def test_what_cannot_be_taken_apart_is_trained_alone(truth: Any, monkeypatch: Any) -> None:
    """A state that cannot be had of a stack: nothing ends with it."""

    def state(self: Any, run: int) -> Any:
        raise RuntimeError("no room for a copy")

    monkeypatch.setattr(stacked.Stack, "state", state)
    result = compare(task_of(), CANDIDATES, **ASKED, **STACKED)
    assert same(result, truth)
    assert any("no room for a copy" in note for note in result.notes)


def test_who_is_to_blame_has_the_error_that_it_would_have_alone() -> None:
    """A loss that raises behind update 10 with one seed: that seed's runs fail, and no others."""

    def data(seed: int) -> Any:
        drawn = torch.Generator().manual_seed(seed)
        for place in itertools.count():
            yield torch.randn(8, 6, generator=drawn), torch.full((8,), int(seed and place > 10) * 9)

    plain, result = (
        compare(task_of(data=data), CANDIDATES, **ASKED, **how) for how in ({}, STACKED)
    )
    assert same(result, plain)
    assert [run.seed for run in result.runs if run.error] == [1] * 8


def test_one_by_one_and_told_why() -> None:
    """A task that cannot be stacked is trained to the last bit, and says so once."""
    result = compare(Bowl(), CANDIDATES, total=40, peaks=[0.05], **STACKED)
    plain = compare(Bowl(), CANDIDATES, total=40, peaks=[0.05])
    told = [note for note in result.notes if "not stacked" in note]
    assert len(told) == 1
    assert "says nothing of its model" in told[0]
    assert [run.metrics for run in result.runs] == [run.metrics for run in plain.runs]
    assert not any(run.stacked for run in result.runs)


def test_candidates_with_optimizers_of_their_own_are_stacked_apart() -> None:
    """Each with its own step: one of them is torch's, one is hooked."""

    def sgd(model: Any) -> Any:
        return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    both: dict[str, Any] = {"adam": (adam, CANDIDATES["cosine"]), "sgd": (sgd, CANDIDATES["late"])}
    asked = {**ASKED, "seeds": 3}
    plain, result = (compare(task_of(), both, **asked, **how) for how in ({}, STACKED))
    assert same(result, plain)


# The measured rule ----------------------------------------------------------------------------


@pytest.mark.parametrize("gain", [1.29, 1.31])
def test_runs_are_stacked_where_that_pays(monkeypatch: Any, gain: float) -> None:
    """From 1.3 times as many updates a second on; a size that is given is taken at its word."""
    trial = stacked_trial.StackTrial(stacked.Stacking(), gain, 1000, 4)
    monkeypatch.setattr(stacked_trial, "try_stack", lambda task, seed: trial)
    result = compare(task_of(), CANDIDATES, **ASKED, engine="stacked")
    assert all(run.stacked is (gain > 1.3) for run in result.runs)
    assert any("does not pay" in note for note in result.notes) is (gain < 1.3)
    one = {"late": CANDIDATES["late"]}
    forced = compare(task_of(), one, total=20, engine="stacked", stack=2)
    assert all(run.stacked for run in forced.runs)


def test_a_journal_remembers_whether_it_pays(monkeypatch: Any, tmp_path: Path) -> None:
    """A comparison that goes on decides as it did before, however busy the machine is now."""
    journal = tmp_path / "runs.db"
    for gain in (5.0, 0.1):
        trial = stacked_trial.StackTrial(stacked.Stacking(), gain, 1000, 4)
        monkeypatch.setattr(stacked_trial, "try_stack", lambda task, seed, found=trial: found)
        result = compare(task_of(), CANDIDATES, **ASKED, engine="stacked", journal=journal)
        assert all(run.stacked for run in result.runs)
    assert result.trained == 0


# The journal ----------------------------------------------------------------------------------


def test_a_journal_never_takes_one_for_the_other(truth: Any, tmp_path: Path) -> None:
    """What was trained in a stack is known to stacks alone, and the other way round."""
    journal = tmp_path / "runs.db"
    first = compare(task_of(), CANDIDATES, **ASKED, **STACKED, journal=journal)
    exact = compare(task_of(), CANDIDATES, **ASKED, journal=journal)
    assert exact.trained == truth.trained
    assert all(
        np.array_equal(a.losses, b.losses) for a, b in zip(exact.runs, truth.runs, strict=True)
    )
    again = compare(task_of(), CANDIDATES, **ASKED, **STACKED, journal=journal)
    assert again.trained == 0
    assert [run.metrics for run in again.runs] == [run.metrics for run in first.runs]
    assert all(run.stacked for run in again.runs)
    assert not any(run.stacked for run in exact.runs)
    assert status(journal).runs == status(journal).finished


def test_a_comparison_that_was_stopped_goes_on(truth: Any, tmp_path: Path) -> None:
    """Ctrl-C in the middle: what is done is not trained again, and the records are the same."""
    journal, seen = tmp_path / "runs.db", itertools.count()

    def stop(done: int, planned: int, what: str) -> None:
        if next(seen) == 9:
            raise KeyboardInterrupt

    asked = {**ASKED, **STACKED, "stack": 3, "journal": journal}
    with pytest.raises(Interrupted):
        compare(task_of(), CANDIDATES, **asked, progress=stop)
    result = compare(task_of(), CANDIDATES, **asked)
    assert same(result, truth)
    assert result.trained < truth.trained


def test_checkpoints_on_the_way_are_gone_on_from(
    truth: Any, tmp_path: Path, monkeypatch: Any
) -> None:
    """With one after every four updates, more candidates branch where the first ones were."""
    few = {name: CANDIDATES[name] for name in ("late", "cosine")}
    monkeypatch.setattr("ratewise.runs.engines.stacked.PIECE", 4)
    trained: list[int] = []
    for every in (0, 600):
        kept = {"journal": tmp_path / f"{every}.db", "disk": "1GB", "checkpoint_every": every}
        first = compare(task_of(), few, **ASKED, **STACKED, **kept)
        result = compare(task_of(), CANDIDATES, **ASKED, **STACKED, **kept)
        assert same(result, truth)
        trained.append(result.trained + first.trained)
    assert truth.trained <= trained[0] < trained[1]


def test_stacks_in_workers_have_the_records_of_runs_alone(truth: Any, tmp_path: Path) -> None:
    """Two processes with a stack in each, one of which dies: as if nothing had been."""
    task = task_of(loss=partial(deadly, str(tmp_path)))
    result = compare(task, CANDIDATES, **ASKED, engine="stacked", stack=4, workers=2)
    assert (tmp_path / "killed").exists()
    assert same(result, truth)
    assert all(run.stacked for run in result.runs)


# What is told ---------------------------------------------------------------------------------


def test_a_table_says_how_each_was_trained(truth: Any) -> None:
    """A column where there is something to say, and none where there is not."""
    result = compare(task_of(), CANDIDATES, **ASKED, **STACKED)
    assert "trained" in result.table().splitlines()[0]
    assert "stacked" in result.table()
    assert "trained" not in truth.table().splitlines()[0]
    assert all(run["stacked"] for run in result.to_dict()["runs"])
    assert any("trained in stacks" in note for note in result.notes)


def test_the_command_line_stacks_too(tmp_path: Path) -> None:
    """`--engine stacked --stack N` for compare and find; what is resumed is stacked again."""
    task, journal = "tests.tasks.stacks:task_of", str(tmp_path / "runs.db")
    how = ["--engine", "stacked", "--stack", "4", "--quiet"]
    asked = [task, *("late=Hold()>>Linear(to=0,over=0.5)", "Hold()"), "--total", "12"]
    first = CliRunner().invoke(app, ["compare", *asked, "--journal", journal, *how])
    assert first.exit_code == 0, first.output
    again = CliRunner().invoke(app, ["compare", "--resume", journal, *how])
    assert again.exit_code == 0, again.output
    for result in (first, again):
        assert "6 of 6 runs were trained in stacks" in " ".join(result.output.split())
    assert "0 updates trained" in again.output
    found = CliRunner().invoke(app, ["find", task, "--rungs", "12", "--seeds", "2", *how])
    assert "trained in a stack" in " ".join(found.output.split())


# Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "stacked", "stack": 0}, "stack"),
        ({"engine": "stacked", "stack": True}, "stack"),
        ({"stack": 4}, "is for runs that are stacked"),
        ({"engine": "processes", "stack": 4}, "is for runs that are stacked"),
        ({"engine": "stakced"}, "stacked"),
    ],
)
def test_what_does_not_go_together_is_refused(options: Any, said: str) -> None:
    """At once, and one clear error for each."""
    with pytest.raises(ScheduleError, match=said):
        EngineConfig(**options)
