"""Listening schedules as state machines: pure, resumable, replayable."""

from __future__ import annotations

import copy
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ratewise as rw
from tests.examples import examples
from tests.feedback.strategies import evaluations, schedules

many = settings(max_examples=examples(150), deadline=None)
TOTAL = 60


def run(machine, metrics, state=None, start=0):
    """The levels of a run, and the state it ends in."""
    state, by_update, levels = state or machine.init(), dict(metrics), []
    for t in range(start, TOTAL):
        if t in by_update:
            state = machine.observe(state, t, by_update[t])
        levels.append(machine.level(state, t))
    return levels, state


@many
@given(schedules(), evaluations())
def test_replay_is_the_run(schedule, metrics):
    """The open-loop schedule of a run's record has the run's levels, to the last bit."""
    machine = schedule.machine()
    levels, state = run(machine, metrics)
    replayed = schedule.replay(json.loads(json.dumps(machine.log(state))))
    assert not replayed.listens
    assert replayed.values(TOTAL).tolist() == levels
    assert rw.parse(repr(replayed)) == replayed
    assert all(math.isfinite(level) and level >= 0 for level in levels)


@many
@given(schedules(), evaluations(), st.integers(0, TOTAL))
def test_resume_at_any_update_is_the_uninterrupted_run(schedule, metrics, cut):
    """A state saved as JSON and loaded elsewhere goes on as if nothing had happened."""
    levels, state = run(schedule.machine(), metrics)
    half = schedule.machine()
    before, by_update = half.init(), dict(metrics)
    for t in range(cut):
        if t in by_update:
            before = half.observe(before, t, by_update[t])
    saved = json.loads(json.dumps(before))
    again = rw.from_dict(schedule.to_dict()).machine()
    after, last = run(again, metrics, saved, cut)
    assert after == levels[cut:]
    assert json.dumps(last) == json.dumps(state)


@many
@given(schedules(), evaluations())
def test_states_are_never_changed(schedule, metrics):
    """Observing returns a new state and leaves the old one as it was."""
    machine = schedule.machine()
    state = machine.init()
    for t, values in metrics:
        kept = copy.deepcopy(state)
        new = machine.observe(state, t, values)
        assert json.dumps(state) == json.dumps(kept)
        state = new


@many
@given(schedules(), evaluations())
def test_order_within_an_evaluation_does_not_matter(schedule, metrics):
    """Metrics shown one by one, in either order, decide what they decide together."""
    machine = schedule.machine()
    forth = back = both = machine.init()
    for t, values in metrics:
        both = machine.observe(both, t, values)
        for name in sorted(values):
            forth = machine.observe(forth, t, {name: values[name]})
        for name in sorted(values, reverse=True):
            back = machine.observe(back, t, {name: values[name]})
    decided = [[m["decisions"] for m in s["moves"].values()] for s in (forth, back, both)]
    assert decided[0] == decided[1] == decided[2]


@many
@given(evaluations())
def test_metrics_during_the_warm_up_change_nothing(metrics):
    """What is measured before a plateau is on does not count for it."""
    schedule = (rw.Warmup(61) >> rw.Plateau("loss", patience=0, factor=0.5)).resolve(100)
    machine = schedule.machine()
    state = machine.init()
    for t, values in metrics:
        state = machine.observe(state, t, values)
    assert state["moves"] == machine.init()["moves"]


def test_shown_twice_at_one_update_is_shown_once():
    """An evaluation that is repeated at the same update does not count again."""
    machine = rw.Plateau("loss", patience=1, factor=0.5).machine()
    state = machine.observe(machine.init(), 0, {"loss": 1.0})
    for _ in range(5):
        state = machine.observe(state, 10, {"loss": 1.0})
    assert machine.level(state, 10) == 1.0


def test_nan_is_no_improvement_and_is_recorded():
    """NaN counts as a bad observation, never becomes the best, and is kept count of."""
    machine = rw.Plateau("loss", patience=1, factor=0.5).machine()
    state = machine.init()
    for t, loss in enumerate([1.0, math.nan, math.nan, 0.5]):
        state = machine.observe(state, t, {"loss": loss})
    (one,) = state["moves"].values()
    assert one["nans"] == 2
    assert one["best"] == 0.5
    assert one["decisions"] == [[2, 0.5]]


def test_a_missing_metric_is_no_observation():
    """An evaluation without the metric changes no count and no level."""
    machine = rw.Plateau("loss", patience=0, factor=0.5).machine()
    state = machine.observe(machine.init(), 0, {"loss": 1.0, "other": 1.0})
    for t in range(1, 5):
        state = machine.observe(state, t, {"other": 1.0})
    (one,) = state["moves"].values()
    assert (one["bad"], one["missing"]) == (0, 4)
    assert machine.level(state, 9) == 1.0


@pytest.mark.parametrize("names", [["val_los"], ["eval_accuracy", "epoch"]])
def test_a_misspelt_metric_is_refused_with_the_names_that_were_seen(names):
    """When an evaluation comes round and the name was never in one, the error lists what was."""
    machine = rw.Plateau("val_loss").machine()

    def evaluate_twice():
        state = machine.init()
        for t in range(2):
            state = machine.observe(state, t, dict.fromkeys(names, 1.0))

    with pytest.raises(rw.ScheduleError) as caught:
        evaluate_twice()
    assert all(name in str(caught.value) for name in names)


def test_metrics_of_several_evaluation_sets_may_come_one_after_the_other():
    """A name that comes in the second half of an evaluation is waited for."""
    machine = rw.Plateau("b_loss", patience=0, factor=0.5).machine()
    state = machine.init()
    for t in range(3):
        state = machine.observe(state, t, {"a_error": 1.0})
        state = machine.observe(state, t, {"b_loss": 1.0})
    assert machine.level(state, 3) == 0.25


def test_what_is_no_number_is_refused():
    """A metric that cannot be a float is refused by name."""
    machine = rw.Plateau("loss").machine()
    with pytest.raises(rw.ScheduleError, match="show it a number"):
        machine.observe(machine.init(), 0, {"loss": "low"})


def test_a_listening_schedule_has_no_levels_without_metrics():
    """Asked for a level that depends on a metric, it says what to do instead."""
    schedule = (rw.Warmup(5) >> rw.Plateau("loss")).resolve(20)
    assert schedule(4) == pytest.approx(5 / 6)
    with pytest.raises(rw.ScheduleError, match=r"s.simulate\(metrics, …\)"):
        schedule(10)
    with pytest.raises(rw.ScheduleError, match="cannot listen inside a Repeat"):
        rw.Repeat(rw.Plateau("loss"), every=10).resolve(20).machine()


@pytest.mark.parametrize("best", [-1.0, 1.0, 0.0])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_relative_thresholds_are_right_for_negative_metrics(best, mode):
    """Slightly worse is never better, whatever the sign of the metric."""
    worse = best + (5e-5 if mode == "min" else -5e-5)
    machine = rw.Plateau("loss", mode=mode, patience=0, factor=0.5, threshold=1e-4).machine()
    state = machine.observe(machine.init(), 0, {"loss": best})
    state = machine.observe(state, 1, {"loss": worse})
    assert machine.level(state, 1) == 0.5


def test_early_cool_finds_its_own_length():
    """The stable phase ends at the plateau, the cooldown follows, and the run may stop."""
    schedule = (rw.Warmup(10) >> rw.EarlyCool("loss", patience=2, decay="50%")).resolve(1000)
    losses = {t: max(1 - t / 100, 0.5) for t in range(0, 1000, 10)}
    sim = schedule.simulate({t: {"loss": loss} for t, loss in losses.items()})
    assert repr(sim.schedule).startswith("Warmup(10) >> Hold(1, over=70) >> Linear(to=0, over=35)")
    assert sim.stops == 120
    assert [d.update for d in sim.decisions] == [80]


def test_early_cool_without_a_plateau_cools_in_time():
    """If the metric never stops improving, the cooldown still ends with the run."""
    schedule = rw.EarlyCool("loss", decay="25%").resolve(1000)
    sim = schedule.simulate([(t, {"loss": -float(t)}) for t in range(0, 1000, 10)])
    levels = sim.values(1000)
    assert (levels[:800] == 1).all()
    assert levels[-1] == pytest.approx(1 / 200)


def test_divergence_backs_off_and_recovers():
    """An exploding loss lowers the rate at once, calm brings it back step by step."""
    schedule = rw.Divergence("loss", factor=0.5, recover=2).resolve(20)
    losses = [1.0, 0.9, 5.0, math.nan, 0.9, 0.8, 0.8, 0.7, 0.7]
    sim = schedule.simulate([(t, {"loss": loss}) for t, loss in enumerate(losses)])
    assert sim.values(9).tolist() == [1, 1, 0.5, 0.25, 0.25, 0.5, 0.5, 1, 1]
