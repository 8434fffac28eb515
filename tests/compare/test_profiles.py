"""Performance profiles: how often a candidate is nearly the best, over tasks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratewise.choose import Profile, compare, profile
from ratewise.schedule import ScheduleError
from tests.tasks.fixtures import Valleys

PLANS = {"flat": "Hold()", "down": "Linear(to=0)"}


@pytest.fixture(scope="module")
def results():
    """The same candidates on two tasks."""
    long, short = (compare(Valleys(), PLANS, total=n, peaks=[0.05], seeds=3) for n in (200, 100))
    return {"long": long, "short": short}


@given(st.lists(st.lists(st.floats(1, 1e6), min_size=4, max_size=4), min_size=1, max_size=6))
def test_a_profile_is_a_distribution(costs):
    """ρ grows with τ to 1, someone is best on every task, and the score is ρ's mean."""
    profile = Profile(tuple(str(i) for i in range(len(costs))), np.array(costs))
    taus = np.linspace(1, 4, 3001)
    shares = np.array([profile.share(tau) for tau in taus])
    assert (np.diff(shares, axis=0) >= 0).all()
    assert shares[0].sum() >= 1 - 1e-9
    assert (profile.share(1e7) == 1).all()
    assert profile.score() == pytest.approx(shares.mean(axis=0), abs=2e-3)


def test_a_target_that_is_missed_counts_against():
    """Whoever misses the target on a task never gets that task's share, even if all miss it."""
    profile = Profile.of({"a": [100, None], "b": [200, None]})
    assert profile.share(1e9).tolist() == [0.5, 0.5]
    assert profile.score(2.0).tolist() == [0.5, 0.0]
    with pytest.raises(ScheduleError, match="one row of costs"):
        Profile(("a",), np.zeros((2, 2)))
    with pytest.raises(ScheduleError, match=r"\(0, inf\]"):
        Profile(("a",), np.zeros((1, 2)))
    with pytest.raises(ScheduleError, match="1 names of tasks for costs on 2"):
        Profile(("a",), np.ones((1, 2)), ("x",))


def test_the_table_reads_the_profile_and_the_best_score_comes_first():
    """100 against 120 and 300 against 200: within 1.25× on both, within 1× on one."""
    lines = str(Profile.of({"b": [300, 300], "a": [100, None], "c": [120, 200]})).splitlines()
    assert lines[0].split("  ")[1:] == ["within 1×", "within 1.25×", "within 2×", "score", "never"]
    assert lines[1].split() == ["c", "50%", "100%", "100%", "0.97", "–"]
    assert lines[2].split() == ["b", "0%", "0%", "50%", "0.58", "–"]
    assert lines[3].split() == ["a", "50%", "50%", "50%", "0.50", "1"]


def test_costs_are_the_updates_to_each_tasks_own_target(results):
    """One column for each comparison, named; a sequence is numbered."""
    found = profile(results)
    assert (found.tasks, set(found.names)) == (("long", "short"), {"flat", "down"})
    for i, one in enumerate(results.values()):
        for name, updates in one.time_to_target().updates.items():
            assert found.costs[found.names.index(name), i] == (updates or np.inf)
    assert profile(results.values()).tasks == ("1", "2")
    assert "long, short" in str(found)


def test_a_target_of_ones_own_stands_in_for_a_comparison(results):
    """`time_to_target` with any target may be given in its place."""
    own = results["long"].time_to_target(1.0, over=1)
    assert profile([own]).costs[:, 0].tolist() == list(own.updates.values())


def test_what_cannot_be_profiled_is_refused(results):
    """Nothing, something else, and candidates that differ are each named."""
    with pytest.raises(ScheduleError, match="at least one comparison"):
        profile([])
    with pytest.raises(ScheduleError, match="needs comparisons, got 3 for 1"):
        profile([3])  # pyright: ignore
    other = compare(Valleys(), {"flat": "Hold()", "cos": "Cosine()"}, total=40)
    with pytest.raises(ScheduleError, match="not in both of long and other: cos, down"):
        profile({**results, "other": other})


def test_the_figure_has_a_staircase_for_each_candidate():
    """It ends at the share of tasks within four times the least."""
    drawn = Profile.of({"a": [100, None], "b": [200, 90], "c": [900, 90]})
    (axes,) = drawn.figure().axes
    ends = {line.get_label(): line.get_ydata()[-1] for line in axes.lines}
    assert ends == {"a": 0.5, "b": 1.0, "c": 0.5}
