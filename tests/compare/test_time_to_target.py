"""Time to a target: what is counted, who sets the target, and who never gets there."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ratewise as rw
from ratewise.choose import Comparison, Record, compare
from ratewise.compare.time_to_target import half, trailing_mean, updates_to
from ratewise.schedule import ScheduleError
from tests.tasks.fixtures import Valley, Valleys

LOSSES = st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=40)


def record(name, losses, seed=0, final=None, peak=1e-3, metric="loss"):
    losses = np.array(losses, dtype=float)
    final = float(losses[-1]) if final is None else final
    return Record(name, "Hold()", peak, seed, {metric: final}, losses, np.full(len(losses), peak))


def compared(*runs, higher=False, metric="loss"):
    return Comparison(runs, metric, higher, trained=1, asked=1)


def falling(total, to, start=2.0):
    return np.linspace(start, to, total)


@given(LOSSES, st.integers(1, 45))
def test_a_trailing_mean_is_the_mean_of_the_last_values(values, over):
    """Each value is numpy's mean of its window, and there is none before a window is full."""
    means = trailing_mean(values, over)
    assert np.isnan(means[: over - 1]).all()
    windows = [values[i - over + 1 : i + 1] for i in range(over - 1, len(values))]
    assert means[over - 1 :] == pytest.approx([np.mean(one) for one in windows], rel=1e-12)


@given(LOSSES, st.integers(1, 10))
def test_a_trailing_mean_looks_back_only(values, over):
    """What comes later changes no mean before it, to the bit."""
    for cut in range(1, len(values)):
        shorter = trailing_mean(values[:cut], over)
        assert shorter.tobytes() == trailing_mean(values, over)[:cut].tobytes()


def test_a_trailing_mean_forgets_what_came_before():
    """Neither a NaN nor a loss of 1e30 is felt once it is out of the window."""
    quiet = np.full(20, 1e-4)
    for loud in (math.nan, math.inf, 1e30):
        means = trailing_mean([1.0, loud, *quiet], 5)
        assert means[6:] == pytest.approx(1e-4, rel=1e-14)
        assert not (means[4:6] < 1).any()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.floats(0, 1))
def test_the_first_update_at_the_target_is_found(values, target):
    """Before it nothing was good enough, at it something is."""
    found = updates_to(target, values)
    if found is None:
        assert min(values) > target
    else:
        assert values[found - 1] <= target
        assert all(value > target for value in values[: found - 1])


def test_nan_reaches_no_target():
    """A diverged run is never there; more can be better."""
    assert updates_to(0.5, [math.nan, math.nan]) is None
    assert updates_to(0.5, [0.1, 0.7, math.nan], [10, 20, 30], higher=True) == 20
    with pytest.raises(ScheduleError, match="as many steps as values"):
        updates_to(0.5, [0.1], [1, 2])


@given(st.lists(st.one_of(st.integers(1, 100), st.just(math.inf)), min_size=1, max_size=9))
def test_by_the_median_half_of_the_seeds_are_there(values):
    """At least half are there by it, and by no smaller number; never if more than half are not."""
    found = half(values)
    by = sum(value <= (math.inf if found is None else found) for value in values)
    assert 2 * by >= len(values)
    if found is None:
        assert 2 * sum(map(math.isfinite, values)) < len(values)
    else:
        assert 2 * sum(value < found for value in values) < len(values)


@given(st.integers(1, 6), st.integers(20, 90), st.integers(0, 10**6), st.floats(0.01, 0.5))
def test_the_best_candidate_reaches_the_target_that_it_sets(seeds, total, seed, over):
    """However noisy its losses, at least half of its seeds get there, by the end at the latest."""
    random = np.random.default_rng(seed)
    losses = {name: random.lognormal(size=(seeds, total)) for name in ("a", "b")}
    runs = [record(n, losses[n][s], s, final) for final, n in enumerate("ab") for s in range(seeds)]
    found = compared(*runs).time_to_target(over=over)
    (best, _) = found.candidates
    assert (best.name, found.set_by) == ("a", "a")
    assert best.updates is not None
    assert found.over <= best.updates <= total
    assert 2 * best.seeds >= seeds


def test_the_target_is_the_median_of_the_means_at_the_ends_of_the_best():
    """5 % of 100 updates is 5: the mean of the last five, its median over three seeds."""
    runs = [record("a", falling(100, to), s, 0.1) for s, to in enumerate((0.4, 0.1, 0.2))]
    found = compared(*runs, record("b", falling(100, 1.0), 0)).time_to_target()
    assert found.over == 5
    assert found.target == pytest.approx(np.mean(falling(100, 0.2)[-5:]), rel=1e-14)
    assert found.updates["a"] == 100
    assert found.candidates[0].each[0] is None
    assert (found.updates["b"], found.candidates[1].seeds) == (None, 0)


def test_a_target_of_ones_own_is_counted_on_every_seed():
    """From 2 to 0 in 101 equal steps, without a mean, 1 is reached by update 51."""
    runs = [record("a", falling(101, 0.0), s) for s in range(2)]
    found = compared(*runs).time_to_target(1.0, over=1)
    assert found.candidates[0].each == (51, 51)
    assert found.set_by is None
    smooth = compared(*runs).time_to_target(1.0, over=11)
    assert smooth.updates == {"a": 56}


def test_a_run_that_did_not_finish_never_gets_there():
    """However low its loss was before it diverged; if no run finished there is no target."""
    lost = [0.01] * 50 + [math.nan] * 50
    result = compared(
        *(record("a", falling(100, 0.1), s) for s in range(2)),
        record("b", lost, 0, math.nan), record("b", falling(100, 0.1), 1),
    )  # fmt: skip
    b = result.time_to_target().candidates[1]
    assert (b.each, b.seeds, str(b)) == ((None, 100), 1, "100 (1/2)")
    lone = compared(record("a", lost, 0, math.nan))
    assert math.isnan(lone.time_to_target().target)
    assert lone.time_to_target().updates == {"a": None}
    assert "updates to" not in lone.table()
    assert lone.to_dict()["time_to_target"]["target"] is None


def test_all_runs_are_smoothed_alike_and_too_short_ones_never_arrive():
    """The window is that of the best candidate's total, for longer and shorter runs too."""
    result = compared(
        record("a", falling(200, 0.1)), record("b", falling(400, 0.2)), record("c", [0.5] * 8)
    )
    found = result.time_to_target()
    assert found.over == 10
    assert found.updates == {"a": 200, "b": None, "c": None}
    assert result.time_to_target(0.6, over=8).updates["c"] == 8


def test_a_metric_is_measured_once_at_the_end():
    """Its time is the whole run, or never; so it is where no training losses are known."""
    unknown = np.full(40, math.nan)
    runs = [
        record("a", unknown, 0, 0.9, metric="accuracy"),
        record("b", unknown[:20], 0, 0.7, metric="accuracy"),
    ]
    result = compared(*runs, higher=True, metric="accuracy")
    assert result.time_to_target().of == "accuracy"
    assert result.time_to_target().updates == {"a": 40, "b": None}
    assert result.time_to_target(0.7, metric=True).updates == {"a": 40, "b": 20}


def test_a_comparison_says_it_everywhere(valleys: Valleys):
    """Table, text and dict have the same numbers, and those are of the best peaks' losses."""
    plans = {"flat": "Hold()", "down": rw.Hold() >> rw.Linear(to=0, over="50%")}
    result = compare(valleys, plans, total=200, peaks=[0.03, 0.05], seeds=3)
    found = result.time_to_target()
    for one in found.candidates:
        for run, updates in zip(result.best(one.name), one.each, strict=True):
            alone = Valley(run.seed).train(run.rates)
            means = [alone[t - 10 : t].mean() for t in range(10, 201)]
            assert updates == next((t for t, s in enumerate(means, 10) if s <= found.target), None)
    head, *lines = result.table().splitlines()
    assert head.endswith(f"updates to {found.target:.3g}")
    for line, one in zip(lines, found.candidates, strict=True):
        assert line.endswith(str(one))
    assert found.text in str(result)
    assert json.loads(json.dumps(result.to_dict()))["time_to_target"] == found.to_dict()
    assert str(found).splitlines()[1].startswith(result.standings[0].name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"target": math.nan}, "needs target in"),
        ({"target": "low"}, "needs target in"),
        ({"over": "5 moons"}, "needs over as a length"),
        ({"over": 300}, "over=300, longer than the run of 200"),
        ({"over": -1}, "needs over as a whole number"),
    ],
)
def test_what_cannot_be_a_target_is_refused(words, message):
    """The error names what was given."""
    with pytest.raises(ScheduleError, match=message):
        compared(record("a", falling(200, 0.1))).time_to_target(**words)
