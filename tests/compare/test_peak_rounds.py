"""Comparisons that look for each candidate's own best peak."""

from __future__ import annotations

import math

import numpy as np
import pytest

import ratewise as rw
from ratewise.choose import Search, compare
from ratewise.compare.comparison import Interrupted
from ratewise.schedule import ScheduleError

SCHEDULES = {"constant": rw.Hold(), "linear": rw.Linear(to=0), "late": rw.Hold() >> rw.Linear(0, 3)}


class Quadratic:
    """Descent on w²/2 with noisy gradients; diverges above a rate of 2."""

    def __init__(self, seed):
        self.w, self.random = 1.0, np.random.default_rng(seed)

    def train(self, rates):
        losses = []
        for rate in rates:
            losses.append(self.w * self.w / 2 if abs(self.w) < 1e6 else math.nan)
            self.w -= rate * (self.w + 0.3 * self.random.normal())
        return np.array(losses)

    def measure(self):
        return {"loss": self.w * self.w / 2 if abs(self.w) < 1e6 else math.nan}

    def save(self):
        return self.w, self.random.bit_generator.state

    def restore(self, state):
        self.w, self.random.bit_generator.state = state


class Task:
    """Counts the updates that were trained."""

    peak = 0.1

    def __init__(self):
        self.trained = 0

    def open(self, seed):
        task, run = self, Quadratic(seed)
        plain = run.train

        def train(rates):
            task.trained += len(rates)
            return plain(rates)

        run.train = train
        return run


def test_budgets_are_equal_and_each_is_judged_at_its_own_best_peak():
    """Every candidate gets the same number of peaks and seeds, and no pair is trained twice."""
    task = Task()
    result = compare(task, SCHEDULES, total=30, peaks=Search(1e-3, 10, tries=6), seeds=2)
    for name in SCHEDULES:
        tried = {run.peak for run in result.runs if run.name == name}
        assert len(tried) == 6
        assert sum(run.name == name for run in result.runs) == 12
    assert result.trained == task.trained
    assert result.asked == 3 * 6 * 2 * 30
    assert [one.name for one in result.standings] != []
    assert all(0.01 < one.peak < 2.5 for one in result.standings)


def test_each_run_is_the_one_that_was_trained_alone():
    """What a search trains at a peak is to the bit what a comparison at that peak trains."""
    result = compare(Task(), SCHEDULES, total=20, peaks=Search(1e-2, 1, tries=4), seeds=2)
    for one in result.standings:
        alone = compare(
            Task(), {one.name: SCHEDULES[one.name]}, total=20, peaks=[one.peak], seeds=2
        )
        assert tuple(run.metrics["loss"] for run in alone.runs) == one.values


def test_auto_looks_around_the_tasks_own_rate():
    """Between a tenth and ten times the rate of the optimizer; a task without one is refused."""
    result = compare(Task(), {"constant": rw.Hold()}, total=10, peaks="auto")
    first = [run.peak for run in result.runs][:3]
    assert sorted(first) == pytest.approx([0.1 / 10**0.5, 0.1, 0.1 * 10**0.5], rel=0.2)
    blind = Task()
    blind.peak = None
    with pytest.raises(ScheduleError, match=r"where to look.*give peaks="):
        compare(blind, SCHEDULES, total=10, peaks="auto")
    with pytest.raises(ScheduleError, match="auto"):
        compare(Task(), SCHEDULES, total=10, peaks="car")
    assert blind.trained == 0


def test_a_range_that_grew_is_reported():
    """The best peak lies above the range: it is found outside, and the result says so."""
    result = compare(
        Task(), {"linear": rw.Linear(to=0)}, total=30, peaks=Search(1e-5, 1e-4, tries=16)
    )
    assert result.notes == ("The range of peaks was widened above for linear.",)
    assert result.notes[0] in str(result)
    assert result.to_dict()["notes"] == list(result.notes)


def test_progress_goes_on_from_round_to_round():
    """What is done never falls."""
    seen = []
    compare(
        *(Task(), SCHEDULES),
        total=20,
        peaks=Search(1e-2, 1, tries=4),
        progress=lambda done, planned, what: seen.append((done, planned)),
    )
    done = [one for one, _ in seen]
    assert done == sorted(done)
    assert all(one <= of for one, of in seen)


def test_stopped_by_hand_all_rounds_are_kept():
    """Ctrl-C in a later round raises with everything that was trained until then."""
    count = 0

    def stop(done, planned, what):
        nonlocal count
        count += 1
        if done > 500:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as caught:
        compare(Task(), SCHEDULES, total=50, peaks=Search(1e-2, 1, tries=6), progress=stop)
    kept = caught.value.comparison
    assert len({run.peak for run in kept.runs}) > 3
    assert sum(math.isfinite(run.metrics["loss"]) for run in kept.runs) >= 9


def test_the_table_says_how_far_behind_and_how_sure():
    """Each candidate but the best has a paired interval and a corrected p-value."""
    result = compare(Task(), SCHEDULES, total=40, peaks=[0.3], seeds=4)
    lines = result.table().splitlines()
    assert "behind by (90 %)" in lines[0]
    assert "–" in lines[1]
    for line, one in zip(lines[2:], result.differences, strict=True):
        assert line.startswith(one.name)
        assert f"{one.mean:.3g} [" in line
        assert one.low <= one.mean <= one.high
        assert 0 <= one.p <= 1
