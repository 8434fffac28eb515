"""One store for what feedback schedules were shown, whatever framework measures."""

from __future__ import annotations

import pytest

import ratewise as rw
from ratewise.adapters.feedback import FeedbackStore, Listener, schedules_by_place

PLATEAU = rw.Plateau("val_loss", factor=0.5, patience=0)
PLAN = rw.Plan(lr=PLATEAU, groups={"head": rw.Plateau("accuracy", mode="max", patience=0)})


def store(plan: rw.Plan = PLAN) -> FeedbackStore:
    found = schedules_by_place(plan).items()
    return FeedbackStore({place: Listener(s.machine()) for place, s in found if s.listens})


def test_all_are_shown_a_metric_or_none() -> None:
    """A value that one of them cannot take changes no state."""
    feedback = store()
    before = feedback.states()
    with pytest.raises(rw.ScheduleError, match="show it a number"):
        feedback.observe(1, {"val_loss": 1.0, "accuracy": "good"})
    assert feedback.states() == before
    assert feedback.metrics() == ["accuracy", "val_loss"]


def test_a_misspelt_metric_is_refused_when_others_come_again() -> None:
    """The first evaluation may be a part; at the second everything has been seen."""
    feedback = store()
    feedback.observe(1, {"val_loss": 1.0, "acuracy": 0.5})
    with pytest.raises(rw.ScheduleError, match="did you mean acuracy"):
        feedback.observe(2, {"val_loss": 1.0, "acuracy": 0.5})


def test_parts_are_expected_where_a_framework_measures_in_parts() -> None:
    """Then a metric that does not come is for `check` to refuse."""
    feedback = store()
    feedback.expect_parts()
    for t in (1, 2, 3):
        feedback.observe(t, {"val_loss": 1.0})
    feedback.check(["val_loss"], sure=False)
    with pytest.raises(rw.ScheduleError, match="waits for accuracy"):
        feedback.check(["val_loss"])
    with pytest.raises(rw.ScheduleError, match="did you mean acuracy"):
        feedback.check(["val_loss", "acuracy"], typos=["acuracy"], sure=False)


def test_states_come_back_and_others_are_refused() -> None:
    """What was saved goes on; the state of another schedule changes nothing."""
    feedback, again = store(), store()
    feedback.observe(4, {"val_loss": 1.0, "accuracy": 0.5})
    again.restore("load", feedback.states())
    assert again.states() == feedback.states()
    with pytest.raises(rw.ScheduleError, match="load got a state that is damaged"):
        again.restore("load", {"lr": {"moves": {"7": {}}}})
    assert again.states() == feedback.states()


def test_a_plan_is_replayed_with_its_groups() -> None:
    """What was decided is in the open-loop plan; what listens to nothing stays."""
    plan = rw.Plan(lr=PLATEAU, momentum=rw.Hold(), groups={"head": PLATEAU})
    feedback = store(plan)
    for t in (5, 10):
        feedback.observe(t, {"val_loss": 1.0})
    replayed = feedback.replayed(plan)
    assert replayed.momentum == rw.Hold()
    for part in (replayed, replayed.groups["head"]):
        assert part.lr is not None
        assert part.lr.resolve(20).values()[[0, 9, 10, 19]].tolist() == [1, 1, 0.5, 0.5]


def test_a_listener_looks_ahead_as_it_goes() -> None:
    """All at once and one by one, the levels are the same to the last bit."""
    feedback = store(rw.Plan(lr=PLATEAU))
    feedback.observe(3, {"val_loss": 1.0})
    feedback.observe(6, {"val_loss": 2.0})
    one = feedback.listeners["lr"]
    assert one.ahead(20, 0).tolist() == one.values(20).tolist()
