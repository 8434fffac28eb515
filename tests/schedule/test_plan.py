"""Plans: several schedules for one optimizer."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import ratewise as rw

ONE_CYCLE = rw.Plan(
    lr=rw.Cosine(to=1, start=0.04, over="30%") >> rw.Cosine(to=0),
    momentum=rw.Cosine(to=0.85 / 0.95, over="30%") >> rw.Cosine(to=1),
    peak={"lr": 3e-4, "momentum": 0.95},
)


def test_rates_are_peak_times_level():
    """Absolute rates are the peak times the levels, to the bit."""
    levels = ONE_CYCLE.lr.resolve(1000).values()
    assert np.array_equal(ONE_CYCLE.rates(1000), 3e-4 * levels)
    assert ONE_CYCLE.rates(1000, key="momentum")[300] == pytest.approx(0.85, rel=1e-12)


def test_groups_have_their_own_schedule_and_peak():
    """A group's own schedule and peak count first; the rest comes from the plan."""
    head = rw.Plan(lr=rw.Hold(), peak={"lr": 1e-3})
    plan = rw.Plan(lr=rw.Linear(), groups={"head": head, "body": rw.Hold(0.5)}, peak={"lr": 1e-4})
    assert (plan.rates(10, group="head") == 1e-3).all()
    assert (plan.rates(10, group="body") == 0.5e-4).all()


def test_a_plan_is_a_value():
    """Plans compare, hash, pickle and read back; notes do not count."""
    again = pickle.loads(pickle.dumps(ONE_CYCLE))
    assert again == ONE_CYCLE
    assert hash(again) == hash(ONE_CYCLE)
    assert rw.parse(repr(ONE_CYCLE)) == rw.from_dict(ONE_CYCLE.to_dict()) == ONE_CYCLE
    assert rw.Plan(lr=rw.Hold(), notes=("read it",)) == rw.Plan(lr=rw.Hold())
    with pytest.raises(rw.ScheduleError, match="frozen"):
        ONE_CYCLE.peak["lr"] = 1.0


def test_resolving_a_plan_resolves_all_of_it():
    """Every schedule of a plan, those of groups too, gets the same run."""
    plan = rw.Plan(lr=rw.Cosine(), keys={"eps": rw.Linear()}, groups={"head": rw.Sqrt()})
    resolved = plan.resolve(100)
    assert resolved.lr.length == resolved.keys["eps"].length == 100
    assert resolved.groups["head"].lr.length == 100


def test_unknown_peaks_and_keys_are_refused():
    """What cannot be listed says what is missing."""
    with pytest.raises(rw.ScheduleError, match="has no peak"):
        rw.Plan(lr=rw.Cosine()).rates(10)
    with pytest.raises(rw.ScheduleError, match="is not scheduled"):
        ONE_CYCLE.rates(10, key="eps")
    with pytest.raises(rw.ScheduleError, match="not a group"):
        ONE_CYCLE.rates(10, group="head")
