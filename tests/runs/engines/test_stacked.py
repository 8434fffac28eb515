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

import ratewise as rw
from ratewise.choose import choose, compare, find
from ratewise.cli import app
from ratewise.compare.comparison import Interrupted
from ratewise.range_test.ladder import Ladder
from ratewise.range_test.short_runs import stack_short_runs, train_short_runs
from ratewise.runs.engines.config import EngineConfig
from ratewise.runs.journal import status
from ratewise.schedule import ScheduleError
from ratewise.tasks.stack_plan import StackPlan
from ratewise.tasks.torch import stacked, stacked_trial
from tests.runs.journal.tasks import Bowl
from tests.tasks.fixtures import Valleys
from tests.tasks.stacks import adam, apart, deadly, entropy, final, leaky, normed, task_of

UP = rw.Warmup(8)
CANDIDATES: dict[str, Any] = {
    "late": UP >> rw.Hold() >> rw.Linear(to=0, over="40%"),
    "later": UP >> rw.Hold() >> rw.Sqrt(to=0, over="20%"),
    "cosine": UP >> rw.Cosine(to=0),
    "short": (UP >> rw.Linear(to=0), 25),
}
OF_ONE_LENGTH = {name: CANDIDATES[name] for name in ("late", "later", "cosine")}
ASKED: dict[str, Any] = {"total": 40, "peaks": [3e-3, 3e-2], "seeds": 2}
STACKED: dict[str, Any] = {"engine": "stacked", "stack": 16}
CLOSE = 1e-4


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


def short_of_memory(monkeypatch: Any, most: int, raised: Any) -> list[int]:
    """Let an update of more than `most` runs raise; return a list of the sizes of all."""
    sizes: list[int] = []
    real = stacked.Stack._update

    def update(self: Any, rates: Any, ahead: int) -> Any:
        sizes.append(len(rates))
        if len(rates) > most:
            raise raised
        return real(self, rates, ahead)

    monkeypatch.setattr(stacked.Stack, "_update", update)
    return sizes


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

    both: dict[str, Any] = {"adam": (adam, UP >> rw.Cosine(to=0)), "sgd": (sgd, CANDIDATES["late"])}
    asked = {**ASKED, "seeds": 3}
    plain, result = (compare(task_of(), both, **asked, **how) for how in ({}, STACKED))
    assert same(result, plain)


# The measured rule ----------------------------------------------------------------------------


def test_a_choice_does_not_stack_where_that_does_not_pay(monkeypatch: Any) -> None:
    """It searches one by one, says so once, and proves with what it has trained already."""
    trial = stacked_trial.StackTrial(stacked.Stacking(), 0.7, 1000, 4)
    monkeypatch.setattr(stacked_trial, "try_stack", lambda task, seed: trial)
    asked: dict[str, Any] = {"total": 30, "budget": 240, "peaks": [3e-3, 3e-2], "seeds": 1}
    found = choose(task_of(), OF_ONE_LENGTH, **asked, engine="stacked")
    assert not any(trial.stacked for trial in found.trials)
    assert found.spent["prove"] == 0
    assert sum("does not pay: 0.70 times" in note for note in found.notes) == 1


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


# Choosing and finding -------------------------------------------------------------------------


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


def test_a_table_says_how_each_was_trained(truth: Any) -> None:
    """A column where there is something to say, and none where there is not."""
    result = compare(task_of(), CANDIDATES, **ASKED, **STACKED)
    assert "trained" in result.table().splitlines()[0]
    assert "stacked" in result.table()
    assert "trained" not in truth.table().splitlines()[0]
    assert all(run["stacked"] for run in result.to_dict()["runs"])
    assert any("trained in stacks" in note for note in result.notes)


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
