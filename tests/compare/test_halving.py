"""Candidates are dropped on the way by cooled forks, and never by raw losses."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from ratewise.choose import compare
from ratewise.compare.comparison import Interrupted
from ratewise.compare.halving import Halving, forked
from ratewise.runs.specs import read_candidates
from ratewise.schedule import ScheduleError
from tests.examples import examples
from tests.runs.journal.tasks import Bowl, stop_after

FIVE = {
    "constant": rw.Hold(),
    "linear": rw.Linear(to=0),
    "cosine": rw.Cosine(to=0),
    "late": rw.Hold() >> rw.Linear(to=0, over="20%"),
    "step": rw.Step(0.1, at=["50%", "80%"]),
}
ASKED = {"total": 200, "peaks": [0.02, 0.05, 0.2], "seeds": 2}


class Noisy:
    """A quadratic of many curvatures whose expected loss is followed exactly, noise and all."""

    peak = 0.3

    def __init__(self, noise: float) -> None:
        self.noise = noise

    def open(self, seed):
        task, h = self, np.arange(1, 65) ** -1.0

        class Run:
            second = np.ones(64)

            def train(self, rates):
                losses = []
                for rate in rates:
                    losses.append(float(h @ self.second))
                    self.second = (1 - rate * h) ** 2 * self.second + rate**2 * task.noise * h
                return np.array(losses)

            def measure(self):
                return {"loss": float(h @ self.second)}

            def save(self):
                return self.second.copy()

            def restore(self, state):
                self.second = state.copy()

        return Run()


def test_who_is_left_ends_with_the_same_bits():
    """Survivors have the losses and metrics of a comparison that dropped nobody."""
    full = compare(Bowl(), FIVE, **ASKED)
    found = compare(Bowl(), FIVE, **ASKED, prune="halving")
    whole = {(run.name, run.peak, run.seed): run for run in full.runs}
    assert len(found.runs) == 2 * math.ceil(math.ceil(15 / 3) / 3)
    for run in found.runs:
        twin = whole[run.name, run.peak, run.seed]
        assert run.losses.tobytes() == twin.losses.tobytes()
        assert run.metrics == twin.metrics
    assert found.trained < 0.75 * full.trained
    assert found.asked == full.asked
    assert {(one.name, one.peak) for one in found.pruned}.isdisjoint(
        {(run.name, run.peak) for run in found.runs}
    )
    assert len(found.pruned) + len(found.runs) // 2 == 15
    assert "Dropped at 25%, once cooled: " in str(found)


def test_nothing_is_trained_twice(tmp_path):
    """What one rung has trained the next one goes on from, with a journal or without."""
    for journal in (None, tmp_path / "runs.db"):
        task = Bowl(tmp_path / f"notes {journal is None}")
        result = compare(task, FIVE, **ASKED, prune=Halving(), journal=journal)
        assert task.made == result.trained
        lines = task.notes.read_text().splitlines()
        trunk = [line for line in lines if line.startswith("[0, 0, 0.2]")]
        assert len(trunk) == 1


def test_cooled_forks_keep_the_winner_that_raw_losses_drop():
    """Where noise decides, ranking by the raw loss in the middle loses the best schedule."""
    shapes = FIVE | {"half cosine": rw.Cosine(to=0.1), "power": rw.Polynomial(to=0, power=2)}
    asked = {"total": 1000, "peaks": np.geomspace(0.003, 1.5, 12).tolist()}
    full = compare(Noisy(0.5), shapes, **asked)
    best = min(full.runs, key=lambda run: run.metrics["loss"])
    raw = sorted(full.runs, key=lambda run: run.losses[250])
    place = [(run.name, run.peak) for run in raw].index((best.name, best.peak))
    halving = Halving(rungs=(0.25,), keep=0.1)
    assert place >= math.ceil(halving.keep * len(raw))
    halved = compare(Noisy(0.5), shapes, **asked, prune=halving)
    assert min(run.metrics["loss"] for run in halved.runs) == best.metrics["loss"]
    assert halved.trained < full.trained / 2


def test_it_goes_on_after_an_interruption(tmp_path):
    """With a journal no rung is trained again."""
    path = tmp_path / "runs.db"
    whole = compare(Bowl(), FIVE, **ASKED, prune="halving")
    first, second = Bowl(), Bowl()
    with pytest.raises(Interrupted):
        compare(first, FIVE, **ASKED, prune="halving", journal=path, progress=stop_after(600))
    again = compare(second, FIVE, **ASKED, prune="halving", journal=path)
    assert first.made + second.made <= whole.trained + ASKED["total"]
    assert [run.metrics for run in again.runs] == [run.metrics for run in whole.runs]
    assert again.pruned == whole.pruned


def test_workers_drop_the_same():
    """The result does not depend on who trains."""
    alone = compare(Bowl(), FIVE, **ASKED, prune="halving")
    other = compare(Bowl(), FIVE, **ASKED, prune="halving", workers=2)
    assert alone.pruned == other.pruned
    assert [run.metrics for run in alone.runs] == [run.metrics for run in other.runs]


def test_who_diverges_is_dropped_first():
    """A fork without a number is behind all that have one."""
    result = compare(Bowl(), FIVE, total=200, peaks=[0.05, 5.0], prune=Halving(keep=0.5))
    assert {run.peak for run in result.runs} == {0.05}
    assert all(math.isnan(one.metric) for one in result.pruned if one.peak == 5.0)


@settings(max_examples=examples(60))
@given(st.integers(1, 400), st.floats(0.01, 0.99), st.floats(0.01, 1.0))
def test_a_fork_is_the_run_until_there_and_a_line_to_zero(total, rung, share):
    """Same rates before, then evenly from the rate it has to 0, half-open at the end."""
    (one,) = read_candidates({"c": rw.Cosine(to=0.1)}, seeds=1, peaks=[0.3], total=total)
    begins, cooled = forked(one, rung, share)
    t = len(begins.rates)
    assert t == min(max(1, round(rung * total)), total)
    assert cooled.rates[:t].tobytes() == one.rates[:t].tobytes() == begins.rates.tobytes()
    down = cooled.rates[t:]
    assert len(down) == max(1, round(share * t))
    assert down[0] == one.rates[min(t, total - 1)]
    assert (np.diff(np.append(down, 0)) < 0).all()


def test_what_cannot_be_pruned_is_refused():
    """Before anything is trained."""
    task = Bowl()
    for wrong in ({"rungs": (0.5, 0.25)}, {"rungs": ()}, {"rungs": (1.0,)}, {"keep": 0}):
        with pytest.raises(ScheduleError, match="Halving"):
            Halving(**wrong)
    with pytest.raises(ScheduleError, match="is no way to prune"):
        compare(task, FIVE, **ASKED, prune="median")
    with pytest.raises(ScheduleError, match="search for peaks"):
        compare(task, FIVE, total=100, peaks="auto", prune="halving")
    assert task.made == 0
