"""The whole way, on a task that trains in milliseconds."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import ratewise as rw
from ratewise import ScheduleError
from ratewise.choose import Choice, Facts, choose
from ratewise.choose.own import OWN
from ratewise.choose.space import span, standard
from tests.choose.valley import Cliff, Counted, Dice, Valley, ValleyRun

TOTAL = 80


@cache
def chosen() -> Choice:
    return choose(Valley(), total=TOTAL, seeds=[0, 1, 2])


@cache
def grid(seed: int) -> dict[tuple[str, float], float]:
    """Return what every schedule at every peak of the choice comes to, each trained alone."""
    choice = chosen()
    peaks = sorted({one.peak for one in choice.expected})
    found: dict[tuple[str, float], float] = {}
    for run in span(standard(choice.advice), peaks, seed, TOTAL, {}).runs:
        fresh = Valley().open(seed)
        fresh.train(run.rates)
        found[run.name, run.peak] = fresh.measure()["loss"]
    return found


def behind(choice: Choice) -> float:
    """Return how far a pick is behind the best over the seeds, in units of the middle one."""
    means = np.array([np.mean([grid(seed)[which] for seed in range(3)]) for which in grid(0)])
    middle, best = np.median(np.nan_to_num(means, nan=np.inf)), np.nanmin(means)
    assert choice.own is not None
    rates = choice.peak * choice.schedule.resolve(TOTAL).values()
    ends: list[float] = []
    for seed in range(3):
        run = Valley().open(seed)
        run.train(rates)
        ends.append(run.measure()["loss"])
    return float((np.mean(ends) - best) / (middle - best))


def test_it_chooses_nearly_the_best_with_a_fraction_of_the_updates() -> None:
    """Among the best twentieth with the seed of the search, and near the best over all seeds."""
    choice = chosen()
    found = min(trial.metric for trial in choice.trials if np.isfinite(trial.metric))
    assert np.mean([value < found for value in grid(0).values()]) <= 0.05
    assert behind(choice) < 0.2
    assert choice.trained <= 0.1 * choice.exhaustive
    assert choice.trained <= choice.budget


def test_every_run_of_the_search_ends_where_it_would_alone() -> None:
    """Sharing changes nothing: metrics are equal to the last bit to training each run alone."""
    for trial in chosen().trials:
        alone = grid(0)[trial.name, trial.peak]
        assert trial.metric == alone or (np.isnan(trial.metric) and np.isnan(alone))


def test_the_finalists_are_repeated_each_at_its_own_best_peak() -> None:
    """The proof holds the same seeds for all of them, and its runs are those of the grid."""
    choice = chosen()
    assert {len(one.values) for one in choice.proof.standings} == {3}
    assert 2 <= len(choice.proof.standings) <= 4
    for run in [run for run in choice.proof.runs if run.name != OWN]:
        assert run.metrics["loss"] == grid(run.seed)[run.name, run.peak]
    assert choice.metric == min(one.mean for one in choice.proof.standings)


def test_what_was_expected_of_a_run_is_known_before_it_is_trained() -> None:
    """The first has no expectation; all others have one with a spread."""
    trials = chosen().trials
    assert [trial.stage for trial in trials] == sorted(t.stage for t in trials)
    assert all(np.isnan(t.expected) == (t.stage == "probe") for t in trials)
    assert all(trial.spread > 0 for trial in trials if trial.stage == "search")


def test_the_same_choice_again_is_the_same() -> None:
    """Nothing is left to chance but the task: all numbers are equal, and so they are in a file."""
    expected = chosen().to_dict()
    again = choose(Valley(), total=TOTAL, seeds=[0, 1, 2])
    assert again.to_dict() == expected
    assert json.loads(json.dumps(again.to_dict(), allow_nan=False))["name"] == chosen().name


def test_more_of_a_metric_may_be_better() -> None:
    """With a score instead of a loss the same schedules are tried and the same one is taken."""
    choice = choose(Valley(), total=TOTAL, seeds=[0, 1, 2], metric="score")
    assert choice.proof.higher_is_better
    assert choice.metric == max(one.mean for one in choice.proof.standings)
    assert behind(choice) < 0.2


def test_where_schedules_do_not_differ_it_says_so() -> None:
    """A metric that is noise alone gives no winner, however lucky one was."""
    for noise in (0.3, 0.4):
        choice = choose(Dice(noise=noise), total=TOTAL, seeds=4)
        assert not choice.verdict.decided
        assert choice.verdict.text.startswith("No gain over your own settings")
        assert "Within noise" in str(choice.verdict)
        assert re.search(r"[Ss]eeds (more )?would", str(choice.verdict))


def test_given_peaks_and_candidates_are_kept_to() -> None:
    """No range test then, no other schedule, no other peak; an edge is pointed out."""
    given = {"cosine": rw.Cosine(to=0), "hold": rw.Hold()}
    choice = choose(Valley(), given, total=TOTAL, peaks=[0.001, 0.002], seeds=2)
    assert choice.found is None
    assert "find" not in choice.spent
    assert {one.name for one in choice.expected} == set(given)
    assert {one.peak for one in choice.expected} == {0.001, 0.002}
    assert any("Peaks above" in step for step in choice.next_steps)
    assert choice.stopped == "everything was trained"


def test_a_ladder_that_begins_too_low_is_widened() -> None:
    """The task's own rate is far too low here, and there is no room for a range test."""
    choice = choose(Valley(peak=1e-4), total=20, budget=400, seeds=1)
    assert choice.found is None
    assert any("widened above" in note for note in choice.notes)
    assert choice.peak > 8e-4


def test_advice_that_does_not_fit_into_the_run_is_left_out() -> None:
    """A warm-up of 2/(1 - beta2) updates is longer than this run; the facts alone say nothing."""
    facts = Facts(optimizer="adamw", beta2=0.999)
    choice = choose(Valley(), total=40, budget=200, seeds=1, facts=facts)
    assert choice.advice.facts.total == 40
    assert not any("2000" in one.name for one in choice.expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_the_updates_it_tells_are_those_that_are_trained(workers: int, tmp_path: Path) -> None:
    """Counted by the task itself, update by update: range test, forks and repeats included."""
    total, log = 60, tmp_path / "trained"
    log.touch()
    choice = choose(Counted(log=str(log)), total=total, seeds=2, workers=workers)
    assert choice.trained == log.stat().st_size
    assert choice.trained <= choice.budget
    found = sum(choice.spent[stage] for stage in ("probe", "search"))
    assert found == sum(trial.updates for trial in choice.trials)
    alone = total * len(choice.trials)
    assert found < 0.9 * alone  # states at the forks are kept, and branched from


def test_without_room_for_states_the_ways_to_forks_are_counted_too(tmp_path: Path) -> None:
    """What is trained again is told, and the budget holds."""
    log = tmp_path / "trained"
    log.touch()
    options = {"peaks": [0.05, 0.1, 0.2, 0.4], "seeds": 1, "budget": 700, "disk": 0}
    choice = choose(Counted(log=str(log)), total=50, **options)  # type: ignore[arg-type]
    assert choice.trained == log.stat().st_size
    assert choice.trained <= choice.budget
    assert sum(trial.updates < 50 for trial in choice.trials if np.isfinite(trial.metric)) == 0


def test_a_run_branches_from_a_state_that_an_earlier_one_left(tmp_path: Path) -> None:
    """A cooldown after the constant run costs the cooldown, as the search supposed."""
    given = {"hold": rw.Hold(), "cooled": rw.Hold() >> rw.Linear(to=0, over="20%")}
    choice = choose(
        Valley(), given, total=50, peaks=[0.1], seeds=1, own="Linear(to=0)", budget=500,
        journal=tmp_path / "runs.db",
    )  # fmt: skip
    assert sorted(trial.updates for trial in choice.trials) == [
        9,
        50,
    ]  # the last update of the plateau is the first of the cooldown


@pytest.mark.parametrize("runs", [2, 3, 5, 9, 14])
def test_the_budget_is_never_exceeded(runs: int) -> None:
    """With two runs it says what it can; with more it searches, then repeats."""
    choice = choose(Valley(), total=TOTAL, budget=runs * TOTAL, peaks=[0.05, 0.1, 0.2, 0.4])
    assert choice.trained <= runs * TOTAL
    assert choice.trained == sum(choice.spent.values())
    if runs >= 9:
        assert len(choice.proof.standings[0].values) > 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"total": TOTAL, "budget": TOTAL}, "less than two runs"),
        ({"total": TOTAL, "budget": 0}, "budget"),
        ({"total": TOTAL, "peaks": [0.1, -1.0]}, "peaks"),
        ({"total": TOTAL, "seeds": []}, "seeds"),
        ({"total": TOTAL, "finalists": 0}, "finalists"),
        ({"total": "3 epochs"}, "epoch"),
        ({"total": TOTAL, "metric": "bleu", "peaks": [0.1, 0.2]}, "bleu"),
        ({"total": TOTAL, "candidates": {}}, "candidates"),
        ({"total": TOTAL, "engine": "abacus"}, "abacus"),
        ({"total": TOTAL, "disk": "much"}, "much"),
    ],
)
def test_bad_input_is_refused_in_one_line(options: dict[str, object], told: str) -> None:
    """Before anything is trained, with what to write instead."""
    with pytest.raises(ScheduleError, match=told):
        choose(Valley(), **options)  # type: ignore[arg-type]


def test_a_task_that_breaks_at_every_rate_is_said_to() -> None:
    """No number is made up for it."""
    with pytest.raises(ScheduleError, match=r"no run that finishes: .* the loss of all broke"):
        choose(Valley(noise=1e9), total=20, peaks=[0.1, 0.2], seeds=1)


def test_a_loss_that_is_no_number_before_the_first_update_is_no_matter_of_rates() -> None:
    """It is given up after three runs beside the own settings, and lower peaks are not advised."""
    told = r"no number before the first update, in all of 4 runs: look at the loss"
    with pytest.raises(ScheduleError, match=told):
        choose(Cliff(), total=20, budget=480, seeds=1)


class Unseeded(Valley):
    """A task that draws something that its seed does not set."""

    def open(self, seed: int) -> ValleyRun:
        run = super().open(seed)
        run.w = run.w + 0.1 * np.random.default_rng().standard_normal(len(run.w))
        return run


def test_a_task_that_does_not_repeat_itself_is_said_to() -> None:
    """Runs of a seed begin with the same loss, whatever their rates, or the seed is not all."""
    for task, said in ((Valley(), 0), (Unseeded(), 1)):
        given = ["Hold()", "Linear(to=0)"]
        notes = choose(task, given, total=12, peaks=[0.1, 0.2, 0.3], seeds=2).notes
        assert sum("no rate has acted yet" in note for note in notes) == said


def test_something_that_is_no_task_is_refused() -> None:
    """The error speaks of choose."""
    with pytest.raises(ScheduleError, match=r"choose.*needs a task"):
        choose(3, total=20)  # type: ignore[arg-type]
